"""What the JSON Schemas say, in words for people: the allowed values, the nearest name, what to write instead.

Knows jsonschema and how the language calls its parts; knows no places. Nothing of the validator's own
language gets out of here.
"""

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
    hint: str = ""


def strictly_integer(_checker: object, value: object) -> bool:
    """JSON Schema counts 5.0 as an integer; the service's gateways do not."""
    return isinstance(value, int) and not isinstance(value, bool)


STRICT_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", strictly_integer)
StrictValidator: Any = extend(Draft202012Validator, type_checker=STRICT_TYPES)  # type: ignore[no-untyped-call]

ELSEWHERE = {
    "size": "wan2.6's `size` is `resolution` (720P, 1080P) and `ratio` (16:9 …) here",
    "shot_type": "wan2.7 has no shot_type: write `shots`, or describe the shots in the prompt",
    "parameters": "the parameters stand in the scene itself: resolution, ratio, duration, seed, …",
    "input": "the texts stand in the scene itself: prompt, negative_prompt, audio_url",
    "text": "the text of a scene or a shot is its `prompt`",
    "aspect_ratio": "write `ratio`",
    "length": "write `duration`, in seconds",
    "negative": "write `negative_prompt`",
    "audio": "write `audio_url`",
    "camera": "write `framing`",
}
"""Keys that people bring from wan2.6, from a request body or from other tools, and what replaces them."""

TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of `key: value` lines",
}


@cache
def validator(schema_id: str) -> Any:
    """Return the validator of a shipped schema: `manifest`, or a model family."""
    from wanbatch.service import catalog

    schema = catalog.manifest_schema() if schema_id == "manifest" else catalog.request_schema(schema_id)
    return StrictValidator(schema)


def faults(schema_id: str, data: object) -> Iterator[Fault]:
    """Yield every mismatch of `data` with a shipped schema."""
    for error in validator(schema_id).iter_errors(data):
        yield from translate(error)


def shown(value: object) -> str:
    """Return a value as it would stand in the manifest, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else f"{value}"
    return text if len(text) <= 50 else f"{text[:48]}…"


def nearest(word: object, known: list[str]) -> str | None:
    """Return the name that was probably meant."""
    from difflib import get_close_matches

    by_fold = {name.casefold(): name for name in known}
    match = get_close_matches(str(word).casefold(), by_fold, n=1, cutoff=0.6)
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
    parent = path[-2] if len(path) > 1 else "entry"
    return {"scenes": "a scene", "shots": "a shot", "tags": "a tag"}.get(str(parent), f"an entry of {parent}")


def unknown_keys(path: DataPath, instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each key that the language does not have."""
    known = list(schema.get("properties", {}))
    for key in instance:
        if key in known or ("patternProperties" in schema and key.startswith("x-")):
            continue
        meant = nearest(key, known)
        hint = ELSEWHERE.get(key) or (f"did you mean `{meant}`?" if meant else f"known here: {', '.join(known)}")
        yield Fault((*path, key), True, "E103", f"unknown key `{key}`", hint)


def missing_keys(path: DataPath, error: ValidationError) -> Iterator[Fault]:
    """Yield a fault for the key that `required` misses: jsonschema gives one error for each."""
    instance: Any = error.instance
    missing = [key for key in expected(error) if key not in instance]
    name = next((key for key in missing if error.message.startswith(repr(key))), None)
    if name is None:
        return
    subject = last_name(path)
    first = {"wanbatch": "the first line is `wanbatch: 1`", "id": "give the scene a short name: `id: alley`"}
    yield Fault(path, False, "E102", f"{subject} has no `{name}`", first.get(name, f"add `{name}:`"))


def typed(path: DataPath, error: ValidationError) -> Fault:
    """Return the fault of a value of the wrong type, with what would make it right."""
    wanted, name = str(expected(error)), last_name(path)
    value: Any = error.instance
    message = f"{name} is {shown(value)}, but must be {TYPES.get(wanted, wanted)}"
    hint = ""
    if value is None:
        hint = f"write a value after `{name}:`, or remove the line"
    elif wanted == "string" and isinstance(value, int | float):
        hint = f'quote it: "{shown(value)}"'
    elif wanted == "integer" and isinstance(value, float) and value.is_integer():
        hint = f"write {int(value)}"
    elif wanted in ("integer", "number") and isinstance(value, str):
        number = value.strip().removesuffix("s").strip()
        hint = f"write {number}, without quotes or unit" if number.replace(".", "", 1).isdecimal() else ""
    elif wanted == "boolean" and str(value).casefold() in ("yes", "on", "no", "off", "true", "false", "1", "0"):
        hint = f"write {'true' if str(value).casefold() in ('yes', 'on', 'true', '1') else 'false'}"
    elif wanted == "array":
        hint = f"write `[{shown(value)}]`, or one `- ` line an entry" if isinstance(value, str) else ""
    return Fault(path, False, "E101", message, hint)


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
            return Fault(path, False, "E104", f"{name} {shown(value)} is over the limit of {limit}", f"at most {limit}")
        case "multipleOf":
            return Fault(path, False, "E104", f"{name} {shown(value)} is not a multiple of {limit}", "use half seconds")
        case "minLength" | "minItems":
            return Fault(path, False, "E107", f"{name} is empty", "write something, or remove the line")
        case "maxLength" | "maxItems":
            unit = "characters" if error.validator == "maxLength" else "entries"
            message = f"{name} has {len(value):,} {unit}, the limit is {limit:,}"
            return Fault(path, False, "E106", message, f"shorten it by {len(value) - limit:,}")
        case "uniqueItems":
            return Fault(path, False, "E108", f"{name} holds something twice", "keep one")
        case _:
            return None


def formed(path: DataPath, error: ValidationError) -> Fault:
    """Return the fault of a text that does not look as it must."""
    name, value = last_name(path), error.instance
    hints = {
        "id": "letters, digits, `.`, `_`, `-`; starts with a letter or digit; at most 64 characters",
        "audio_url": "the service fetches it: an address that starts with https:// or http://",
        "name": "it names a folder: no slash, no dot in front",
    }
    return Fault(path, False, "E105", f"{name} {shown(value)} is not allowed", hints.get(name, ""))


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
            yield from missing_keys(path, error)
        case "type":
            yield typed(path, error)
        case "enum":
            message = f"{last_name(path)} {shown(instance)} is not known"
            yield Fault(path, False, "E105", message, choice(instance, expected(error)))
        case "const":
            message = f"{last_name(path)} is {shown(instance)}; this version reads language {expected(error)}"
            yield Fault(path, False, "E105", message, f"write `{last_name(path)}: {expected(error)}`")
        case "anyOf":
            yield Fault(path, False, "E109", "a scene needs a `prompt`, or `shots`", "add one of the two")
        case "dependentRequired":
            yield Fault((*path, "intro"), True, "E109", "`intro` goes with `shots`", "put its text into the prompt")
        case None:
            yield Fault(path, True, "E109", "`prompt` and `shots` exclude each other", "keep one of the two")
        case "pattern":
            yield formed(path, error)
        case _:
            fault = limited(path, error)
            yield fault or Fault(path, False, "E100", f"{last_name(path)}: {error.message}")
