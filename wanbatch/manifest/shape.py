"""What the JSON Schemas say, in words for people: the allowed values, the nearest name, what to write instead.

Knows jsonschema's errors and how the language calls its parts; knows no places. Nothing of the validator's own
language gets out of here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wanbatch.manifest import foreign
from wanbatch.manifest.fit import fits
from wanbatch.manifest.values import (
    BLOCK,
    DataPath,
    Fault,
    empty,
    expected,
    formed,
    last_name,
    limited,
    nearest,
    shown,
    typed,
    unlisted,
)

if TYPE_CHECKING:
    from jsonschema import ValidationError  # not loaded until something is wrong

__all__ = ["BLOCK", "DataPath", "Fault", "faults", "nearest", "shown", "translate"]

WHAT_IS_SEEN = ("prompt", "shots", "prompt_file")
MANY = frozenset({"E102", "E103", "E109"})
"""Problems of which one place can have several. A value is wrong only once."""


def faults(schema_id: str, data: object) -> list[Fault]:
    """Return every mismatch of `data` with a shipped schema, each mistake once."""
    if fits(schema_id, data):
        return []
    from wanbatch.manifest.strict import validator

    strange = [] if schema_id != "manifest" else list(strangers(data))
    if any(fault.path[:1] != ("scenes",) for fault in strange):
        return strange
    whole = {fault.path[:2] for fault in strange}
    found = [fault for error in validator(schema_id).iter_errors(data) for fault in translate(error)]
    found = strange + [fault for fault in found if fault.path[:2] not in whole]
    wrong_keys = {(*fault.path[:-1], name) for fault in found if fault.code == "E103" for name in fault.meant}
    kept: dict[object, Fault] = {}
    for fault in found:
        if fault.code == "E103" or not any((*fault.path, name) in wrong_keys for name in fault.meant):
            kept.setdefault(fault if fault.code in MANY else fault.path, fault)
    return list(kept.values())


def strangers(data: object) -> Iterator[Fault]:
    """Yield a fault for what is no manifest, or no scene, but something of the service's."""
    first = data[0] if isinstance(data, list) and data else data
    if foreign.request_body(first):
        path: DataPath = (0, "input") if isinstance(data, list) else ("input",)
        message = "this is a request to the service, not a manifest"
        yield Fault(path, True, "E110", message, foreign.body_hint(first, whole=True))
    elif foreign.answer(first):
        hint = "a manifest says what to make: wanbatch init writes a first one"
        yield Fault((), False, "E110", "this is an answer of the service, not a manifest", hint)
    scenes = data.get("scenes") if isinstance(data, dict) else None
    for index, scene in enumerate(scenes if isinstance(scenes, list) else ()):
        if foreign.request_body(scene):
            message = "this is a request to the service, not a scene"
            hint = foreign.body_hint(scene, whole=False)
            yield Fault(("scenes", index, "input"), True, "E110", message, hint)


def unknown_keys(path: DataPath, instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each key that the language does not have."""
    known = list(schema.get("properties", {}))
    for key in instance:
        if key in known or ("patternProperties" in schema and key.startswith("x-")):
            continue
        meant, hint = foreign.meaning(key, instance[key], known)
        if not hint and instance[key] is None and " " in key:
            hint = "between { } a comma ends a text: put the whole text in quotes"
        elif not hint:
            meant = nearest(key, known) or ""
            own = "patternProperties" in schema
            hint = f"did you mean `{meant}`?" if meant else listing(known, own=own)
            if own and key[:1] in "xX" and not meant:
                hint = f"write `x-{key[1:].lstrip('-_')[:30]}`: keys of your own begin with `x-`"
        mark = next((char for char in key if char in foreign.STRUCTURE), "")
        yield Fault((*path, key), True, "E103", f"unknown key `{key[:50]}`", hint, meant=(meant,), mark=mark)


def listing(known: Sequence[str], *, own: bool) -> str:
    """Return a hint that lists the keys of a block; `own` where it takes the user's own ones too."""
    names = ", ".join(name for name in known if name != "include")
    return f"known here: {names}; keys of your own begin with `x-`" if own else f"known here: {names}"


def missing_key(path: DataPath, error: "ValidationError") -> Fault:
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
    instead = ("include",) if name == "id" else ()
    return Fault(path, False, "E102", f"{owner}no `{name}`", first.get(name, f"add `{name}:`"), meant=(name, *instead))


def together(path: DataPath, error: "ValidationError") -> Iterator[Fault]:
    """Yield the fault of keys that go together, or do not, or of which one is needed."""
    instance: Any = error.instance
    match error.validator:
        case "anyOf":
            message, keys = "no `prompt`, no `shots`, no `prompt_file`", (*WHAT_IS_SEEN, "include")
            yield Fault(path, False, "E109", message, "write one of the three: what is seen", meant=keys)
        case "dependentRequired":
            for key in [name for name in ("prompt", "prompt_file") if name in instance][:1]:
                hint = f"put its text into the {'prompt' if key == 'prompt' else 'file'}"
                yield Fault((*path, "intro"), True, "E109", f"`intro` goes with `shots`, not with `{key}`", hint)
        case "excluding":
            message = f"`{expected(error)}` and `{path[-1]}` exclude each other"
            yield Fault(path, True, "E109", message, "keep one of the two")
        case _:
            seen = [key for key in WHAT_IS_SEEN if key in instance]
            other = "include" if seen else next(key for key in instance if key != "include")
            hint = "write the include as an entry of its own; the included scenes keep their own settings"
            yield Fault((*path, other), True, "E109", f"`{seen[0] if seen else other[:50]}` beside `include`", hint)


def translate(error: "ValidationError") -> Iterator[Fault]:
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
        case "anyOf" | "dependentRequired" | "excluding" | "maxProperties":
            yield from together(path, error)
        case "pattern":
            yield formed(path, error)
        case _:
            fault = limited(path, error)
            yield fault or Fault(path, False, "E100", f"{last_name(path)}: {error.message}")
