"""Scenes that were found somewhere → the text of a manifest, and for each of its lines the place that it came from.

Ids of the scenes' own words, one line a value, what all scenes share under `defaults`. Pure text.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wanbatch.manifest.check import DEVICE
from wanbatch.manifest.document import CONSTANTS, NUMBER
from wanbatch.manifest.importing_source import Draft, Entry, Fields, Spot, Value
from wanbatch.manifest.notes import NAME
from wanbatch.manifest.variables import escaped

PLAIN = re.compile(r"[A-Za-z](?:[\w ,.'’()/-]*[\w.'’)])?\Z")
"""Texts that YAML reads as they stand, without quotes."""
PLAIN_IN_A_LIST = re.compile(r"[A-Za-z](?:[\w .-]*\w)?\Z")
PARAMETER = re.compile(r"[0-9]+(?:P|:[0-9]+)\Z")
"""`720P`, `16:9`: text without quotes in YAML 1.2."""
ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What YAML would read as something else, or not at all, inside double quotes."""
WORD = re.compile(r"[a-z0-9]+")
ID_LENGTH = 40
"""Long enough to recognise a prompt by; file names stay short."""
FILLERS = frozenset({"a", "an", "the", "of", "in", "on", "at", "with", "and", "to", "is", "are", "its", "for", "from"})

TEXTS = ("title", "intro", "prompt", "negative_prompt", "audio_url", "framing")
"""Fields in which `${name}` would stand for a variable."""
BEFORE = ("title", "tags", "intro")
AFTER = (
    "duration", "model", "resolution", "ratio", "negative_prompt", "audio_url", "seed", "takes", "prompt_extend",
    "watermark", "language",
)  # fmt: skip
SHARED = (
    "model", "resolution", "ratio", "duration", "negative_prompt", "audio_url", "seed", "takes", "prompt_extend",
    "watermark", "language",
)  # fmt: skip
"""What may stand under `defaults`, in the order in which it is written there."""
REMARKS = {"resolution": " # decides the price"}


class Written(NamedTuple):
    """A manifest's text, and for each of its lines where in the source it came from."""

    text: str
    spots: tuple[Spot | None, ...]


def id_of(text: str, number: int) -> str:
    """Return an id made of a text's first telling words; `prompt-007` for one without Latin letters."""
    words = [word for word in WORD.findall(text.casefold()) if word not in FILLERS]
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:ID_LENGTH]
        if len(longer) > ID_LENGTH:
            break
        name = longer
    return name if name and not DEVICE.match(name) else f"prompt-{number:03}"


def unique_ids(texts: Iterable[str | None], given: Collection[str] = ()) -> list[str]:
    """Return an id for each text; for None an empty one. Equal ones get a number, and so does what is `given`."""
    taken = {name.casefold(): 1 for name in given}
    found = []
    for number, text in enumerate(texts, 1):
        base = name = "" if text is None else id_of(text, number)
        while name and name in taken:
            taken[base] += 1
            name = f"{base}-{taken[base]}"
        if name:
            taken[name] = 1
        found.append(name)
    return found


def ids_of(drafts: Sequence[Draft]) -> list[str]:
    """Return each scene's id: its own, or one of the words of its title or its text."""
    own = [str(draft.fields["id"].value) if "id" in draft.fields else None for draft in drafts]
    texts = [called(draft) if name is None else None for draft, name in zip(drafts, own, strict=True)]
    made = unique_ids(texts, [name for name in own if name is not None])
    return [new if name is None else name for name, new in zip(own, made, strict=True)]


def called(draft: Draft) -> str:
    """Return the text that a scene is known by."""
    first = draft.shots[0].get("prompt") if draft.shots else None
    entries = [draft.fields.get("title"), draft.fields.get("prompt"), first]
    return next((str(entry.value) for entry in entries if entry), "")


def quoted(text: str) -> str:
    """Return a text as a YAML scalar: plain where that is safe, else in double quotes."""
    return text if PLAIN.match(text) and text not in CONSTANTS else in_quotes(text)


