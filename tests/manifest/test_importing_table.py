"""Tables: columns by name, separators found, nothing dropped in silence, each problem in its cell."""

import pytest
from manifest.brought import made_of, marked, prompts_of, scenes_of, table, told


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_the_separator_is_found_in_the_first_row(separator, end):
    text = end.join([separator.join(row) for row in (["id", "prompt", "seed"], ["a", "a cat", "7"])]) + end
    (scene,) = scenes_of(made_of(text, "csv"))
    assert (scene.id, scene.prompt, scene.seed) == ("a", "a cat", 7)


def test_excel_may_name_the_separator_in_a_line_of_its_own():
    text = 'sep=;\r\nprompt;seed\r\n"a, b; c";7\r\n;x\r\n'
    made = made_of(text, "csv")
    assert told(made) == ["4:1 E107 the prompt is empty"]
    assert prompts_of(made_of(text.replace(";x", ""), "csv")) == ["a, b; c"]


def test_a_file_of_one_column_needs_no_quotes():
    assert prompts_of(made_of('prompt\na cat, a dog; both\n"so, ""quoted"""\n', "csv")) == [
        "a cat, a dog; both",
        'so, "quoted"',
    ]


def test_a_quoted_cell_may_hold_line_breaks_and_what_follows_keeps_its_line():
    made = made_of('prompt,duration\r\n"one\r\ntwo",5\r\nthree,99\r\n', "csv")
    assert [one[:8] for one in told(made)] == ["4:7 E104"]
    assert prompts_of(made_of('prompt,duration\r\n"one\r\ntwo",5\r\n', "csv")) == ["one two"]


def test_empty_rows_are_no_scenes_and_short_ones_state_nothing_more():
    assert prompts_of(made_of("\n,,\nprompt,seed,title\n,,\na\n\nb,7\n", "csv")) == ["a", "b"]


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Prompt", "prompt"),
        ("TEXT", "prompt"),
        ("description", "prompt"),
        ("提示词", "prompt"),
        ("Negative Prompt", "negative_prompt"),
        ("negative", "negative_prompt"),
        ("Audio URL", "audio_url"),
        ("name", "title"),
    ],
)
def test_columns_go_by_what_people_call_them(header, field):
    other = "seed" if field == "prompt" else "prompt"
    value = {"audio_url": "https://a/b.mp3"}.get(field, "a cat")
    (scene,) = scenes_of(made_of(table([[other, header], ["7", value]]), "csv"))
    assert getattr(scene, field) == value


@pytest.mark.parametrize("columns", [("size", "ratio"), ("ratio", "size"), ("resolution", "ratio")])
def test_a_ratio_of_its_own_goes_before_that_of_a_size(columns):
    values = {"size": "1080*1920", "resolution": "1080*1920", "ratio": "1:1"}
    (scene,) = scenes_of(made_of(table([["prompt", *columns], ["a", *map(values.get, columns)]]), "csv"))
    assert (scene.resolution, scene.ratio) == ("1080P", "1:1")


def test_columns_that_are_nothing_here_are_said():
    made = made_of("prompt,Notes,,Director\na,b,c,d\n", "csv")
    assert made.left_out == ("the column 'Notes'", "the column 'Director'")
    assert prompts_of(made) == ["a"]


def test_a_column_can_be_chosen_and_then_its_namesake_is_left_out():
    made = made_of("prompt,Prompt EN\nein Hund,a dog\n", "csv", prompt="prompt en")
    assert prompts_of(made) == ["a dog"]
    assert made.left_out == ("the column 'prompt'",)


def test_the_fields_own_name_goes_before_what_else_it_is_called():
    made = made_of("description,prompt\na,b\n", "csv")
    assert prompts_of(made) == ["b"]
    assert made.left_out == ("the column 'description'",)


@pytest.mark.parametrize(
    ("text", "chosen", "said", "hint"),
    [
        ("id,promt\na,b\n", {}, "1:1 E502 no column is called prompt; the columns are id, promt", "prompt=promt"),
        ("Shot list\na\n", {}, "1:1 E502 no column is called prompt; the columns are Shot list", "prompt=Shot list"),
        ("id,x\na,b\n", {}, "1:1 E502 no column is called prompt; the columns are id, x", "prompt=NAME"),
        ("a,b\n", {"prompt": "bb"}, "1:1 E502 no column is called 'bb'", "the columns are a, b"),
        ("prompt,Sede\n", {"seed": "sed"}, "1:1 E502 no column is called 'sed'", "did you mean Sede?"),
        ("id,text,description\n", {}, "1:9 E502 the columns 'text' and 'description' could both be the prompt", ""),
        ("prompt,seed,Seed\n", {}, "1:13 E502 the columns 'seed' and 'Seed' could both be the seed", "--column seed="),
    ],
)
def test_a_column_that_is_not_clear_is_asked_for(text, chosen, said, hint):
    made = made_of(text, "csv", **chosen)
    assert told(made) == [said]
    assert hint in made.problems[0].hint


@pytest.mark.parametrize(("count", "end"), [(12, "c11"), (13, "c11 …")])
def test_of_many_columns_the_first_are_named(count, end):
    (problem,) = made_of(",".join(f"c{index}" for index in range(count)) + "\n", "csv").problems
    assert problem.message.endswith(f", {end}")


def test_a_cell_too_many_is_a_prompt_whose_comma_is_not_quoted():
    made = made_of("prompt,seed\na cat, walking,7\n", "csv")
    assert told(made) == ["2:7 E503 the row has 3 cells, the first row names 2 columns"]
    assert marked(made) == [" walking"]
    assert marked(made_of("prompt,seed\na,b,7\n", "csv")) == ["7"]
    assert prompts_of(made_of("prompt,seed\na cat,7,,\n", "csv")) == ["a cat"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('prompt,seed\na,7\n"b,8\nc,9\n', "3:1 E501 not CSV here: a quote that is opened here and never closed"),
        ('prompt,seed\na,7\nx,"b"c\nd,9\n', "3:3 E501 not CSV here: text after the end of a quote"),
        ('prompt,seed,id\nx,7,y\n"a","b"c,"d"\n', "3:5 E501 not CSV here: text after the end of a quote"),
        ('prompt\n"' + "x" * 140_000 + '"\n', "2:1 E501 not CSV here: a cell of more than 131,072 characters"),
    ],
)
def test_quotes_that_do_not_match_are_said_where_they_begin(text, said):
    assert told(made_of(text, "csv")) == [said]


def test_every_problem_is_said_at_once_and_marks_its_cell():
    text = "id;prompt;duration;ratio;audio\na b;雨夜的街头;99;2:1;ftp://x\na b;c\td;5;16:9;\n"
    made = made_of(text, "csv")
    assert marked(made)[:4] == ["a b", "99", "2:1", "ftp://x"]
    assert sorted(marked(made)[4:]) == ["\t", "a b", "a b"]


def test_a_problem_that_all_rows_share_is_said_once():
    made = made_of("prompt,duration\na,99\nb,99\n", "csv")
    assert [one[:8] for one in told(made)] == ["2:3 E104"]


def test_a_tsv_is_separated_by_tabs_alone():
    assert prompts_of(made_of("prompt\tseed\na, b; c\t7\n", "tsv")) == ["a, b; c"]
    assert told(made_of('prompt\tseed\n"a\t7\n', "tsv")) == [
        "2:1 E501 not TSV here: a quote that is opened here and never closed"
    ]
