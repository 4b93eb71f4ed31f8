"""The texts of a manifest as they are written: cut short, empty, laid out, or with variables that nobody knows."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any

from wanbatch.manifest.assemble import At
from wanbatch.manifest.document import CONTROL
from wanbatch.manifest.expand import SHOT_TEXTS, TEXTS
from wanbatch.manifest.notes import Notes
from wanbatch.manifest.places import DataPath
from wanbatch.manifest.settings import FILE as SETTING
from wanbatch.manifest.shape import nearest, shown
from wanbatch.manifest.variables import A_KEY, ENVIRONMENT, MARK, SECRET, Use, filled, uses

SENT = ("prompt", "intro", "negative_prompt")
FORMLESS = re.compile(r"[\t\r\x85\u2028\u2029\ufeff]")
"""Characters that lay text out, which a prompt has no use for. A line break becomes a space."""
WIDE_QUOTES = {"“": "”", "「": "」", "『": "』", "＂": "＂", "„": "“"}
"""Quotes that a text may well begin with, and what ends them."""
CALLED = {"\t": "a tab", "\r": "a carriage return", "\ufeff": "a byte order mark"}
ADDRESS = re.compile(r"https?://[^\s/][^\s]*\Z")

DOUBLED = re.compile(r"\$\{\{[^{}\n]*\}\}")
ELSEWHERE = re.compile(
    r"\$\{\{?\s*(?:(?P<env>env[.:]|ENV[.:])|(?:vars?|matrix|variables|inputs|params)\.)?"
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})(?P<more>\s*[^\w\s}].*)?\s*\}\}?\Z"
)
"""Variables as shells and CI services have them."""
MOST = 100_000
"""Characters that a text may have with its variables: a prompt has at most 5,000, and variables of variables double."""
ALTOGETHER = 256_000_000
"""Characters that all texts of a manifest may get by variables: 100,000 scenes of 320 each, or 10 MB of names."""
CIRCLES = 20
"""Circles that are noted; each is looked for in all that is left."""
NAMED = 8
"""Members of a circle that are named."""

Block = Mapping[str, Any]


def texts_in(block: Block) -> Iterator[tuple[DataPath, str]]:
    """Yield each text of a scene, of the defaults or of a profile that variables may stand in, and its path there."""
    for name in TEXTS:
        if isinstance(value := block.get(name), str):
            yield (name,), value
    shots = block.get("shots")
    for index, shot in enumerate(shots if isinstance(shots, list) else ()):
        for name in SHOT_TEXTS:
            if isinstance(shot, dict) and isinstance(value := shot.get(name), str):
                yield ("shots", index, name), value
    style = block.get("style")
    for name, value in style.items() if isinstance(style, dict) else ():
        if isinstance(value, str):
            yield ("style", name), value


def look(notes: Notes, at: At, block: Block) -> None:
    """Look at every text that is sent, and at the address of the sound."""
    unsure = at.document.cut or at.document.moved
    for path, value in texts_in(block):
        sent = path[-1] in SENT or path[0] in ("shots", "style")
        if sent and (unsure or not value.strip() or value[0] in WIDE_QUOTES or FORMLESS.search(value)):
            look_at(notes, at.to(*path), value)
    url = block.get("audio_url")
    if isinstance(url, str) and url.startswith(("http://", "https://")) and not ADDRESS.match(url):
        hint = "an address has no spaces and no line breaks: write %20 for a space"
        notes.add("E105", at.to("audio_url"), f"audio_url {shown(url)} is not allowed", hint)


def look_within(notes: Notes, at: At, values: object) -> None:
    """Look at the texts of variables or of a matrix' axis: a list, or a block of names and texts."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in pairs:
        if isinstance(value, str):
            look_at(notes, at.to(key), value)


def look_at(notes: Notes, at: At, value: str) -> None:
    """Look at a text: cut short by a comment, empty, or with a layout character."""
    document, name = at.document, at.path[-2] if isinstance(at.path[-1], int) else at.path[-1]
    if (document.cut or document.moved) and (remark := document.remark(at.path)):
        message = f"{name} ends before ` #`: YAML takes the rest of the line for a comment"
        hint = "put the whole text in quotes; or, if this is a comment, on a line of its own"
        if remark.file == SETTING:  # the shell has taken the first quotes away
            hint = "quote the text for YAML inside the shell's quotes: --set 'vars.look=\"night #3\"'"
        notes.add_at(remark, "E201", at, message, hint)
    if value and not value.strip() and "style" not in at.path:
        notes.add("E107", at, f"{name} is empty", "write something, or remove the line")
    elif (closing := WIDE_QUOTES.get(value[:1])) and closing not in value[1:]:
        message = f"{name} begins with {value[0]}, which is no quote to YAML and is sent, and has no {closing}"
        hint = f"close it with {closing} if it is part of the text; else take it away, or write straight quotes"
        notes.add_at(document.find(at.path, value[0]), "W410", at, message, hint)
    elif odd := FORMLESS.search(value):
        message = f"{name} holds {CALLED.get(odd[0], 'a line separator')}, U+{ord(odd[0]):04X}"
        notes.add_at(document.find(at.path, odd[0]), "E208", at, message, "write a space instead")