def in_a_list(text: str) -> str:
    """Return a text as an entry of a list in brackets, where a comma would end it."""
    return text if PLAIN_IN_A_LIST.match(text) and text not in CONSTANTS else in_quotes(text)


def in_quotes(text: str) -> str:
    """Return a text in double quotes."""
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + ESCAPED.sub(lambda odd: "\\u" + f"{ord(odd[0]):04x}", inside) + '"'


def quoted_id(scene_id: str) -> str:
    """Return an id as a YAML scalar: one that reads as a number or a constant needs quotes to be text."""
    if not NAME.match(scene_id):
        return quoted(scene_id)
    return f'"{scene_id}"' if NUMBER.match(scene_id) or scene_id in CONSTANTS else scene_id


def scalar(name: str, value: Value) -> str:
    """Return a field's value as YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(in_a_list(part) for part in value)}]"
    if not isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if name == "id":
        return quoted_id(value)
    return value if PARAMETER.match(value) else quoted(escaped(value) if name in TEXTS else value)


def shared(drafts: Sequence[Draft], otherwise: Mapping[str, Value]) -> dict[str, Entry]:
    """Return what goes under `defaults`: what all scenes state alike, and `otherwise` where some state nothing."""
    found: dict[str, Entry] = {}
    for name in SHARED:
        entries = [draft.fields.get(name) for draft in drafts if name != "duration" or not draft.shots]
        stated = [entry for entry in entries if entry is not None]
        alike = len(stated) == len(entries) and len({(type(one.value), one.value) for one in stated}) == 1
        if alike and (name in otherwise or len(drafts) > 1):
            found[name] = stated[0]
        elif name in otherwise and len(stated) < len(entries):
            found[name] = Entry(otherwise[name])
    return found


def written(name: str, drafts: Sequence[Draft], otherwise: Mapping[str, Value]) -> Written:
    """Return the manifest of some scenes. `otherwise` is what holds for scenes that do not say."""
    defaults = shared(drafts, otherwise)
    lines: list[tuple[str, Spot | None]] = [("wanbatch: 1", None), (f"name: {quoted(name)}", None), ("", None)]
    lines.append(("defaults:", None))
    lines += [
        (f"  {key}: {scalar(key, entry.value)}{REMARKS.get(key, '')}", entry.spot) for key, entry in defaults.items()
    ]
    lines += [("", None), ("scenes:", None)]
    alike = {key for key, entry in defaults.items() if entry.spot is not None}
    for index, (draft, scene_id) in enumerate(zip(drafts, ids_of(drafts), strict=True)):
        lines += [("", None)] if index else []
        lines += scene_lines(draft, scene_id, alike)
    return Written("".join(f"{line}\n" for line, _ in lines), tuple(spot for _, spot in lines))


def scene_lines(draft: Draft, scene_id: str, alike: Collection[str]) -> Iterator[tuple[str, Spot]]:
    """Yield a scene's lines, each with where it came from. What all scenes share is left to the defaults."""
    own = draft.fields.get("id")
    yield f"  - id: {quoted_id(scene_id)}", (own.spot if own else None) or draft.spot
    yield from field_lines(BEFORE, draft.fields, draft.spot, "    ")
    if draft.shots:
        yield "    shots:", draft.spot
    for shot in draft.shots:
        lines = list(field_lines(("framing", "seconds", "prompt"), shot, draft.spot, "        "))
        yield f"      - {lines[0][0].lstrip()}", lines[0][1]
        yield from lines[1:]
    rest = {key: entry for key, entry in draft.fields.items() if key not in alike}
    yield from field_lines(("prompt", *AFTER), rest, draft.spot, "    ")


def field_lines(names: Iterable[str], fields: Fields, spot: Spot, indent: str) -> Iterator[tuple[str, Spot]]:
    """Yield a line for each field that is stated."""
    for name in names:
        if name in fields:
            entry = fields[name]
            yield f"{indent}{name}: {scalar(name, entry.value)}", entry.spot or spot
