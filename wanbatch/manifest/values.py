"""What is wrong with one value: its type, its limits, its form; in words, with what to write instead.

Knows how the language calls its parts, and the validator's errors; knows no places.
"""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from wanbatch.manifest import foreign

if TYPE_CHECKING:
    from jsonschema import ValidationError  # not loaded until something is wrong

DataPath = tuple[str | int, ...]

BLOCK = "a block of `key: value` lines"
TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": BLOCK,
}
LISTS = {
    "scenes": "write the scenes below `scenes:`, each starting with `- id: `",
    "shots": "write the shots below `shots:`, each starting with `- seconds: `",
}
BLOCKS = {
    "style": "suffix: Shot on 35 mm film.",
    "matrix": "city: [Paris, Tokyo]",
    "vars": "hero: a detective",
    "profiles": "draft: {resolution: 720P}",
}
ENTRIES = {"tags": "a tag", "accounts": "an account", "models": "a model"}
COMBINATIONS = ("include", "exclude")
AMOUNTS = ("per_run", "per_day")
NEEDED = frozenset({"wanbatch", "id", "seconds"})
"""Keys that cannot be left out."""
NAMES = "at most 64 letters a–z, digits, `.`, `_`, `-`, a letter or digit first"
SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:s|sec|secs|seconds?|秒)?\Z")
THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:[,_][0-9]{3}){1,4}\Z|[1-9][0-9]{0,9}_[0-9]{1,9}\Z")
DECIMAL_COMMA = re.compile(r"([0-9]{1,6}),([0-9]{1,2})\Z")
MINUTES = re.compile(r"([0-9]{1,6}(?:\.[0-9]+)?) ?(m|h)(?:in|ins|inutes?|r|rs|ours?)?\Z")
AMOUNT = re.compile(
    r"(?:(?:¥|￥|RMB|CNY|\$|US\$|USD) ?)?([0-9]{1,9}(?:\.[0-9]{1,2})?) ?(?:[¥￥元块$]|RMB|CNY|USD|yuan|dollars?)?\Z",
    re.IGNORECASE,
)
TRUE = ("yes", "y", "on", "true", "1", "enabled", "是")
FALSE = ("no", "n", "off", "false", "0", "disabled", "否")


class Fault(NamedTuple):
    """One mismatch: where in the data, whether the key itself is meant, and what to say."""

    path: DataPath
    key: bool
    code: str
    message: str
    """For a value that quotes would make right, with {} for the value as it is written; so is the hint."""
    hint: str = ""
    quote: bool = False
    meant: tuple[str, ...] = ()
    """The key that a wrong one was probably meant to be; the keys that would fill a gap."""
    mark: str = ""
    """What of the value, or of the key, is wrong, as it stands in the file; the caret goes there."""


def shown(value: object) -> str:
    """Return a value as it would stand in the manifest, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return BLOCK
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else f"{value}"
    return text if len(text) <= 50 else f"{text[:48]}…"


def nearest(word: object, known: list[str]) -> str | None:
    """Return the name that was probably meant."""
    from difflib import get_close_matches

    by_fold = {name.casefold(): name for name in known}
    match = get_close_matches(str(word).casefold(), by_fold, n=1, cutoff=0.7)
    return by_fold[match[0]] if match else None


def choice(value: object, allowed: list[Any]) -> str:
    """Return a hint that lists what is allowed, the nearest first in words."""
    names = [shown(one).strip("'") for one in allowed]
    meant = nearest(value, names)
    listed = f"one of {', '.join(names)}" if len(names) > 1 else f"write {names[0]}"
    return f"did you mean {meant}? {listed}" if meant and len(names) > 1 else listed


def last_name(path: DataPath) -> str:
    """Return what the value at `path` is called."""
    if not path:
        return "the manifest"
    if isinstance(path[-1], str):
        return path[-1]
    around = str(path[-2]) if len(path) > 1 else ""
    if path[-3:-2] == ("matrix",) and around not in COMBINATIONS:
        return around
    return ENTRIES.get(around, "this")


def empty(path: DataPath) -> Fault:
    """Return the fault of a key without a value."""
    name = last_name(path)
    if not path:
        return Fault(path, False, "E101", f"{name} is empty", "wanbatch init writes a first one")
    if name in LISTS:
        return Fault(path, False, "E101", f"{name} has no entries", LISTS[name])
    remove = "" if name in NEEDED else ", or remove the line"
    where = f" after `{name}:`" if isinstance(path[-1], str) else ""
    return Fault(path, False, "E101", f"{name} has no value", f"write one{where}{remove}")


def typed(path: DataPath, error: "ValidationError") -> Fault:
    """Return the fault of a value of the wrong type, with what would make it right."""
    asked = expected(error)
    wanted, name = asked if isinstance(asked, str) else asked[0], last_name(path)
    value: Any = error.instance
    if value is None:
        return empty(path)
    if wanted == "string" and isinstance(value, int | float):
        if name in AMOUNTS:
            return Fault(path, False, "E101", name + " is {}, but must be an amount and its currency",
                         "write {} CNY, or another currency", quote=True)  # fmt: skip
        return Fault(path, False, "E101", name + " is {}, but must be text", 'quote it: "{}"', quote=True)
    if wanted == "object" and isinstance(value, str) and (odd := foreign.keyed(value)):
        return Fault(path, False, "E101", odd.message, odd.hint, mark=value[odd.start])
    message = f"{name} is {shown(value)}, but must be {TYPES.get(wanted, wanted)}"
    return Fault(path, False, "E101", message, type_hint(path, wanted, value, error.schema))


def type_hint(path: DataPath, wanted: str, value: Any, schema: Any) -> str:
    """Return what to write instead of a value of the wrong type: what was meant, or the schema's own example."""
    if said := foreign.value_hint(last_name(path), value):
        return said
    match wanted, value:
        case "integer", float() if value.is_integer() and schema["minimum"] <= value <= schema["maximum"]:
            return f"write {int(value)}"
        case "integer" | "number", str():
            return number_hint(wanted, value, schema)
        case "boolean", _ if (word := foreign.plain(str(value)).casefold()) in (*TRUE, *FALSE):
            return f"write {'true' if word in TRUE else 'false'}"
        case "string", list() if last_name(path) == "include":
            return (
                f"an entry for each: `- include: {next((one for one in value if isinstance(one, str)), 'more/*.yaml')}`"
            )
        case "string", list() if value and all(isinstance(one, str) for one in value):
            return f"write it as one text: {', '.join(value)[:60]}"
        case "array", str():
            return f"write {foreign.listed(value[:80])}"
        case "array", dict():
            return LISTS.get(last_name(path), "start each entry with `- `")
        case "object", _:
            return block_hint(path, value)
        case _:
            return for_example(schema)


