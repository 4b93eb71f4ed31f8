"""Stopped processes, clocks that are wrong or set, tasks that expire: nothing is paid twice, nothing is given up early.

The program is looked at from outside. Its clock is faked by libfaketime, its processes are set apart by unshare; where
one of them is missing the tests that need it say so and skip.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.stage import (
    FAST,
    PATIENCE_S,
    PROGRAM,
    SlowService,
    events,
    kinds,
    service,
    simulate,
    start,
    wait_until,
    wanbatch,
)
from cli.test_process import PidOne, pid_one

from wanbatch.simulator import clip
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.rules import Rules

RENDERED_IN_A_SECOND = Rules(pending_s=0, render_s=1, submit_rate=100, query_rate=1000)
RENDERED_LATER = Rules(pending_s=0, render_s=3, submit_rate=100, query_rate=1000)
AT_ONCE = Rules(pending_s=0, render_s=0, submit_rate=100, query_rate=1000)
QUICK = (*FAST, "--yes", "--quiet", "--settle", "1", "--submit-rate", "100", "--query-rate", "1000")
OUT = Path("o")

PRELOADED = "libfaketime.so.1"


def film(folder: Path, *ids: str, on_absent: str = "hold") -> Path:
    """A manifest."""
    path = folder / "film.yaml"
    lines = ["wanbatch: 1", f"run: {{on_absent: {on_absent}}}", "defaults: {resolution: 720P, duration: 2}", "scenes:"]
    lines += [f"  - {{id: {id}, prompt: a {id} in the rain}}" for id in ids or ("alley", "roof")]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def words(manifest: Path, base_url: str, *more: object) -> tuple[object, ...]:
    """What is typed to run it."""
    return ("run", manifest, "--out", OUT, "--base-url", base_url, *QUICK, *more)


def task_ids() -> list[str]:
    """The tasks that the journal has, in its order."""
    return [line["task_id"] for line in events(OUT) if line["event"] in {"SubmitAccepted", "TaskAdopted"}]


def until(process: subprocess.Popen[str], seen: Callable[[], Any], what: str) -> None:
    """Wait for something that a run brings about; fail with its own words when it ends before."""
    wait_until(lambda: seen() or process.poll() is not None, what)
    if not seen():
        raise AssertionError(f"{what} did not happen: {process.communicate()}")


def all_submitted(process: subprocess.Popen[str]) -> None:
    """Wait until the journal has both tasks."""
    until(process, lambda: len(task_ids()) == 2, "all tasks in the journal")


def asked(url: str) -> dict[str, Any]:
    """What a simulator says."""
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Authorization": "Bearer sk-of-another-client"}), timeout=PATIENCE_S
    ) as answer:
        said: dict[str, Any] = json.load(answer)
        return said


def all_rendered(sim: Simulator) -> None:
    """Wait until the service has every video, whatever the program knows of it."""

    def statuses() -> set[str]:
        return {asked(f"{sim.base_url}/tasks/{task}")["output"]["task_status"] for task in task_ids()}

    wait_until(lambda: statuses() == {"SUCCEEDED"}, "all videos at the service")


def all_paid_once_and_on_disk(stats: dict[str, Any], scenes: int = 2) -> None:
    """The oracle: one accepted task for each request, and each task's own video on the disk."""
    paid = list(stats["accepted_by_body"].values())
    assert [len(tasks) for tasks in paid] == [1] * scenes, stats["accepted_by_body"]
    videos = sorted(path.read_bytes() for path in (OUT / "videos").glob("*.mp4"))
    assert videos == sorted(clip.video(tasks[0]) for tasks in paid)


def ended_well(process: subprocess.Popen[str], sim: Simulator, scenes: int = 2) -> None:
    """Wait for the end: exit 0, and nothing to complain about."""
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    all_paid_once_and_on_disk(sim.stats(), scenes)


# --- stopped and continued ---------------------------------------------------------------------------------------


def stop(process: subprocess.Popen[str]) -> None:
    """SIGSTOP, and wait until it stands still."""
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: "\nState:\tT" in Path(f"/proc/{process.pid}/status").read_text(), "the stop")


