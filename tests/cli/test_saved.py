"""A saved plan is consent as long as it holds, and says what changed when it does not."""

import json
from decimal import Decimal

import pytest
from cli.written import made, record
from support import NOW, write_manifest

from wanbatch.cli import common, saved
from wanbatch.cli.door import guarded
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import journal
from wanbatch.jobs import state as s
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Cost

PRICE = Cost(Decimal("3.00"), "CNY", "2026-08-15")
DEARER = Cost(Decimal("3.10"), "CNY", "2026-09-15")


@pytest.fixture
def film(in_tmp):
    return write_manifest(in_tmp, "alley", "roof")


def save(film, *more, file="plan.json"):
    """Save a plan as a user does; read it back."""
    assert guarded(["plan", str(film), "--save", file, *more]) in (0, 4, 8)
    return saved.load(film.parent / file)


def holds(kept, price=None):
    """Look whether a saved plan holds now. Raises WanbatchError."""
    choice = kept.choice
    manifest = common.manifest_of(choice.manifest)
    wanted = common.wanted_of(manifest, choice.selection)
    path = common.journal_path(choice.out)
    priced = (lambda _request: price) if price else common.price_list(choice.base_url)
    planned = common.plan_for(manifest, wanted, journal.read(path), choice.out, priced, NOW + 100)
    saved.still_holds(kept, manifest, saved.position(path), planned)


def refusal(kept, price=None):
    """What is said of a saved plan that does not hold."""
    with pytest.raises(WanbatchError) as refused:
        holds(kept, price)
    assert refused.value.exit_code == Exit.REFUSED
    assert refused.value.message.endswith("; nothing was sent")
    assert "look at the plan as it is now, and save it: wanbatch plan " in refused.value.hint
    assert refused.value.hint.endswith(f" --save {kept.path}")
    return refused.value.message


def test_a_saved_plan_is_a_contract(film, capsys):
    save(film, "--select", "alley", "--region", "cn-beijing")
    written = json.loads((film.parent / "plan.json").read_text("utf-8"))
    assert list(written) == [
        "wanbatch_plan", "tool", "at", "manifest", "profile", "set", "folder", "select", "accounts", "region",
        "base_url", "journal", "summary", "submit", "entries",
    ]  # fmt: skip
    assert written["wanbatch_plan"] == 1
    assert list(written["manifest"]) == ["path", "sha256"]
    assert written["journal"] is None
    assert (written["select"], written["region"], written["accounts"]) == ("alley", "cn-beijing", [])
    assert written["submit"]["cost"] == {"CNY": "3.0"}
    assert [entry["scene"] for entry in written["entries"]] == ["alley"]
    assert "saved: wanbatch run plan.json does this, as long as nothing has changed" in capsys.readouterr().err


def test_the_file_is_the_owners_only(film):
    save(film)
    assert (film.parent / "plan.json").stat().st_mode & 0o077 == 0


def test_a_saved_plan_is_told_from_a_manifest(film, in_tmp):
    save(film)
    plan = in_tmp / "plan.json"
    assert saved.is_plan(plan)
    plan.write_text(json.dumps(json.loads(plan.read_text("utf-8")), sort_keys=True), "utf-8")
    assert saved.is_plan(plan), "also when another program has sorted its fields"
    flow = in_tmp / "flow.yaml"
    flow.write_text('{"wanbatch": 1, "scenes": [{"id": "wanbatch_plan", "prompt": "\\"wanbatch_plan\\": 1"}]}', "utf-8")
    half = in_tmp / "half.json"
    half.write_text("{" * 100_000, "utf-8")
    for other in (film, flow, half, in_tmp, in_tmp / "absent"):
        assert not saved.is_plan(other)


def test_a_plan_holds_while_nothing_changes(film, in_tmp):
    made(in_tmp, film, "roof")
    kept = save(film)
    assert kept.journal is not None
    holds(kept)


