"""A manifest of several files, with what the command line sets: one whole, whose places point where it is written."""

from pathlib import Path

import pytest

from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.manifest import texts
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.check import load, text_places

B = "wanbatch: 1\nscenes: [{id: b, prompt: x}]\n"
HEAD = "wanbatch: 1\ndefaults: {resolution: 720P, duration: 5}\n"


@pytest.fixture
def film(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text="", **files):
        for name, content in {"film.yaml": HEAD + text, **files}.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        return tmp_path / "film.yaml"

    return write


def read(film, profile=None, *settings, environ=None, **more):
    return load(film.relative_to(film.parent), Reading(profile, settings, **more), environ=environ or {})


def problems(film, profile=None, *settings, **more):
    with pytest.raises(ManifestInvalid) as caught:
        read(film, profile, *settings, **more)
    return [(str(one.where), one.code) for one in caught.value.problems]


def usage(film, profile=None, *settings):
    with pytest.raises(WanbatchError) as caught:
        read(film, profile, *settings)
    assert caught.value.exit_code == Exit.USAGE
    return caught.value.message, caught.value.hint


def ids(manifest):
    return [scene.id for scene in manifest.scenes]


# --- included files ---


def test_included_scenes_stand_where_the_include_stands(film):
    path = film(
        "scenes:\n  - {id: a, prompt: x}\n  - include: more/*.yaml\n  - {id: z, prompt: y}\n",
        **{
            "more/b.yaml": "wanbatch: 1\nscenes: [{id: b, prompt: x}]\n",
            "more/a.yaml": "wanbatch: 1\nscenes: [{id: c, prompt: x}, {include: deep/*.yaml}]\n",
            "more/deep/d.yaml": "wanbatch: 1\nscenes: [{id: d, prompt: x}]\n",
        },
    )
    manifest = read(path)
    assert ids(manifest) == ["a", "c", "d", "b", "z"]
    assert manifest.sources == ("film.yaml", "more/a.yaml", "more/deep/d.yaml", "more/b.yaml")


def test_an_included_file_has_the_including_ones_defaults_and_variables_under_its_own(film):
    path = film(
        "vars: {hero: a cat, coat: red}\nscenes: [{include: b.yaml}]\n",
        **{
            "b.yaml": "wanbatch: 1\nvars: {coat: 'blue ${hero}'}\ndefaults: {ratio: 9:16, style: {suffix: End.}}\n"
            "scenes: [{id: b, prompt: '${hero} in ${coat}'}]\n"
        },
    )
    (one,) = read(path).wanted
    assert (one.request.prompt, one.request.ratio, one.request.resolution) == (
        "a cat in blue a cat End.", "9:16", "720P",
    )  # fmt: skip


def test_a_mistake_in_an_included_file_is_shown_in_that_file(film):
    path = film(
        "scenes: [{include: b.yaml}]\n", **{"b.yaml": "wanbatch: 1\nscenes:\n  - {id: b, prompt: x, ratio: 16:10}\n"}
    )
    assert problems(path) == [("b.yaml:3:31", "E105")]


@pytest.mark.parametrize("pattern", ["film.yaml", "'*.yaml'", "./film.yaml", "sub/../film.yaml"])
def test_a_file_that_includes_itself_is_a_mistake(film, pattern):
    path = film(f"scenes:\n  - include: {pattern}\n", **{"sub/x.txt": ""})
    assert problems(path) == [("film.yaml:4:14", "E322")]


def test_a_circle_of_files_is_a_mistake_in_the_file_that_closes_it(film):
    path = film(
        "scenes: [{include: b.yaml}]\n",
        **{
            "b.yaml": "wanbatch: 1\nscenes: [{include: c.yaml}]\n",
            "c.yaml": "wanbatch: 1\nscenes: [{include: b.yaml}]\n",
        },
    )
    with pytest.raises(ManifestInvalid) as caught:
        read(path)
    (one,) = caught.value.problems
    assert (str(one.where), one.code, one.message) == ("c.yaml:2:20", "E322", "b.yaml includes itself")