def test_a_run_that_is_stopped_until_all_is_rendered_goes_on_and_pays_once(in_tmp):
    with service(RENDERED_IN_A_SECOND) as sim:
        process = start(*words(film(in_tmp), sim.base_url))
        all_submitted(process)
        stop(process)
        before = kinds(OUT)
        all_rendered(sim)
        assert kinds(OUT) == before
        process.send_signal(signal.SIGCONT)
        ended_well(process, sim)


def test_a_run_that_is_stopped_while_a_post_is_in_flight_takes_the_answer_that_came_meanwhile(in_tmp):
    with service(AT_ONCE, {"endpoint": "create", "kind": "slow", "nth": 1, "seconds": 1}) as sim:
        process = start(*words(film(in_tmp), sim.base_url))
        until(process, lambda: sim.stats()["accepted"] == 1, "the task")
        stop(process)
        assert kinds(OUT)[-1] == "SubmitIntended"  # paid for, and not known yet
        time.sleep(2)  # the length of the stop; nothing is waited for
        process.send_signal(signal.SIGCONT)
        ended_well(process, sim)
    assert kinds(OUT).count("SubmitAccepted") == kinds(OUT).count("SubmitIntended") == 2


def test_a_run_that_is_stopped_in_a_download_brings_the_video_home(in_tmp):
    with service(AT_ONCE, {"endpoint": "video", "kind": "slow", "nth": 1, "seconds": 1}) as sim:
        process = start(*words(film(in_tmp, "alley"), sim.base_url))
        until(process, lambda: [part for part in OUT.rglob("*.part") if part.stat().st_size], "some bytes of the video")
        stop(process)
        assert "VideoSaved" not in kinds(OUT)
        time.sleep(2)  # the length of the stop; nothing is waited for
        process.send_signal(signal.SIGCONT)
        ended_well(process, sim, 1)


# --- wrong clocks, and clocks that are set -----------------------------------------------------------------------


def preload() -> str | None:
    """Return what `faketime` preloads; None where it is not installed."""
    faketime = shutil.which("faketime")
    if faketime is None:
        return None
    asked = 'printf "%s" "$LD_PRELOAD"'
    said = subprocess.run([faketime, "-f", "+0", "sh", "-c", asked], capture_output=True, text=True, check=False)
    found = [name for name in said.stdout.replace(":", " ").split() if name.endswith(PRELOADED)]
    return found[0] if found else None


def at(clock: str, *, steady: bool = True) -> dict[str, str]:
    """Return the environment of a process whose wall clock is set by `clock`: `+25h`, or a file that says so.

    A clock that is set moves no monotonic clock and no time of a file; not `steady`: all that a process sees moves.
    """
    library = preload()
    if library is None:
        pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")
    name = "FAKETIME_TIMESTAMP_FILE" if clock.startswith("/") else "FAKETIME"
    fake = {"LD_PRELOAD": library, name: clock, "FAKETIME_NO_CACHE": "1", "NO_FAKE_STAT": "1"}
    return {**os.environ, **fake, "FAKETIME_DONT_FAKE_MONOTONIC": str(int(steady))}


def put(path: Path, clock: str) -> str:
    """Say in a file what the clock shows from now on; return its name for `at`."""
    new = path.with_suffix(".new")
    new.write_text(clock + "\n")
    new.replace(path)
    return str(path)


def test_what_is_faked_is_the_wall_clock_alone():
    ask = "import time; print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    python = str(Path(PROGRAM).with_name("python"))
    told = [
        [float(one) for one in subprocess.check_output([python, "-c", ask], env=env, text=True).split()]
        for env in (dict(os.environ), at("+25h"))
    ]
    wall, monotonic, boot = (after - before for before, after in zip(*told, strict=True))
    assert wall == pytest.approx(25 * 3600, abs=30)
    assert 0 < monotonic < 30
    assert 0 < boot < 30