class Variables:
    """The variables of a manifest's files. `seen` holds what was asked of the environment, `used` what texts use."""

    def __init__(self, notes: Notes, environ: Mapping[str, str]) -> None:
        self.notes = notes
        self.environ = environ
        self.seen: dict[str, str] = {}
        self.used: set[str] = set()
        self.made = 0

    def check(self, at: At, text: str, known: Mapping[str, object], of: str = "") -> set[str]:
        """Note every variable of a text that has no value; return the names that it uses."""
        found = set()
        for use in uses(text):
            doubled = DOUBLED.match(text, use.start) if use.name is None else None
            written = doubled[0] if doubled else text[use.start : use.end]
            problem = self.wrong(use, written, known)
            if problem:
                code, message, hint = problem
                self.notes.add_at(at.document.variable(at.path, written), code, at, message, hint, of=of)
            elif use.name:
                found.add(use.name)
        self.used |= found
        return found

    def wrong(self, use: Use, written: str, known: Mapping[str, object]) -> tuple[str, str, str] | None:
        """Return what is wrong with a variable: code, message and hint."""
        if use.name is None:
            return "E302", f"`{written[:40]}` is no variable", self.instead(written, known)
        if not use.name.startswith(ENVIRONMENT):
            if use.name in known:
                return None
            near = nearest(use.name, list(known))
            hint = f"did you mean `${{{near}}}`?" if near else "write it below `vars:`, or `$${` for the characters"
            return "E301", f"`{written}` is not known", hint
        name = use.name.removeprefix(ENVIRONMENT)
        if SECRET.search(name):
            hint = "a prompt is sent, echoed and kept: rename the variable if it is none"
            return "E305", f"`{written}` looks like a secret", hint
        if name not in self.environ:
            return "E303", f"the environment has no {name}", f"export {name}=…, or write the text below `vars:`"
        if A_KEY.search(self.environ[name]) or self.environ[name] == self.environ.get("DASHSCOPE_API_KEY"):
            return "E305", f"`{written}` holds what looks like an API key", "a prompt is sent, echoed and kept"
        odd = FORMLESS.search(self.environ[name]) or CONTROL.search(self.environ[name])
        if odd:
            message = f"the environment's {name} holds a character that no prompt may have, U+{ord(odd[0]):04X}"
            return "E303", message, f"take it away: export {name}=…"
        return None

    def instead(self, written: str, known: Mapping[str, object]) -> str:
        """Return what to write for a `${` that is no variable: what other tools have in its place."""
        found = ELSEWHERE.match(written)
        if found and found["env"]:
            return f"write `${{env:{found['name']}}}`"
        if found and found["name"] in known:
            given = "; there are no defaults and no operators" if found["more"] else ""
            return f"write `${{{found['name']}}}`{given}"
        return "a variable is `${name}`, of letters, digits and _; for the characters themselves write `$${`"

    def value_of(self, name: str, known: Mapping[str, str]) -> str:
        """Return a variable's value; the variable itself where it has none, which is said elsewhere."""
        if name.startswith(ENVIRONMENT):
            bare = name.removeprefix(ENVIRONMENT)
            return self.seen.setdefault(bare, self.environ.get(bare, ""))
        return known.get(name, f"{MARK}{name}}}")

    def resolved(self, at: At, block: Block, outer: Mapping[str, str]) -> dict[str, str]:
        """Return the values of a file's `vars`, with those of the including files under them."""
        texts = {name: str(value) for name, value in block.items() if isinstance(value, str | int)}
        known = {**outer, **texts}
        uses_of = {name: self.check(at.to(name), text, known) for name, text in texts.items() if MARK in text}
        values = {name: text for name, text in known.items() if name not in uses_of}
        for name in self.in_order(uses_of, at, values):
            fits = self.fits(at.to(name), texts[name], values)
            values[name] = filled(texts[name], partial(self.value_of, known=values)) if fits else ""
        return values

    def in_order(self, uses_of: Mapping[str, set[str]], at: At, values: dict[str, str]) -> list[str]:
        """Return variables after those that they use; those that use each other are noted, and get an empty value."""
        graph = {name: {other for other in used if other in uses_of} for name, used in uses_of.items()}
        for _ in range(CIRCLES):
            try:
                return list(TopologicalSorter(graph).static_order())
            except CycleError as error:
                circle = error.args[1][:0:-1]
            start = circle.index(min(circle))
            circle = [*circle[start:], *circle[:start], circle[start]]
            message = f"these variables use each other: {' → '.join(circle[:NAMED])}"
            message += " → …" if len(circle) > NAMED else ""
            self.notes.add("E304", at.to(circle[0]), message, "write the text out in one of them")
            values |= dict.fromkeys(circle, "")
            graph = {name: used.difference(circle) for name, used in graph.items() if name not in values}
        values |= dict.fromkeys(graph, "")
        return []

    def fits(self, at: At, text: str, values: Mapping[str, str], of: str = "") -> bool:
        """Say whether a text stays bearable with its variables, and note one that does not."""
        size = len(text) + sum(len(self.value_of(use.name, values)) for use in uses(text) if use.name)
        self.made += size if MARK in text else 0
        if self.made > ALTOGETHER:
            hint = "use fewer or shorter variables, or several manifests"
            self.notes.add("E306", at, f"with its variables the manifest has more than {ALTOGETHER:,} characters", hint)
            return False
        if size > MOST:
            hint = "a prompt has at most 5,000 characters: use fewer or shorter variables"
            self.notes.add("E306", at, f"with its variables {at.path[-1]} has {size:,} characters", hint, of=of)
        return size <= MOST