def test_a_file_is_known_again_through_a_link(film):
    path = film("scenes: [{include: b.yaml}, {include: c.yaml}]\n", **{"b.yaml": B})
    (path.parent / "c.yaml").symlink_to("b.yaml")
    assert problems(path) == [("film.yaml:3:39", "E322")]


def test_files_of_ours_are_not_taken_for_scenes(film):
    path = film(
        "scenes: [{include: 'm*/*.yaml'}]\n",
        **{"more/b.yaml": "wanbatch: 1\nscenes: [{id: b, prompt: x}]\n", "more/b.picks.yaml": "wanbatch_picks: 1\n",
           "more/b.lock.yaml": "wanbatch_lock: 1\n"},
    )  # fmt: skip
    assert ids(read(path)) == ["b"]


@pytest.mark.parametrize("pattern", ["no.yaml", "no/*.yaml", "'**x'", "sub", "'[z-a]'"])
def test_an_include_that_finds_nothing_is_a_mistake(film, pattern):
    path = film(f"scenes:\n  - include: {pattern}\n", **{"sub/x.txt": ""})
    assert problems(path) == [("film.yaml:4:14", "E321")]


@pytest.mark.parametrize("key", ["name: b", "run: {concurrency: 1}", "profiles: {draft: {ratio: 1:1}}"])
def test_what_an_included_file_cannot_decide_is_refused(film, key):
    path = film("scenes: [{include: b.yaml}]\n", **{"b.yaml": f"wanbatch: 1\n{key}\nscenes: [{{id: b, prompt: x}}]\n"})
    assert problems(path) == [("b.yaml:2:1", "E323")]


def test_an_id_that_another_file_has_is_refused_with_its_place(film):
    path = film("scenes: [{id: B, prompt: y}, {include: b.yaml}]\n", **{"b.yaml": B})
    with pytest.raises(ManifestInvalid) as caught:
        read(path)
    (one,) = caught.value.problems
    assert (one.code, str(one.where)) == ("E203", "b.yaml:2:15")
    assert "in film.yaml, line 3" in one.message


def test_all_files_together_keep_to_the_limit(film):
    path = film("scenes: [{include: b.yaml}]\n", **{"b.yaml": B + "#" * 900})
    assert ids(read(path, max_bytes=2000)) == ["b"]
    with pytest.raises(ManifestInvalid) as caught:
        read(path, max_bytes=800)
    assert [one.code for one in caught.value.problems] == ["E001"]
    assert "--max-manifest-bytes" in caught.value.problems[0].hint


def test_files_that_include_files_have_an_end(film):
    files = {f"f{n}.yaml": f"wanbatch: 1\nscenes: [{{include: f{n + 1}.yaml}}]\n" for n in range(40)}
    path = film("scenes: [{include: f0.yaml}]\n", **files)
    assert [code for _, code in problems(path)] == ["E322"]


# --- prompt files ---


def test_a_prompt_may_be_a_file(film):
    path = film(
        "vars: {hero: a cat}\nscenes: [{id: a, prompt_file: texts/a.txt}]\n",
        **{"texts/a.txt": "﻿See\n  ${hero} \n$${x}\n"},
    )
    (one,) = read(path).wanted
    assert one.request.prompt == "See a cat ${x}"
    assert text_places(path, {"a"})["a"].file == str(path.parent / "texts/a.txt")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("tab\there", ("a.txt:1:4", "E208")),
        ("one\ntwo ${no}\n", ("a.txt:2:5", "E301")),
        (" \n\n", ("film.yaml:3:31", "E324")),
        ("one\n\x07", ("a.txt:2:1", "E008")),
        ("x" * 5001, ("a.txt:1:1", "E106")),
    ],
)
def test_a_mistake_in_a_prompt_file_is_shown_where_it_is(film, content, found):
    assert problems(film("scenes: [{id: a, prompt_file: a.txt}]\n", **{"a.txt": content})) == [found]


