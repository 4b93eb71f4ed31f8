"""The table of a job, found by asking `evolve` for every pair of a sample state and a sample event."""

from collections.abc import Iterator

from wanbatch.jobs import state as s

STATES: tuple[s.State | None, ...] = (
    None,
    s.Ready(2, 7.0),
    s.InDoubt(2, 100.0),
    s.Waiting(2, "t-1"),
    s.Cancelling(2, "t-1"),
    s.Rendered(2, "t-1", 900.0),
    s.Held(2, "why", "t-1"),
    s.Done(2, "t-1", "videos/a.mp4", 9, "ab", 900.0),
    s.Failed(2, "Code", "message"),
    s.Canceled(2),
)
"""One of each; None is a job that does not exist yet."""

EVENTS: tuple[s.Event, ...] = (
    s.Planned("a", {"model": "m", "prompt": "sha256:0"}),
    s.SubmitIntended(2.5),
    s.SubmitAccepted("t-2", "r-2"),
    s.SubmitUnclear("no answer", "r-2"),
    s.SubmitRefused("Code", "message", 50.0),
    s.SubmitRefused("Code", "message"),
    s.SubmitDisproved("absent", 50.0),
    s.SubmitDisproved("absent"),
    s.TaskAdopted("t-2", "request id"),
    s.TaskSucceeded(800.0, {"duration": 5}, {"end_time": "x"}),
    s.TaskFailed("Code", "message", 50.0),
    s.TaskFailed("Code", "message"),
    s.TaskCanceled(),
    s.CancelRefused(),
    s.VideoSaved("videos/b.mp4", 8, "cd"),
    s.VideoMoved("superseded/b.mp4"),
    s.VideoMissing(),
    s.HeldForReview("odd"),
    s.CancelRequested("a person"),
    s.ResubmitApproved("a person"),
)
"""At least one of each, in the order of their declaration; those that may carry a retry, with and without."""


def name(value: object) -> str:
    return "–" if value is None else type(value).__name__


def transitions() -> Iterator[tuple[str, str, str]]:
    """Every (event, from, to) that `evolve` allows, each once, events in the order of their declaration."""
    found: dict[tuple[str, str, str], None] = {}
    for event in EVENTS:
        for before in STATES:
            try:
                after = s.evolve(before, event, 1000.0)
            except s.IllegalTransition:
                continue
            found[name(event), name(before), name(after)] = None
    return iter(found)


def markdown() -> str:
    """The table as Markdown. States that an event takes to the same place share an arrow."""
    tos: dict[str, dict[str, list[str]]] = {}
    for event, before, after in transitions():
        tos.setdefault(event, {}).setdefault(before, []).append(after)
    lines = ["| event | from → to |", "|---|---|"]
    for event, ways in tos.items():
        merged: dict[str, list[str]] = {}
        for before, afters in ways.items():
            merged.setdefault(" or ".join(afters), []).append(before)
        lines.append(f"| {event} | " + "; ".join(f"{', '.join(b)} → {a}" for a, b in merged.items()) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201
