"""What the JSON Schemas say, in words for people: the allowed values, the nearest name, what to write instead.

Knows jsonschema and how the language calls its parts; knows no places. Nothing of the validator's own
language gets out of here.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

DataPath = tuple[str | int, ...]


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


def strictly_integer(_checker: object, value: object) -> bool:
    """JSON Schema counts 5.0 as an integer; the service's gateways do not."""
    return isinstance(value, int) and not isinstance(value, bool)


STRICT_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", strictly_integer)
StrictValidator: Any = extend(Draft202012Validator, type_checker=STRICT_TYPES)  # type: ignore[no-untyped-call]

ELSEWHERE = {
    "size": ("resolution", "wan2.6's `size` is `resolution` (720P, 1080P) and `ratio` (16:9 …) here"),
    "shot_type": ("", "wan2.7 has no shot_type: write `shots`, or describe the shots in the prompt"),
    "parameters": ("", "the parameters stand in the scene itself: resolution, ratio, duration, seed, …"),
    "input": ("prompt", "the texts stand in the scene itself: prompt, negative_prompt, audio_url"),
    "text": ("prompt", "the text of a scene or a shot is its `prompt`"),
    "description": ("prompt", "the text of a scene or a shot is its `prompt`"),
    "name": ("id", "a scene's short name is its `id`; free text for people is its `title`"),
    "aspect_ratio": ("ratio", "write `ratio`"),
    "length": ("duration", "write `duration`, in seconds"),
    "negative": ("negative_prompt", "write `negative_prompt`"),
    "audio": ("audio_url", "write `audio_url`"),
    "camera": ("framing", "write `framing`"),
    "duration": ("seconds", "a shot's length is its `seconds`"),
}
"""Keys that people bring from wan2.6, from a request body or from other tools: what each is here, and how to say it."""

BELONGS = {
    **dict.fromkeys(("id", "title", "tags", "intro", "shots", "prompt"), "in a scene, below `scenes:`"),
    **dict.fromkeys(
        ("model", "resolution", "ratio", "duration", "seed", "negative_prompt", "audio_url", "prompt_extend",
         "watermark", "language"), "in a scene, or below `defaults:` for all scenes",
    ),
    **dict.fromkeys(("framing", "seconds"), "in a shot, below `shots:`"),
    **dict.fromkeys(
        ("concurrency", "downloads", "poll_interval_s", "settle_s", "on_absent", "on_change", "budget", "accounts",
         "retries"), "below `run:`",
    ),
}  # fmt: skip
"""Keys of the language that somebody has written in another part of it: where each belongs."""

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
AMOUNTS = ("per_run", "per_day")
NEEDED = frozenset({"wanbatch", "id", "seconds"})
"""Keys that cannot be left out."""
SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:s|sec|secs|seconds?|秒)?\Z")
TRUE = ("yes", "on", "true", "1")
FALSE = ("no", "off", "false", "0")
MANY = frozenset({"E102", "E103", "E109"})
"""Problems of which one place can have several. A value is wrong only once."""


@cache
def validator(schema_id: str) -> Any:
    """Return the validator of a shipped schema: `manifest`, or a model family."""
    from wanbatch.service import catalog

    schema = catalog.manifest_schema() if schema_id == "manifest" else catalog.request_schema(schema_id)
    return StrictValidator(schema)


def faults(schema_id: str, data: object) -> list[Fault]:
    """Return every mismatch of `data` with a shipped schema, each mistake once."""
    found = [fault for error in validator(schema_id).iter_errors(data) for fault in translate(error)]
    wrong_keys = {(*fault.path[:-1], name) for fault in found if fault.code == "E103" for name in fault.meant}
    kept: dict[object, Fault] = {}
    for fault in found:
        if fault.code == "E103" or not any((*fault.path, name) in wrong_keys for name in fault.meant):
            kept.setdefault(fault if fault.code in MANY else fault.path, fault)
    return list(kept.values())


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
    return {"tags": "a tag", "accounts": "an account", "models": "a model"}.get(str(path[-2]), "this")