@pytest.mark.parametrize("name", ["none.txt", ".", "a\\0b"])
def test_a_prompt_file_that_cannot_be_read_is_a_mistake(film, name):
    path = film(f'scenes: [{{id: a, prompt_file: "{name}"}}]\n')
    assert [place for place, _ in problems(path)] == ["film.yaml:3:31"]


def test_a_prompt_file_that_is_no_text_is_said_of_the_file(film):
    path = film("scenes: [{id: a, prompt_file: a.txt}]\n")
    (path.parent / "a.txt").write_bytes(b"\xff\x00")
    assert problems(path) == [("a.txt:1:1", "E001")]


# --- the command line ---


def test_a_setting_is_as_if_it_stood_in_the_manifest(film):
    path = film(
        "run: {concurrency: 2}\nscenes: [{id: a.b, prompt: '${hero}', seed: 7}, {id: a, prompt: y, ratio: 1:1}]\n"
    )
    manifest = read(
        path, None, "defaults.ratio=9:16", "vars.hero=a cat", "scenes.a.b.seed=8", "run.concurrency=3", "name=other"
    )
    assert [(one.request.ratio, one.request.prompt) for one in manifest.wanted] == [("9:16", "a cat"), ("1:1", "y")]
    assert (manifest.wanted[0].request.seed, manifest.run.concurrency, manifest.name) == (8, 3, "other")


def test_a_setting_reaches_a_scene_in_an_included_file_and_inside_of_lists(film):
    path = film(
        "scenes: [{include: b.yaml}]\n",
        **{"b.yaml": "wanbatch: 1\nscenes: [{id: b, shots: [{seconds: 3, prompt: x}, {seconds: 2, prompt: y}]}]\n"},
    )
    (one,) = read(path, None, "scenes.b.shots.1.seconds=4").wanted
    assert one.request.duration == 7


def test_a_mistake_in_a_setting_is_shown_in_it(film):
    path = film("scenes: [{id: a, prompt: x}]\n")
    assert problems(path, None, "defaults.ratio=16:10") == [("--set:1:16", "E105")]
    assert problems(path, None, "scenes.a.sead=1") == [("--set:1:10", "E103")]
    assert problems(path, None, "vars.hero=[a") == [("--set:1:11", "E002")]
    assert problems(path, None, "scenes.a.prompt='${hero}'") == [("--set:1:18", "E301")]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ratio", "not KEY=VALUE"),
        ("=x", "not KEY=VALUE"),
        ("defaults..ratio=1:1", "not KEY=VALUE"),
        ("default.ratio=1:1", "default cannot be set"),
        ("wanbatch=2", "wanbatch cannot be set"),
        ("scenes=x", "scenes cannot be set"),
        ("scenes.b.seed=1", "has no scene b"),
        ("scenes.a=1", "has no scene a"),
        ("defaults.resolution.x=1", "there is no place for x"),
    ],
)
def test_a_setting_that_fits_nothing_is_a_usage_error(film, setting, message):
    said, hint = usage(film("scenes: [{id: a, prompt: x}]\n"), None, setting)
    assert said.startswith(f"--set {setting}: ")
    assert message in said
    assert hint


def test_a_profile_wins_over_defaults_and_scenes_and_not_over_a_matrix(film):
    path = film(
        "profiles: {draft: {resolution: 720P, takes: 1, style: {suffix: Draft.}}}\n"
        "scenes:\n"
        "  - {id: a, prompt: x, resolution: 1080P, takes: 3, style: {prefix: P., suffix: S.}}\n"
        "  - {id: b, prompt: x, matrix: {resolution: [720P, 1080P]}}\n"
    )
    manifest = read(path, "draft")
    assert [(one.key.stem, one.request.resolution, one.request.prompt) for one in manifest.wanted] == [
        ("a", "720P", "P. x Draft."), ("b.720p", "720P", "x Draft."), ("b.1080p", "1080P", "x Draft."),
    ]  # fmt: skip
    assert manifest.profile == "draft"
    assert len(read(path).wanted) == 5


