"""What a run would do with each scene, why, and what it costs."""

from decimal import Decimal

import pytest
from support import NOW, board_with, planned, scene, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.jobs.plan import Cost, Entry, Kind, Plan, about, money, plan, sentence, takes_s, tell, typical_s
from wanbatch.manifest import expand

A, B = wanted(), wanted(prompt="another", resolution="1080P")
FINAL = "videos/alley.mp4"
ASIDE = f"superseded/alley.{A.key.digest}.mp4"
END = NOW + 1000
SENT = [s.SubmitIntended(), s.SubmitAccepted("t1")]
MADE = [*SENT, s.TaskSucceeded(END)]
DONE = [*MADE, s.VideoSaved(FINAL, 9, "ab")]
PRICE = Cost(Decimal("3.00"), "CNY", "2026-08-15")
FOREIGN = f"{FINAL} exists, and the journal knows nothing of it: move it away"


def made_by(task: str, *more: s.Event) -> list[s.Event]:
    return [s.SubmitIntended(), s.SubmitAccepted(task), s.TaskSucceeded(END), *more]


def entry(*histories, wants=A, files=(), now=NOW, keep=False) -> Entry:
    sizes = files if isinstance(files, dict) else dict.fromkeys(files, 9)
    board = board_with(*histories)
    return plan([wants], board, sizes, now, keep_changed=keep, price=lambda _request: PRICE).entries[0]


def test_a_new_scene_is_submitted():
    found = entry()
    assert (found.kind, found.reason, found.seconds, found.cost) == (Kind.NEW, "new", 5, PRICE)
    assert entry((A, [])).reason == "new", "planned in an earlier run and never sent"


@pytest.mark.parametrize(
    ("events", "kind", "reason"),
    [
        ([s.SubmitIntended(), s.SubmitRefused("x", "y", NOW)], Kind.NEW, "attempt 1 ended without a task that counts"),
        (SENT[:1], Kind.IN_FLIGHT, "sent, but the answer never came: the task list will tell"),
        (SENT, Kind.IN_FLIGHT, "task t1 is with the service"),
        ([*SENT, s.CancelRequested("me")], Kind.IN_FLIGHT, "task t1 is being canceled"),
        (MADE, Kind.FETCH, "made and paid for, not on disk yet"),
        ([*SENT, s.HeldForReview("odd")], Kind.HELD, "odd"),
        ([*SENT, s.TaskFailed("Code", "message")], Kind.FAILED, "Code: message"),
        ([*SENT, s.TaskFailed("Code", "")], Kind.FAILED, "Code"),
        ([*SENT, s.TaskCanceled()], Kind.FAILED, "canceled"),
    ],
)
def test_a_known_job_goes_on_where_it_is(events, kind, reason):
    found = entry((A, events))
    assert (found.kind, found.reason) == (kind, reason)
    assert found.path is None


def test_only_new_and_stale_scenes_cost_money():
    assert [kind for kind in Kind if kind.submits] == [Kind.NEW, Kind.STALE]


def test_a_job_is_told_in_words_in_every_state():
    board = board_with((A, []))
    assert tell(board.jobs[A.key]) == "not sent yet"
    board = board_with((A, DONE))
    assert tell(board.jobs[A.key]) == FINAL


def test_a_finished_scene_is_done_also_when_somebody_edited_its_file():
    found = entry((A, DONE), files=[FINAL])
    assert (found.kind, found.reason, found.path, found.task_id) == (Kind.DONE, FINAL, FINAL, "t1")
    found = entry((A, DONE), files={FINAL: 8})
    assert (found.kind, found.reason) == (Kind.DONE, f"{FINAL}, edited since")


def test_an_edited_scene_is_submitted_anew_and_says_what_changed():
    found = entry((A, DONE), wants=B, files=[FINAL])
    assert (found.kind, found.reason) == (Kind.STALE, "changed since it was made")
    assert "prompt" in found.changes
    assert "resolution 720P → 1080P" in found.changes


