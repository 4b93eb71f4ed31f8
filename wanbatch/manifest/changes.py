"""What differs between two readings of a manifest, take by take. Pure, and knows no prices."""

from collections.abc import Iterable
from dataclasses import dataclass

from wanbatch.manifest.model import JobKey, Wanted, differences


@dataclass(frozen=True, slots=True)
class Changed:
    """A take whose request is another one than before; `fields` says where they differ."""

    wanted: Wanted
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of each take, in the manifest's order; what is no longer there in the order that it had."""

    new: tuple[Wanted, ...] = ()
    changed: tuple[Changed, ...] = ()
    removed: tuple[JobKey, ...] = ()
    unchanged: int = 0


def changes(before: Iterable[Wanted], now: Iterable[Wanted]) -> Changes:
    """Return what differs. A take is known by its scene's id and its number, whatever stands around it."""
    old = {(one.key.scene, one.key.take): one for one in before}
    new, changed, unchanged = [], [], 0
    for one in now:
        was = old.pop((one.key.scene, one.key.take), None)
        if was is None:
            new.append(one)
        elif was.request == one.request:
            unchanged += 1
        else:
            fields = differences(was.request.outline(), one.request.outline())
            changed.append(Changed(one, fields or ("the form of a text",)))
    return Changes(tuple(new), tuple(changed), tuple(one.key for one in old.values()), unchanged)