def unknown_keys(path: DataPath, instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each key that the language does not have."""
    known = list(schema.get("properties", {}))
    for key in instance:
        if key in known or ("patternProperties" in schema and key.startswith("x-")):
            continue
        meant, hint = ELSEWHERE.get(key, ("", ""))
        if meant and meant not in known:
            meant, hint = "", ""
        if not hint and key in BELONGS:
            hint = f"`{key}` belongs {BELONGS[key]}"
        elif not hint:
            meant = nearest(key, known) or ""
            hint = f"did you mean `{meant}`?" if meant else f"known here: {', '.join(known)}"
        yield Fault((*path, key), True, "E103", f"unknown key `{key[:50]}`", hint, meant=(meant,))


def missing_key(path: DataPath, error: ValidationError) -> Fault:
    """Return the fault of the key that `required` misses: jsonschema gives one error for each."""
    instance: Any = error.instance
    missing = [key for key in expected(error) if key not in instance]
    name = next((key for key in missing if error.message.startswith(repr(key))), missing[0])
    first = {
        "wanbatch": "the first line is `wanbatch: 1`",
        "scenes": "write `scenes:` and below it the scenes, each starting with `- id: `",
        "id": "give the scene a short name: `id: alley`",
        "seconds": "write how long the shot lasts: `seconds: 3`",
        "prompt": "write what is seen: `prompt: `",
    }
    owner = "" if path else "the manifest has "
    return Fault(path, False, "E102", f"{owner}no `{name}`", first.get(name, f"add `{name}:`"), meant=(name,))


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


def typed(path: DataPath, error: ValidationError) -> Fault:
    """Return the fault of a value of the wrong type, with what would make it right."""
    wanted, name = str(expected(error)), last_name(path)
    value: Any = error.instance
    if value is None:
        return empty(path)
    if wanted == "string" and isinstance(value, int | float):
        if name in AMOUNTS:
            return Fault(path, False, "E101", name + " is {}, but must be an amount and its currency",
                         "write {} CNY, or another currency", quote=True)  # fmt: skip
        return Fault(path, False, "E101", name + " is {}, but must be text", 'quote it: "{}"', quote=True)
    message = f"{name} is {shown(value)}, but must be {TYPES.get(wanted, wanted)}"
    return Fault(path, False, "E101", message, type_hint(path, wanted, value, error.schema))


def type_hint(path: DataPath, wanted: str, value: Any, schema: Any) -> str:
    """Return what to write instead of a value of the wrong type: what was meant, or the schema's own example."""
    example = next((one for one in schema.get("examples", ()) if isinstance(one, str | int | float)), None)
    match wanted, value:
        case "integer", float() if value.is_integer() and schema["minimum"] <= value <= schema["maximum"]:
            return f"write {int(value)}"
        case "integer" | "number", str() if match := SECONDS.match(value.strip()):
            fits = wanted == "number" or "." not in match[1]
            without = "quotes" if match[1] == value.strip() else "unit"
            return f"write {match[1]}, without {without}" if fits else f"write a whole number, for example {example}"
        case "boolean", _ if str(value).casefold() in (*TRUE, *FALSE):
            return f"write {'true' if str(value).casefold() in TRUE else 'false'}"
        case "array", str():
            return f"write [{', '.join(part.strip() for part in value[:80].split(','))}]"
        case "array", dict():
            return LISTS.get(last_name(path), "start each entry with `- `")
        case "object", _ if not path:
            return "the first line is `wanbatch: 1`; the scenes stand below `scenes:`"
        case "object", list():
            return "write its keys without `- ` in front"
        case "object", _ if "shots" in path:
            return "write `- seconds: 3` and below it `prompt: …`"
        case "object", _ if "scenes" in path:
            return "write `- id: alley` and below it `prompt: …`"
        case "object", _:
            return "write `key: value` lines below it"
        case _:
            return "" if example is None else f"for example {shown(example).strip(chr(39))}"


def expected(error: ValidationError) -> Any:
    """Return what the failed keyword asks for: its value in the schema."""
    return error.validator_value


def limited(path: DataPath, error: ValidationError) -> Fault | None:
    """Return the fault of a value outside a limit."""
    value: Any = error.instance
    limit, name = expected(error), last_name(path)
    match error.validator:
        case "minimum" | "exclusiveMinimum":
            more = "more than" if error.validator == "exclusiveMinimum" else "at least"
            return Fault(path, False, "E104", f"{name} {shown(value)} is too small", f"{more} {limit}")
        case "maximum":
            return Fault(path, False, "E104", f"{name} {shown(value)} is too large", f"at most {limit}")
        case "multipleOf":
            message = f"{name} {shown(value)} is not a multiple of {limit}"
            near = max(limit, round(value / limit) * limit)
            return Fault(path, False, "E104", message, f"write {near:g}: the steps are half seconds")
        case "minLength":
            return Fault(path, False, "E107", f"{name} is empty", "write something, or remove the line")
        case "minItems":
            return Fault(path, False, "E107", f"{name} has no entries", LISTS.get(name, "write one"))
        case "maxLength" | "maxItems":
            unit = "characters" if error.validator == "maxLength" else "entries"
            message = f"{name} has {len(value):,} {unit}, the limit is {limit:,}"
            return Fault(path, False, "E106", message, f"take away {len(value) - limit:,}")
        case "uniqueItems":
            twice = next((one for index, one in enumerate(value) if one in value[:index]), "something")
            return Fault(path, False, "E108", f"{name} holds {shown(twice)} twice", "keep one")
        case _:
            return None


def formed(path: DataPath, error: ValidationError) -> Fault:
    """Return the fault of a text that does not look as it must."""
    name, value = last_name(path), str(error.instance)
    hint = {
        "id": "at most 64 letters a–z, digits, `.`, `_`, `-`, a letter or digit first; free text goes into `title`",
        "audio_url": "the service fetches it: an address that starts with https:// or http://",
        "name": "it names a folder: no slash, no dot in front",
        **dict.fromkeys(AMOUNTS, "an amount and its currency, CNY or USD: 30 CNY, 4.50 USD"),
        "an account": "its name in the configuration: letters, digits, `.`, `_`, `-`",
    }.get(name, "")
    near = re.sub(r"[^A-Za-z0-9._]+", "-", value[:64]).strip("-._")
    if name == "id" and near:
        hint = f"for example {near}; {hint}"
    return Fault(path, False, "E105", f"{name} {shown(value)} is not allowed", hint)


def unlisted(path: DataPath, error: ValidationError) -> Fault:
    """Return the fault of a value that is none of those allowed."""
    name, value = last_name(path), error.instance
    message = f"{name} {shown(value)} is not known"
    if isinstance(value, list | dict):
        message = f"{name} is {shown(value)}, but must be text"
    return Fault(path, False, "E105", message, choice(value, expected(error)))


def translate(error: ValidationError) -> Iterator[Fault]:
    """Yield what one error of the validator means."""
    path: DataPath = tuple(error.absolute_path)
    instance: Any = error.instance
    schema: Any = error.schema
    keyword: Any = error.validator
    match keyword:
        case "additionalProperties":
            yield from unknown_keys(path, instance, schema)
        case "required":
            yield missing_key(path, error)
        case "type":
            yield typed(path, error)
        case "enum" | "const" if instance is None:
            yield empty(path)
        case "enum":
            yield unlisted(path, error)
        case "const":
            message = f"{last_name(path)} is {shown(instance)}; this version reads language {expected(error)}"
            yield Fault(path, False, "E105", message, f"write `{last_name(path)}: {expected(error)}`")
        case "anyOf":
            message, keys = "neither `prompt` nor `shots`", ("prompt", "shots")
            yield Fault(path, False, "E109", message, "write one of the two: what is seen", meant=keys)
        case "dependentRequired":
            if "prompt" in instance:
                hint = "put its text into the prompt"
                yield Fault((*path, "intro"), True, "E109", "`intro` goes with `shots`, not with `prompt`", hint)
        case None:
            # jsonschema leaves the last step of the path out for a schema that is just `false`.
            where = path if path[-1:] == ("shots",) else (*path, "shots")
            yield Fault(where, True, "E109", "`prompt` and `shots` exclude each other", "keep one of the two")
        case "pattern":
            yield formed(path, error)
        case _:
            fault = limited(path, error)
            yield fault or Fault(path, False, "E100", f"{last_name(path)}: {error.message}")
