"""What a performer saw of the world: outcome values, never exceptions.

The client and the download make them, the policy judges them. They know nothing of jobs.
"""

from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What a refusal means for the batch."""

    SCENE = "scene"
    """this request will never pass: the scene fails"""
    RATE = "rate"
    """too fast or too many: wait and go on"""
    ALLOCATION = "allocation"
    """a quota that may be a rate or may be spent: wait a few times, then it is the account"""
    MODERATION = "moderation"
    """the prompt, or what became of it, is not allowed: this request will never pass"""
    SERVICE = "service"
    """the service's own trouble: another attempt may pass"""
    ACCOUNT = "account"
    """key, arrears or quota: every further request would be refused as well"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A POST made a task."""

    task_id: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The service read the request and said no: no task was made."""

    kind: Kind
    code: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not one byte of the request left this machine."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may have made a task, or not."""

    reason: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """What the service says of one task. `status` is its word, upper case; times are its own strings (UTC+8)."""

    task_id: str
    status: str
    kind: Kind = Kind.SCENE
    """Whose fault it is, when the status is FAILED."""
    code: str = ""
    message: str = ""
    orig_prompt: str | None = None
    video_url: str | None = None
    usage: dict[str, object] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A query, a list or a cancel gave nothing that can be used. Says nothing about any task."""

    kind: Kind
    code: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the account's task list. `created_at` is epoch seconds by the service's clock."""

    task_id: str
    request_id: str | None
    model: str
    status: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Listing:
    """All pages of the account's task list."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """The task list, read twice, and a view of each row that may belong to the job in doubt.

    `agreed` says that both readings showed the same candidates; `clock_offset_s` is the service's clock minus
    ours.
    """

    candidates: tuple[Row, ...]
    views: tuple[TaskView, ...]
    agreed: bool
    clock_offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CancelAnswered:
    """A cancel was asked for; `view` is the task afterwards, `refused` that it was no longer pending."""

    refused: bool
    view: TaskView | ReadFailed


@dataclass(frozen=True, slots=True)
class Saved:
    """The video is complete under its final name. Paths are relative to the output folder.

    `aside` is the path that an earlier video of the scene had to move to.
    """

    path: str
    size_bytes: int
    sha256: str
    aside: str | None = None


class Lost(Enum):
    """Why a download did not end."""

    RETRY = "retry"
    """the network or the service; what arrived is kept"""
    GONE = "gone"
    """the service no longer has the video"""
    DISK = "disk"
    """the disk would not take it"""
    TAKEN = "taken"
    """a file that is not ours has the name"""


@dataclass(frozen=True, slots=True)
class NotSaved:
    """The download did not end."""

    why: Lost
    reason: str


SubmitOutcome = Accepted | Refused | NotSent | Unknown
Seen = SubmitOutcome | TaskView | ReadFailed | Searched | CancelAnswered | Saved | NotSaved