def test_what_changed_is_said_against_the_latest_of_the_earlier_ones():
    c = wanted(prompt="a third", resolution="1080P")
    later = made_by("t2", s.VideoSaved(FINAL, 9, "cd"))
    found = entry((A, [*DONE, s.VideoMoved(ASIDE)]), (B, [*([s.SubmitIntended(), s.SubmitRefused("x", "y", NOW)] * 3),
                  *later]), wants=c, files=[FINAL, ASIDE])  # fmt: skip
    assert found.kind is Kind.STALE
    assert not any("resolution" in change for change in found.changes)


def test_an_earlier_request_that_made_nothing_is_no_change():
    for nothing in ([], [*SENT, s.TaskFailed("x", "y")], [s.CancelRequested("me")]):
        assert entry((A, nothing), wants=B).kind is Kind.NEW


def test_a_changed_scene_is_kept_where_the_manifest_says_so_and_something_is_there():
    found = entry((A, DONE), wants=B, files=[FINAL], keep=True)
    assert (found.kind, found.path) == (Kind.KEPT, FINAL)
    assert found.changes
    assert entry((A, SENT), wants=B, keep=True).kind is Kind.KEPT
    assert entry((A, DONE), wants=B, files=[], keep=True).kind is Kind.STALE, "nothing is there to keep"


def test_a_scene_that_is_again_as_it_was_gets_its_video_back():
    aside = (A, [*DONE, s.VideoMoved(ASIDE)])
    now = (B, made_by("t2", s.VideoSaved(FINAL, 9, "cd")))
    found = entry(aside, now, files=[FINAL, ASIDE])
    assert (found.kind, found.reason) == (Kind.RESTORE, f"made before; from {ASIDE}")
    assert found.path is None, "it is not in its place yet"
    assert entry(aside, files=[ASIDE]).kind is Kind.RESTORE
    unnoted = entry((A, DONE), files=[ASIDE])
    assert (unnoted.kind, unnoted.reason) == (Kind.RESTORE, f"made before; from {ASIDE}")


TAKE = expand.wanted(expand.takes(scene("alley", takes=2))[1])
SCENE = wanted("alley.t2")
THERE, RECORD = "videos/alley.t2.mp4", "videos/alley.t2.json"


def saved_as(path: str) -> list[s.Event]:
    return made_by("t9", s.VideoSaved(path, 9, "ab"))


@pytest.mark.parametrize(("was", "wants", "whose"), [(SCENE, TAKE, "scene alley.t2"), (TAKE, SCENE, "take 2 of alley")])
def test_a_name_that_another_scenes_video_has_is_told_as_that_until_its_record_is_away_too(was, wants, whose):
    found = entry((was, saved_as(THERE)), wants=wants, files=[THERE])
    assert found.kind is Kind.HELD
    assert found.reason == f"{THERE} is the video of {whose}, which left the manifest: move it and its .json away"
    found = entry((was, saved_as(THERE)), wants=wants, files=[RECORD])
    assert found.kind is Kind.HELD
    assert found.reason == f"{RECORD} is the record of {whose}, which left the manifest: move it to its video"
    assert entry((was, saved_as(THERE)), wants=wants).kind is Kind.NEW


def test_a_record_of_which_the_journal_knows_nothing_takes_the_name():
    record = "videos/alley.json"
    said = f"{record} exists, and the journal knows nothing of it: move it away"
    for history in ([], [s.SubmitIntended(), s.SubmitRefused("x", "y", NOW)]):
        found = entry((A, history), files=[record])
        assert (found.kind, found.reason) == (Kind.HELD, said)
    assert entry((B, [s.SubmitIntended(), s.SubmitRefused("x", "y")]), files=[record]).reason == said


RESUBMITTED = [*DONE, s.VideoMissing(), s.HeldForReview("gone"), s.ResubmitApproved("me")]


@pytest.mark.parametrize(
    ("history", "kind"),
    [(RESUBMITTED, Kind.NEW), ([*RESUBMITTED, s.SubmitIntended(), s.SubmitRefused("x", "y", NOW)], Kind.NEW),
     ([*DONE, s.VideoMoved(ASIDE)], Kind.RESTORE)],
    ids=["once more", "refused then", "aside"],
)  # fmt: skip
def test_a_record_that_a_video_of_the_same_scene_left_takes_no_name(history, kind):
    assert entry((A, history), files=["videos/alley.json", ASIDE][: 2 if kind is Kind.RESTORE else 1]).kind is kind
    assert entry((A, history), wants=B, files=["videos/alley.json"]).kind is (
        Kind.STALE if kind is Kind.RESTORE else Kind.NEW
    )


