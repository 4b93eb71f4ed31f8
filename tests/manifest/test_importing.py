"""What people have becomes a manifest that validates, with every prompt as it was, or is refused with its place."""

import csv
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from manifest.brought import OTHERWISE, made_of, prompts_of, table, told
from support import manifest

from wanbatch.manifest.check import DEVICE
from wanbatch.manifest.document import parse
from wanbatch.manifest.importing import FORMATS, NameRefused, format_of, imported
from wanbatch.manifest.importing_scenes import id_of, quoted, unique_ids
from wanbatch.manifest.importing_source import Source, stated
from wanbatch.manifest.prompt import one_line

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def test_the_manifest_is_written_as_a_person_would():
    assert made_of("A cat walks along the wall.\n\n雨夜: #1\n").text == (
        "wanbatch: 1\n"
        "name: film\n"
        "\n"
        "defaults:\n"
        "  resolution: 720P # decides the price\n"
        "  ratio: 16:9\n"
        "  duration: 5\n"
        "\n"
        "scenes:\n"
        "  - id: cat-walks-along-wall\n"
        "    prompt: A cat walks along the wall.\n"
        "\n"
        '  - id: "1"\n'
        '    prompt: "雨夜: #1"\n'
    )


def test_prompts_are_the_lines_that_are_not_blank():
    assert prompts_of(made_of("one\n\n  two \r\n\t\rthree\n")) == ["one", "two", "three"]
    assert made_of(" \n\n").scenes == 0


HARD = [
    *("1e3", "true", "null", "Null", "~", "7", "no", "yes", "0x1F", "2026-06-12", "16:9", "<<", "=", "---", "..."),
    *("con", "CON.txt", "aux", "com1 lpt2", "prompt-003", "a", "the of", "雨夜的街头", "雨夜的街头"),
    *("# not a remark", "a # remark", "- a", "? a", ": a", "a: b", "a:", "'quoted'", '"quoted"', "a \\ b", "\\n"),
    *("*a", "&a", "!a", "|", ">", "%a", "@a", "`a`", "{a}", "[a]", ", a", "It’s (a) test, ok.", "x" * 100),
    *("ﬁne", "é", "😀 smile", "a  b", "a\u00a0b", "a\u200bb", "720P", "1.5", "sk-ate", "task-force"),
    *("${name}", "$${name}", "a ${ b", "$ {a}", "cost $5", "$", "$$", "$${", "${env:HOME}", "$$${a}$"),
]


@pytest.mark.parametrize("prompt", HARD)
def test_a_prompt_comes_through_as_it_is_whatever_it_looks_like(prompt):
    assert prompts_of(made_of(prompt)) == [prompt]


def test_what_looks_like_a_variable_is_written_with_its_escape():
    assert '    prompt: "$${hero} walks, $${"\n' in made_of("${hero} walks, ${").text


@given(st.text(st.sampled_from(list("${}ab:")), min_size=1))
@example("${a${b}")
def test_no_text_becomes_a_variable_on_its_way(text):
    assert prompts_of(made_of(text)) == [text]


def test_all_of_them_together_get_ids_that_do_not_clash():
    made = made_of("\n".join([*HARD, *HARD]))
    assert prompts_of(made) == HARD * 2
    ids = [scene.id for scene in manifest(made.text).scenes]
    assert len({one.casefold() for one in ids}) == len(ids) == 2 * len(HARD)


@pytest.mark.parametrize(
    ("prompt", "id"),
    [
        ("A cat walks along the wall", "cat-walks-along-wall"),
        ("The of a", "prompt-003"),
        ("雨夜", "prompt-003"),
        ("con", "prompt-003"),
        ("x" * 50, "x" * 40),
        ("one two three four five six seven eight nine ten", "one-two-three-four-five-six-seven-eight"),
        ("Cat’s EYE", "cat-s-eye"),
        ("Straße", "strasse"),
    ],
)
def test_an_id_is_made_of_the_telling_words(prompt, id):
    assert id_of(prompt, 3) == id


def test_equal_prompts_are_numbered_past_what_is_taken():
    assert unique_ids(["cat", "cat", "cat 2", "cat", "cat-2"]) == ["cat", "cat-2", "cat-2-2", "cat-3", "cat-2-3"]
    assert unique_ids(["cat", "cat 2", "cat"]) == ["cat", "cat-2", "cat-3"]
    assert unique_ids(["cat", None, "cat"], ["Cat", "cat-2"]) == ["cat-3", "", "cat-4"]


