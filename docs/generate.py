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


def exit_codes() -> str:
    """Return the exit codes as a table, from the enumeration and the words beside its members."""
    source = (ROOT / "wanbatch" / "errors.py").read_text("utf-8")
    words = dict(re.findall(r'^    ([A-Z]+) = \d+\n    """(.+?)"""$', source, re.MULTILINE))
    rows = [f"| {int(code)} | {words[code.name]} |" for code in Exit]
    return "\n".join(["| code | means |", "|---|---|", *rows])


def filled(document: str) -> str:
    """Return a document with its generated parts as the code has them."""
    parts = {"transitions": transitions().strip(), "exit codes": exit_codes()}
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
        fields("`defaults`", properties["defaults"], root),
        fields("A scene", scene, root),
        fields("A shot", shot, root),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Return every document that is generated, whole or in part, as it should be."""
    design = ROOT / "DESIGN.md"
    return {ROOT / "docs" / "manifest.md": manifest_page(), design: filled(design.read_text("utf-8"))}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
