"""resolve where a scene has several takes: the take that is named is meant, and never another one."""

import pytest
from cli.stage import events
from cli.takes import MATRIX, tell

from wanbatch.cli.door import guarded
from wanbatch.jobs import state as s

LOST = (s.SubmitIntended(), s.SubmitUnclear("no answer"), s.HeldForReview("its outcome is not known"))
PARIS = "skyline[city=Paris,ratio=16:9]"


@pytest.fixture
def film(in_tmp):
    """A manifest with takes and a matrix, of which some are held."""
    (in_tmp / "film.yaml").write_text(MATRIX, "utf-8")
    for stem in ("alley", "alley.t2", "skyline.paris.16x9", "skyline.paris.16x9.t2"):
        tell(in_tmp, stem, *LOST)
    return in_tmp


def decided(folder):
    """The takes that were decided about, and how."""
    decisions = {"ResubmitApproved", "CancelRequested", "TaskAdopted"}
    return [(line["job"].rpartition("/")[0], line["event"]) for line in events(folder / "out/film")
            if line["event"] in decisions]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "event"),
    [(["--resubmit"], "ResubmitApproved"), (["--give-up"], "CancelRequested"), (["--adopt", "t-1"], "TaskAdopted")],
)
@pytest.mark.parametrize("where", ["film.yaml", "out/film"])
@pytest.mark.parametrize(("name", "take"), [("alley", "alley/1"), ("alley.t2", "alley/2")])
def test_a_take_is_named_as_its_file_and_the_first_one_as_the_scene(name, take, where, flags, event, film):
    assert guarded(["resolve", where, name, *flags]) == 0
    assert decided(film) == [(take, event)]


def test_the_first_take_is_not_taken_for_a_later_one_that_alone_is_held(film, capsys):
    assert guarded(["resolve", "film.yaml", "alley", "--adopt", "t-1"]) == 0
    assert guarded(["resolve", "film.yaml", "alley", "--resubmit"]) == 2
    assert decided(film) == [("alley/1", "TaskAdopted")]
    assert "wanbatch: scene alley is waiting, not held\n  held are: alley.t2, " in capsys.readouterr().err


def test_a_scenes_id_that_is_no_files_name_is_refused_where_several_takes_are_meant(film, capsys):
    assert guarded(["resolve", "film.yaml", PARIS, "--resubmit"]) == 2
    assert decided(film) == []
    assert capsys.readouterr().err == (
        f"wanbatch: scene {PARIS} has several takes; nothing was changed\n"
        "  name one of them: skyline.paris.16x9, skyline.paris.16x9.t2\n"
    )
    assert guarded(["resolve", "film.yaml", "skyline.paris.16x9", "--give-up"]) == 0
    assert decided(film) == [(f"{PARIS}/1", "CancelRequested")]
    assert guarded(["resolve", "film.yaml", PARIS, "--adopt", "t-2"]) == 0, "one is left that is meant"
    assert decided(film)[1:] == [(f"{PARIS}/2", "TaskAdopted")]


@pytest.mark.parametrize(
    "words", [["status", "out/film"], ["resolve", "out/film", "alley", "--give-up"],
              ["journal", "show", "out/film", "alley"]],
)  # fmt: skip
def test_a_profile_goes_with_a_manifest_and_not_with_an_output_folder(words, film, capsys):
    assert guarded([*words, "--profile", "draft"]) == 2
    assert capsys.readouterr().err == (
        "wanbatch: out/film is an output folder, which is of one profile; --profile goes with a manifest\n"
        "  name the profile's folder: out/film@draft\n"
    )
    assert decided(film) == []
