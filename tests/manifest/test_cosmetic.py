"""What is cosmetic changes no request: remarks, order of keys, quotes, titles, tags; in which file a scene stands."""

import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wanbatch.manifest.check import load

IDS = ["alley", "roof", "s.01", "harbour"]
TEXTS = st.sampled_from(
    [
        "A street at night.",
        "雨夜的街头",
        "It says: “stop”",
        "100 % true #1",
        "${hero} walks",
        "costs $${5}",
        "- dash",
        "a: b",
    ]
)
FIELDS = {
    "ratio": st.sampled_from(["16:9", "9:16"]),
    "seed": st.integers(0, 2**31 - 1),
    "negative_prompt": TEXTS,
    "watermark": st.booleans(),
    "takes": st.integers(1, 3),
    "style": st.fixed_dictionaries({}, optional={"prefix": TEXTS, "suffix": TEXTS}),
    "matrix": st.fixed_dictionaries(
        {"city": st.lists(st.sampled_from(["Paris", "Oslo", "东京"]), min_size=1, unique=True)},
        optional={"resolution": st.permutations(["720P", "1080P"])},
    ),
}
BODY = st.one_of(
    st.fixed_dictionaries({"prompt": TEXTS, "duration": st.integers(2, 15)}),
    st.fixed_dictionaries(
        {"shots": st.lists(st.fixed_dictionaries({"seconds": st.just(2), "prompt": TEXTS}), min_size=1, max_size=3)},
        optional={"intro": TEXTS},
    ),
)
SCENES = st.lists(
    st.tuples(st.fixed_dictionaries({}, optional=FIELDS), BODY).map(lambda parts: parts[0] | parts[1]),
    min_size=1,
    max_size=len(IDS),
)


def scalar(value: object, dice: random.Random) -> str:
    """Write a scalar in one of the ways that mean the same."""
    if not isinstance(value, str):
        return str(value).lower()
    ways = [f"'{value.replace(chr(39), chr(39) * 2)}'", '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"']
    if value and value.isascii() and value.replace(" ", "").isalnum() and not value[0].isdigit():
        ways.append(value)
    return dice.choice(ways)


def written(value: object, dice: random.Random) -> str:
    """Write a value in flow style, its keys in any order."""
    if isinstance(value, dict):
        items = list(value.items())
        dice.shuffle(items)
        return "{" + ", ".join(f"{name}: {written(one, dice)}" for name, one in items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(one, dice) for one in value) + "]"
    return scalar(value, dice)


def block(scene: dict[str, object], dice: random.Random) -> str:
    """Write a scene as a block, its keys in any order, with remarks, a title and tags that say nothing."""
    items = [*scene.items()]
    items += [("title", dice.choice(["One", "Two"]))] if dice.random() < 0.5 else []
    items += [("tags", ["a", "b"][: dice.randint(0, 2)])] if dice.random() < 0.5 else []
    dice.shuffle(items)
    lines = [f"{name}: {written(value, dice)}{dice.choice(['', '  # remark'])}" for name, value in items]
    return "  - " + "\n    ".join(lines) + "\n" + dice.choice(["", "\n", "  # between\n"])


def write(folder: Path, scenes: list[dict[str, object]], dice: random.Random) -> Path:
    """Write the scenes as a manifest, in any order, some of them in an included file."""
    scenes = dice.sample(scenes, len(scenes))
    split = dice.randint(0, len(scenes) - 1) if dice.random() < 0.5 else 0
    head = ["wanbatch: 1\n", "vars: {hero: a cat}\n", "name: film\n", "defaults: {resolution: 720P}\n"]
    if dice.random() < 0.5:
        head += ["run: {concurrency: 2}\n", "x-mine: 1\n"]
    dice.shuffle(head)
    path = folder / dice.choice(["film.yaml", "other.yaml"])
    text = "".join(head) + "scenes:\n" + "".join(block(scene, dice) for scene in scenes[split:])
    if split:
        text += "  - include: more/*.yaml\n"
        (folder / "more").mkdir(exist_ok=True)
        inner = "".join(block(scene, dice) for scene in scenes[:split])
        (folder / "more" / "some.yaml").write_text(f"wanbatch: 1\nscenes:\n{inner}", "utf-8")
    path.write_text(text, "utf-8")
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(SCENES, st.randoms(use_true_random=False))
def test_cosmetic_edits_change_no_request_no_seed_and_no_file_name(tmp_path, bodies, dice):
    scenes = [{"id": name, **body} for name, body in zip(IDS, bodies, strict=False)]
    first, second = (
        {one.key: (one.key.stem, one.request.canonical()) for one in load(write(tmp_path, scenes, dice)).wanted}
        for _ in range(2)
    )
    assert first == second
