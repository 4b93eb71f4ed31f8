"""Writes what the documents say of the code: `make docs`. A test fails while they differ."""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "jobs")]

from table import markdown as transitions  # noqa: E402 - a table made by trying every event on every state

from wanbatch.errors import Exit  # noqa: E402
from wanbatch.jobs.seen import Kind  # noqa: E402
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


def kind(schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Say in words what a field takes."""
    if "$ref" in schema:
        found: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
             "array": "list", "object": "mapping"}  # fmt: skip
    said = words.get(schema.get("type", ""), "anything")
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None:
        said += f", more than {low} to {high}" if "exclusiveMinimum" in schema else f", {low} to {high}"
    return said + (f", in steps of {schema['multipleOf']}" if "multipleOf" in schema else "")


def shown(value: object) -> str:
    """Return a value as YAML's flow style writes it."""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def fields(title: str, schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Return a section: a table of the keys of one mapping."""
    required = schema.get("required", [])
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        default = shown(field["default"]) if "default" in field else "required" if name in required else ""
        examples = [one for one in field.get("examples", []) if one != field.get("default")]
        example = shown(examples[0]) if examples and field.get("type") != "object" else ""
        meaning = field["description"].replace("<", "&lt;") + (f" Example: {example}" if 0 < len(example) < 90 else "")
        rows.append(f"| `{name}` | {kind(field, root)} | {default} | {meaning} |".replace("|  |", "| |"))
    return f"## {title}\n\n" + "\n".join(rows)


PREFACE = """# The manifest

Generated from `schemas/manifest.schema.json` by `make docs`. Working examples are in [manifests/](../manifests/);
`everything.yaml` has every key once."""


def manifest_page() -> str:
    """Return docs/manifest.md: every key of a manifest, from the schema."""
    root = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text("utf-8"))
    properties = root["properties"]
    scene = properties["scenes"]["items"]
    shot = scene["properties"]["shots"]["items"]
    parts = [
        PREFACE,
        fields("Top level", root, root),
        fields("`run`", properties["run"], root),
        fields("`run.budget`", properties["run"]["properties"]["budget"], root),
        fields("`run.retries`", properties["run"]["properties"]["retries"], root),
        fields("`defaults`", properties["defaults"], root),
        fields("A scene", scene, root),
        fields("A shot", shot, root),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Return every document that is generated, whole or in part, as it should be."""
    parts = [ROOT / "DESIGN.md", ROOT / "docs" / "money.md"]
    return {ROOT / "docs" / "manifest.md": manifest_page(), **{page: filled(page.read_text("utf-8")) for page in parts}}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
