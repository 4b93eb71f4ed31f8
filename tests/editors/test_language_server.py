"""The published schema in a real yaml-language-server: what an editor completes, explains and underlines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editors.lsp import Editor
from editors.node import PACKAGES, node

from wanbatch.cli.door import guarded

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "manifest.schema.json"
MANIFESTS = sorted((ROOT / "manifests").rglob("*.yaml"))
PROPERTIES = json.loads(SCHEMA.read_text("utf-8"))["properties"]
SCENE = PROPERTIES["scenes"]["items"]["properties"]
SERVER = PACKAGES / "yaml-language-server" / "bin" / "yaml-language-server"
OFFLINE = {"schemaStore": {"enable": False}}
"""The one setting that every test has: nothing is looked up on the network. All else is as it comes."""
MODELINE = f"# yaml-language-server: $schema={SCHEMA}\n"
HERE = "‸"
"""Where the cursor is."""


def editor(folder: Path, **settings: Any) -> Editor:
    program = node()
    if program is None or not SERVER.exists():
        pytest.skip("yaml-language-server is not installed: make editors")
    return Editor([program, str(SERVER), "--stdio"], folder, {"yaml": OFFLINE | settings})


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor without any setting of the user's."""
    with editor(tmp_path_factory.mktemp("editor")) as opened:
        yield opened


def typed(text: str) -> tuple[str, int, int]:
    """A manifest's text without the cursor, and the cursor's line and column, from 0."""
    before, _, after = f"{MODELINE}{text}".partition(HERE)
    return before + after, before.count("\n"), len(before) - before.rfind("\n") - 1


def offered(opened: Editor, path: Path, text: str) -> dict[str, str]:
    """What is offered at the cursor: what the list shows, and what would be written."""
    whole, line, column = typed(text)
    opened.open(path, whole)
    found = opened.completed(path, line, column)
    return {item["label"]: item.get("insertText", "") for item in found}


KEYS = [
    (HERE, set(PROPERTIES)),
    (f"wanbatch: 1\n{HERE}", set(PROPERTIES) - {"wanbatch"}),
    (f"run:\n  {HERE}", set(PROPERTIES["run"]["properties"])),
    (f"run:\n  budget:\n    {HERE}", {"per_run", "per_day"}),
    (f"defaults:\n  {HERE}", set(PROPERTIES["defaults"]["properties"])),
    (f"profiles:\n  draft:\n    {HERE}", set(PROPERTIES["defaults"]["properties"])),
    (f"scenes:\n  - {HERE}", set(SCENE)),
    (f"scenes:\n  - id: alley\n    {HERE}", set(SCENE) - {"id"}),
    (f"scenes:\n  - style:\n      {HERE}", {"prefix", "suffix"}),
    (f"scenes:\n  - matrix:\n      {HERE}", set(SCENE["matrix"]["properties"])),
    (f"scenes:\n  - shots:\n      - {HERE}", set(SCENE["shots"]["items"]["properties"])),
    (f"scenes:\n  - shots:\n      - seconds: 3\n        {HERE}", {"framing", "prompt"}),
]


