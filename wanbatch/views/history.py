"""The history of a job in words, for a person who asks what was billed and why. Decides nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wanbatch.jobs.journal import Line

WORDS = {
    "Planned": "planned",
    "SubmitIntended": "about to be submitted",
    "SubmitAccepted": "accepted by the service: billed if it succeeds",
    "SubmitUnclear": "submitted, no clear answer: perhaps accepted, perhaps not",
    "SubmitRefused": "not accepted; nothing is billed",
    "SubmitDisproved": "found not to have been accepted; nothing is billed",
    "TaskAdopted": "a task of the account is taken for this scene's",
    "TaskSucceeded": "the video is made: billed",
    "TaskFailed": "the task failed; failed tasks are not billed",
    "TaskCanceled": "the task was canceled",
    "CancelRefused": "could no longer be canceled: billed if it succeeds",
    "VideoSaved": "the video is on disk, checked",
    "VideoMoved": "the video has another name",
    "VideoMissing": "the video is gone from the disk",
    "HeldForReview": "held: waits for a person",
    "CancelRequested": "given up by a person",
    "ResubmitApproved": "a person agreed to another submission",
}
"""What each event means, with its meaning for the money."""

MOMENTS = ("retry_at", "expires_at")
NAMES = {
    "task_id": "task", "request_id": "request", "retry_at": "tried again from", "expires_at": "to be fetched until",
    "size_bytes": "bytes", "outline": "", "by": "by",
}  # fmt: skip


def happened(line: Line) -> str:
    """Return a line's event in words; one that is not known by its name."""
    return WORDS.get(line.event, line.event)


def details(line: Line) -> str:
    """Return what else a line says, on one line; not yet fit for a terminal: `printable` it."""
    return ", ".join(told for name, value in line.fields.items() if (told := detail(name, value)))


def detail(name: str, value: Any) -> str:
    """Return one field in words. Of an outline the hashes are left out: they tell a person nothing."""
    if isinstance(value, Mapping):
        pairs = [f"{key} {one}" for key, one in value.items() if "sha256:" not in str(one) and one is not None]
        return ", ".join(pairs)
    if value is None:
        return ""
    if name in MOMENTS:
        value = local_time(value)
    return f"{NAMES.get(name, name)} {value}"


def local_time(at: Any) -> str:
    """Return epoch seconds as a local time with its distance from UTC; what is no time as it stands."""
    try:
        return datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError, TypeError):
        return str(at)
