"""What readers see of an app: its stored record, overlaid by the changes that were accepted since (design D2).

`fold` is pure. A reader sees either nothing of a change or all of it, whatever order the two watches (apps and changes)
deliver in, because the number of the change decides and never the time of arrival.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from translators.kubernetes.objects import AppRecord, MarathonApp

__all__ = ["Touch", "fold"]


@dataclass(frozen=True, slots=True)
class Touch:
    """What one change did to one app. `open` is False once the change has ended, well or badly."""

    sequence: int
    after: AppRecord | None
    open: bool


def fold(app: MarathonApp | None, touches: Iterable[Touch]) -> AppRecord | None:
    """The record of one app that is in force, or None if there is no such app.

    A change counts if it is newer than the stored record. Where nothing is stored, only a change that is still open
    counts: an ended one was applied once, and what it made has been removed by a later one (which may be forgotten).
    """
    record = app.spec.record if app else None
    stored = app.spec.sequence if app else -1
    for touch in sorted(touches, key=lambda t: t.sequence):
        if touch.sequence <= stored:
            continue
        if touch.after is None:
            record = None
        elif app is not None or touch.open:
            record = touch.after
    return record
