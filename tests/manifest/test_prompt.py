"""The prompt that a scene becomes: the documentation's own wording, to the character."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import scene

from wanbatch.manifest.prompt import one_line, render

# Wan 2.7 create task, the curl example of several shots, shortened where it says …; U+2013 between the seconds.
DOCUMENTED_EN = (
    "A tense detective story with cinematic storytelling. "
    "Shot 1 [0\u20133 seconds] wide shot: Rainy New York street at night. "
    "Shot 2 [3\u20136 seconds] medium shot: The detective enters an old building. "
    "Shot 3 [6\u20139 seconds] close-up: The detective\u2019s focused eyes."
)
# The text-to-video guide (文生视频): ASCII brackets and hyphen, a full-width colon and no space after it.
DOCUMENTED_ZH = (
    "一段紧张刺激的侦探追查故事，展现电影级叙事能力。"
    " 第1个镜头[0-3秒] 全景：雨夜的纽约街头，霓虹灯闪烁。"
    " 第2个镜头[3-6秒] 中景：侦探进入一栋老旧建筑。"
)


def shot(prompt, seconds=3, framing=None):
    return {"prompt": prompt, "seconds": seconds} | ({"framing": framing} if framing else {})


def test_english_shots_are_worded_as_in_the_documentation():
    shots = [
        shot("Rainy New York street at night.", framing="wide shot"),
        shot("The detective enters an old building.", framing="medium shot"),
        shot("The detective’s focused eyes.", framing="close-up"),
    ]
    assert render(scene(intro="A tense detective story with cinematic storytelling.", shots=shots)) == DOCUMENTED_EN


def test_chinese_shots_are_worded_as_in_the_documentation():
    shots = [shot("雨夜的纽约街头，霓虹灯闪烁。", framing="全景"), shot("侦探进入一栋老旧建筑。", framing="中景")]
    intro = "一段紧张刺激的侦探追查故事，展现电影级叙事能力。"
    assert render(scene(intro=intro, shots=shots, language="zh")) == DOCUMENTED_ZH


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "Shot 1 [0–3 seconds]: A. Shot 2 [3–6 seconds]: B."), ("zh", "第1个镜头[0-3秒] A. 第2个镜头[3-6秒] B.")],
)
def test_a_shot_without_framing_has_only_its_times(language, expected):
    assert render(scene(shots=[shot("A."), shot("B.")], language=language)) == expected


def test_half_seconds_are_written_with_one_decimal_and_whole_ones_without():
    shots = [shot("A.", 2.5), shot("B.", 0.5), shot("C.", 2)]
    assert render(scene(shots=shots)) == (
        "Shot 1 [0–2.5 seconds]: A. Shot 2 [2.5–3 seconds]: B. Shot 3 [3–5 seconds]: C."
    )


def test_a_plain_prompt_is_sent_as_it_stands():
    text = "“Slow” — pass… over\u00a0Paris，镜头 ‘7’  twice  spaced: #1 \\n 😀"
    assert render(scene(prompt=text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", "a b"),
        ("a\n\n\n  b\n", "a b"),
        ("a  \r\n  b", "a b"),
        ("  a b  ", "a b"),
        ("一\n二", "一 二"),
        ("\n", ""),
        ("", ""),
        ("a  b", "a  b"),
    ],
)
def test_line_breaks_of_a_block_scalar_become_one_space_and_nothing_else_changes(text, expected):
    assert one_line(text) == expected


def test_line_breaks_go_from_every_part():
    shots = [shot("A\nb.\n", framing="wide\nshot")]
    assert render(scene(intro="In\ntro.\n", shots=shots)) == "In tro. Shot 1 [0–3 seconds] wide shot: A b."


def test_a_million_spaces_take_no_longer_than_reading_them():
    assert one_line("a" + " " * 1_000_000 + "b") == "a" + " " * 1_000_000 + "b"


WORDS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1).map(str.strip).filter(bool)
SHOTS = st.lists(
    st.tuples(WORDS, st.integers(1, 30).map(lambda halves: halves / 2), st.none() | WORDS), min_size=1, max_size=30
)
TIMES = {
    "en": re.compile(r"Shot (\d+) \[([\d.]+)–([\d.]+) seconds\]"),
    "zh": re.compile(r"第(\d+)个镜头\[([\d.]+)-([\d.]+)秒\]"),
}


@given(SHOTS, st.sampled_from(["en", "zh"]))
def test_times_follow_one_another_and_end_with_the_duration(parts, language):
    made = render(scene(shots=[shot("x", seconds) for _, seconds, _ in parts], language=language))
    marks = TIMES[language].findall(made)
    assert [int(number) for number, _, _ in marks] == list(range(1, len(parts) + 1))
    assert [start for _, start, _ in marks] == ["0", *(end for _, _, end in marks[:-1])]
    assert float(marks[-1][2]) == sum(seconds for _, seconds, _ in parts)


@given(st.none() | WORDS, SHOTS, st.sampled_from(["en", "zh"]))
def test_parts_are_joined_by_single_spaces_and_each_text_is_there_byte_for_byte(intro, parts, language):
    shots = [shot(prompt, seconds, framing) for prompt, seconds, framing in parts]
    made = render(scene(shots=shots, language=language, **({"intro": intro} if intro else {})))
    assert "\n" not in made
    rest = made
    if intro:
        assert rest.startswith(f"{intro} ")
        rest = rest.removeprefix(f"{intro} ")
    for index, (prompt, _, framing) in enumerate(parts):
        mark = TIMES[language].match(rest)
        assert mark
        rest = rest[mark.end() :]
        glue = {("en", True): f" {framing}: ", ("en", False): ": ", ("zh", True): f" {framing}：", ("zh", False): " "}
        start = glue[language, framing is not None] + prompt
        assert rest.startswith(start)
        rest = rest.removeprefix(start)
        assert rest == "" if index + 1 == len(parts) else rest.startswith(" ")
        rest = rest[1:]
