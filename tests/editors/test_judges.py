"""The published schema before judges that are not ours, ajv at its strictest and check-jsonschema, and before ours."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from editors.node import HERE, PACKAGES, node

from wanbatch.manifest.document import parse, read_text
from wanbatch.manifest.shape import faults

ROOT = Path(__file__).parents[2]
SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))
SCHEMA = ROOT / "schemas" / "manifest.schema.json"
MANIFESTS = sorted((ROOT / "manifests").rglob("*.yaml"))
GOOD = [*MANIFESTS, *sorted((ROOT / "tests" / "manifests" / "valid").glob("*.yaml"))]
FILES = [*GOOD, *sorted((ROOT / "tests" / "manifests" / "invalid").glob("*.yaml"))]


def judged_by_ajv(schema: Any, documents: list[Any]) -> list[bool]:
    """What ajv says of each document; it fails for a schema that is not strict."""
    program = node()
    if program is None or not (PACKAGES / "ajv").exists():
        pytest.skip("ajv is not installed: make editors")
    asked = json.dumps({"schema": schema, "documents": documents}, allow_nan=False)
    ended = subprocess.run([program, str(HERE / "judge.mjs")], input=asked, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    found: list[bool] = json.loads(ended.stdout)
    return found


def checked(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """check-jsonschema, run as the program that it is."""
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--no-cache", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(path: Path) -> Any:
    """A manifest's document; None for one that is not YAML at all."""
    try:
        document = parse(str(path), read_text(path))
        json.dumps(document.data, allow_nan=False)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is nothing for a schema
        return None
    return document.data


def judged_by_us(documents: Sequence[Any]) -> list[bool]:
    """What `wanbatch validate` says of each document's shape."""
    return [not faults("manifest", document) for document in documents]


def has_whole_floats(value: Any) -> bool:
    """Whether 5.0 stands where JSON Schema sees the whole number 5, and we, like the service, do not."""
    if isinstance(value, float):
        return value.is_integer()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_whole_floats, inner))


def scene(**fields: Any) -> dict[str, Any]:
    return {"wanbatch": 1, "scenes": [{"id": "a", "prompt": "p", **fields}]}


def top(**fields: Any) -> dict[str, Any]:
    return {**scene(), **fields}


