"""Time stamps of the two worlds: Kubernetes' (whole seconds, or microseconds) and Marathon's (milliseconds)."""

from datetime import UTC, datetime, timedelta

__all__ = ["marathon_time", "seconds_between"]

_WHOLE_SECONDS = len("2024-05-01T10:00:00Z")


def marathon_time(moment: str | None) -> str | None:
    """`2024-05-01T10:00:00Z` as `2024-05-01T10:00:00.000Z`; None for what is absent."""
    if not moment:
        return None
    if len(moment) == _WHOLE_SECONDS and moment[-1] == "Z":
        return f"{moment[:-1]}.000Z"  # nearly all are of this form, four for each pod
    parsed = _parsed(moment)
    return f"{parsed:%Y-%m-%dT%H:%M:%S}.{parsed.microsecond // 1000:03d}Z"


def seconds_between(earlier: str, later: str) -> float:
    return (_parsed(later) - _parsed(earlier)) / timedelta(seconds=1)


def _parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)