def test_ten_thousand_equal_prompts_get_ten_thousand_ids():
    assert len(set(unique_ids(["cat"] * 10_000))) == 10_000


@given(st.lists(st.text() | st.sampled_from(HARD)), st.lists(st.sampled_from(["Cat", "con-2", "prompt-001", "a"])))
def test_ids_are_valid_unique_and_no_device(prompts, given):
    ids = unique_ids(prompts, given)
    assert len({one.casefold() for one in [*ids, *given]}) == len(ids) + len(set(given))
    assert len(ids) == len(prompts)
    for one in ids:
        assert ID.match(one)
        assert not DEVICE.match(one)


ODD = re.compile(r"[\t\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
LINES = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from(list("\t\r\x85\u2028\ufeff\"'\\#:-${ ")))


@given(LINES)
def test_every_file_of_prompts_is_taken_unchanged_or_refused_with_the_line(text):
    lines = [line.strip() for line in re.split(r"\r\n?|\n", text) if line.strip()]
    made = made_of(text)
    assert made.scenes == len(lines)
    if lines and not made.problems:
        assert prompts_of(made) == lines
    for problem in made.problems:
        assert ODD.match(problem.where.source[problem.where.column - 1])


@pytest.mark.parametrize("odd", ["\t", "\x85", "\u2028", "\x07", "\x1b", "\ufeff", "\ufffe"], ids=ascii)
def test_a_character_that_no_prompt_may_hold_is_marked_itself(odd):
    (problem,) = made_of(f"fine\na{odd}b\nfine too").problems
    assert (problem.where.line, problem.where.column, problem.where.width) == (2, 2, 1)
    assert problem.where.source == f"a{odd}b"


TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff")
    | st.sampled_from(list("\n\r,;|\"'${}\\#: ")),
    max_size=60,
).filter(lambda text: text.strip() != "")
MANNERS = st.sampled_from(
    [{}, {"delimiter": ";"}, {"delimiter": "\t"}, {"delimiter": "|"}, {"quoting": csv.QUOTE_ALL, "delimiter": ";"}]
)


@given(st.lists(TEXTS, min_size=1, max_size=6), MANNERS, st.booleans())
@example(["a\r\nb"], {}, False)
@example(["${a}", '"', ",", "a\n\nb "], {}, True)
def test_what_csv_writes_comes_back_as_the_prompts_that_are_sent(texts, manner, alone):
    rows = [["prompt"], *([text] for text in texts)] if alone else [["id", "prompt"], *(["", text] for text in texts)]
    expected = [one_line(re.sub(r"\r\n?", "\n", text)) for text in texts]
    assert prompts_of(made_of(table(rows, **manner), "csv")) == expected


@given(st.lists(TEXTS.filter(lambda text: "\t" not in text), min_size=1, max_size=4), MANNERS)
def test_the_place_of_a_cell_is_where_the_cell_is(texts, manner):
    rows = [["seed", "prompt", "id"], *(["99999999999", text, ""] for text in texts), ["", "ok", "no id!"]]
    text = table(rows, **manner)
    made = made_of(text, "csv")
    places = [one.where for one in made.problems]
    assert [place.source[place.column - 1 :][: place.width].strip('"') for place in places] == [
        *["99999999999"] * len(texts),
        "no id!",
    ]


def test_equal_prompts_of_a_table_get_distinct_ids_that_stay(tmp_path):
    text = table([["prompt", "id"], ["a cat", ""], ["a cat", "cat"], ["a cat", ""]])
    first, second = (made_of(text, "csv") for _ in range(2))
    assert first == second
    assert [scene.id for scene in manifest(first.text).scenes] == ["cat-2", "cat", "cat-3"]


def test_a_title_names_the_scene_better_than_its_prompt():
    made = made_of(table([["title", "prompt"], ["The Alley", "Rain"], ["", "Snow"]]), "csv")
    assert [(one.id, one.title) for one in manifest(made.text).scenes] == [("alley", "The Alley"), ("snow", None)]