def test_a_video_is_not_restored_over_a_file_that_is_not_ours():
    found = entry((A, [*DONE, s.VideoMoved(ASIDE)]), files=[FINAL, ASIDE])
    assert (found.kind, found.path) == (Kind.DONE, ASIDE)
    assert found.reason == f"{ASIDE}; {FOREIGN}"


def test_a_deleted_video_is_downloaded_again_as_long_as_the_service_has_it():
    found = entry((A, DONE), now=END - 1)
    assert (found.kind, found.reason) == (Kind.FETCH, f"{FINAL} was deleted; the service still has it")
    found = entry((A, DONE), now=END)
    assert (found.kind, found.reason) == (Kind.HELD, f"{FINAL} was deleted, and the service no longer has it")


def test_a_file_that_is_not_ours_stops_its_scene_before_money_is_spent():
    aside = (A, [*DONE, s.VideoMoved(ASIDE)])
    again = [*SENT, s.TaskFailed("x", "y", NOW)]
    for histories, wants in [((), A), (((A, []),), A), (((A, again),), A), ((aside,), B)]:
        found = entry(*histories, wants=wants, files=[FINAL, ASIDE])
        assert (found.kind, found.reason) == (Kind.HELD, FOREIGN)


def test_a_file_that_a_sibling_may_own_is_not_foreign():
    assert entry((A, MADE), wants=B, files=[FINAL]).kind is Kind.STALE


def test_what_left_the_manifest_is_still_collected_and_comes_last():
    jobs = {
        "sent": SENT[:1], "ready": [], "failed": [s.SubmitIntended(), s.SubmitRefused("x", "y")],
        "held": [s.SubmitIntended(), s.HeldForReview("odd")], "rendered": MADE,
        "waits": made_by("t2")[:2], "ends": [*made_by("t3")[:2], s.CancelRequested("me")],
    }  # fmt: skip
    board = board_with(*((wanted(name), events) for name, events in jobs.items()))
    odd = wanted("odd")
    board.apply(odd.key, planned(odd), NOW)
    found = plan([A], board, {}, NOW, keep_changed=False, price=lambda _request: None)
    gone = {e.key.scene: e for e in found.entries[1:]}
    assert found.entries[0].key == A.key
    assert {name: e.kind for name, e in gone.items()} == {
        "sent": Kind.IN_FLIGHT, "held": Kind.HELD, "rendered": Kind.IN_FLIGHT,
        "waits": Kind.IN_FLIGHT, "ends": Kind.IN_FLIGHT,
    }  # fmt: skip
    assert all(e.reason.endswith("; the manifest no longer asks for it") for e in gone.values())
    assert gone["rendered"].seconds == 5
    assert gone["rendered"].cost is None


def test_what_a_selection_leaves_out_is_collected_and_still_belongs_to_the_manifest():
    board = board_with((B, SENT[:1]))
    found = plan([A], board, {}, NOW, keep_changed=False, price=lambda _request: None, asked_for={A.key, B.key})
    assert [(e.key, e.kind) for e in found.entries[1:]] == [(B.key, Kind.IN_FLIGHT)]
    assert "manifest" not in found.entries[1].reason


def test_a_length_that_the_journal_does_not_know_is_nought():
    board = board_with()
    board.apply(A.key, s.Planned("alley", {"model": "m", "prompt": "p"}), NOW)
    board.apply(A.key, s.SubmitIntended(), NOW)
    found = plan([], board, {}, NOW, keep_changed=False, price=lambda _request: None)
    assert found.entries[0].seconds == 0


# --- money and the sentence ---


def some(kind: Kind, *costs: Cost | None) -> tuple[Entry, ...]:
    return tuple(Entry(A.key, kind, "", 5, cost) for cost in costs)