def test_a_profile_that_is_not_there_is_a_usage_error_with_a_near_one(film):
    path = film("profiles: {draft: {ratio: 1:1}}\nscenes: [{id: a, prompt: x}]\n")
    message, hint = usage(path, "drft")
    assert message == "film.yaml has no profile drft"
    assert "did you mean draft?" in hint


def test_a_setting_that_a_profile_would_undo_is_refused(film):
    path = film("profiles: {draft: {ratio: 1:1}}\nscenes: [{id: a, prompt: x}]\n")
    message, hint = usage(path, "draft", "defaults.ratio=9:16")
    assert "profile draft sets ratio too" in message
    assert "--set profiles.draft.ratio=" in hint
    assert read(path, "draft", "profiles.draft.ratio=9:16").wanted[0].request.ratio == "9:16"


# --- variables ---


def test_the_environment_gives_values_that_are_not_looked_into(film):
    path = film("scenes: [{id: a, prompt: 'In ${env:CITY}.'}]\n")
    assert read(path, environ={"CITY": "Rome ${x}"}).wanted[0].request.prompt == "In Rome ${x}."
    assert problems(path) == [("film.yaml:3:30", "E303")]


@pytest.mark.parametrize("value", ["a\tb", "a\x07", "half \udce9", "a\u2028b"])
def test_a_value_of_the_environment_that_no_prompt_may_have_is_refused(film, value):
    path = film("scenes: [{id: a, prompt: 'In ${env:CITY}.'}]\n")
    assert problems(path, environ={"CITY": value}) == [("film.yaml:3:30", "E303")]


@pytest.mark.parametrize("name", ["DASHSCOPE_API_KEY", "github_token", "MY_PASSWORD", "A_SECRET"])
def test_a_secret_never_becomes_a_part_of_a_prompt(film, name):
    path = film(f"scenes: [{{id: a, prompt: 'In ${{env:{name}}}.'}}]\n")
    assert problems(path, environ={name: "hidden"}) == [("film.yaml:3:30", "E305")]


def test_variables_may_use_each_other_but_not_in_a_circle(film):
    path = film("vars: {a: '1 ${b}', b: '2 ${c}', c: '3'}\nscenes: [{id: x, prompt: '${a}'}]\n")
    assert read(path).wanted[0].request.prompt == "1 2 3"
    path = film("vars:\n  a: ${b}\n  b: ${c}\n  c: ${a}\n  d: ${d}\nscenes: [{id: x, prompt: '${a}'}]\n")
    assert problems(path) == [("film.yaml:4:6", "E304"), ("film.yaml:7:6", "E304")]


def test_variables_that_double_each_other_stop_before_they_fill_the_memory(film):
    lines = "".join(f"  v{n}: '{f'${{v{n - 1}}}' * 10}'\n" for n in range(1, 30))
    path = film(f"vars:\n  v0: {'x' * 100}\n{lines}scenes: [{{id: x, prompt: '${{v29}}'}}]\n")
    assert [code for _, code in problems(path)] == ["E306"]


def test_a_text_too_long_only_with_its_variables_is_shown_where_it_is_put_together(film):
    path = film(
        f"vars: {{big: {'x' * 3000}}}\nscenes: [{{id: a, prompt: '${{big}} ${{big}}', style: {{suffix: End.}}}}]\n"
    )
    with pytest.raises(ManifestInvalid) as caught:
        read(path)
    (one,) = caught.value.problems
    assert str(one.where) == "film.yaml:4:26"
    assert "with its style and its variables the prompt has 6,006 characters" in one.message


