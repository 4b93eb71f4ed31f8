"""A file of prompts, one a line → the text of a manifest that validates as it stands. Pure text."""

import re
from collections.abc import Iterable

from wanbatch.manifest.check import DEVICE
from wanbatch.manifest.document import CONSTANTS, NUMBER

PLAIN = re.compile(r"[A-Za-z](?:[\w ,.'’()/-]*[\w.'’)])?\Z")
"""Prompts that YAML reads as they stand, without quotes."""
LINE_BREAK = re.compile(r"\r\n?|\n")
ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What YAML would read as something else, or not at all, inside double quotes."""
WORD = re.compile(r"[a-z0-9]+")
ID_LENGTH = 40
"""Long enough to recognise a prompt by; file names stay short."""
FILLERS = frozenset({"a", "an", "the", "of", "in", "on", "at", "with", "and", "to", "is", "are", "its", "for", "from"})


def prompts_of(text: str) -> dict[int, str]:
    """Return the prompts of a text by line number: its lines, without surrounding white space and blank ones."""
    return {number: line.strip() for number, line in enumerate(LINE_BREAK.split(text), 1) if line.strip()}


def id_of(prompt: str, number: int) -> str:
    """Return an id made of the prompt's first telling words; `prompt-007` for one without Latin letters."""
    words = [word for word in WORD.findall(prompt.casefold()) if word not in FILLERS]
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:ID_LENGTH]
        if len(longer) > ID_LENGTH:
            break
        name = longer
    return name if name and not DEVICE.match(name) else f"prompt-{number:03}"


def unique_ids(prompts: Iterable[str]) -> list[str]:
    """Return an id for each prompt. Equal ones get a number, also a prompt that stands twice."""
    taken: dict[str, int] = {}
    for number, prompt in enumerate(prompts, 1):
        base = name = id_of(prompt, number)
        while name in taken:
            taken[base] += 1
            name = f"{base}-{taken[base]}"
        taken[name] = 1
    return list(taken)


def quoted(text: str) -> str:
    """Return a text as a YAML scalar: plain where that is safe, else in double quotes."""
    if PLAIN.match(text) and text not in CONSTANTS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + ESCAPED.sub(lambda odd: "\\u" + f"{ord(odd[0]):04x}", escaped) + '"'


SCENE_LINES = 3
"""How many lines a scene takes: id, prompt, and a blank one between."""


def scene_at(manifest: str, line: int) -> int | None:
    """Return which scene, from 0, a line of an imported manifest is about; None for the lines above the scenes."""
    above = manifest[: manifest.index("\nscenes:\n")].count("\n") + 2
    return (line - above - 1) // SCENE_LINES if line > above else None


def manifest_text(name: str, prompts: list[str], *, duration: int, resolution: str, ratio: str) -> str:
    """Return the manifest's text."""
    head = f"""\
wanbatch: 1
name: {quoted(name)}

defaults:
  resolution: {resolution} # decides the price
  ratio: {ratio}
  duration: {duration}

scenes:
"""
    scenes = [
        f"  - id: {quoted_id(scene_id)}\n    prompt: {quoted(prompt)}\n"
        for scene_id, prompt in zip(unique_ids(prompts), prompts, strict=True)
    ]
    return head + "\n".join(scenes)


def quoted_id(scene_id: str) -> str:
    """Return an id as a YAML scalar: one that reads as a number or a constant needs quotes to be text."""
    return f'"{scene_id}"' if NUMBER.match(scene_id) or scene_id in CONSTANTS else scene_id