def test_a_run_that_did_nothing_changes_nothing(film, in_tmp):
    made(in_tmp, film, "roof")
    kept = save(film)
    with Journal.open(in_tmp / "out/film/journal.jsonl", NOW) as opened:
        opened.note_run(NOW, "film.yaml")
    holds(kept)


def test_a_journal_that_was_only_opened_is_as_none(film, in_tmp):
    kept = save(film)
    with Journal.open(in_tmp / "out/film/journal.jsonl", NOW) as opened:
        opened.note_run(NOW, "film.yaml")
    holds(kept)


def test_a_line_that_a_crash_cut_short_is_no_change(film, in_tmp):
    made(in_tmp, film, "roof")
    kept = save(film)
    path = in_tmp / "out/film/journal.jsonl"
    whole = path.read_bytes()
    for torn in (whole + b'{"seq":9,"at":1.0,"event":"Pl', whole[:-1]):
        path.write_bytes(torn)
        assert saved.position(path) == kept.journal


def test_an_edited_scene_is_named(film):
    kept = save(film)
    film.write_text(film.read_text("utf-8").replace("a roof in the rain", "a roof in the sun"), "utf-8")
    assert refusal(kept) == f"{film} has changed since {kept.path} was saved (roof); nothing was sent"


def test_a_comment_is_a_change_too(film):
    kept = save(film)
    film.write_text(film.read_text("utf-8") + "# done\n", "utf-8")
    assert "has changed since" in refusal(kept)
    assert "(no scene's request, but its settings)" in refusal(kept)


def test_many_scenes_are_counted(in_tmp):
    film = write_manifest(in_tmp, *(f"s{nth}" for nth in range(9)))
    kept = save(film)
    film.write_text(film.read_text("utf-8").replace("in the rain", "in the sun"), "utf-8")
    assert "(s0, s1, s2, s3, s4 and 4 more)" in refusal(kept)


def test_a_scene_that_was_submitted_meanwhile_is_named(film, in_tmp):
    kept = save(film)
    record(in_tmp, film, "alley", s.SubmitIntended(), s.SubmitAccepted("t-1"))
    assert refusal(kept) == f"the journal of out/film has changed since {kept.path} was saved (alley); nothing was sent"


def test_what_is_being_made_is_not_forgotten_over_a_plan_that_was_used_already(film, in_tmp):
    kept = save(film, "--select", "alley")
    record(in_tmp, film, "alley", s.SubmitIntended(), s.SubmitAccepted("t-1"))
    with pytest.raises(WanbatchError) as refused:
        holds(kept)
    first = f"collect what is being made: wanbatch wait {film} --out out/film --select alley; then look at the plan"
    assert refused.value.hint.startswith(first)


def test_a_journal_that_went_on_refuses_also_where_the_scenes_would_be_done_alike(film, in_tmp):
    record(in_tmp, film, "alley", s.SubmitIntended())
    kept = save(film)
    record(in_tmp, film, "alley", s.SubmitAccepted("t-1"))
    assert "the journal of out/film has changed" in refusal(kept)
    assert "(scenes that the plan leaves alone)" in refusal(kept)


def test_another_journal_of_the_same_length_is_another_one(film, in_tmp):
    record(in_tmp, film, "alley", s.SubmitIntended())
    kept = save(film)
    (in_tmp / "out/film/journal.jsonl").unlink()
    record(in_tmp, film, "alley", s.SubmitIntended(), at=NOW + 1)
    assert "the journal of out/film has changed" in refusal(kept)


def test_a_price_that_changed_is_said_in_money(film):
    kept = save(film)
    assert refusal(kept, DEARER) == (
        f"prices have changed since {kept.path} was saved (now 6.20 CNY at prices of 2026-09; alley, roof); "
        "nothing was sent"
    )


def test_a_newer_date_of_the_same_price_is_no_change(film):
    holds(save(film), Cost(Decimal("3.0"), "CNY", "2026-12-01"))


