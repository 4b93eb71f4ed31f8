"""Writes what the documents say of the code: `make docs`. A test fails while they differ."""

import json
import re
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "jobs")]

from table import markdown as transitions  # noqa: E402 - a table made by trying every event on every state

from wanbatch.errors import Exit  # noqa: E402
from wanbatch.jobs.seen import Kind  # noqa: E402
from wanbatch.manifest.diagnostics import markdown  # noqa: E402
from wanbatch.manifest.expand import SHOT_TEXTS, TEXTS  # noqa: E402
from wanbatch.service import catalog  # noqa: E402
from wanbatch.service.wire import kind_of  # noqa: E402
from wanbatch.simulator.codes import FAILURES, REFUSALS  # noqa: E402


def exit_codes() -> str:
    """Return the exit codes as a table, from the enumeration and the words beside its members."""
    source = (ROOT / "wanbatch" / "errors.py").read_text("utf-8")
    words = dict(re.findall(r'^    ([A-Z]+) = \d+\n    """(.+?)"""$', source, re.MULTILINE))
    rows = [f"| {int(code)} | {words[code.name]} |" for code in Exit]
    return "\n".join(["| code | means |", "|---|---|", *rows])


def prices() -> str:
    """Return the built-in price list as a table."""
    rows = [
        f"| `{row.region}` | {resolution} | {amount} {row.currency} | {row.date} |"
        for row in catalog.price_rows()
        for resolution, amount in row.per_second.items()
    ]
    return "\n".join(["| region | resolution | a second | read on |", "|---|---|---|---|", *rows])


MEANS = {
    Kind.RATE: "too fast: everybody pauses (`Retry-After` is heeded, an hour at most), then goes on more slowly",
    Kind.ALLOCATION: "a quota that may come back or be spent: a pause, five times in a row at most; then as the next",
    Kind.ACCOUNT: "nothing more is submitted by this account, exit code 6; what it is making is collected, unless "
    "questions are refused too; the rest is untouched",
    Kind.SCENE: "this scene fails; the others go on, exit code 3",
    Kind.MODERATION: "this scene fails and is never sent again as it is; where the output was flagged, "
    "`run.retries.moderation` may try further seeds",
    Kind.SERVICE: "the service's own trouble: a submission with this answer is in doubt and looked up; a task that "
    "failed by it is made again, `run.retries.service` times",
}


def refusals() -> str:
    """Return what the documented error codes mean for a batch as a table."""
    kinds = {code: kind_of(code) for code in FAILURES}
    kinds |= {code: kind_of(code, refusal.status) for code, refusal in REFUSALS.items()}
    rows = []
    for kind, words in MEANS.items():
        codes = ", ".join(f"`{code}`" for code, found in kinds.items() if found is kind)
        rows.append(f"| {codes} | {words} |")
    return "\n".join(["| code | what a run does |", "|---|---|", *rows])


def filled(document: str) -> str:
    """Return a document with its generated parts as the code has them."""
    parts = {
        "transitions": transitions().strip(),
        "exit codes": exit_codes(),
        "prices": prices(),
        "refusals": refusals(),
    }
    for name, text in parts.items():
        marks = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- /generated -->)", re.DOTALL)
        document = marks.sub(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[2]}", document)
    return document