@pytest.mark.parametrize(("text", "keys"), KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_key_that_may_stand_at_the_cursor_is_offered(text, keys, usual, tmp_path):
    assert keys <= offered(usual, tmp_path / "film.yaml", text).keys()


VALUES = [
    (f"defaults:\n  resolution: {HERE}\n", SCENE["resolution"]["enum"]),
    (f"profiles:\n  draft:\n    resolution: {HERE}\n", SCENE["resolution"]["enum"]),
    (f"scenes:\n  - id: alley\n    resolution: {HERE}\n", SCENE["resolution"]["enum"]),
    (f"scenes:\n  - {{id: alley, resolution: {HERE}}}\n", SCENE["resolution"]["enum"]),
    (f"scenes:\n  - id: alley\n    ratio: {HERE}\n", SCENE["ratio"]["enum"]),
    (f"scenes:\n  - id: alley\n    model: {HERE}\n", SCENE["model"]["enum"]),
    (f"scenes:\n  - id: alley\n    watermark: {HERE}\n", ["true", "false"]),
    (f"scenes:\n  - matrix:\n      ratio: [{HERE}]\n", SCENE["ratio"]["enum"]),
    (f"scenes:\n  - matrix:\n      ratio:\n        - {HERE}\n", SCENE["ratio"]["enum"]),
    (f"run:\n  on_change: {HERE}\n", ["generate", "keep"]),
]


@pytest.mark.parametrize(("text", "values"), VALUES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_values_of_a_key_are_offered_and_no_others_unquoted(text, values, usual, tmp_path):
    found = offered(usual, tmp_path / "film.yaml", text)
    assert found == {value: value for value in values}


FULL = """\
wanbatch: 1
name: film
x-look: {ratio: 16:9}
run:
  concurrency: 2
  budget: {per_run: 30 CNY}
vars:
  hero: a detective
profiles:
  draft:
    resolution: 720P
defaults:
  resolution: 1080P
  style:
    suffix: Shot on 35 mm film.
scenes:
  - id: alley
    takes: 3
    intro: Rain.
    shots:
      - framing: wide shot
        seconds: 3
        prompt: "${hero} walks."
  - id: skyline
    prompt_file: skyline.txt
    matrix:
      ratio: [16:9, 9:16]
      city: [Paris, Tokyo]
      exclude:
        - city: Tokyo
  - include: more/*.yaml
"""
EXPLAINED = [
    ("wanbatch", PROPERTIES["wanbatch"]),
    ("name", PROPERTIES["name"]),
    ("run", PROPERTIES["run"]),
    ("concurrency", PROPERTIES["run"]["properties"]["concurrency"]),
    ("per_run", PROPERTIES["run"]["properties"]["budget"]["properties"]["per_run"]),
    ("vars", PROPERTIES["vars"]),
    ("hero", PROPERTIES["vars"]["additionalProperties"]),
    ("profiles", PROPERTIES["profiles"]),
    ("draft", PROPERTIES["profiles"]["additionalProperties"]),
    ("defaults", PROPERTIES["defaults"]),
    ("style", PROPERTIES["defaults"]["properties"]["style"]),
    ("suffix", SCENE["style"]["properties"]["suffix"]),
    ("scenes", PROPERTIES["scenes"]),
    ("id", SCENE["id"]),
    ("takes", SCENE["takes"]),
    ("intro", SCENE["intro"]),
    ("shots", SCENE["shots"]),
    ("framing", SCENE["shots"]["items"]["properties"]["framing"]),
    ("seconds", SCENE["shots"]["items"]["properties"]["seconds"]),
    ("prompt_file", SCENE["prompt_file"]),
    ("matrix", SCENE["matrix"]),
    ("ratio: [", SCENE["matrix"]["properties"]["ratio"]),
    ("exclude", SCENE["matrix"]["properties"]["exclude"]),
    ("include", SCENE["include"]),
]


def plain(markdown: str) -> str:
    """Markdown as it is shown, as far as a description needs it."""
    return markdown.replace("\\", "").replace("&lt;", "<").replace("&nbsp;", " ").replace("&#39;", "'")


@pytest.fixture(scope="module")
def full(usual: Editor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FULL, open in the editor."""
    path = tmp_path_factory.mktemp("full") / "film.yaml"
    assert usual.opened(path, MODELINE + FULL) == []
    return path


@pytest.mark.parametrize(("key", "field"), EXPLAINED, ids=[key for key, _ in EXPLAINED])
def test_a_key_is_explained_by_the_description_in_the_schema(key, field, usual, full):
    lines = (MODELINE + FULL).splitlines()
    (line, text), *_ = [(nth, text) for nth, text in enumerate(lines) if text.lstrip(" -").startswith(key)] or [
        (nth, text) for nth, text in enumerate(lines) if f"{{{key}" in text
    ]
    assert field["description"] in plain(usual.hover(full, line, text.index(key) + 1))


def shown(found: list[dict[str, Any]], text: str) -> list[str]:
    """What is underlined, character by character."""
    lines = text.splitlines()
    for one in found:
        assert one["range"]["start"]["line"] == one["range"]["end"]["line"]
    ranges = [(lines[one["range"]["start"]["line"]], one["range"]) for one in found]
    return [line[span["start"]["character"] : span["end"]["character"]] for line, span in ranges]


MISTAKES = [
    ("defaults: {resolution: 720P}", "resolution: 720P\n    ratio: 16:10", "16:10"),
    ("defaults: {resolution: 720P}", "ratio: 16:10", "16:10"),
    ("defaults: {resolution: 720P, ratio: 16:10}", "title: t", "16:10"),
    ("defaults: {resolution: 720p}", "title: t", "720p"),
    ("profiles: {draft: {resolution: 480P}}", "title: t", "480P"),
    ("default: {}", "title: t", "default"),
    ("vars: {the hero: x}", "title: t", "the hero"),
    ("vars: {hero: [x]}", "title: t", "[x]"),
    ("run: {concurrency: 0}", "title: t", "0"),
    ("defaults: {resolutoin: 720P}", "title: t", "resolutoin"),
    ("run: {}", "watermrk: true", "watermrk"),
    ("run: {}", "takes: three", "three"),
    ("run: {}", "takes: 0", "0"),
    ("run: {}", "style: {praefix: x}", "praefix"),
    ("run: {}", "matrix: {ratio: [16:9, 21:9]}", "21:9"),
    ("run: {}", "watermark: yes", "yes"),
    ("run: {}", "shots: [{seconds: 2, prompt: p}]", "shots"),
]


@pytest.mark.parametrize(("head", "field", "underlined"), MISTAKES, ids=lambda value: value)
def test_a_mistake_is_underlined_exactly(head, field, underlined, usual, tmp_path):
    text = f"{MODELINE}wanbatch: 1\n{head}\nscenes:\n  - id: alley\n    prompt: p\n    duration: 5\n    {field}\n"
    assert shown(usual.opened(tmp_path / "film.yaml", text), text) == [underlined]


@pytest.mark.parametrize("ratio", SCENE["ratio"]["enum"])
def test_a_ratio_without_quotes_is_text_and_not_underlined(ratio, usual, tmp_path):
    text = f"{MODELINE}wanbatch: 1\ndefaults: {{ratio: {ratio}}}\nscenes: [{{id: a, prompt: p, ratio: {ratio}}}]\n"
    assert usual.opened(tmp_path / "film.yaml", text) == []


def test_a_user_who_chose_yaml_1_1_has_ratios_underlined_as_the_document_says(tmp_path):
    text = f"{MODELINE}wanbatch: 1\nscenes: [{{id: a, prompt: p, ratio: 16:9}}]\n"
    with editor(tmp_path, yamlVersion="1.1") as old:
        assert shown(old.opened(tmp_path / "film.yaml", text), text) == ["16:9"]
    assert "yaml.yamlVersion" in (ROOT / "docs" / "editors.md").read_text("utf-8")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_nothing_is_underlined_in_a_manifest_of_ours(path, usual):
    assert usual.opened(path, path.read_text("utf-8")) == []


def test_the_schema_is_found_by_the_modeline_and_only_by_it(usual, tmp_path):
    text = "wanbatch: 2\nscenes: []\n"
    assert usual.opened(tmp_path / "without.yaml", text) == []
    assert len(usual.opened(tmp_path / "with.yaml", MODELINE + text)) == 2
    (tmp_path / "manifest.schema.json").write_bytes(SCHEMA.read_bytes())
    beside = "# yaml-language-server: $schema=manifest.schema.json\n"
    assert len(usual.opened(tmp_path / "beside.yaml", f"{beside}{text}")) == 2
    assert len(usual.opened(tmp_path / "below-remarks.yaml", f"# A film.\n\n{beside}{text}")) == 2
    assert usual.opened(tmp_path / "below-the-content.yaml", f"{text}{beside}") == []


def test_schema_install_is_all_that_an_editor_needs(usual, in_tmp):
    path = in_tmp / "film.yaml"
    path.write_text("wanbatch: 1\nscenes:\n  - id: alley\n    prompt: p\n    ratio: 16:10\n", "utf-8")
    assert usual.opened(in_tmp / "before.yaml", path.read_text("utf-8")) == []
    assert guarded(["schema", "--install", "film.yaml"]) == 0
    text = path.read_text("utf-8")
    assert shown(usual.opened(path, text), text) == ["16:10"]


def test_the_setting_that_is_recommended_keeps_a_completed_key_empty(usual, tmp_path):
    assert "takes" in offered(usual, tmp_path / "usual.yaml", f"wanbatch: 1\n{HERE}")["scenes"]
    with editor(tmp_path, disableDefaultProperties=True) as set_up:
        assert offered(set_up, tmp_path / "set-up.yaml", f"wanbatch: 1\n{HERE}")["scenes"] == "scenes:\n  - "
    assert '"yaml.disableDefaultProperties": true' in (ROOT / "docs" / "editors.md").read_text("utf-8")