def test_what_all_scenes_share_is_said_once():
    rows = [["prompt", "seconds", "ratio", "negative", "seed"]]
    made = made_of(table([*rows, ["a", 7, "9:16", "blur", 1], ["b", 7, "9:16", "blur", 2]]), "csv")
    assert made.text.split("scenes:")[0].endswith(
        "defaults:\n  resolution: 720P # decides the price\n  ratio: 9:16\n  duration: 7\n  negative_prompt: blur\n\n"
    )
    assert made.text.count("duration") == made.text.count(" ratio") == made.text.count("negative_prompt") == 1
    assert [one.take.seed for one in manifest(made.text).wanted] == [1, 2]
    assert made.unused == ("ratio", "duration")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("model", "wan2.7-t2v-2026-06-12", "model: wan2.7-t2v-2026-06-12"),
        ("resolution", "1080p", "resolution: 1080P # decides the price"),
        ("ratio", "1:1", "ratio: 1:1"),
        ("duration", "9 s", "duration: 9"),
        ("negative_prompt", "blur", "negative_prompt: blur"),
        ("audio_url", "https://a/b.mp3", 'audio_url: "https://a/b.mp3"'),
        ("seed", "7", "seed: 7"),
        ("takes", "2", "takes: 2"),
        ("prompt_extend", "yes", "prompt_extend: true"),
        ("watermark", "yes", "watermark: true"),
        ("language", "zh", "language: zh"),
    ],
)
def test_every_field_that_defaults_can_hold_goes_there_when_all_share_it(name, value, line):
    made = made_of(table([["prompt", name], ["a", value], ["b", value]]), "csv")
    assert prompts_of(made)[:2] == (["a", "b"] if name != "takes" else ["a", "a"])
    assert f"\n  {line}\n" in made.text.split("scenes:")[0]
    assert f"{name}:" not in made.text.split("scenes:")[1]


def test_what_scenes_do_not_share_stays_theirs_and_the_rest_gets_what_holds_otherwise():
    made = made_of(table([["prompt", "seconds"], ["a", 7], ["b", ""], ["c", 5]]), "csv")
    assert [one.request.duration for one in manifest(made.text).wanted] == [7, 5, 5]
    assert made.text.count("duration: 5") == 2
    assert made.unused == ()


def test_what_every_scene_says_in_its_own_way_is_no_default():
    made = made_of(table([["prompt", "seconds", "ratio"], ["a", 7, "1:1"], ["b", 5, "4:3"]]), "csv")
    assert made.text.split("scenes:")[0].endswith("\ndefaults:\n  resolution: 720P # decides the price\n\n")
    assert made.unused == ("ratio", "duration")


def test_one_scene_alone_keeps_what_is_its_own():
    made = made_of(table([["prompt", "seconds", "seed"], ["a", 7, 3]]), "csv")
    assert "  duration: 7\n\nscenes:" in made.text
    assert "    seed: 3\n" in made.text


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        *(("duration", one, 5) for one in ("5", "5s", "5 s", "5.0", "5 sec", "5 Seconds", "5秒", 5, 5.0)),
        *(("ratio", one, "16:9") for one in ("16:9", "16/9", "16x9", "16×9", "16：9", "16:09", "16:09:00")),
        *(("ratio", one, "1:1") for one in ("1:1", "1:01", "01:01", "1:01:00")),
        *(("resolution", one, "720P") for one in ("720P", "720p", "720", 720)),
        *(("prompt_extend", one, True) for one in ("TRUE", "yes", "1", True, "是")),
        *(("watermark", one, False) for one in ("false", "No", "0", False)),
        *(("seconds", one, 2.5) for one in ("2.5", "2.5 s", 2.5)),
        ("seconds", "3s", 3),
        ("tags", "a; b;a", ("a", "b")),
        ("tags", "雨，夜", ("雨", "夜")),
        ("tags", ["a", "b, c"], ("a", "b, c")),
        ("seed", "7", 7),
        ("seed", "1.23E+09", "1.23E+09"),
        ("id", 7, "7"),
        ("prompt", " a\r\n b ", "a b"),
    ],
)
def test_values_are_read_as_people_write_them(name, written, value):
    assert stated(name, written) == {name: value}


@pytest.mark.parametrize("name", ["prompt", "seed", "tags", "size"])
@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_an_empty_cell_states_nothing(name, nothing):
    assert stated(name, nothing) == {}


@pytest.mark.parametrize(
    ("size", "resolution", "ratio"),
    [
        ("1280*720", "720P", "16:9"),
        ("1280x720", "720P", "16:9"),
        ("832*1088", "720P", "3:4"),
        ("1920*1080", "1080P", "16:9"),
        ("1440*1440", "1080P", "1:1"),
        ("1248*1632", "1080P", "3:4"),
    ],
)
def test_a_size_of_wan26_is_a_resolution_and_a_ratio(size, resolution, ratio):
    assert stated("size", size) == stated("resolution", size) == {"resolution": resolution, "ratio": ratio}