def resolved(field: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Return a field with what it refers to; what it says itself wins."""
    found: Any = root
    for step in field.get("$ref", "#").removeprefix("#").split("/")[1:]:
        found = found[step]
    return {**(resolved(found, root) if found is not root else {}), **field}


WORDS = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list",
    "object": "mapping",
}  # fmt: skip


def kind(field: dict[str, Any], root: dict[str, Any]) -> str:
    """Say in words what a field takes."""
    schema = resolved(field, root)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    types = schema.get("type", ())
    if types == "array":
        items = resolved(schema["items"], root)
        of = "" if items.get("type") == "object" else f" of {kind(items, root)}".replace("text", "texts")
        return f"list{of}" + (f", at most {schema['maxItems']}" if "maxItems" in schema else "")
    said = " or ".join(WORDS[one] for one in ([types] if isinstance(types, str) else types)) or "anything"
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None:
        said += f", more than {low} to {high}" if "exclusiveMinimum" in schema else f", {low} to {high}"
    if "maxLength" in schema:
        said += f", at most {schema['maxLength']} characters"
    return said + (f", in steps of {schema['multipleOf']}" if "multipleOf" in schema else "")


PLAIN = re.compile(r"[^\W\d_][\w ’./*+-]*(?<! )|\d+:\d+|\d+P|\d+ [A-Z]{3}")
"""What needs no quotes in YAML 1.2, wherever it stands; some more texts would not either."""


def flow(value: object) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and PLAIN.fullmatch(value) and value not in ("true", "false", "null"):
        return value
    return json.dumps(value, ensure_ascii=False)


def block(value: object, indent: str = "") -> str:
    """Return a value as the lines of YAML that a person would write."""
    if isinstance(value, dict) and value:
        lines = []
        for key, inner in value.items():
            within = list(inner.values()) if isinstance(inner, dict) else inner if isinstance(inner, list) else []
            nested = any(isinstance(one, dict) for one in within)
            deep = nested or (isinstance(inner, dict) and (not indent or len(flow(inner)) > 60))
            lines.append(f"{indent}{key}:\n{block(inner, indent + '  ')}" if deep else f"{indent}{key}: {flow(inner)}")
        return "\n".join(lines)
    if isinstance(value, list) and len(flow(value)) > 40:
        return "\n".join(f"{indent}- {block(one, indent + '  ').strip()}" for one in value)
    return indent + flow(value)


def example(value: object, *above: str) -> str:
    """Return an example as a block of YAML, under the keys `above` it."""
    whole: object = value
    for key in reversed(above):
        whole = [whole] if key == "-" else {key: whole}
    return f"```yaml\n{block(whole)}\n```"


def cell(text: str) -> str:
    """Return a text for a table."""
    return text.replace("<", "&lt;").replace("|", "\\|")


SECTIONS = {
    "run": "`run`", "budget": "`run.budget`", "retries": "`run.retries`", "vars": "`vars`", "profiles": "`profiles`",
    "defaults": "`defaults`", "scenes": "A scene", "shots": "A shot", "style": "`style`", "matrix": "`matrix`",
    "include": "Scenes from other files",
}  # fmt: skip
"""Keys whose own section says more."""


def linked(name: str, said: str, sections: dict[str, str]) -> str:
    """Return what a key takes, leading to its section if it has one."""
    title = sections.get(name)
    slug = re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-") if title else ""
    return f"[{said}](#{slug})" if slug else said


def row(name: str, field: dict[str, Any], root: dict[str, Any], *, required: bool, sections: dict[str, str]) -> str:
    """Return the row of a key."""
    default = f"`{flow(field['default'])}`" if "default" in field else "required" if required else ""
    examples = [flow(one) for one in field.get("examples", []) if one != field.get("default")]
    simple = (
        resolved(field, root).get("type") != "object" and "const" not in field and "enum" not in resolved(field, root)
    )
    given = f" Example: `{examples[0]}`" if simple and examples and len(examples[0]) < 90 else ""
    takes = linked(name, kind(field, root), sections)
    return f"| `{name}` | {takes} | {default} | {cell(field['description'])}{given} |".replace("|  |", "| |")


def table(schema: dict[str, Any], root: dict[str, Any], sections: dict[str, str]) -> str:
    """Return a table of the keys of one mapping."""
    required = schema.get("required", schema.get("else", {}).get("required", []))
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    rows += [
        row(name, field, root, required=name in required, sections=sections)
        for name, field in schema["properties"].items()
    ]
    return "\n".join(rows)


def axes(schema: dict[str, Any]) -> str:
    """Return a table of the keys of a matrix: those of the scene in one row, as they are all alike."""
    own = {name: field for name, field in schema["properties"].items() if name not in ("include", "exclude")}
    other = schema["additionalProperties"]
    fields = ", ".join(f"`{name}`" for name in own)
    rows = ["| key | takes | meaning |", "|---|---|---|"]
    rows.append(
        f"| {fields} | list of what the key takes in a scene | A field of the scene: its values, one video each. |"
    )
    rows.append(f"| any other name | list of texts, or `name: text` lines | {cell(other['description'])} |")
    for name in ("exclude", "include"):
        field = schema["properties"][name]
        given = flow(field["examples"][0])
        rows.append(f"| `{name}` | list of combinations | {cell(field['description'])} Example: `{given}` |")
    assert all(field["type"] == "array" for field in own.values()), "not all alike"
    return "\n".join(rows)


PREFACE = """# The manifest

Every key of the language, from `schemas/manifest.schema.json`. Working examples are in [manifests/](../manifests/);
`everything.yaml` has nearly every key, each once. An editor shows the same while you write: [editors.md](editors.md).
Every code of a mistake, and what mends it: [diagnostics.md](diagnostics.md).

This page is written by `make docs`."""

LAYERS = """## Where a value comes from

A scene has what the highest of these layers says, key by key; from the lowest to the highest:

1. what is built in: the column “default”
2. `defaults` of the manifest
3. `defaults` of the included file that the scene stands in
4. the scene itself
5. the profile that `--profile NAME` names
6. the value of the scene's `matrix`

A value replaces the one below it; texts and lists are never joined. `style` is not one value but two: its `prefix` and
its `suffix` each come from the highest layer that says them. `model` sets aside a list of `models` below it, and the
seconds of `shots` any duration from elsewhere. `--set defaults.ratio=9:16` writes into the file as it is read, before
all this. Variables are filled in last."""

VARIABLES = """\
`${{hero}}` stands for the text of `hero`, `${{env:CITY}}` for `CITY` in the environment, and `$${{` for the characters
`${{` themselves. Variables work in {texts}, in what a `prompt_file` holds, in `style` and in other
variables. Limits are checked, and digests taken, of the text that comes out.

The value comes from the scene's `matrix`, else from the `vars` of its file, else from those of the files that include
it. A variable that nothing defines is an error. So is one of the environment that is not set, or whose name speaks of a
key, token, secret or password: prompts are sent, and kept."""

INCLUDED = """An entry of `scenes` may be other files in place of a scene:

```yaml
scenes:
  - include: more/*.yaml
```

Each has the form of a manifest. Its `vars` and `defaults` lie over those of the file that includes it and hold for its
own scenes only; `name`, `run` and `profiles` are for the manifest itself to say. Paths are read from the folder of the
file that they stand in, a pattern's files come by name, and ids are unique over all files. A scene that moves to an
included file stays the same job as long as it sends the same request."""

OWN = """A top-level key that begins with `x-` is yours: nothing reads it. It holds anchors for scenes to refer to.

```yaml
x-phone: &phone {ratio: 9:16, resolution: 1080P}
scenes:
  - <<: *phone
    id: alley
    prompt: Rain in a narrow street, neon light.
    duration: 5
```"""


OWN_ROW = "| `x-…` | [anything](#keys-of-your-own) | | A place of your own, for anchors. |"


def variables() -> str:
    """Return the prose about variables, with the fields that have them as the code does."""
    own = [f"`{name}`" for name in TEXTS]
    shots = " and ".join(f"`{name}`" for name in SHOT_TEXTS)
    texts = f"{', '.join(own)}, a shot's {shots}"
    return "\n\n".join(fill(one, 120, break_on_hyphens=False) for one in VARIABLES.format(texts=texts).split("\n\n"))


def manifest_page() -> str:
    """Return docs/manifest.md: every key of a manifest, from the schema."""
    root = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text("utf-8"))
    top = root["properties"]
    run = top["run"]["properties"]
    scene = top["scenes"]["items"]
    fields = scene["properties"]
    shot = fields["shots"]["items"]
    film = {**root["examples"][0], "scenes": scene["examples"]}

    def section(title: str, *parts: str) -> str:
        return "\n\n".join([f"## {title}", *parts])

    def keys(schema: dict[str, Any]) -> str:
        return table(schema, root, SECTIONS)

    def of(name: str, schema: dict[str, Any], *above: str) -> list[str]:
        shown = schema["examples"] if name == "matrix" else schema["examples"][:1]
        return [cell(schema["description"]), *(example(one, *above, name) for one in shown)]

    parts = [
        PREFACE,
        section("Top level", f"{keys(root)}\n{OWN_ROW}", example(film)),
        LAYERS,
        section("`run`", keys(top["run"]), example(top["run"]["examples"][0], "run")),
        section("`run.budget`", *of("budget", run["budget"], "run"), keys(run["budget"])),
        section("`run.retries`", *of("retries", run["retries"], "run"), keys(run["retries"])),
        section("`defaults`", *of("defaults", top["defaults"]), keys(top["defaults"])),
        section("A scene", cell(scene["description"]), keys(scene)),
        section("A shot", example(fields["shots"]["examples"][0], "shots"), keys(shot)),
        section("`style`", *of("style", fields["style"]), keys(fields["style"])),
        section("`matrix`", *of("matrix", fields["matrix"]), axes(fields["matrix"])),
        section("`vars`", *of("vars", top["vars"]), variables()),
        section("`profiles`", *of("profiles", top["profiles"])),
        section("Scenes from other files", INCLUDED),
        section("Keys of your own", OWN),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Return every document that is generated, whole or in part, as it should be."""
    parts = [ROOT / "DESIGN.md", ROOT / "docs" / "money.md"]
    return {
        ROOT / "docs" / "manifest.md": manifest_page(),
        ROOT / "docs" / "diagnostics.md": markdown(),
        **{page: filled(page.read_text("utf-8")) for page in parts},
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