def test_money_is_summed_by_currency_with_the_oldest_date_and_says_what_it_does_not_know():
    dollars = Cost(Decimal("0.5"), "USD", "2026-07-01")
    assert money(some(Kind.NEW, PRICE, PRICE)) == "6.00 CNY at prices of 2026-08"
    assert money(some(Kind.NEW, PRICE, dollars)) == "3.00 CNY + 0.50 USD at prices of 2026-07"
    assert money(some(Kind.NEW, PRICE, None, None)) == "3.00 CNY at prices of 2026-08, 2 of unknown price"
    assert money(some(Kind.NEW, None)) == "price unknown"


def test_a_fraction_of_a_cent_is_not_rounded_away():
    list_price = Cost(Decimal("0.43006"), "USD", "2026-07-01")
    assert money(some(Kind.NEW, list_price)) == "0.43006 USD at prices of 2026-07"


def test_a_plan_is_one_sentence():
    entries = (*some(Kind.NEW, PRICE), *some(Kind.STALE, PRICE), *some(Kind.DONE, None, None), *some(Kind.HELD, None))
    assert sentence(Plan(entries)) == (
        "plan: 2 to submit (10 s, 6.00 CNY at prices of 2026-08, 1 of them stale), 2 done, 1 held"
    )
    assert sentence(Plan(some(Kind.NEW, None))) == "plan: 1 to submit (5 s, price unknown)"
    assert sentence(Plan(())) == "plan: nothing"
    others = [Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE, Kind.DONE, Kind.KEPT, Kind.FAILED, Kind.HELD]
    said = sentence(Plan(tuple(e for kind in others for e in some(kind, None))))
    assert said == (
        "plan: 1 in flight, 1 to download, 1 to restore, 1 done, 1 stale but kept, 1 failed, 1 held"
    )  # fmt: skip


def test_what_is_paid_already_is_what_was_made():
    every = Plan(tuple(e for kind in Kind for e in some(kind, PRICE)))
    assert [entry.kind for entry in every.paid] == [Kind.FETCH, Kind.RESTORE, Kind.DONE]


# --- time ---


def made_in(board: Board, scene: str, seconds: float, at: float = NOW, times: dict[str, str] | None = None) -> None:
    """Let a task be made in so many seconds."""
    one = wanted(scene)
    board.apply(one.key, planned(one), at)
    board.apply(one.key, s.SubmitIntended(), at)
    board.apply(one.key, s.SubmitAccepted(f"task-{scene}"), at)
    board.apply(one.key, s.TaskSucceeded(END, times=times or {}), at + seconds)


def test_how_long_a_task_takes_is_the_median_of_those_that_were_made():
    board = board_with((wanted("sent"), SENT), (wanted("failed"), [*SENT[:1], s.SubmitRefused("x", "y")]))
    assert typical_s(board) is None, "nothing was made yet"
    for nth, seconds in enumerate([300, 60, 90]):
        made_in(board, f"scene-{nth}", seconds)
    assert typical_s(board) == 90


def test_only_the_latest_tasks_say_how_long_one_takes():
    board = Board()
    for nth in range(120):
        made_in(board, f"long-ago-{nth}", 900, NOW - 100_000 + nth)
    for nth in range(51):
        made_in(board, f"lately-{nth}", 60, NOW + nth)
    assert typical_s(board) == 60


def test_a_task_that_was_collected_the_next_day_did_not_take_a_day():
    board = Board()
    times = {"submit_time": "2026-11-22 23:58:30.500", "end_time": "2026-11-23 00:01:00.000"}
    made_in(board, "night", 40_000, times=times)
    assert typical_s(board) == 149.5
    board = Board()
    made_in(board, "fast-clock", 20, times=times)
    assert typical_s(board) == 20, "a simulator's time runs faster than ours"
    board = Board()
    made_in(board, "odd", 77, times={"submit_time": "yesterday", "end_time": "now"})
    assert typical_s(board) == 77