@pytest.mark.parametrize("clock", ["+25h", "-25h"])
def test_a_run_whose_clock_is_wrong_by_a_day_gives_nothing_up(clock, in_tmp):
    env = at(clock)
    with service(RENDERED_IN_A_SECOND) as sim:
        ended_well(start(*words(film(in_tmp), sim.base_url), env=env), sim)
    assert "HeldForReview" not in kinds(OUT)


HICCUPS = [
    {"endpoint": "query", "kind": "unknown", "nth": 1},
    {"endpoint": "query", "kind": "error_500", "nth": 2},
    {"endpoint": "video", "kind": "reset", "nth": 1},
    {"endpoint": "video", "kind": "cut", "nth": 2},
]


@pytest.mark.parametrize("clock", ["+25h", "-25h"])
def test_a_hiccup_is_no_expiry_although_the_clock_says_that_the_day_is_over(clock, in_tmp):
    env = at(clock)
    with service(RENDERED_IN_A_SECOND, *HICCUPS) as sim:
        ended_well(start(*words(film(in_tmp), sim.base_url), env=env), sim)
    assert "HeldForReview" not in kinds(OUT)


def killed_after_submission(sim: Simulator, manifest: Path) -> None:
    """A run that dies as soon as the journal has all its tasks, before it has asked about one."""
    process = start(*words(manifest, sim.base_url, "--poll-interval", "60"))
    all_submitted(process)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("clock", ["+3h", "-3h", "+25h"])
def test_a_clock_that_is_set_between_two_runs_loses_nothing_and_pays_nothing_again(clock, in_tmp):
    env, path = at(clock), film(in_tmp, on_absent="resubmit")
    with service(RENDERED_IN_A_SECOND, {"endpoint": "query", "kind": "unknown", "nth": 1}) as sim:
        killed_after_submission(sim, path)
        ended_well(start(*words(path, sim.base_url), env=env), sim)


@pytest.mark.parametrize("clock", ["+25h", "-25h", "+40s"])
def test_a_clock_that_is_set_within_a_run_does_no_harm(clock, in_tmp):
    shown = in_tmp / "clock"
    env = at(put(shown, "+0"))
    with service(RENDERED_IN_A_SECOND) as sim:
        process = start(*words(film(in_tmp), sim.base_url), env=env)
        all_submitted(process)
        put(shown, clock)
        ended_well(process, sim)
    times = [line["at"] for line in events(OUT)]
    assert times == sorted(times)
    assert times[-1] - times[0] < PATIENCE_S


LOST = {"endpoint": "create", "kind": "reset_after_accept", "nth": 1}


@pytest.mark.parametrize("on_absent", ["hold", "resubmit"])
@pytest.mark.parametrize("clock", ["+3h", "-3h"])
def test_a_lost_answer_is_found_by_the_service_s_time_whatever_ours_is(clock, on_absent, in_tmp):
    env = at(clock)
    with service(AT_ONCE, LOST) as sim:
        ended_well(start(*words(film(in_tmp, on_absent=on_absent), sim.base_url), env=env), sim)
    assert kinds(OUT).count("TaskAdopted") == 1


def killed_in_doubt(sim: Simulator, manifest: Path, *more: object, **options: Any) -> None:
    """A run that dies when the service has the first task and nobody was told."""
    process = start(*words(manifest, sim.base_url, *more), **options)
    until(process, lambda: sim.stats()["accepted"] == 1, "the task")
    process.kill()
    process.communicate()
    assert task_ids() == []


UNANSWERED = {"endpoint": "create", "kind": "hang", "nth": 1}


@pytest.mark.parametrize("clock", ["+3h", "-3h"])
def test_a_lost_answer_is_found_after_the_clock_was_set(clock, in_tmp):
    env, path = at(clock), film(in_tmp, on_absent="resubmit")
    with service(RENDERED_LATER, UNANSWERED) as sim:
        killed_in_doubt(sim, path)
        ended_well(start(*words(path, sim.base_url), env=env), sim)
    assert kinds(OUT).count("TaskAdopted") == 1


