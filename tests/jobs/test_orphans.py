"""Tasks that no job has: what withholds a submission, what is only said, and what is a stranger's."""

from support import NOW, board_with, key, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.orphans import MOST_LOOKED_AT, Orphan, Orphans, Withheld, orphans, to_look_at, warnings, withheld
from wanbatch.jobs.seen import Kind, ReadFailed, Row, TaskView

ALLEY, ROOF = wanted("alley"), wanted("roof")
MODEL = ALLEY.request.model
BOARD = board_with((ALLEY, []), (ROOF, []))
JOBS = BOARD.jobs
FAILURE = ReadFailed(Kind.SERVICE, "NoAnswer", "no answer in time")


def row(task_id: str = "t1", status: str = "SUCCEEDED", *, at: float = NOW - 4000, model: str = MODEL) -> Row:
    return Row(task_id, None, model, status, at)


def view(task_id: str = "t1", prompt: str | None = ALLEY.request.prompt, status: str = "SUCCEEDED") -> TaskView:
    return TaskView(task_id, status, orig_prompt=prompt)


def found(rows, views=(), board=BOARD, **more) -> Orphans:
    return orphans(rows, views, board, 240.0, 0.0, **more)


def test_a_task_that_shows_a_jobs_prompt_withholds_that_job_and_no_other():
    one = found([row()], [view()])
    reason = "task t1 of the account shows its prompt, and no scene has it"
    assert withheld(one, JOBS[ALLEY.key], {}) == Withheld(reason, "t1")
    assert withheld(one, JOBS[ROOF.key], {}) is None
    assert withheld(one, JOBS[ALLEY.key], {"t1": key()}) is None, "somebody has it by now"
    assert warnings(one, {}) == []


def test_a_task_of_another_model_or_another_prompt_is_a_strangers():
    strange = [view("t1", "another"), view("t2"), view("t3", "\ud800")]
    assert found([row("t1"), row("t2", model="another"), row("t3")], strange) == Orphans()


def test_a_task_that_somebody_has_or_that_was_not_billed_is_no_orphan():
    board = board_with((ALLEY, [s.SubmitIntended(), s.SubmitAccepted("t1")]))
    assert found([row("t1"), row("t2", "FAILED"), row("t3")], [view("t3", None, "CANCELED")], board) == Orphans()


def test_tasks_without_a_known_prompt_are_named_and_withhold_nothing():
    one = found([row(f"t{n}", "RUNNING") for n in range(7)])
    assert withheld(one, JOBS[ALLEY.key], {}) is None
    (said,) = warnings(one, {"t6": key()})
    assert said.startswith("6 tasks of the account that no scene here has: t0, t1, t2, t3, t4 and 1 more; ")
    assert warnings(found([row("t1")]), {})[0].startswith("1 task of the account that no scene here has: t1; ")


def test_a_sign_that_the_journal_does_not_know_all_makes_every_task_in_the_dark_count():
    seen = [row("t1"), row("t2", "RUNNING")]
    reason = "the journal may not know all, and any of these may be its task: t2"
    assert withheld(found(seen, [view()]), JOBS[ROOF.key], {}) == Withheld(reason)
    assert withheld(found(seen, [view()]), JOBS[ROOF.key], {"t1": key()}) is None, "the sign is explained"
    assert withheld(found(seen[1:], copied=True), JOBS[ROOF.key], {}) == Withheld(reason)
    assert withheld(found([row("t2", "RUNNING", model="another")], copied=True), JOBS[ROOF.key], {}) is None


def test_a_task_that_may_be_that_of_a_job_in_doubt_is_no_sign_and_needs_no_word():
    board = board_with((ALLEY, [s.SubmitIntended()]), (ROOF, []))
    near = NOW + 2
    one = found([row("t1", at=near), row("t2", "RUNNING", at=near)], [view()], board)
    assert withheld(one, board.jobs[ROOF.key], {}) is None
    assert withheld(one, board.jobs[ALLEY.key], {}), "its own task is for reconciliation to give"
    assert warnings(one, {}) == []


def test_a_list_that_cannot_be_read_withholds_only_where_the_journal_was_put_back():
    failed = ((MODEL, FAILURE),)
    assert withheld(found([], failed=failed), JOBS[ALLEY.key], {}) is None
    reason = "the journal may not know all, and the task list cannot be read: NoAnswer"
    assert withheld(found([], failed=failed, copied=True), JOBS[ALLEY.key], {}) == Withheld(reason)
    assert withheld(found([], failed=(("another", FAILURE),), copied=True), JOBS[ALLEY.key], {}) is None
    assert warnings(found([], failed=failed), {}) == [
        f"the account's tasks of {MODEL} cannot be read (NoAnswer): one that the journal forgot would not show"
    ]


def test_only_billed_tasks_that_nobody_has_are_asked_for_their_prompt_and_the_newest_first():
    ended = [row(f"t{n}", at=NOW + n) for n in range(MOST_LOOKED_AT + 10)]
    others = [row("r", "RUNNING"), row("p", "PENDING"), row("f", "FAILED"), row("c", "CANCELED"), row("mine")]
    asked = to_look_at([*ended, *others], {"mine": key()})
    assert [one.task_id for one in asked] == [f"t{n}" for n in reversed(range(10, MOST_LOOKED_AT + 10))]


def test_a_task_that_runs_or_failed_or_is_somebodys_is_never_asked_for_its_prompt():
    ended = [row("t1", at=NOW), row("t2", "UNKNOWN", at=NOW + 1)]
    others = [row("r", "RUNNING"), row("p", "PENDING"), row("f", "FAILED"), row("c", "CANCELED"), row("mine")]
    assert [one.task_id for one in to_look_at([*others, *ended], {"mine": key()})] == ["t2", "t1"]


def test_no_more_than_fifty_tasks_are_asked_for_at_a_start():
    assert len(to_look_at([row(f"t{n}") for n in range(70)], {})) == MOST_LOOKED_AT == 50


def test_an_orphan_is_a_sign_unless_it_is_said_to_be_a_doubts():
    hashed = JOBS[ALLEY.key].prompt_hash
    one = Orphans((Orphan("t1", MODEL, hashed),), (Orphan("t2", MODEL),))
    assert withheld(one, JOBS[ROOF.key], {}), "it shows that the journal does not know all"
    doubted = Orphans((Orphan("t1", MODEL, hashed, maybe_doubted=True),), (Orphan("t2", MODEL),))
    assert withheld(doubted, JOBS[ROOF.key], {}) is None


def test_a_task_that_was_looked_at_and_shows_no_prompt_stays_in_the_dark():
    assert found([row("t1", "UNKNOWN")], [view("t1", None, "UNKNOWN")]) == Orphans(dark=(Orphan("t1", MODEL),))


def test_a_task_in_the_dark_that_somebody_has_by_now_withholds_nothing():
    one = found([row("t2", "RUNNING")], copied=True)
    assert withheld(one, JOBS[ROOF.key], {"t2": key()}) is None


def test_as_many_tasks_as_are_named_need_no_and_more():
    (said,) = warnings(found([row(f"t{n}", "RUNNING") for n in range(5)]), {})
    assert ": t0, t1, t2, t3, t4; " in said
