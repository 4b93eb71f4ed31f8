"""docs/manifest.md has the whole language, and its examples are manifests."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wanbatch.manifest.document import parse
from wanbatch.manifest.shape import faults

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "manifest.md").read_text("utf-8")
SCHEMA = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text("utf-8"))
SECTIONS = {
    title.strip("`"): body for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
SCENE = SCHEMA["properties"]["scenes"]["items"]
RUN = SCHEMA["properties"]["run"]
TABLES = {
    "Top level": SCHEMA,
    "run": RUN,
    "run.budget": RUN["properties"]["budget"],
    "run.retries": RUN["properties"]["retries"],
    "defaults": SCHEMA["properties"]["defaults"],
    "A scene": SCENE,
    "A shot": SCENE["properties"]["shots"]["items"],
    "style": SCENE["properties"]["style"],
}
EXAMPLES = [
    (title, text) for title, body in SECTIONS.items() for text in re.findall(r"```yaml\n(.*?)```", body, re.DOTALL)
]


def whole(field: Any) -> Any:
    """A field with what it refers to."""
    found: Any = SCHEMA
    for step in field.get("$ref", "").split("/")[1:]:
        found = found[step]
    return {**found, **field} if "$ref" in field else field


def mappings(field: Any) -> Iterator[Any]:
    """Every mapping with keys of its own, once."""
    if isinstance(field, dict):
        if "additionalProperties" in field and "properties" in field:
            yield field
        for inner in field.values():
            yield from mappings(inner)
    for inner in field if isinstance(field, list) else ():
        yield from mappings(inner)


@pytest.mark.parametrize(("title", "schema"), TABLES.items(), ids=TABLES)
def test_every_key_has_a_row_with_its_description_default_and_allowed_values(title, schema):
    rows = dict(re.findall(r"^\| `(.+?)` (\|.*)$", SECTIONS[title], re.MULTILINE))
    for name, written in schema["properties"].items():
        field, row = whole(written), rows[name].replace("&lt;", "<")
        assert written["description"] in row
        assert all(f"`{value}`" in row for value in field.get("enum", ()))
        if "default" in written:
            assert f"| `{json.dumps(written['default'])}` |".replace('"', "") in row
        if name in schema.get("required", ()):
            assert "| required |" in row
        for limit in ("minimum", "maximum", "exclusiveMinimum", "multipleOf"):
            assert str(field.get(limit, "")) in row


def test_no_mapping_of_the_schema_is_without_its_table():
    matrix = SCENE["properties"]["matrix"]
    known = [*TABLES.values(), matrix, matrix["properties"]["include"]["items"]]
    assert [one for one in mappings(SCHEMA) if one not in known] == []
    for name in matrix["properties"]:
        assert f"`{name}`" in SECTIONS["matrix"]


@pytest.mark.parametrize(("title", "text"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_every_example_is_part_of_a_manifest_that_keeps_to_the_language(title, text):
    document = parse("page.yaml", text)
    assert document.problems == ()
    film: dict[str, Any] = {"wanbatch": 1, "scenes": [{"id": "a", "prompt": "p", "duration": 5}]}
    for name, value in document.data.items():
        of_scene = name not in SCHEMA["properties"] and not name.startswith("x-")
        (film["scenes"][0] if of_scene else film)[name] = value
    if "shots" in film["scenes"][0]:
        film["scenes"] = [{"id": "a", "shots": film["scenes"][0]["shots"]}]
    assert faults("manifest", film) == []


def test_every_section_is_reached_and_every_link_inside_the_page_leads_to_one():
    slugs = {re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert set(re.findall(r"\]\(#(.+?)\)", PAGE)) == slugs - {"top-level", "where-a-value-comes-from"}