def for_example(schema: Any) -> str:
    """Return the schema's own example in words; empty without one."""
    example = next((one for one in schema.get("examples", ()) if isinstance(one, str | int | float)), None)
    return "" if example is None else f"for example {shown(example).strip(chr(39))}"


def number_hint(wanted: str, value: str, schema: Any) -> str:
    """Return what to write instead of a text where a number is asked for."""
    written = foreign.plain(value)
    if (number := meant_number(written, schema)) is not None and (wanted == "number" or "." not in number):
        return f"write {number}"
    match = SECONDS.match(written)
    if match is None:
        return for_example(schema)
    if wanted != "number" and "." in match[1]:
        return f"write a whole number, {for_example(schema)}"
    if written != value.strip():
        return f"write {match[1]}, with half-width digits"
    return f"write {match[1]}, without {'quotes' if match[1] == written else 'unit'}"


def meant_number(written: str, schema: Any) -> str | None:
    """Return the number that a text stands for elsewhere, `010`, `0x10`, `1_000`, `+2`, `2,5`, `5m`; None for none."""
    if THOUSANDS.match(written):
        number = float(written.replace(",", "").replace("_", ""))
    elif match := DECIMAL_COMMA.match(written):
        number = float(f"{match[1]}.{match[2]}")
    elif match := MINUTES.match(written):
        number = float(match[1]) * (60 if match[2] == "m" else 3600)
    elif re.match(r"0[xX][0-9a-fA-F]{1,15}\Z", written):
        number = float(int(written, 16))
    elif re.match(r"\+[0-9]{1,15}\Z|0[0-9]{1,15}\Z", written):
        number = float(written)
    else:
        return None
    return f"{number:.15g}" if schema.get("minimum", number) <= number <= schema.get("maximum", number) else None


def block_hint(path: DataPath, value: Any) -> str:
    """Return what to write where a block of `key: value` lines is asked for."""
    if not path:
        if isinstance(value, str) and value.lstrip().startswith("curl "):
            return "a curl command: wanbatch import makes a manifest of it"
        said = "the first line is `wanbatch: 1`; the scenes stand below `scenes:`"
        return f"{said}; of a file of prompts wanbatch import makes a manifest" if isinstance(value, str) else said
    scalars = isinstance(value, list) and value and not any(isinstance(one, dict) for one in value)
    if isinstance(value, list) and not (scalars and last_name(path) in BLOCKS):
        return "write its keys without `- ` in front"
    if path[:1] == ("profiles",) and len(path) == 2:
        return f"give the profile a name: `{BLOCKS['profiles']}`"
    if last_name(path) == "style" and isinstance(value, str) and '"' not in value and len(value) <= 60:
        return f'write `style: {{suffix: "{value.strip()}"}}`'
    if last_name(path) == "retries" and isinstance(value, int) and 0 <= value <= 10:
        return f"write `retries: {{service: {value}}}`"
    if example := BLOCKS.get(last_name(path)):
        return f"for example `{example}`"
    if "shots" in path:
        return "write `- seconds: 3` and below it `prompt: …`"
    return "write `- id: alley` and below it `prompt: …`" if "scenes" in path else "write `key: value` lines below it"


def expected(error: "ValidationError") -> Any:
    """Return what the failed keyword asks for: its value in the schema."""
    return error.validator_value