@pytest.mark.parametrize("clock", ["+3h", "-3h"])
def test_what_was_sent_by_a_clock_that_nobody_compared_is_not_sent_again_because_it_is_not_found(clock, in_tmp):
    env, path = at(clock), film(in_tmp, "alley", on_absent="resubmit")
    with service(RENDERED_LATER, UNANSWERED) as sim:
        killed_in_doubt(sim, path, "--ignore-orphans")  # so no answer has shown the service's clock yet
        for _ in range(2):
            ended = wanbatch(*words(path, sim.base_url), env=env)
            assert ended.returncode in {0, 8}, ended.stderr
            assert sim.stats()["accepted"] == 1, kinds(OUT)


# --- the true end of the 24 hours --------------------------------------------------------------------------------


@contextlib.contextmanager
def service_with_a_clock(clock: str, folder: Path) -> Iterator[str]:
    """A simulator all of whose time is faked, and that never finishes a video's first transfer; its base URL."""
    plan = folder / "faults.yaml"
    plan.write_text("- {endpoint: video, kind: hang, times: 1}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in at(clock, steady=False).items():
            patch.setenv(name, value)
        running = simulate("--render-s", "0.1", "--faults", plan)
        url = running.__enter__()
    try:
        yield url
    finally:
        running.__exit__(None, None, None)


def test_a_day_later_a_video_that_was_not_fetched_is_billed_and_lost_and_not_sent_again_alone(in_tmp):
    shown, path = in_tmp / "clock", film(in_tmp, "alley", on_absent="resubmit")
    clock = put(shown, "+0")
    with service_with_a_clock(clock, in_tmp) as url:
        process = start(*words(path, url), env=at(clock))
        until(process, lambda: "TaskSucceeded" in kinds(OUT), "a video to fetch")
        process.kill()
        process.communicate()
        put(shown, "+25h")
        for _ in range(2):
            ended = wanbatch(*words(path, url), env=at(clock))
            assert ended.returncode == 8, ended.stderr
            assert "billed" in ended.stderr
            assert "Traceback" not in ended.stderr
        assert asked(url.removesuffix("/api/v1") + "/_stats")["accepted"] == 1
    assert kinds(OUT).count("SubmitIntended") == kinds(OUT).count("HeldForReview") == 1


# --- the first process of a container ----------------------------------------------------------------------------


def heeds(process: PidOne, number: int) -> None:
    """Wait until a process has a handler for a signal: as process 1 it does not even die of one without."""

    def caught() -> bool:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        mask = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
        return bool(int(mask, 16) >> (number - 1) & 1)

    until(process.outer, caught, "a handler")


def test_as_process_1_a_sigterm_ends_the_run_in_words_and_the_same_command_goes_on(in_tmp):
    path = film(in_tmp)
    with service(RENDERED_IN_A_SECOND) as sim:
        process = pid_one(*words(path, sim.base_url))
        all_submitted(process.outer)
        os.kill(process.pid, signal.SIGTERM)
        code, said = process.ended()
        assert code == 143, said
        assert "wanbatch: interrupted" in said
        assert "Traceback" not in said
        ended_well(start(*words(path, sim.base_url)), sim)


@contextlib.contextmanager
def locked(manifest: Path) -> Iterator[str]:
    """Another run holds the lock, since the answer to its POST does not come; the base URL."""
    with SlowService() as slow:
        holder = start(*words(manifest, slow.base_url))
        try:
            until(holder, slow.asked.is_set, "the POST of the holder")
            yield slow.base_url
        finally:
            holder.kill()
            holder.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 130)], ids=["SIGTERM", "SIGHUP"])
def test_as_process_1_a_signal_ends_the_wait_for_another_run_s_lock(number, code, in_tmp):
    path = film(in_tmp)
    with locked(path) as base_url:
        process = pid_one(*words(path, base_url, "--lock-timeout", "30"))
        said = process.outer.stderr.readline()
        assert "waiting up to 30 s" in said
        heeds(process, number)
        signaled = time.monotonic()
        os.kill(process.pid, number)
        ended, more = process.ended()
    assert ended == code, said + more
    assert time.monotonic() - signaled < 10
    assert "wanbatch: interrupted" in more
    assert "Traceback" not in more
