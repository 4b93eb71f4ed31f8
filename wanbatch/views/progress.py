"""What a person sees while a run goes on: a bar on a terminal, one line per change of state elsewhere.

Renders values; decides nothing.
"""

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TextIO

from wanbatch.jobs import state
from wanbatch.jobs.board import Job
from wanbatch.views.text import printable

SPOKEN: dict[type, str] = {
    state.SubmitAccepted: "submitted, task {event.task_id}",
    state.SubmitUnclear: "no clear answer ({event.reason}); the task list will tell",
    state.SubmitRefused: "refused: {event.code}: {event.message}",
    state.SubmitDisproved: "not submitted after all: {event.reason}",
    state.TaskAdopted: "found again as task {event.task_id}, by {event.evidence}",
    state.TaskSucceeded: "made",
    state.TaskFailed: "failed: {event.code}: {event.message}",
    state.TaskCanceled: "canceled",
    state.CancelRefused: "too late to cancel",
    state.VideoSaved: "saved {event.path}",
    state.VideoMoved: "moved to {event.path}",
    state.HeldForReview: "held: {event.reason}",
}
"""What is said of an event. Events that are missing here are not news."""


TROUBLE = (
    state.SubmitUnclear,
    state.SubmitRefused,
    state.SubmitDisproved,
    state.TaskFailed,
    state.TaskCanceled,
    state.HeldForReview,
)
"""What is written above the bar; everything else the bar itself tells."""


def spoken(event: state.Event) -> str | None:
    """Return an event as a few words; None for one that is not news."""
    form = SPOKEN.get(type(event))
    if form is None:
        return None
    again = getattr(event, "retry_at", None) is not None
    return printable(form.format(event=event)) + ("; goes again" if again else "")


class Progress:
    """Shows a run. `total` is the number of videos that it is to bring.

    A terminal that goes away is not waited for and not missed: what is paid for must still come home.
    """

    def __init__(self, total: int, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._bar: Any = None
        self._total = total
        self._open: set[str] = set()

    def __enter__(self) -> Self:
        if self._total and self._stream.isatty() and not self._quiet:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread of its own: `tick` keeps the time
            self._bar = tqdm(
                total=self._total,
                file=self._stream,
                dynamic_ncols=True,
                bar_format="{n_fmt}/{total_fmt} videos |{bar}| {elapsed}{postfix}",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if self._bar is not None:
                self._bar.close()

    def told(self, job: Job, event: state.Event) -> None:
        """Show a change of state."""
        scene = str(job.key)
        if isinstance(job.state, state.InDoubt | state.Waiting | state.Cancelling):
            self._open.add(scene)
        else:
            self._open.discard(scene)
        words = spoken(event)
        with suppress(OSError):
            if self._bar is not None:
                self._show_bar(job, event, words)
            elif words and not self._quiet:
                self._stream.write(f"{time.strftime('%H:%M:%S')} {printable(job.stem)}: {words}\n")
                self._stream.flush()

    def tick(self) -> None:
        """Show that time passes."""
        with suppress(OSError):
            if self._bar is not None:
                self._bar.refresh()

    def _show_bar(self, job: Job, event: state.Event, words: str | None) -> None:
        """Move the bar; trouble is written above it."""
        if words and isinstance(event, TROUBLE):
            self._bar.write(f"{printable(job.stem)}: {words}", file=self._stream)
        self._bar.set_postfix_str(f"{len(self._open)} with the service", refresh=False)
        if isinstance(event, state.VideoSaved):
            self._bar.update(1)
        self._bar.refresh()
