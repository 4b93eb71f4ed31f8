"""The quick predicate and jsonschema say the same of all that we can think of; a yes is true in any case."""

import copy
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from wanbatch.manifest import fit, strict
from wanbatch.manifest.document import parse
from wanbatch.service import catalog

ROOT = Path(__file__).parents[2]
SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))
VALID = sorted([*(ROOT / "manifests").glob("*.yaml"), *(ROOT / "tests/manifests/valid").glob("*.yaml")])
INVALID = sorted((ROOT / "tests/manifests/invalid").glob("*.yaml"))
FAMILY = next(iter(catalog.families()))
REQUESTS = fit.shipped(FAMILY)["examples"]

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 5, 10**400, 0.0, 1.0, 0.5, 2.5, 2.25, 1e-320, 1.7e308,
    "", "a", "ab", "a\n", "a b", "🏮", "🏮🏮", "x-a", "1",
    [], ["a"], ["a", "a"], [1, 1.0], [1, True], [0, False], [True, True], [None, None], ["1", 1], [1, 2, 3],
    {}, {"a": 1}, {"a": "b"}, {"b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, {"x-a": 1}, {"x-b": "b", "a": True},
    {"🏮": None}, {"x-a": 2}, {"x-b": 1}, {"x-b": 2},
]  # fmt: skip
PLAUSIBLE: list[Any] = [
    "1080P", "9:16", "zh", "wan2.7-t2v", "https://example.com/a.mp3", "rain", 1, 5, 15, 2.5, True, ["a", "b"], [5, 10],
    {"city": ["Paris", "Oslo"]}, {"suffix": ""}, [{"seconds": 3, "prompt": "rain"}],
]  # fmt: skip

