"""How the golden journals were made: each released format once, never again. `python tests/golden/make.py FILE`.

A format that was released stays readable for ever: its golden file is not made anew when the program changes. A new
kind of event gets a new file beside the old ones, `journal-FORMAT-N.jsonl`.
"""

import sys
from pathlib import Path

from wanbatch.jobs import state as s
from wanbatch.jobs.journal import Line, encode, event_fields
from wanbatch.manifest.model import JobKey

OUTLINE = {"model": "wan2.7-t2v", "prompt": f"sha256:{'ab' * 32}", "resolution": "720P", "duration": 5, "seed": 7}
EXPIRES = 1_795_436_400.0
START = 1_795_350_000.0

SENT = [s.SubmitIntended(), s.SubmitAccepted("task-{}", "request-{}")]
MADE = [*SENT, s.TaskSucceeded(EXPIRES, {"duration": 5, "SR": 720}, {"end_time": "2026-11-22 21:02:09.980"})]
SAVED = [*MADE, s.VideoSaved("videos/{}.mp4", 1_234_567, "cd" * 32)]
HISTORIES: dict[str, list[s.Event]] = {
    "ready": [],
    "in-doubt": [s.SubmitIntended()],
    "in-doubt-unclear": [s.SubmitIntended(12.5), s.SubmitUnclear("the answer was cut", "request-unclear")],
    "refused": [s.SubmitIntended(), s.SubmitRefused("Throttling.RateQuota", "Requests rate limit exceeded", START)],
    "failed-refused": [s.SubmitIntended(), s.SubmitRefused("InvalidParameter", "雨 is \u202enot\u202c a size\n")],
    "disproved": [s.SubmitIntended(), s.SubmitUnclear("no answer"), s.SubmitDisproved("not in the list", START)],
    "failed-disproved": [s.SubmitIntended(), s.SubmitDisproved("not in the list")],
    "waiting": SENT,
    "adopted": [s.SubmitIntended(), s.TaskAdopted("task-{}", "request id")],
    "cancelling": [*SENT, s.CancelRequested("a person")],
    "cancel-refused": [*SENT, s.CancelRequested("a person"), s.CancelRefused()],
    "canceled": [*SENT, s.TaskCanceled()],
    "failed": [*SENT, s.TaskFailed("DataInspectionFailed", "Output may be inappropriate")],
    "failed-again": [*SENT, s.TaskFailed("InternalError", "try later", START), s.SubmitIntended()],
    "rendered": MADE,
    "done": SAVED,
    "done-moved": [*SAVED, s.VideoMoved("superseded/{}.3fa9c2d41b7e.mp4")],
    "missing": [*SAVED, s.VideoMissing()],
    "held": [s.SubmitIntended(), s.HeldForReview("two tasks may be its own")],
    "held-rendered": [*MADE, s.HeldForReview("billed, result lost")],
    "approved": [s.SubmitIntended(), s.HeldForReview("absent"), s.ResubmitApproved("a person")],
}
"""Scene → its events after it was planned; `{}` in a text stands for the scene."""


def lines() -> list[Line]:
    """The journal's lines."""
    made = [Line(0, START, "Opened", None, {"format": 1, "tool": "0.1.0", "host": "golden"})]
    about = {"tool": "0.1.0", "host": "golden", "pid": 4711, "manifest": "film.yaml"}
    made.append(Line(1, START + 0.25, "RunStarted", None, about))
    for number, (scene, events) in enumerate(HISTORIES.items()):
        key = JobKey(scene, 1 + number % 2, f"{number:012x}")
        for event in (s.Planned(key.stem, OUTLINE), *events):
            fields = {
                name: value.replace("{}", scene) if isinstance(value, str) else value
                for name, value in event_fields(event).items()
            }
            made.append(Line(len(made), START + len(made), type(event).__name__, str(key), fields))
    return made


def journal() -> bytes:
    """The journal's bytes."""
    raw, crc = b"", 0
    for line in lines():
        encoded, crc = encode(line, crc)
        raw += encoded
    return raw


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(journal())