def test_a_size_that_is_none_is_refused_where_it_stands():
    (problem,) = made_of("prompt,size\na,640*480\n", "csv").problems
    assert (problem.where.line, problem.where.column, problem.code) == (2, 3, "E105")
    assert "640*480" in problem.message


def test_an_id_that_is_given_twice_is_said_with_its_line():
    made = made_of("id,prompt\nA,one\na,two\n", "csv")
    assert told(made) == ["3:1 E203 id a is taken already, in line 2"]


SECRET = "sk-0123456789abcdef0123"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("text", f'a cat\n  -H "Authorization: Bearer {SECRET}"\n'),
        ("text", f"{SECRET}\n"),
        ("csv", f"prompt,title\na,{SECRET}\n"),
        ("jsonl", f'{{"prompt": "a", "negative_prompt": "{SECRET}"}}'),
        ("markdown", f"# One\na\n- 0-3s: {SECRET}\n"),
        ("curl", f'curl https://x -d \'{{"input": {{"prompt": "{SECRET}"}}}}\''),
    ],
)
def test_a_text_that_looks_like_a_key_is_refused_and_not_shown(form, text):
    made = made_of(text, form)
    assert [one.code for one in made.problems] == ["E504"]
    assert SECRET not in str(made.problems)


@pytest.mark.parametrize("name", ["film", "元宵", "1e3", "true", 'a "b"', "x y"])
def test_the_manifest_keeps_its_name(name):
    made = imported(Source.of("x", "a"), "text", {}, name, OTHERWISE)
    assert manifest(made.text).name == name


def test_a_name_that_cannot_be_one_is_no_problem_of_the_file():
    with pytest.raises(NameRefused, match="'a/b'"):
        imported(Source.of("x", "a"), "text", {}, "a/b", OTHERWISE)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")))
def test_a_quoted_text_is_read_back_as_it_was(text):
    assert parse("x", f"a: {quoted(text)}\n").data == {"a": text}


@pytest.mark.parametrize(
    ("file", "text", "form"),
    [
        ("a.csv", "x", "csv"),
        ("a.TSV", "x", "tsv"),
        ("a.jsonl", "x", "jsonl"),
        ("a.json", "x", "jsonl"),
        ("a.md", "x", "markdown"),
        ("a.markdown", "x", "markdown"),
        ("a.tab", "x", "tsv"),
        ("a.ndjson", "x", "jsonl"),
        ("a.curl", "x", "curl"),
        ("a.sh", "x", "curl"),
        ("a.txt", "a cat\n# a number sign\n", "text"),
        ("-", "a cat, a dog\n", "text"),
        ("-", "curl of smoke, rising\n", "text"),
        ("-", "text, description of a thing\n", "text"),
        ("-", "id,prompt\na,b\n", "csv"),
        ("-", '"Prompt";Seed\na;1\n', "csv"),
        ("-", "Prompt\tSeed\na\t1\n", "csv"),
        ("-", ' {"prompt": "a"}\n', "jsonl"),
        ("-", '[\n "a"]\n', "jsonl"),
        ("-", "{a} cat\n", "text"),
        ("-", "# x\n$ curl --location 'https://x' \\\n", "curl"),
        ("-", "curl -X POST \\\n https://x\n", "curl"),
        ("-", "# Film\n\n## One\n\n- 0-3s: a\n", "markdown"),
        ("-", "", "text"),
    ],
)
def test_the_format_is_known_by_ending_and_content(file, text, form):
    assert format_of(file, text) == form


@given(st.text(), st.sampled_from(FORMATS))
def test_no_text_breaks_a_reader(text, form):
    made = made_of(text, form)
    for problem in made.problems:
        assert problem.where.line >= 1
        assert problem.where.column >= 1
    if made.scenes and not made.problems:
        manifest(made.text)


SIGNS = """
{"prompt" : "a" } { [ ] , curl -d ' " \\ - 0-3s x: y |time|text| |text|time| |-|-| |3|a| |3| prompt ; a
$' "shots" "input" 7 # ##
"""
PIECES = st.lists(st.sampled_from([*SIGNS.split(), " ", "\n", "\n\n", "\t", "\n## B\n", "\n- "]))


@given(PIECES.map("".join), st.sampled_from(FORMATS))
def test_no_heap_of_its_signs_breaks_a_reader(text, form):
    made = made_of(text, form)
    if made.scenes and not made.problems:
        manifest(made.text)