FITS = [
    top(),
    top(vars={"hero": "a detective", "_n1": 7}),
    top(vars={}),
    top(profiles={"draft": {"resolution": "720P", "takes": 2, "style": {"suffix": ""}}, "hi-res": {}}),
    top(**{"x-any": [None, {"a": 1.5}], "x-": False}),
    scene(takes=100),
    scene(style={}),
    scene(matrix={"ratio": ["16:9", "1:1"], "city": ["Paris", 3], "look": {"ink": "ink on paper"}}),
    scene(matrix={"city": ["Paris"], "exclude": [{"city": "Paris"}], "include": [{"city": "Oslo"}]}),
    scene(matrix={"watermark": [True, False], "duration": [2, 15], "seed": [0], "model": ["wan2.7-t2v"]}),
    {"wanbatch": 1, "scenes": [{"include": "more/*.yaml"}, {"id": "a", "prompt_file": "a.txt"}]},
    {"wanbatch": 1, "scenes": [{"id": "a", "intro": "i", "shots": [{"seconds": 2.5, "prompt": "p"}]}]},
    {"wanbatch": 1, "scenes": [{"id": "a", "prompt": "🏮" * 5001, "duration": 5}]},
]
DOES_NOT_FIT = [
    None, [], "wanbatch: 1", 1, {}, {"wanbatch": 1}, {"wanbatch": True, "scenes": [{"id": "a", "prompt": "p"}]},
    top(unknown=1), top(X_a=1), top(name="a@b"), top(name="film\n"), top(name="灯" * 61),
    top(vars={"the hero": "x"}), top(vars={"1st": "x"}), top(vars={"hero": ["x"]}), top(vars={"hero": None}),
    top(vars={"hero": True}), top(vars={"hero\n": "x"}), top(vars=[]),
    top(profiles={"draft": {"id": "x"}}), top(profiles={"a b": {}}), top(profiles={"draft": None}),
    top(profiles={"draft": {"resolution": "720p"}}), top(profiles={"draft\n": {}}),
    top(defaults={"prompt": "x"}), top(defaults={"matrix": {"city": ["Paris"]}}), top(defaults={"models": []}),
    top(run={"budget": {"per_run": "30"}}), top(run={"retries": {"service": 11}}),
    scene(takes=0), scene(takes=101), scene(takes=1.5), scene(takes="3"), scene(takes=True),
    scene(style="x"), scene(style={"praefix": "x"}), scene(style={"suffix": None}),
    scene(matrix={}), scene(matrix=[]), scene(matrix={"ratio": []}), scene(matrix={"ratio": "16:9"}),
    scene(matrix={"ratio": ["16:9", "16:9"]}), scene(matrix={"ratio": ["21:9"]}), scene(matrix={"duration": [1]}),
    scene(matrix={"city": []}), scene(matrix={"city": {}}), scene(matrix={"city": [""]}), scene(matrix={"city": [1.5]}),
    scene(matrix={"city": ["Paris", "Paris"]}), scene(matrix={"the city": ["Paris"]}), scene(matrix={"city": "Paris"}),
    scene(matrix={"city": ["Paris"], "exclude": [{}]}), scene(matrix={"city": ["Paris"], "include": [{"seed": -1}]}),
    scene(include="a.yaml"), scene(prompt_file="a.txt"), scene(shots=[{"seconds": 2, "prompt": "p"}]), scene(intro="i"),
    scene(id="a\n"), scene(id="灯"), scene(id="a" * 65), scene(seed=-1), scene(seed=2**31), scene(duration=2.5),
    {"wanbatch": 1, "scenes": [{"id": "a"}]}, {"wanbatch": 1, "scenes": [{"prompt": "p"}]},
    {"wanbatch": 1, "scenes": [{"include": ""}]}, {"wanbatch": 1, "scenes": [{"include": "a", "tags": []}]},
    {"wanbatch": 1, "scenes": [{"id": "a", "shots": [{"seconds": 2.25, "prompt": "p"}]}]},
    {"wanbatch": 1, "scenes": [{"id": "a", "shots": [{"seconds": 2, "prompt": "p"}], "prompt_file": "a"}]},
]  # fmt: skip


def test_ajv_at_its_strictest_takes_every_schema():
    for path in SCHEMAS:
        assert judged_by_ajv(json.loads(path.read_text("utf-8")), [None]) == [False], path.name


def test_ajv_and_we_are_of_one_mind_about_documents():
    documents = [*FITS, *DOES_NOT_FIT]
    expected = [(True, one) for one in FITS] + [(False, one) for one in DOES_NOT_FIT]
    assert list(zip(judged_by_us(documents), documents, strict=True)) == expected
    said = judged_by_ajv(json.loads(SCHEMA.read_text("utf-8")), documents)
    assert list(zip(said, documents, strict=True)) == expected


def test_ajv_and_we_are_of_one_mind_about_every_manifest_in_the_tests():
    found = {path: read(path) for path in FILES}
    assert [path for path in GOOD if found[path] is None] == []
    documents = {path: one for path, one in found.items() if one is not None and not has_whole_floats(one)}
    assert len(documents) > 100
    ours = dict(zip(documents, judged_by_us(list(documents.values())), strict=True))
    assert [path for path in GOOD if not ours[path]] == []
    said = judged_by_ajv(json.loads(SCHEMA.read_text("utf-8")), list(documents.values()))
    assert dict(zip(documents, said, strict=True)) == ours


def test_check_jsonschema_takes_every_schema():
    ended = checked("--check-metaschema", *SCHEMAS)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_check_jsonschema_accepts_every_manifest_of_ours_as_its_own_yaml_reads_it():
    ended = checked("--schemafile", SCHEMA, *MANIFESTS)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_check_jsonschema_names_a_mistake_by_its_place(tmp_path):
    (tmp_path / "film.yaml").write_text("wanbatch: 1\nscenes: [{id: a, prompt: p, ratio: 16:10}]\n", "utf-8")
    ended = checked("--schemafile", SCHEMA, tmp_path / "film.yaml")
    assert ended.returncode == 1
    assert "$.scenes[0].ratio: '16:10' is not one of ['16:9'," in ended.stdout