@pytest.mark.parametrize("key", ["title", "intro", "framing", "prompt", "negative_prompt", "style"])
def test_every_text_of_a_scene_may_have_variables(film, key):
    block = {
        "title": "title: '${v}'\n    prompt: x",
        "intro": "intro: '${v}'\n    shots: [{seconds: 3, prompt: x}]",
        "framing": "shots: [{seconds: 3, framing: '${v}', prompt: x}]",
        "prompt": "prompt: '${v}'",
        "negative_prompt": "negative_prompt: '${v}'\n    prompt: x",
        "style": "style: {prefix: '${v}'}\n    prompt: x",
    }[key]
    path = film(f"vars: {{v: FILLED}}\nscenes:\n  - id: a\n    {block}\n")
    manifest = read(path)
    assert "FILLED" in str(manifest.scenes[0])
    assert "${" not in str(manifest.scenes[0])
    assert not [one for one in manifest.warnings if one.code == "W407"]
    assert [code for _, code in problems(film(f"scenes:\n  - id: a\n    {block}\n"))] == ["E301"]


# --- what was read ---


def test_the_fingerprint_changes_with_everything_that_a_manifest_is_made_of(film):
    text = "vars: {v: '${env:CITY}'}\nprofiles: {p: {ratio: 1:1}}\n"
    text += "scenes: [{id: a, prompt_file: a.txt}, {include: b.yaml}]\n"
    files = {"a.txt": "one ${v}", "b.yaml": B}
    rome = {"CITY": "Rome", "OTHER": "1"}
    first = read(film(text, **files), environ=rome).fingerprint
    assert len(first) == 64
    assert read(film(text, **files), environ={**rome, "OTHER": "2"}).fingerprint == first
    others = [
        read(film(text, **files), environ={"CITY": "Oslo"}),
        read(film(text, **files), "p", environ=rome),
        read(film(text, **files), None, "defaults.ratio=1:1", environ=rome),
        read(film(text + "# a remark\n", **files), environ=rome),
        read(film(text, **{**files, "a.txt": "two ${v}"}), environ=rome),
        read(film(text, **{**files, "b.yaml": files["b.yaml"] + "\n"}), environ=rome),
        read(film(text, **{**files, "film.picks.yaml": "wanbatch_picks: 1\ntakes: {a: 2}\n"}), environ=rome),
    ]
    Path("film.picks.yaml").unlink()
    assert len({first, *(one.fingerprint for one in others)}) == 8


# --- what a stranger found ---


def test_a_key_by_its_look_never_becomes_a_part_of_a_prompt_whatever_it_is_called(film):
    path = film("scenes: [{id: a, prompt: 'In ${env:CITY}.'}]\n")
    assert problems(path, environ={"CITY": "sk-0123456789abcdef0123"}) == [("film.yaml:3:30", "E305")]
    assert problems(path, environ={"CITY": "mine", "DASHSCOPE_API_KEY": "mine"}) == [("film.yaml:3:30", "E305")]
    path = film("scenes: [{id: a, prompt_file: a.txt}]\n", **{"a.txt": "sk-0123456789abcdef0123\n"})
    assert problems(path) == [("film.yaml:3:31", "E305")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("vars: {v: 'a\tb'}\nscenes: [{id: a, prompt: '${v}'}]\n", ("film.yaml:3:13", "E208")),
        ("vars:\n  v: cut #3, off\nscenes: [{id: a, prompt: '${v}'}]\n", ("film.yaml:4:10", "E201")),
        ("vars: {v: ' '}\nscenes: [{id: a, prompt: 'x ${v}'}]\n", ("film.yaml:3:11", "E107")),
        (
            "scenes:\n  - id: a\n    prompt: ${v}\n    matrix:\n      v:\n        - one #2\n",
            ("film.yaml:8:15", "E201"),
        ),
        (
            "scenes:\n  - id: a\n    prompt: ${v}\n    matrix:\n      v:\n        n: one #2\n",
            ("film.yaml:8:16", "E201"),
        ),
        (
            "profiles:\n  p:\n    negative_prompt: bad #7 x\nscenes: [{id: a, prompt: x}]\n",
            ("film.yaml:5:26", "E201"),
        ),
    ],
)
def test_every_text_that_becomes_a_part_of_a_prompt_is_looked_at_where_it_stands(film, text, place):
    assert problems(film(text)) == [place]


