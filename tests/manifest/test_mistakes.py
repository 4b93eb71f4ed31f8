"""What a newcomer gets wrong in a real manifest is answered in words: one problem, its place, what to write."""

from pathlib import Path

import pytest

from wanbatch.errors import ManifestInvalid
from wanbatch.manifest.check import load

FILM = Path(__file__).parents[2] / "manifests" / "lantern-festival.yaml"
TEXT = FILM.read_text("utf-8")
JARGON = (
    "schema", "instance", "property", "properties", "anyOf", "oneOf", "is not valid under", "mapping", "sequence",
    "scalar", "token", "parser", "None", "True", "str", "dict", "NoneType", "node", "block end", "validator", "pattern",
)  # fmt: skip


def first(text, old, new):
    assert old in text, old
    return text.replace(old, new, 1)


def typed(folder, text):
    """All that is said of a manifest."""
    path = folder / "film.yaml"
    path.write_text(text, "utf-8")
    try:
        return load(path).warnings[:0]
    except ManifestInvalid as error:
        return error.problems


MISTAKES = [
    ("resolution: 720P", "resolution: 720p", "E105", "720p", "did you mean 720P?"),
    ("resolution: 720P", "size: 720*1280", "E103", "size", "write `resolution: 720P` and `ratio: 9:16`"),
    ("ratio: 9:16", "ratio: 9/16", "E105", "9/16", "write 9:16"),
    ("ratio: 9:16", "ratio: 9：16", "E105", "9：16", "write 9:16, with half-width characters"),
    ("ratio: 9:16", "ratio: 16:10", "E105", "16:10", "did you mean 16:9?"),
    ("ratio: 9:16", "ratio: 竖屏", "E105", "竖屏", "write 9:16"),
    ("ratio: 9:16", "aspect_ratio: 9:16", "E103", "aspect_ratio", "write `ratio`"),
    ("ratio: 9:16", "ratio：9:16", "E002", "：", "a full-width colon after `ratio`"),
    ("ratio: 9:16", "ratio:9:16", "E002", "r", "with a space after the `:`"),
    ("  ratio: 9:16", "\tratio: 9:16", "E002", "\t", "not with tabs"),
    ("language: zh", "language: 中文", "E105", "中文", "write zh"),
    ("language: zh", "watermark: no", "E101", "no", "write false"),
    ("scenes:", "clips:", "E103", "clips", "below `scenes:`"),
    ("wanbatch: 1", "version: 1", "E103", "version", "the first line is `wanbatch: 1`"),
    ("seconds: 2.5", "seconds: 2.5s", "E101", "2.5s", "write 2.5, without unit"),
    ("seconds: 2.5", 'seconds: "2.5"', "E101", '"2.5"', "write 2.5, without quotes"),
    ("seconds: 2.5", "seconds: 2", "E202", "shots", "make a shot half a second longer"),
    ("seconds: 2.5", "duration: 2.5", "E103", "duration", "a shot's length is its `seconds`"),
    ("framing: 全景", "景别: 全景", "E103", "景别", "write `framing`"),
    ("framing: 全景", "framing：全景", "E103", "：", "write `framing: 全景`"),
    ("  - id: street", "  - id: 灯街", "E105", "灯街", "free text goes into `title`"),
    ("  - id: street", "  - name: street", "E103", "name", "a scene's short name is its `id`"),
    ("  - id: river", "  - id: street", "E203", "street", "is taken already, in line 16"),
    ("title: 灯街", "title: 灯街 # 1\n    shot_type: multi", "E103", "shot_type", "write `shots`"),
    ("tags: [元宵, 夜景]", "tags: 元宵，夜景", "E101", "元宵，夜景", "write [元宵, 夜景]"),
    ("tags: [元宵, 夜景]", "tags: 【元宵，夜景】", "E101", "【元宵，夜景】", "write [元宵, 夜景]"),
    ("tags: [元宵, 夜景]", "tags: [元宵, 夜景", "E002", "[", "a list [ that is never closed"),
    ("    tags: [元宵, 夜景]\n", "    takes: three\n", "E101", "three", "for example 3"),
    ("无台词。", "${hero}。", "E301", "${hero}", "write it below `vars:`"),
    ("无台词。", "${hero 。", "E302", "${hero 。", "a variable is `${name}`"),
    ("    intro: ", "    prompt: ", "E109", "shots", "keep one of the two"),
    ("    intro: ", "    intor: ", "E103", "intor", "did you mean `intro`?"),
]
"""What stands in the manifest, what somebody types instead, the code, what is marked, and what the answer names."""


def test_the_manifest_itself_is_right(tmp_path):
    assert typed(tmp_path, TEXT) == ()


@pytest.mark.parametrize(("old", "new", "code", "marked", "words"), MISTAKES, ids=[row[1].strip() for row in MISTAKES])
def test_a_mistake_is_one_problem_with_the_very_characters_and_what_to_write(tmp_path, old, new, code, marked, words):
    (problem,) = typed(tmp_path, first(TEXT, old, new))
    where = problem.where
    assert problem.code == code
    assert where.source[where.column - 1 : where.column - 1 + where.width] == marked
    assert words in f"{problem.message}; {problem.hint}"
    assert problem.hint
    assert not [word for word in JARGON if word in f"{problem.message} {problem.hint}".split()]


HARMLESS = [
    "“跑！”她喊道。", "「跑！」", "他说：“跑！”", "A sign, $5 a ride.",
    "A sign says $${boat}, and $boats.", "US$ and $ and {boat}.",
    "｛灯笼｝", "{{ nobody }} and $nobody", "夜，雨，灯、影。", "-id: and id:street", "＂跑＂",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_mistake_is_not_warned_of(text, tmp_path):
    path = tmp_path / "film.yaml"
    head = "wanbatch: 1\nvars: {boat: x}\ndefaults: {model: wan2.7-t2v-2026-06-12, resolution: 720P, duration: 5}\n"
    scenes = f"scenes:\n  - id: a\n    prompt: '${{boat}}'\n  - id: b\n    prompt: '{text}'\n"
    path.write_text(head + scenes, "utf-8")
    assert load(path).warnings == ()