def test_a_video_in_the_way_of_a_scene_is_a_change(film, in_tmp):
    kept = save(film)
    (in_tmp / "out/film/videos").mkdir(parents=True)
    (in_tmp / "out/film/videos/roof.mp4").write_bytes(b"not ours")
    assert "what is in out/film has changed" in refusal(kept)
    assert "(roof)" in refusal(kept)


def test_the_refusal_says_the_plan_again_with_what_was_chosen(film):
    kept = save(film, "--select", "alley", "--region", "cn-beijing")
    film.write_text(film.read_text("utf-8") + "# done\n", "utf-8")
    with pytest.raises(WanbatchError) as refused:
        holds(kept)
    assert f" --out out/film --select alley --region cn-beijing --save {kept.path}" in refused.value.hint


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plan: {name: value for name, value in plan.items() if name != "entries"},
        lambda plan: plan | {"manifest": "film.yaml"},
        lambda plan: plan | {"select": 1},
        lambda plan: plan | {"entries": [{"scene": "alley"}]},
        lambda plan: plan | {"entries": 3},
        lambda plan: plan | {"journal": {"line": "x", "crc": "y"}},
        lambda plan: plan | {"journal": {"line": float("inf"), "crc": "y"}},
        lambda plan: plan | {"folder": "out\0film"},
        lambda plan: plan | {"folder": "out\ud800"},
        lambda plan: plan | {"manifest": plan["manifest"] | {"path": "film\0.yaml"}},
    ],
)
def test_a_damaged_plan_is_no_consent(film, in_tmp, spoil):
    save(film)
    path = in_tmp / "plan.json"
    path.write_text(json.dumps(spoil(json.loads(path.read_text("utf-8")))), "utf-8")
    with pytest.raises(WanbatchError, match="the saved plan is damaged; nothing was sent") as refused:
        saved.load(path)
    assert refused.value.exit_code == Exit.REFUSED


def test_half_a_plan_and_one_of_a_later_version_are_no_consent(film, in_tmp):
    save(film)
    path = in_tmp / "plan.json"
    whole = path.read_text("utf-8")
    path.write_text(whole.replace('"wanbatch_plan": 1', '"wanbatch_plan": 2'), "utf-8")
    with pytest.raises(WanbatchError, match="saved in format 2; this wanbatch reads 1"):
        saved.load(path)
    path.write_text(whole[:200], "utf-8")
    assert saved.is_plan(path)
    with pytest.raises(WanbatchError, match="damaged"):
        saved.load(path)
    path.unlink()
    with pytest.raises(WanbatchError, match="cannot read") as refused:
        saved.load(path)
    assert refused.value.exit_code == Exit.STATE


def test_a_plan_is_saved_over_an_earlier_one_and_over_nothing_else(film, in_tmp, capsys):
    save(film)
    save(film, "--select", "alley")
    before = film.read_bytes()
    assert guarded(["plan", str(film), "--save", str(film)]) == 2
    assert film.read_bytes() == before
    assert "exists and is no saved plan; nothing was written" in capsys.readouterr().err


def test_a_plan_that_cannot_be_saved_is_said(film, in_tmp, capsys):
    assert guarded(["plan", str(film), "--save", "absent/plan.json"]) == 9
    assert capsys.readouterr().err.startswith("wanbatch: cannot save the plan: absent")


def test_a_manifest_that_can_be_read_only_once_cannot_be_compared_later(in_tmp, capsys):
    assert guarded(["plan", "/dev/stdin", "--save", "plan.json"]) == 2
    assert "--save needs a manifest that is a file" in capsys.readouterr().err


def test_a_journal_that_cannot_be_read_is_said(in_tmp):
    (in_tmp / "journal.jsonl").mkdir()
    with pytest.raises(WanbatchError, match="cannot read"):
        saved.position(in_tmp / "journal.jsonl")
