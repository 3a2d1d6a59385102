"""What readers see of an app or a group: its stored record, overlaid by the changes that were accepted since (design D2).

`fold` is pure. A reader sees either nothing of a change or all of it, whatever order the two watches (apps and changes)
deliver in, because the number of the change decides and never the time of arrival.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Stored", "Touch", "fold"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Stored(Protocol[R_co]):
    """`spec` of a MarathonApp or a MarathonGroup: a record, and the number of the change that wrote it."""

    @property
    def sequence(self) -> int: ...

    @property
    def record(self) -> R_co: ...


@dataclass(frozen=True, slots=True)
class Touch(Generic[R]):
    """What one change did to one app or group. `open` is False once the change has ended, well or badly."""

    sequence: int
    after: R | None
    open: bool


def fold(spec: Stored[R] | None, touches: Iterable[Touch[R]]) -> R | None:
    """The record of one app or group that is in force, or None if there is none.

    A change counts if it is newer than the stored record. Where nothing is stored, only a change that is still open
    counts: an ended one was applied once, and what it made has been removed by a later one (which may be forgotten).
    """
    record = spec.record if spec is not None else None
    stored = spec.sequence if spec is not None else -1
    for touch in sorted(touches, key=lambda t: t.sequence):
        if touch.sequence <= stored:
            continue
        if touch.after is None:
            record = None
        elif spec is not None or touch.open:
            record = touch.after
    return record
