"""curl commands: what a shell would send, its body as a scene, and no key anywhere."""

import json
import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from manifest.brought import made_of, marked, prompts_of, scenes_of, told

from wanbatch.manifest.importing_shell import commands

URL = "https://dashscope.aliyuncs.com/api/v1/services/aigc/video-generation/video-synthesis"
SECRET = "sk-0123456789abcdef0123"
DOCUMENTED = rf"""#!/bin/sh
# Wan 2.7: create a task
curl --location '{URL}' \
    -H 'X-DashScope-Async: enable' \
    -H "Authorization: Bearer $DASHSCOPE_API_KEY" \
    -H 'Content-Type: application/json' \
    -d '{{
    "model": "wan2.7-t2v",
    "input": {{
        "prompt": "A tense story. Shot 1 [0\u20133 seconds] wide shot: Rain.",
        "negative_prompt": "flower"
    }},
    "parameters": {{
        "resolution": "1080P",
        "ratio": "9:16",
        "prompt_extend": true,
        "watermark": true,
        "duration": 15
    }}
}}'
"""


def test_the_command_of_the_documentation_is_a_scene():
    made = made_of(DOCUMENTED, "curl")
    (scene,) = scenes_of(made)
    assert scene.prompt == "A tense story. Shot 1 [0–3 seconds] wide shot: Rain."
    assert (scene.negative_prompt, scene.resolution, scene.ratio) == ("flower", "1080P", "9:16")
    assert (scene.prompt_extend, scene.watermark, scene.duration, scene.model) == (True, True, 15, "wan2.7-t2v")
    assert made.left_out == ()


BODY = json.dumps({"input": {"prompt": "a “cat” says: it’s 5 $ & more"}})


@pytest.mark.parametrize(
    "option", ["-d ", "-d", "--data ", "--data-raw ", "--data-binary ", "--json ", "--data=", "--json="]
)
@pytest.mark.parametrize("quote", ["single", "double", "ansi"])
def test_the_body_is_found_by_every_option_that_sends_one(option, quote):
    escaped = BODY.replace("\\", "\\\\")
    word = {
        "single": f"'{BODY}'",
        "double": '"' + escaped.replace('"', '\\"') + '"',
        "ansi": f"$'{escaped}'",
    }[quote]
    assert prompts_of(made_of(f"curl {URL} {option}{word}\n", "curl")) == ["a “cat” says: it’s 5 $ & more"]


def test_several_commands_are_several_scenes_and_what_submits_nothing_is_said():
    text = f"""export KEY={SECRET}
$ curl {URL} -d '{BODY}'; curl {URL} --json '{BODY}' && /usr/bin/curl {URL} -d '{BODY}' | jq .
curl -X GET https://dashscope.aliyuncs.com/api/v1/tasks/1 -H "Authorization: Bearer {SECRET}"
"""
    made = made_of(text, "curl")
    assert made.scenes == 3
    assert made.left_out == ("the curl command in line 3, which submits nothing", "lines 1, 2: no curl command")
    assert SECRET not in made.text + str(made.left_out)


@pytest.mark.parametrize(("count", "said"), [(1, "line 1"), (8, "8"), (9, "8 …")])
def test_of_many_lines_that_are_no_command_the_first_are_named(count, said):
    (words,) = made_of("ls\n" * count, "curl").left_out
    assert words.endswith(f"{said}: no curl command")


def test_a_key_in_the_line_of_a_problem_is_not_shown():
    for header in (
        f"Authorization: Bearer {SECRET}",
        f"authorization: {SECRET}",
        "Authorization: Bearer of-another-form",
    ):
        made = made_of(
            f"""curl {URL} -H "{header}" -d '{{"input":{{"prompt":"a"}},"parameters":{{"seed":-1}}}}'""", "curl"
        )
        (problem,) = made.problems
        assert marked(made) == ["-1"]
        assert "-d '{" in problem.where.source
        assert header.split()[-1] not in str(made)


@pytest.mark.parametrize(
    ("rest", "said", "mark"),
    [
        ("""-d '{"input": {"prompt": "It's a dog's"}}'""", "the quote ends here", "'"),
        ("""-d '{"input": {"prompt": "It's late"}}""", "a quote that is never closed, or closed by an apostrophe", "'"),
        ("""-d '{"input": {}}""", "a quote that is never closed, or closed by an apostrophe", "'"),
        ('-d "{\\"prompt\\": \\"$P\\"}"', "a variable of the shell, whose value is not in this file", "$"),
        ('-d "$(cat body.json)"', "a variable of the shell, whose value is not in this file", "$"),
        ('-d "`cat body.json`"', "a variable of the shell, whose value is not in this file", "`"),
        ("-d `cat body.json`", "a variable of the shell, whose value is not in this file", "`"),
        ("-d $BODY", "a variable of the shell, whose value is not in this file", "$"),
        ("-d @body.json", "the body is in another file", "@body.json"),
        ("-d ''", "an empty body", "'"),
        ("-d '{}' -d 'x'", "a second body in one command: curl joins them with &, which is no JSON", "x"),
        ("""-d '{"prompt": "a",}'""", "not JSON here: expecting property name enclosed in double quotes", "}"),
    ],
)  # fmt: skip
def test_a_command_whose_body_cannot_be_known_is_refused_at_its_place(rest, said, mark):
    made = made_of(f"# one\ncurl {URL} \\\n  {rest}", "curl")
    assert [one.split(" ", 2)[1:] for one in told(made)] == [["E501", said]]
    assert made.problems[0].where.line == 3
    assert marked(made) == [mark]
    assert made.problems[0].hint


@pytest.mark.parametrize("before", ["", "-H 'x: y' ", "\\\n  "])
def test_the_place_is_right_behind_quotes_and_line_continuations(before):
    body = """'{"prompt": "a", "title": "it'\\''s", "seed": -7}'"""
    made = made_of(f"curl {before}{URL} -d {body}", "curl")
    assert marked(made) == ["-7"]


SHELL = st.text(st.sampled_from(list("ab \t'\"\\{}:,-é")))


@given(SHELL)
@example("\"a\\\"b\" 'c'\\'d")
def test_words_are_those_of_a_shell(text):
    try:
        expected = shlex.split(text, comments=False)
    except ValueError:
        return
    found = list(commands(text))
    assert [word.text for words in found for word in words] == expected
    for word in (word for words in found for word in words):
        assert len(word.offsets) == len(word.text) + 1
        for char, offset in zip(word.text, word.offsets, strict=False):
            assert text[offset] == char


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a $'b\\'c\\n\\u4f60\\x41\\101\\q'", ["a", "b'c\n你AA\\q"]),
        ("a # b 'c\nd", ["a", "d"]),
        ("a#b c", ["a#b", "c"]),
        ("a\\\n b\\\r\nc", ["a", "bc"]),
        ('"a\\\nb"', ["ab"]),
        ('"a\\$B\\`c\\q"', ["a$B`c\\q"]),
        ("a $ b $5", ["a", "$", "b", "$5"]),
    ],
)
def test_what_else_a_shell_knows(text, words):
    found = [word for words in commands(text) for word in words]
    assert [word.text for word in found] == words
    assert {word.variable for word in found} == {None}