def test_a_setting_that_a_remark_cuts_short_is_refused(film):
    path = film("vars: {v: x}\nscenes: [{id: a, prompt: '${v}'}]\n")
    assert problems(path, None, "vars.v=Handheld #3, grainy") == [("--set:1:17", "E201")]
    with pytest.raises(ManifestInvalid) as caught:
        read(path, None, "vars.v=Handheld #3, grainy")
    assert "inside the shell's quotes" in caught.value.problems[0].hint
    assert read(path, None, "vars.v='Handheld #3, grainy'").wanted[0].request.prompt == "Handheld #3, grainy"


def test_a_style_that_is_none_is_said_also_where_an_included_file_has_one(film):
    text = "defaults: {resolution: 720P, duration: 5, style: cinematic}\nscenes: [{include: b.yaml}]\n"
    path = film("", **{"film.yaml": f"wanbatch: 1\n{text}", "b.yaml": f"defaults: {{style: {{suffix: x}}}}\n{B}"})
    assert problems(path) == [("film.yaml:2:50", "E101")]


@pytest.mark.parametrize(
    ("profile", "setting"),
    [
        ("{style: {suffix: cheap}}", "defaults.style.suffix=mine"),
        ("{models: [wan2.7-t2v]}", "defaults.model=wan2.7-t2v"),
        ("{ratio: 1:1}", "scenes.a.ratio=9:16"),
    ],
)
def test_a_setting_that_a_profile_would_undo_at_any_depth_is_refused(film, profile, setting):
    path = film(f"profiles: {{draft: {profile}}}\nscenes: [{{id: a, prompt: x}}]\n")
    assert "too, and would win" in usage(path, "draft", setting)[0]


def test_variables_of_a_whole_manifest_stop_before_they_fill_the_memory(film, monkeypatch):
    monkeypatch.setattr(texts, "ALTOGETHER", 10_000)
    path = film(
        f"vars: {{a: {'x' * 3000}}}\nscenes:\n" + "".join(f"  - {{id: s{n}, prompt: '${{a}}'}}\n" for n in range(5))
    )
    assert [code for _, code in problems(path)][:1] == ["E306"]


def test_many_circles_are_not_all_looked_for(film):
    text = "".join(f"  a{n}: ${{b{n}}}\n  b{n}: ${{a{n}}}\n" for n in range(60))
    path = film(f"vars:\n{text}scenes: [{{id: a, prompt: x}}]\n")
    assert [code for _, code in problems(path)] == ["E304"] * texts.CIRCLES


def test_a_mistake_of_shape_hides_no_variable_that_is_not_known(film):
    path = film("scenes: [{id: a, prompt: 'A ${x} cat', foo: 5, matrix: {y: [b]}, title: '${y}'}]\n")
    assert sorted(code for _, code in problems(path)) == ["E103", "E301"]
    text = "wanbatch: 1\ndefaults: {resolution: 720p}\nscenes: [{id: a, prompt: 'A ${x} cat', duration: 5}]\n"
    path = film("", **{"film.yaml": text})
    assert sorted(code for _, code in problems(path)) == ["E105", "E301"]


def test_a_variable_that_is_wrong_is_none_that_is_missing(film):
    path = film("vars: {colour: [a, b], boat: 'a ${colour} boat'}\nscenes: [{id: a, prompt: 'A ${boat} at sea'}]\n")
    assert [code for _, code in problems(path)] == ["E101"]