def test_a_run_takes_as_long_as_its_slots_need():
    board = Board()
    made_in(board, "made", 100)
    new = tuple(Entry(wanted(f"n{nth}").key, Kind.NEW, "", 5, PRICE, model="m") for nth in range(7))
    assert takes_s(Plan(new), board, NOW, at_once=5) == 200
    assert takes_s(Plan(new), board, NOW, at_once=1) == 700
    assert takes_s(Plan(new), board, NOW, at_once=0) == 700, "a cap of nothing would never end"
    other = tuple(Entry(wanted(f"o{nth}").key, Kind.STALE, "", 5, PRICE, model="other") for nth in range(12))
    assert takes_s(Plan((*new, *other)), board, NOW, at_once=5) == 300, "each model id has slots of its own"


def test_what_is_in_flight_takes_only_what_is_left_of_it():
    board = board_with((A, SENT), at=NOW)
    made_in(board, "made", 100)
    flying = Plan((Entry(A.key, Kind.IN_FLIGHT, "", 5, None, model="m"),))
    assert takes_s(flying, board, NOW + 31, at_once=5) == 70
    assert takes_s(flying, board, NOW + 500, at_once=5) == 0
    new = Entry(B.key, Kind.NEW, "", 5, PRICE, model="m")
    assert takes_s(Plan((*flying.entries, new)), board, NOW + 31, at_once=1) == 170
    assert takes_s(Plan((*flying.entries, new)), board, NOW + 500, at_once=1) == 100, "what is late is no credit"


def test_nothing_is_said_of_the_time_where_nothing_was_learnt_or_nothing_is_to_be_made():
    board = Board()
    new = Plan(some(Kind.NEW, PRICE))
    assert takes_s(new, board, NOW, at_once=5) is None
    made_in(board, "made", 100)
    assert takes_s(Plan(some(Kind.DONE, PRICE)), board, NOW, at_once=5) is None
    assert sentence(Plan(some(Kind.DONE, PRICE)), None) == "plan: 1 done"
    assert sentence(Plan(some(Kind.DONE, PRICE)), 840) == "plan: 1 done; about 14 min"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "less than a minute"), (29, "less than a minute"), (31, "about 1 min"), (119 * 60, "about 119 min"),
     (125 * 60, "about 2 h 05 min"), (599 * 60, "about 9 h 59 min"), (601 * 60, "about 10 h")],
)  # fmt: skip
def test_a_time_that_is_guessed_is_said_no_finer_than_it_is_known(seconds, said):
    assert about(seconds) == said


def test_an_entry_knows_whose_quota_it_counts_in():
    assert entry().model == A.request.model
    gone = plan([], board_with((A, SENT)), {}, NOW, keep_changed=False, price=lambda _request: None)
    assert gone.entries[0].model == A.request.model


def test_the_words_for_what_a_run_would_do_are_what_scripts_look_for():
    assert [kind.value for kind in Kind] == [
        "submit", "submit anew", "keep", "collect", "download", "restore", "done", "failed", "held",
    ]  # fmt: skip


def test_an_entry_says_until_when_what_the_service_has_can_be_saved():
    day = NOW + 1 + 86_400
    late = [*SENT, s.TaskSucceeded(day + 9999)]
    aside = [*DONE, s.VideoMoved(ASIDE)]
    for events, files, now, until in [
        (SENT[:1], [], NOW, day), (SENT, [], NOW, day), (MADE, [], NOW, END), (late, [], NOW, day),
        ([*late, s.VideoSaved(FINAL, 9, "ab")], [], NOW, day + 9999), (DONE, [], NOW, END),
        (DONE, [FINAL], NOW, None), (aside, [ASIDE], NOW, None), (DONE, [], END, None), ([], [], NOW, None),
    ]:  # fmt: skip
        assert entry((A, events), files=files, now=now).expires_at == until


def test_one_earlier_video_that_is_there_is_enough_to_keep_a_changed_scene():
    third = wanted(prompt="a third")
    gone, there = (A, [*DONE, s.VideoMoved(ASIDE)]), (B, made_by("t2", s.VideoSaved(FINAL, 9, "cd")))
    assert entry(gone, there, wants=third, files=[FINAL], keep=True).kind is Kind.KEPT


def test_what_is_wanted_and_with_the_service_is_one_entry_and_not_two():
    found = plan([A], board_with((A, SENT)), {}, NOW, keep_changed=False, price=lambda _request: None)
    assert [(e.key, e.kind) for e in found.entries] == [(A.key, Kind.IN_FLIGHT)]
