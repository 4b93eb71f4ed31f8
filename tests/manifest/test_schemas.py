"""What the two schemas promise to editors and to people who write manifests.

Reads schemas/ and manifests/ as files and judges them with `jsonschema` alone: knows nothing of the program.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "manifests").glob("*.yaml"))
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCENE = "/properties/scenes/items"
GONE = object()
"""As a value in a table of mistakes: the field is taken away."""

WITHOUT_DEFAULT = {
    "/properties/name": "the file's stem",
    "/properties/run": "its fields have their own",
    "/properties/run/properties/concurrency": "what each account lets through",
    "/properties/run/properties/budget": "no cap",
    "/properties/run/properties/budget/properties/per_run": "no cap",
    "/properties/run/properties/budget/properties/per_day": "no cap",
    "/properties/run/properties/accounts": "the account of the environment",
    "/properties/run/properties/retries": "its fields have their own",
    "/properties/vars": "no variable",
    "/properties/profiles": "no profile",
    "/properties/defaults": "its fields have their own",
    "/properties/defaults/properties/style": "nothing around the prompt",
    "/properties/defaults/properties/models": "one model",
    "/properties/defaults/properties/resolution": "must be said: it decides the price",
    "/properties/defaults/properties/duration": "must be said with a prompt",
    "/properties/defaults/properties/negative_prompt": "not sent",
    "/properties/defaults/properties/audio_url": "not sent",
    "/properties/defaults/properties/seed": "derived from the scene's id",
    f"{SCENE}/properties/title": "free text",
    f"{SCENE}/properties/tags": "free text",
    f"{SCENE}/properties/intro": "not sent",
    f"{SCENE}/properties/shots": "this or prompt",
    f"{SCENE}/properties/prompt": "this or shots",
    f"{SCENE}/properties/duration": "must be said with a prompt",
    f"{SCENE}/properties/negative_prompt": "not sent",
    f"{SCENE}/properties/audio_url": "not sent",
    f"{SCENE}/properties/resolution": "must be said: it decides the price",
    f"{SCENE}/properties/seed": "derived from the scene's id",
    f"{SCENE}/properties/shots/items/properties/framing": "left to the shot's text",
    f"{SCENE}/properties/id": "only an include has none",
    f"{SCENE}/properties/include": "a scene of its own",
    f"{SCENE}/properties/prompt_file": "this, prompt or shots",
    f"{SCENE}/properties/style": "that of the defaults",
    f"{SCENE}/properties/style/properties/prefix": "nothing",
    f"{SCENE}/properties/style/properties/suffix": "nothing",
    f"{SCENE}/properties/matrix": "one video",
}
"""Optional fields that have no default, and what holds instead."""


class CoreLoader(yaml.CSafeLoader):
    """YAML with the scalars of version 1.2, as the manifest language reads it: `16:9` and `no` are text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the loader's own name for them


for tag, pattern in {
    "null": r"(?:~|null|Null|NULL|)\Z",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)\Z",
    "int": r"[-+]?(?:0|[1-9][0-9]*)\Z",
    "float": r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z",
    "merge": r"<<\Z",
}.items():
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), None)


def load(text: str) -> Any:
    return yaml.load(text, Loader=CoreLoader)


def schema(name: str) -> Any:
    return json.loads((ROOT / "schemas" / name).read_text(encoding="utf-8"))


MANIFEST = schema("manifest.schema.json")
REQUEST = schema("wan2.7-t2v.request.schema.json")


