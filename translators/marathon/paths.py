"""PathIds: how ids of apps and groups are read, made absolute and checked (Marathon's PathId)."""

import re

from translators.marathon.errors import Detail

__all__ = ["ID_PATTERN", "absolute_id", "id_details", "parent", "segment_details"]

_SEGMENT = r"(?:(?:[a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*(?:[a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])"
# One segment at a time, so that a long id costs linear time.
_ID_SEGMENT = re.compile(rf"\.\.|{_SEGMENT}|")
_CANONICAL_SEGMENT = re.compile(rf"{_SEGMENT}|\.|\.\.")
_SEGMENT_TEXT = (
    r"must fully match regular expression '^(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*"
    r"([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])|(\.|\.\.)$'"
)
_RESERVED = ("restart", "tasks", "versions", ".", "..")
_RESERVED_TEXT = "must not end with any of the following reserved keywords: restart, tasks, versions, ., .."


class _IdPattern:
    """The pattern of `id`: what RAML's expression matches, segment by segment."""

    def fullmatch(self, text: str) -> bool:
        return all(_ID_SEGMENT.fullmatch(segment) for segment in text.split("/"))


ID_PATTERN = _IdPattern()


def absolute_id(path: str, base: str = "/") -> str:
    """`//a///b/` is `/a/b`; a relative id is appended to `base`; `.` is dropped and `..` goes up, never above the root."""
    segments = [] if path.startswith("/") else [s for s in base.split("/") if s]
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments)


def parent(app_id: str) -> str:
    """The group an app is in."""
    return app_id.rpartition("/")[0] or "/"


def segment_details(app_id: str, path: str) -> list[Detail]:
    """One detail for an id that has a segment outside the grammar."""
    bad = [s for s in app_id.split("/") if s and not _CANONICAL_SEGMENT.fullmatch(s)]
    return [Detail(path, (_SEGMENT_TEXT,))] if bad else []


def id_details(app_id: str) -> list[Detail]:
    """What is wrong with the canonical id of an app."""
    if app_id == "/":
        return [Detail("/", ("must not be root",)), Detail("/id", ("Path must contain at least one path element",))]
    if app_id.rpartition("/")[2] in _RESERVED:
        return [Detail("/id", (_RESERVED_TEXT,))]
    return segment_details(app_id, "/id")
