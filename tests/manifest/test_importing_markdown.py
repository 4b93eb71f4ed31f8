"""Shot lists: headings are scenes, lists and tables are shots, and every other line is said with its place."""

import pytest
from manifest.brought import made_of, marked, prompts_of, scenes_of, told

FILM = """\
# My film

<!-- For the team:
     not for the model. -->

## The alley

A *tense* detective story,
with cinematic storytelling.

- 0-3s **wide shot**: Rainy street, ${hero} walks.
  He stops.
- 3-5.5s: A sign says: open.
- seed: 7
- Tags: teaser, night

---

## Skyline

Slow aerial pass over `Paris` at dawn.

* Duration: 8
* Aspect ratio: 9:16
"""


def test_a_heading_is_a_scene_with_its_intro_and_shots_or_its_prompt():
    made = made_of(FILM.replace("5.5s", "5s"), "markdown")
    alley, skyline = scenes_of(made)
    assert (alley.id, alley.title, alley.tags, alley.seed) == ("alley", "The alley", ("teaser", "night"), 7)
    assert alley.intro == "A tense detective story, with cinematic storytelling."
    assert [(one.framing, one.seconds, one.prompt) for one in alley.shots] == [
        ("wide shot", 3, "Rainy street, ${hero} walks. He stops."),
        (None, 2, "A sign says: open."),
    ]
    assert (skyline.title, skyline.duration, skyline.ratio) == ("Skyline", 8, "9:16")
    assert skyline.prompt == "Slow aerial pass over Paris at dawn."
    assert made.left_out == ("the heading 'My film', which has headings below it",)


def test_shots_state_the_duration():
    assert made_of("# A\n- 0-3s: b\n", "markdown").unused == ("duration",)
    assert made_of("# A\n- 0-3s: b\n\n# C\nd\n", "markdown").unused == ()


def test_seconds_that_do_not_add_up_are_said_at_the_heading():
    assert [one[:8] for one in told(made_of(FILM, "markdown"))] == ["6:4 E202"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0-3s", "3-5s"),
        ("0–3 s", "3 — 5 sec"),
        ("[0-3 seconds]", "[3–5 seconds]"),
        ("(0:00-0:03)", "00:03-00:05"),
        ("0-3秒", "3至5秒"),
        ("3s", "2 seconds"),
        ("Shot 1 [0–3 seconds]", "Shot 2 [3–5 seconds]"),
        ("第1个镜头[0-3秒]", "第2个镜头[3-5秒]"),
        ("0 to 3 s", "3 to 5 s"),
    ],
)
@pytest.mark.parametrize("mark", ["-", "*", "1.", "2)"])
def test_times_are_read_as_people_write_them(first, second, mark):
    made = made_of(f"# One\n\n{mark} {first} wide shot: a\n{mark} {second}: b\n", "markdown")
    (scene,) = scenes_of(made)
    assert [(one.framing, one.seconds, one.prompt) for one in scene.shots] == [("wide shot", 3, "a"), (None, 2, "b")]


def test_a_table_is_a_list_of_shots_too():
    text = r"""## One

| # | Time | Camera | Text |
|---|:----:|--------|------|
| 1 | 0-3s | wide   | a \| b |
| 2 | 2 | | **c** |
|   |   |  |  |
"""
    made = made_of(text, "markdown")
    (scene,) = scenes_of(made)
    assert [(one.framing, one.seconds, one.prompt) for one in scene.shots] == [("wide", 3, "a | b"), (None, 2, "c")]
    assert made.left_out == ("the column '#'",)


@pytest.mark.parametrize("time", ["time", "times", "Timecode", "range", "seconds", "duration", "s", "时间", "时长"])
@pytest.mark.parametrize(("framing", "text"), [("framing", "prompt"), ("Shot size", "text"), ("camera", "description")])
def test_the_columns_of_a_table_go_by_what_people_call_them(time, framing, text):
    rows = f"| {text} | {time} | **{framing}** |\n|---|---|---|\n| a cat | 3s | wide |\n"
    (scene,) = scenes_of(made_of(f"# A\n{rows}", "markdown"))
    assert [(one.framing, one.seconds, one.prompt) for one in scene.shots] == [("wide", 3, "a cat")]


def test_shots_in_chinese_get_chinese_marks():
    text = "## 巷子\n\n| 时间 | 景别 | 画面 |\n|-|-|-|\n| 0-3秒 | 全景 | 雨夜的街头 |\n| 3-6秒 | 特写 | 一只猫 |\n"
    assert prompts_of(made_of(text, "markdown")) == ["第1个镜头[0-3秒] 全景：雨夜的街头 第2个镜头[3-6秒] 特写：一只猫"]


def test_the_wording_of_the_api_comes_back_as_it_was():
    text = "# One\n\nOverall.\n\n1. Shot 1 [0–3 seconds] wide shot: Rain.\n2. Shot 2 [3–6 seconds]: It: stops.\n"
    assert prompts_of(made_of(text, "markdown")) == [
        "Overall. Shot 1 [0–3 seconds] wide shot: Rain. Shot 2 [3–6 seconds]: It: stops."
    ]