def walk(node: Any, at: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield every field and item below `node`: its place, its schema, and whether it may be left out."""
    for group in ("properties", "patternProperties"):
        for name, field in node.get(group, {}).items():
            optional = group == "properties" and name not in node.get("required", ())
            yield f"{at}/{group}/{name}", field, optional
            yield from walk(field, f"{at}/{group}/{name}")
    if "items" in node:
        yield f"{at}/items", node["items"], False
        yield from walk(node["items"], f"{at}/items")


FIELDS = list(walk(MANIFEST))
PLACES = [at for at, _, _ in FIELDS]


def mistakes(document: Any, against: Any = MANIFEST) -> list[tuple[str, str]]:
    """Return what the schema finds: the place and the keyword that refuses (`false` for a schema of false)."""
    errors = Draft202012Validator(against).iter_errors(document)
    return [("/".join(map(str, error.absolute_path)), str(error.validator or "false")) for error in errors]


def with_value(document: Any, place: str, value: Any) -> Any:
    """Return a copy of `document` with `value` at `place`."""
    changed = copy.deepcopy(document)
    *parents, last = [int(part) if part.isdigit() else part for part in place.split("/")]
    node = changed
    for part in parents:
        node = node[part]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return changed


def good_manifest() -> Any:
    return {
        "wanbatch": 1,
        "run": {},
        "defaults": {"resolution": "720P"},
        "scenes": [
            {"id": "skyline", "prompt": "A skyline at dawn.", "duration": 5},
            {
                "id": "alley",
                "intro": "A detective story.",
                "shots": [
                    {"framing": "wide shot", "seconds": 2.5, "prompt": "A street."},
                    {"seconds": 2.5, "prompt": "A door."},
                ],
            },
        ],
    }


def good_request() -> Any:
    return copy.deepcopy(REQUEST["examples"][0])


def named(part: Any) -> str:
    """Return a test's name for a part of a table; the same in every process, as running in parallel needs."""
    return "gone" if part is GONE else repr(part)[:40]


@pytest.mark.parametrize("file", sorted((ROOT / "schemas").glob("*.json")), ids=lambda file: file.name)
def test_every_schema_is_valid_2020_12_and_named_after_its_file(file: Path) -> None:
    content = schema(file.name)
    Draft202012Validator.check_schema(content)
    assert content["$schema"] == DIALECT
    assert content["$id"].startswith(f"urn:wanbatch:schema:{file.name.removesuffix('.schema.json')}")
    assert content["title"]


@pytest.mark.parametrize(("at", "field", "optional"), FIELDS, ids=PLACES)
def test_every_field_explains_itself_with_description_and_examples(at: str, field: Any, optional: bool) -> None:
    assert field["description"].endswith(".")
    assert field["examples"]


@pytest.mark.parametrize(("at", "field", "optional"), FIELDS, ids=PLACES)
def test_a_field_has_a_default_exactly_when_leaving_it_out_means_that_value(
    at: str, field: Any, optional: bool
) -> None:
    of_a_matrix = at.startswith(f"{SCENE}/properties/matrix/")
    assert ("default" in field) == (optional and at not in WITHOUT_DEFAULT and not of_a_matrix)


def test_the_list_of_fields_without_default_names_only_fields_that_exist() -> None:
    assert WITHOUT_DEFAULT.keys() <= set(PLACES)


@pytest.mark.parametrize("field", [MANIFEST, *(field for _, field, _ in FIELDS)], ids=["whole", *PLACES])
def test_every_example_and_default_is_accepted_where_it_stands(field: Any) -> None:
    here = Draft202012Validator(MANIFEST).evolve(schema=field)
    stated = [*field["examples"], *([field["default"]] if "default" in field else [])]
    assert [error.message for value in stated for error in here.iter_errors(value)] == []


def shared_defaults() -> list[tuple[str, Any]]:
    """The defaults' fields that a scene has too; several models are for many scenes and not for one."""
    return [
        (name, field) for name, field in MANIFEST["properties"]["defaults"]["properties"].items() if name != "models"
    ]


def test_a_scene_and_the_defaults_state_the_same_default() -> None:
    scene = MANIFEST["properties"]["scenes"]["items"]["properties"]
    for name, field in shared_defaults():
        assert field.get("default") == scene[name].get("default"), name


def test_the_defaults_accept_exactly_what_a_scene_accepts() -> None:
    told = {"$ref", "description", "default", "examples"}
    for name, field in shared_defaults():
        assert field["$ref"] == f"#{SCENE}/properties/{name}"
        assert field.keys() <= told


@pytest.mark.parametrize("content", [MANIFEST, REQUEST], ids=["manifest", "request"])
def test_no_mapping_accepts_a_field_that_nobody_described(content: Any) -> None:
    mappings = [field for _, field, _ in [("", content, False), *walk(content)] if "object" in field.get("type", ())]
    assert len(mappings) >= 3
    for mapping in mappings:
        others = mapping["additionalProperties"]
        assert others is False or (others["description"] and others["examples"])


def test_the_manifest_offers_exactly_what_the_request_allows() -> None:
    scene = MANIFEST["properties"]["scenes"]["items"]["properties"]
    request = REQUEST["properties"]
    for name, field in {"model": request["model"], **request["parameters"]["properties"]}.items():
        for rule in ("enum", "type", "minimum", "maximum"):
            assert scene[name].get(rule) == field.get(rule), (name, rule)
    assert scene["audio_url"]["pattern"] == request["input"]["properties"]["audio_url"]["pattern"]


@pytest.mark.parametrize("field", [field for _, field, _ in walk(REQUEST)], ids=[at for at, _, _ in walk(REQUEST)])
def test_every_limit_of_the_request_names_its_source_and_date(field: Any) -> None:
    assert re.search(r"Source: Wan 2\.7 create task, \d{4}-\d\d-\d\d\.$", field["description"])


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_every_manifest_of_ours_keeps_to_the_schema(file: Path) -> None:
    assert mistakes(load(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_every_manifest_of_ours_tells_editors_where_its_schema_is(file: Path) -> None:
    line = file.read_text(encoding="utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)
    assert found
    assert (file.parent / found[1]).resolve() == ROOT / "schemas" / "manifest.schema.json"


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_every_scene_of_ours_lasts_2_to_15_whole_seconds_and_states_its_price(file: Path) -> None:
    manifest = load(file.read_text(encoding="utf-8"))
    for scene in manifest["scenes"]:
        if "include" in scene:
            continue
        merged = manifest["defaults"] | scene
        lasts = sum(shot["seconds"] for shot in scene["shots"]) if "shots" in scene else merged["duration"]
        assert lasts in range(2, 16), scene["id"]
        assert scene.get("duration", lasts) == lasts, scene["id"]
        assert merged["resolution"], scene["id"]


def used(value: Any, node: Any, at: str = "") -> Iterator[str]:
    """Yield the place of every field of the schema `node` that `value` makes use of."""
    if isinstance(value, list):
        for item in value:
            yield from used(item, node["items"], f"{at}/items")
    elif isinstance(value, dict):
        for name, inner in value.items():
            group = "properties" if name in node.get("properties", {}) else "patternProperties"
            key = name if group == "properties" else "^x-"
            if key in node.get(group, {}):
                yield f"{at}/{group}/{key}"
                yield from used(inner, node[group][key], f"{at}/{group}/{key}")


def test_everything_yaml_uses_every_field_of_the_language() -> None:
    everything = load((ROOT / "manifests" / "everything.yaml").read_text(encoding="utf-8"))
    fields = {
        at for at in PLACES if not at.endswith(("/items", "/accounts", "/defaults/properties/models"))
    }  # accounts are the user's
    fields = {at for at in fields if "/matrix/properties/" not in at or at.endswith(("/include", "/exclude"))}
    assert fields - set(used(everything, MANIFEST)) == set()


def test_the_manifests_of_ours_use_every_field_that_needs_no_account() -> None:
    every = {at for file in MANIFESTS for at in used(load(file.read_text(encoding="utf-8")), MANIFEST)}
    left = {at for at in PLACES if "/matrix/properties/" not in at and not at.endswith("/items")} - every
    assert left == {"/properties/run/properties/accounts"}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("scenes/0/id", "a" * 64),
        ("scenes/0/id", "7.B_c-"),
        ("scenes/0/duration", 2),
        ("scenes/0/duration", 15),
        ("scenes/0/seed", 0),
        ("scenes/0/seed", 2147483647),
        ("scenes/0/ratio", "3:4"),
        ("scenes/0/audio_url", "http://example.com/a.wav"),
        ("scenes/0/tags", []),
        ("scenes/1/duration", 5),
        ("scenes/1/intro", GONE),
        ("scenes/1/shots/0/seconds", 0.5),
        ("scenes/1/shots/0/seconds", 15),
        ("scenes/1/shots/0/framing", GONE),
        ("defaults", GONE),
        ("name", "元宵 2026"),
        ("name", "a"),
        ("run/concurrency", 1000),
        ("run/poll_interval_s", 0.05),
        ("run/settle_s", 0),
        ("run/budget", {"per_run": "0.50 USD", "per_day": "100 CNY"}),
        ("run/accounts", ["all"]),
        ("run/retries", {"moderation": 0, "service": 10}),
        ("x-anything", [None, {"a": 1}]),
        ("vars", {"hero": "x", "_2": 5}),
        ("profiles", {"draft-2": {"resolution": "720P", "style": {"suffix": ""}, "models": ["wan2.7-t2v"]}}),
        ("scenes/0", {"include": "more/*.yaml"}),
        ("scenes/0/takes", 100),
        ("scenes/0/matrix", {"ratio": ["16:9"], "city": {"nyc": "New York"}, "exclude": [], "include": [{"city": 5}]}),
    ],
    ids=named,
)
def test_a_value_at_the_edge_of_what_is_allowed_is_accepted(place: str, value: Any) -> None:
    assert mistakes(with_value(good_manifest(), place, value)) == []


REFUSED = [
    ("wanbatch", GONE, "", "required"),
    ("wanbatch", 2, "wanbatch", "const"),
    ("wanbatch", "1", "wanbatch", "const"),
    ("wanbatch", True, "wanbatch", "const"),
    ("scenes", GONE, "", "required"),
    ("scenes", [], "scenes", "minItems"),
    ("scenes", {"alley": {}}, "scenes", "type"),
    ("scenes/0", "A skyline at dawn.", "scenes/0", "type"),
    ("scene", [], "", "additionalProperties"),
    ("vars", {"my-hero": "x"}, "vars", "pattern"),
    ("vars", {"hero": 2.5}, "vars/hero", "type"),
    ("profiles", {"a b": {}}, "profiles", "pattern"),
    ("profiles", {"draft": {"prompt": "x"}}, "profiles/draft", "additionalProperties"),
    ("name", "a@b", "name", "pattern"),
    ("scenes/0/style", {"sufix": "x"}, "scenes/0/style", "additionalProperties"),
    ("scenes/0/style", "x", "scenes/0/style", "type"),
    ("scenes/0/takes", 0, "scenes/0/takes", "minimum"),
    ("scenes/0/takes", 101, "scenes/0/takes", "maximum"),
    ("scenes/0/matrix", {}, "scenes/0/matrix", "minProperties"),
    ("scenes/0/matrix", {"city": "Paris"}, "scenes/0/matrix/city", "type"),
    ("scenes/0/matrix", {"city": []}, "scenes/0/matrix/city", "minItems"),
    ("scenes/0/matrix", {"ratio": ["16:10"]}, "scenes/0/matrix/ratio/0", "enum"),
    ("scenes/0/matrix", {"ratio": {"wide": "16:9"}}, "scenes/0/matrix/ratio", "type"),
    ("scenes/0/matrix", {"my city": ["x"]}, "scenes/0/matrix", "pattern"),
    ("scenes/0/matrix", {"a": ["x"], "include": [{"ratio": 5}]}, "scenes/0/matrix/include/0/ratio", "enum"),
    ("scenes/0/include", "x.yaml", "scenes/0", "maxProperties"),
    ("scenes/0/prompt_file", "x.txt", "scenes/0", "false"),
    ("scenes/1/prompt_file", "x.txt", "scenes/1", "false"),
    ("name", "", "name", "pattern"),
    ("name", "..", "name", "pattern"),
    ("name", ".hidden", "name", "pattern"),
    ("name", "a/b", "name", "pattern"),
    ("name", "a\\b", "name", "pattern"),
    ("name", "film\n", "name", "pattern"),
    ("name", "a" * 61, "name", "maxLength"),
    ("name", 7, "name", "type"),
    ("run", [], "run", "type"),
    ("run/budget", {"per_week": "30 CNY"}, "run/budget", "additionalProperties"),
    ("run/budget", {"per_run": 30}, "run/budget/per_run", "type"),
    ("run/budget", {"per_run": "30"}, "run/budget/per_run", "pattern"),
    ("run/budget", {"per_day": "-1 CNY"}, "run/budget/per_day", "pattern"),
    ("run/budget", {"per_day": "1 EUR"}, "run/budget/per_day", "pattern"),
    ("run/accounts", [], "run/accounts", "minItems"),
    ("run/accounts", ["a", "a"], "run/accounts", "uniqueItems"),
    ("run/accounts", ["a b"], "run/accounts/0", "pattern"),
    ("run/retries", {"moderation": 11}, "run/retries/moderation", "maximum"),
    ("run/retries", {"parameters": 1}, "run/retries", "additionalProperties"),
    ("run/concurrency", 0, "run/concurrency", "minimum"),
    ("run/concurrency", 1001, "run/concurrency", "maximum"),
    ("run/concurrency", 2.5, "run/concurrency", "type"),
    ("run/concurrency", True, "run/concurrency", "type"),
    ("run/downloads", 0, "run/downloads", "minimum"),
    ("run/downloads", 65, "run/downloads", "maximum"),
    ("run/downloads", "4", "run/downloads", "type"),
    ("run/poll_interval_s", 0.01, "run/poll_interval_s", "minimum"),
    ("run/poll_interval_s", 601, "run/poll_interval_s", "maximum"),
    ("run/poll_interval_s", "15s", "run/poll_interval_s", "type"),
    ("run/settle_s", -1, "run/settle_s", "minimum"),
    ("run/settle_s", 86401, "run/settle_s", "maximum"),
    ("run/settle_s", None, "run/settle_s", "type"),
    ("run/on_absent", "ask", "run/on_absent", "enum"),
    ("run/on_change", "replace", "run/on_change", "enum"),
    ("defaults", None, "defaults", "type"),
    ("defaults/model", "wan2.6-t2v", "defaults/model", "enum"),
    ("defaults/resolution", "720p", "defaults/resolution", "enum"),
    ("defaults/ratio", 969, "defaults/ratio", "enum"),
    ("defaults/duration", 16, "defaults/duration", "maximum"),
    ("defaults/negative_prompt", "", "defaults/negative_prompt", "minLength"),
    ("defaults/negative_prompt", ["blurry"], "defaults/negative_prompt", "type"),
    ("defaults/audio_url", "rain.mp3", "defaults/audio_url", "pattern"),
    ("defaults/seed", -1, "defaults/seed", "minimum"),
    ("defaults/prompt_extend", "no", "defaults/prompt_extend", "type"),
    ("defaults/watermark", None, "defaults/watermark", "type"),
    ("defaults/language", "de", "defaults/language", "enum"),
    ("defaults/size", "1280*720", "defaults", "additionalProperties"),
    ("scenes/0/id", GONE, "scenes/0", "required"),
    ("scenes/0/id", "", "scenes/0/id", "pattern"),
    ("scenes/0/id", "skyline\n", "scenes/0/id", "pattern"),
    ("scenes/0/id", "\nskyline", "scenes/0/id", "pattern"),
    ("scenes/0/id", "sky\nline", "scenes/0/id", "pattern"),
    ("scenes/0/id", ".skyline", "scenes/0/id", "pattern"),
    ("scenes/0/id", "sky line", "scenes/0/id", "pattern"),
    ("scenes/0/id", "sky/line", "scenes/0/id", "pattern"),
    ("scenes/0/id", "灯街", "scenes/0/id", "pattern"),
    ("scenes/0/id", "a" * 65, "scenes/0/id", "pattern"),
    ("scenes/0/id", 7, "scenes/0/id", "type"),
    ("scenes/0/prompt", GONE, "scenes/0", "anyOf"),
    ("scenes/0/prompt", "", "scenes/0/prompt", "minLength"),
    ("scenes/0/prompt", ["x"], "scenes/0/prompt", "type"),
    ("scenes/0/shots", [{"seconds": 5, "prompt": "x"}], "scenes/0", "false"),
    ("scenes/0/intro", "x", "scenes/0", "dependentRequired"),
    ("scenes/0/title", "", "scenes/0/title", "minLength"),
    ("scenes/0/title", 7, "scenes/0/title", "type"),
    ("scenes/0/tags", "teaser", "scenes/0/tags", "type"),
    ("scenes/0/tags", ["a", "a"], "scenes/0/tags", "uniqueItems"),
    ("scenes/0/tags", ["a", ""], "scenes/0/tags/1", "minLength"),
    ("scenes/0/tags", [2026], "scenes/0/tags/0", "type"),
    ("scenes/0/duration", 1, "scenes/0/duration", "minimum"),
    ("scenes/0/duration", 16, "scenes/0/duration", "maximum"),
    ("scenes/0/duration", 2.5, "scenes/0/duration", "type"),
    ("scenes/0/duration", "5", "scenes/0/duration", "type"),
    ("scenes/0/seed", 2147483648, "scenes/0/seed", "maximum"),
    ("scenes/0/audio_url", "ftp://example.com/a.mp3", "scenes/0/audio_url", "pattern"),
    ("scenes/0/audio_url", None, "scenes/0/audio_url", "type"),
    ("scenes/0/model", "wan2.7-i2v", "scenes/0/model", "enum"),
    ("scenes/0/shot_type", "multi", "scenes/0", "additionalProperties"),
    ("scenes/1/shots", [], "scenes/1/shots", "minItems"),
    ("scenes/1/shots", "A street.", "scenes/1/shots", "type"),
    ("scenes/1/shots", [{"seconds": 0.5, "prompt": "x"}] * 31, "scenes/1/shots", "maxItems"),
    ("scenes/1/intro", "", "scenes/1/intro", "minLength"),
    ("scenes/1/intro", None, "scenes/1/intro", "type"),
    ("scenes/1/shots/0", "A street.", "scenes/1/shots/0", "type"),
    ("scenes/1/shots/0/seconds", GONE, "scenes/1/shots/0", "required"),
    ("scenes/1/shots/0/seconds", 0, "scenes/1/shots/0/seconds", "exclusiveMinimum"),
    ("scenes/1/shots/0/seconds", 2.25, "scenes/1/shots/0/seconds", "multipleOf"),
    ("scenes/1/shots/0/seconds", 15.5, "scenes/1/shots/0/seconds", "maximum"),
    ("scenes/1/shots/0/seconds", True, "scenes/1/shots/0/seconds", "type"),
    ("scenes/1/shots/0/prompt", GONE, "scenes/1/shots/0", "required"),
    ("scenes/1/shots/0/prompt", "", "scenes/1/shots/0/prompt", "minLength"),
    ("scenes/1/shots/0/prompt", {"A street": None}, "scenes/1/shots/0/prompt", "type"),
    ("scenes/1/shots/0/framing", "", "scenes/1/shots/0/framing", "minLength"),
    ("scenes/1/shots/0/framing", 35, "scenes/1/shots/0/framing", "type"),
    ("scenes/1/shots/0/duration", 3, "scenes/1/shots/0", "additionalProperties"),
]


@pytest.mark.parametrize(("place", "value", "where", "keyword"), REFUSED, ids=named)
def test_one_mistake_is_refused_at_its_place_and_only_there(place: str, value: Any, where: str, keyword: str) -> None:
    assert mistakes(with_value(good_manifest(), place, value)) == [(where, keyword)]


@pytest.mark.parametrize("content", [MANIFEST, REQUEST], ids=["manifest", "request"])
@pytest.mark.parametrize("document", [None, [], "wanbatch: 1"], ids=repr)
def test_a_document_that_is_no_mapping_is_refused(document: Any, content: Any) -> None:
    assert mistakes(document, content) == [("", "type")]


def test_the_documents_that_the_mistakes_are_made_in_have_none_themselves() -> None:
    assert mistakes(good_manifest()) == []
    assert mistakes(good_request(), REQUEST) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("input/prompt", "灯" * 5000),
        ("input/prompt", "🏮" * 5000),
        ("input/negative_prompt", "x" * 500),
        ("input/negative_prompt", GONE),
        ("input/audio_url", "https://example.com/a.mp3"),
        ("model", "wan2.7-t2v-2026-04-25"),
        ("parameters/duration", 15),
        ("parameters/seed", 2147483647),
    ],
    ids=named,
)
def test_a_request_at_the_edge_of_the_limits_may_be_sent(place: str, value: Any) -> None:
    assert mistakes(with_value(good_request(), place, value), REQUEST) == []