RULES: list[dict[str, Any]] = [
    *({"type": name} for name in fit.TYPES),
    {"type": ["string", "integer"]},
    {"type": ["array", "object"], "minItems": 1, "minProperties": 1},
    {"enum": ["a", "ab"]},
    {"enum": [1, "1"]},
    {"enum": [True, None]},
    {"const": 1},
    {"const": 0},
    {"const": False},
    {"const": 1.0},
    {"minimum": 1},
    {"maximum": 1},
    {"exclusiveMinimum": 0},
    {"type": "number", "multipleOf": 2},
    {"minLength": 1},
    {"minLength": 2},
    {"maxLength": 1},
    {"pattern": r"^a(?![\s\S])"},
    {"pattern": "a"},
    {"pattern": "b$"},
    {"minItems": 2},
    {"maxItems": 1},
    {"uniqueItems": True},
    {"uniqueItems": False},
    {"minProperties": 1},
    {"maxProperties": 1},
    {"required": ["a"]},
    {"required": ["a", "b"]},
    {"dependentRequired": {"a": ["b"]}},
    {"dependentSchemas": {"a": {"properties": {"b": False}}, "b": True}},
    {"properties": {"a": {"type": "string"}, "b": True}},
    {"properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"properties": {"a": True}, "additionalProperties": {"type": "integer"}},
    {"additionalProperties": {"type": "integer", "maximum": 1}},
    {"patternProperties": {"^x-": {"type": "integer"}}},
    {"patternProperties": {"^x-": True}, "additionalProperties": False},
    {"properties": {"x-a": {"minimum": 1}}, "patternProperties": {"^x-": {"maximum": 1}, "b": {"type": "string"}}},
    {"propertyNames": {"pattern": "^[ab]"}},
    {"propertyNames": {"maxLength": 1}},
    {"items": {"type": "integer"}},
    {"items": False},
    {"anyOf": [{"type": "string"}, {"minimum": 1}]},
    {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    {"not": {"type": "object", "required": ["a", "b"]}},
    {"not": {"uniqueItems": True}},
    {"not": {"minimum": 1}},
    {"if": {"required": ["a"]}, "then": {"maxProperties": 1}, "else": {"required": ["b"]}},
    {"if": {"type": "string"}, "then": {"minLength": 1}},
    {"if": {"type": "string"}, "else": {"type": "object"}},
    {"then": False, "else": False},
]


def named(part: Any) -> str:
    """Return a test's name for a part of a table; the same in every process, as running in parallel needs."""
    return part.name if isinstance(part, Path) else json.dumps(part)[:60]


def says(schema: Any, value: object) -> bool:
    """Return what the predicate of a schema of a test's own says."""
    return fit.Compiler(schema).check(schema)(value)


def data(path: Path) -> Any:
    return parse(path.name, path.read_bytes().decode("utf-16" if path.stem == "utf-16" else "utf-8", "replace")).data


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_each_keyword_says_of_every_kind_of_value_what_jsonschema_says(rule: dict[str, Any]) -> None:
    judge = strict.StrictValidator(rule)
    expected = [judge.is_valid(value) for value in VALUES]
    assert [says(rule, value) for value in VALUES] == expected
    assert [says({"items": rule}, [value]) for value in VALUES] == expected


def test_what_stands_beside_a_reference_counts_too() -> None:
    rule = {"items": {"$ref": "#/default/b", "maxLength": 1}, "default": {"b": {"type": "string"}}}
    assert [says(rule, [value]) for value in ("a", "ab", 1)] == [True, False, False]


def test_halves_are_told_exactly_and_what_no_float_holds_is_a_no() -> None:
    rule = {"multipleOf": 0.5}
    for value in (0, 1, 7, 0.5, 2.5, 2.25, 0.1, 2.5000000001, -0.5, 1e-320, 1e300, True, "0.3"):
        assert says(rule, value) == strict.StrictValidator(rule).is_valid(value), value
    with pytest.raises(OverflowError):
        says(rule, 10**400)
    assert OverflowError in fit.UNSURE


def test_every_shipped_schema_compiles() -> None:
    assert len(SCHEMAS) >= 3
    for path in SCHEMAS:
        fit.Compiler(content := json.loads(path.read_text("utf-8"))).check(content)


@pytest.mark.parametrize(
    "around",
    [
        lambda odd: odd,
        lambda odd: {"properties": {"a": odd}},
        lambda odd: {"patternProperties": {"a": odd}},
        lambda odd: {"additionalProperties": odd},
        lambda odd: {"items": odd},
        lambda odd: {"anyOf": [True, odd]},
        lambda odd: {"not": odd},
        lambda odd: {"if": odd},
        lambda odd: {"if": True, "then": odd},
        lambda odd: {"if": True, "else": odd},
        lambda odd: {"propertyNames": odd},
        lambda odd: {"dependentSchemas": {"a": odd}},
        lambda odd: {"$ref": "#/default", "default": odd},
    ],
)
@pytest.mark.parametrize(
    "odd", [{"contains": True}, {"enum": [[1]]}, {"$ref": "#/nowhere"}, {"type": "text"}], ids=named
)
def test_a_schema_with_a_keyword_that_nothing_checks_raises_wherever_it_stands(around: Any, odd: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        fit.Compiler(schema := around(odd)).check(schema)


@pytest.mark.parametrize(
    "odd", [(1, 2), {1, 2}, type("Text", (str,), {})("a"), object()], ids=lambda odd: type(odd).__name__
)
def test_what_no_json_holds_is_a_no(odd: object) -> None:
    assert not fit.fits(FAMILY, odd)
    assert not fit.fits(FAMILY, {**REQUESTS[0], "model": odd})


def test_lists_among_what_must_not_come_twice_are_a_no() -> None:
    with pytest.raises(TypeError):
        says({"uniqueItems": True}, [[1], [2]])
    assert TypeError in fit.UNSURE


@pytest.mark.parametrize("path", VALID + INVALID, ids=named)
def test_of_every_manifest_in_the_tests_it_says_what_jsonschema_says(path: Path) -> None:
    assert fit.fits("manifest", data(path)) == strict.validator("manifest").is_valid(data(path))


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document: what holds it, and the key or index there."""
    for step, inside in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, step
        if isinstance(inside, dict | list):
            yield from nodes(inside)


def test_a_part_of_a_schema_can_be_asked_alone() -> None:
    scene = "#/properties/scenes/items"
    assert fit.fits("manifest", {"id": "alley", "prompt": "rain"}, scene)
    assert not fit.fits("manifest", {"id": "alley", "prompt": "rain", "scenes": []}, scene)


def test_jsonschema_is_not_even_loaded_for_a_manifest_without_a_mistake() -> None:
    code = "import sys; from pathlib import Path; from wanbatch.manifest.check import load; load(Path(sys.argv[1]))"
    asked = f"{code}; print('jsonschema' in sys.modules)"
    path = ROOT / "manifests" / "everything.yaml"
    done = subprocess.run([sys.executable, "-c", asked, path], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


KEYS = (
    "id",
    "prompt",
    "shots",
    "include",
    "matrix",
    "exclude",
    "model",
    "seed",
    "x-own",
    "sceen",
    "vars",
    "",
    "a b",
    "style",
)


def mutate(document: Any, chance: random.Random) -> Any:
    """Return a copy of a document with one to three things changed."""
    changed = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(nodes(changed))
        if not places:
            break
        holder, step = chance.choice(places)
        other_holder, other_step = chance.choice(places)
        match chance.randrange(7):
            case 0:
                del holder[step]
            case 1:
                holder[step] = copy.deepcopy(chance.choice(VALUES))
            case 2:
                holder[step] = copy.deepcopy(chance.choice(PLAUSIBLE))
            case 3:
                holder[step] = copy.deepcopy(other_holder[other_step])
            case 4 if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = copy.deepcopy(other_holder[other_step])
            case _ if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = holder.pop(step)
            case _:
                holder.insert(step, copy.deepcopy(holder[step]))
    return changed


def whole_and_parts() -> list[Any]:
    """Return the valid manifests, and of each a short one: with all its settings and two of its scenes."""
    found = [data(path) for path in VALID]
    return [one | {"scenes": one["scenes"][at : at + 2]} for one in found for at in range(0, len(one["scenes"]), 2)]


def found(judge: Any, document: object) -> list[object]:
    """Return what a validator finds, as far as anybody reads it."""
    return [
        (list(e.absolute_path), e.validator, e.message, list(e.absolute_schema_path))
        for e in judge.iter_errors(document)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_passing_over_the_scenes_that_fit_hides_no_mistake_in_the_others(seed: int) -> None:
    items = {"items": Draft202012Validator.VALIDATORS["items"]}
    thorough = extend(strict.StrictValidator, items)(fit.shipped("manifest"))  # type: ignore[no-untyped-call]
    chance = random.Random(seed)
    documents = [
        changed for _ in range(100) if valid_number(changed := mutate(chance.choice(whole_and_parts()), chance))
    ]
    assert [found(strict.validator("manifest"), one) for one in documents] == [
        found(thorough, one) for one in documents
    ]


def valid_number(document: Any) -> bool:
    """Say whether jsonschema can look at all numbers of a document: not at one that no document can hold."""
    return str(10**400) not in str(document)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("schema_id", ["manifest", FAMILY])
def test_of_thousands_of_changed_documents_it_says_what_jsonschema_says(schema_id: str, seed: int) -> None:
    chance, judge = random.Random(seed), strict.validator(schema_id)
    documents = whole_and_parts() if schema_id == "manifest" else REQUESTS
    heard = []
    for _ in range(400):
        changed = mutate(chance.choice(documents), chance)
        expected = valid_number(changed) and judge.is_valid(changed)
        heard.append(expected)
        assert fit.fits(schema_id, changed) == expected, changed
    assert 10 < sum(heard) < 390