def limited(path: DataPath, error: "ValidationError") -> Fault | None:
    """Return the fault of a value outside a limit."""
    value: Any = error.instance
    limit, name = expected(error), last_name(path)
    match error.validator:
        case "minimum" | "exclusiveMinimum":
            more = "more than" if error.validator == "exclusiveMinimum" else "at least"
            hint = foreign.value_hint(name, value) or f"{more} {limit}"
            return Fault(path, False, "E104", beyond(name, value, limit, "too small"), hint)
        case "maximum":
            return Fault(path, False, "E104", beyond(name, value, limit, "too large"), f"at most {limit}")
        case "multipleOf":
            message = f"{name} {shown(value)} is not a multiple of {limit}"
            near = max(limit, round(value / limit) * limit)
            return Fault(path, False, "E104", message, f"write {near:g}: the steps are half seconds")
        case "minLength":
            return Fault(path, False, "E107", f"{name} is empty", "write something, or remove the line")
        case "minItems" | "minProperties":
            return Fault(path, False, "E107", f"{name} has no entries", LISTS.get(name, "write one"))
        case "maxLength" | "maxItems":
            unit = "characters" if error.validator == "maxLength" else "entries"
            message = f"{name} has {len(value):,} {unit}, the limit is {limit:,}"
            where = path if isinstance(value, str) else (*path, limit)
            return Fault(where, False, "E106", message, f"take away {len(value) - limit:,}")
        case "uniqueItems":
            at = next((index for index, one in enumerate(value) if one in value[:index]), 0)
            where = path if value[at] is None else (*path, at)
            return Fault(where, False, "E108", f"{name} holds {shown(value[at])} twice", "keep one")
        case _:
            return None


def beyond(name: str, value: object, limit: object, how: str) -> str:
    """Say that a value is outside a limit; a duration's is the model's own."""
    if name != "duration":
        return f"{name} {shown(value)} is {how}"
    from wanbatch.service import catalog

    side = "over the limit" if how == "too large" else "under the minimum"
    return f"{name} {shown(value)} s is {side} of {limit} s ({next(iter(catalog.families()))})"


def formed(path: DataPath, error: "ValidationError") -> Fault:
    """Return the fault of a text that does not look as it must."""
    name, value = last_name(path), str(error.instance)
    if "propertyNames" in error.absolute_schema_path:
        return misnamed(path, value)
    if name in AMOUNTS and (said := amount_hint(value)):
        return Fault(path, False, "E105", f"{name} {shown(value)} is not allowed", said)
    hint = {
        "id": f"{NAMES}; free text goes into `title`",
        "audio_url": "the service fetches it: an address that starts with https:// or http://",
        "name": "it names a folder: no slash, no @, no dot in front",
        **dict.fromkeys(AMOUNTS, "an amount and its currency, CNY or USD: 30 CNY, 4.50 USD"),
        "an account": "its name in the configuration: letters, digits, `.`, `_`, `-`",
    }.get(name, "")
    near = re.sub(r"[^A-Za-z0-9._]+", "-", foreign.plain(value[:64])).strip("-._")
    if name == "id" and near:
        hint = f"for example {near}; {hint}"
    return Fault(path, False, "E105", f"{name} {shown(value)} is not allowed", hint)


def amount_hint(value: str) -> str:
    """Return an amount in the language's words: `¥200`, `200元`, `$20`; empty for what is none."""
    match = AMOUNT.match(value.strip())
    if match is None:
        return ""
    sign = value.replace(match[1], "").strip().casefold()
    if not sign:
        return ""
    return f"write {match[1]} {'USD' if '$' in sign or 'd' in sign else 'CNY'}"


def misnamed(path: DataPath, name: str) -> Fault:
    """Return the fault of a key that is the user's own name for something, and cannot be one."""
    what = {"vars": "variable", "matrix": "axis", "profiles": "profile"}.get(last_name(path), "key")
    near = re.sub(r"[^A-Za-z0-9]+", "_", foreign.plain(name[:64])).strip("_").lstrip("0123456789_")
    rule = "letters, digits and `_`, not a digit first"
    if what == "profile":
        rule = "at most 32 letters, digits, `_` and `-`, a letter or digit first"
        near = re.sub(r"[^A-Za-z0-9_]+", "-", foreign.plain(name[:32])).strip("-_")
    hint = f"for example {near}; {rule}" if near and near != name else rule
    return Fault((*path, name), True, "E105", f"{what} name {shown(name)} is not allowed", hint)


def unlisted(path: DataPath, error: "ValidationError") -> Fault:
    """Return the fault of a value that is none of those allowed."""
    name, value, allowed = last_name(path), error.instance, expected(error)
    message = f"{name} {shown(value)} is not known"
    if isinstance(value, list | dict):
        message = f"{name} is {shown(value)}, but must be text"
    hint = foreign.value_hint(name, value)
    if not hint and isinstance(value, str) and (straight := foreign.plain(value).strip("\"'")) != value:
        hint = f"write {straight}, with half-width characters" if straight in allowed else choice(straight, allowed)
    return Fault(path, False, "E105", message, hint or choice(value, allowed))