@pytest.mark.parametrize(
    ("first", "second", "meant"),
    [("0-3s", "4-6s", "3-5s"), ("0-3s", "2-2s", "3-4s"), ("0-2.5s", "3-3.5s", "2.5-3.5s"), ("0-3s", "5-4s", "3-4s")],
)
def test_a_gap_between_shots_says_which_time_would_fit(first, second, meant):
    (problem,) = made_of(f"# A\n- {first}: b\n- {second}: c\n", "markdown").problems
    assert problem.hint.endswith(f"the first from 0: {meant}")


@pytest.mark.parametrize("text", ["a_b_c is 3*4*5", "snake_case", "2 * 3 * 4", "5 * stars", "a ** b"])
def test_signs_that_mark_nothing_stay(text):
    assert prompts_of(made_of(f"# One\n\n{text}\n", "markdown")) == [text]


def test_marks_go_and_what_a_backslash_keeps_stays():
    assert prompts_of(made_of("# A\n\n**a** _b_ `c` __d__ \\*e\\* \\# f\n", "markdown")) == ["a b c d *e* # f"]


@pytest.mark.parametrize(
    ("text", "said", "mark"),
    [
        ("para\n", "1:1 E501 text above the first heading belongs to no scene", "para"),
        ("# A\nb\n\n## C\nd\n", "1:3 E501 a heading with a text of its own and with headings below it: ", "A"),
        ("# A\n- 0-3s: b\n\n## C\nd\n", "1:3 E501 a heading with a text of its own and with headings below it: ", "A"),
        ("# A\n- seed: 7\n\n## C\nd\n", "1:3 E501 a heading with a text of its own and with headings below it: ", "A"),
        ("# A\n> b\n\n## C\nd\n", "2:1 E501 a quotation is nothing that a shot list has", "> b"),
        ("# A\n\n# B\nc\n", "1:3 E107 a scene without a text", "A"),
        ("# A\n- seed: 7\n", "1:3 E107 a scene without a text", "A"),
        ("# A\n- 0-3s: b\n\nc\n", "4:1 E501 a paragraph below the shots: the intro stands above them", "c"),
        ("# A\n- 0-3s: b\n- c d\n", "3:1 E501 neither a shot with its time nor a field of a scene", "- c d"),
        ("# A\nb\n- prompt: c\n", "3:1 E501 neither a shot with its time nor a field of a scene", "- prompt: c"),
        ("# A\n- 0-3s: b\n- speed: 2\n", "3:1 E501 neither a shot with its time nor a field of a scene", "- speed: 2"),
        ("# A\n- 0-3s: b\n- 4-6s: c\n", "3:3 E202 the shot begins at 4 s, but the one before it ends at 3 s", "4-6s"),
        ("# A\n- 1-3s: b\n", "2:3 E202 the shot begins at 1 s, but the one before it ends at 0 s", "1-3s"),
        ("# A\n- 0-0s: b\n", "2:3 E202 the shot ends before it begins", "0-0s"),
        ("# A\n- 0-3s:\n", "2:1 E107 the shot has no text", "- 0-3s:"),
        ("# A\nb\n- seed: 7\n  8\n", "4:3 E501 a line that goes on with the one above", "8"),
        ("# A\n```\nb\n", "2:1 E501 a block of code is nothing that a shot list has", "```"),
        ("# A\n> b\n", "2:1 E501 a quotation is nothing that a shot list has", "> b"),
        ("# A\n![b](c)\n", "2:1 E501 a picture is nothing that a shot list has", "![b](c)"),
        ("# A\n<b>c</b>\n", "2:1 E501 HTML is nothing that a shot list has", "<b>c</b>"),
        ("# A\nb\n---\n", "3:1 E501 a line under a text, which some read as a heading", "---"),
        ("# A\nb\n===\n", "3:1 E501 a line under a text, which some read as a heading", "==="),
        ("# A\n| a | text |\n|-|-|\n| 3 | b |\n", "2:1 E502 the table of shots has no column time", "| a | text |"),
        ("# A\n| time | text |\n|-|-|\n| soon | b |\n", "4:3 E501 not a time", "soon"),
        ("# A\n| time | text |\n|-|-|\n| 3 | b | c |\n", "4:11 E503 the row has 3 cells, the table 2 columns", "c"),
        ("# A\n| time | text |\n|-|-|\n| 3 |\n", "4:1 E107 the shot has no text", "| 3 |"),
        ("# A\n| text | time |\n|-|-|\n| b |\n", "4:1 E501 not a time", "| b |"),
        ("# A\n| time | text |\n|-|-|\n| 3 | |\n", "4:1 E107 the shot has no text", "| 3 | |"),
        ("# A\nb\n- seed: x7\n", "3:9 E101 ", "x7"),
        ("# A\nb\n- ratio: 2:1\n", "3:10 E105 ", "2:1"),
        ("# A\n- 0-16s: b\n", "2:3 E104 ", "0-16s"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_at_its_place(text, said, mark):
    made = made_of(text, "markdown")
    assert len(made.problems) == 1
    assert told(made)[0].startswith(said)
    assert marked(made) == [mark]
    assert made.problems[0].hint