UNSENDABLE = [
    ("model", GONE, "", "required"),
    ("model", "wan2.6-t2v", "model", "enum"),
    ("input", GONE, "", "required"),
    ("input", "A kitten", "input", "type"),
    ("parameters", GONE, "", "required"),
    ("parameters", [], "parameters", "type"),
    ("webhook", "https://example.com", "", "additionalProperties"),
    ("input/prompt", GONE, "input", "required"),
    ("input/prompt", None, "input/prompt", "type"),
    ("input/prompt", "", "input/prompt", "minLength"),
    ("input/prompt", "灯" * 5001, "input/prompt", "maxLength"),
    ("input/negative_prompt", "", "input/negative_prompt", "minLength"),
    ("input/negative_prompt", None, "input/negative_prompt", "type"),
    ("input/negative_prompt", "x" * 501, "input/negative_prompt", "maxLength"),
    ("input/audio_url", "oss://bucket/a.mp3", "input/audio_url", "pattern"),
    ("input/audio_url", None, "input/audio_url", "type"),
    ("input/extend_prompt", True, "input", "additionalProperties"),
    ("parameters/resolution", "720p", "parameters/resolution", "enum"),
    ("parameters/ratio", "21:9", "parameters/ratio", "enum"),
    ("parameters/prompt_extend", 0, "parameters/prompt_extend", "type"),
    ("parameters/watermark", "false", "parameters/watermark", "type"),
    ("parameters/duration", "5", "parameters/duration", "type"),
    ("parameters/duration", True, "parameters/duration", "type"),
    ("parameters/duration", 5.5, "parameters/duration", "type"),
    ("parameters/duration", 1, "parameters/duration", "minimum"),
    ("parameters/duration", 16, "parameters/duration", "maximum"),
    ("parameters/seed", -1, "parameters/seed", "minimum"),
    ("parameters/seed", 2147483648, "parameters/seed", "maximum"),
    ("parameters/size", "1280*720", "parameters", "additionalProperties"),
    ("parameters/negative_prompt", "x", "parameters", "additionalProperties"),
    *((f"parameters/{name}", GONE, "parameters", "required") for name in good_request()["parameters"]),
]


@pytest.mark.parametrize(("place", "value", "where", "keyword"), UNSENDABLE, ids=named)
def test_a_request_outside_the_contract_is_refused_for_that_reason(
    place: str, value: Any, where: str, keyword: str
) -> None:
    assert mistakes(with_value(good_request(), place, value), REQUEST) == [(where, keyword)]
