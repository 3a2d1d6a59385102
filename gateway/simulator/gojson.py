"""What Go's JSON decoder says of a text that is none: clients see its words in the refusals of the API server."""

import json
from typing import Any

__all__ = ["duplicates", "go_type", "summary", "why_not"]

_LITERALS = {"t": "true", "f": "false", "n": "null"}
_PLACES = {
    "Extra data": "after top-level value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
}
_SHOWN = 30


def why_not(body: bytes) -> str:
    """In Go's words; empty for a text that is JSON."""
    text = body.decode("utf-8", "replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _why(text, error)
    return ""


def _why(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    literal = _LITERALS.get(text[error.pos]) if error.msg == "Expecting value" else None
    for offset, wanted in enumerate(literal or ""):
        found = text[error.pos + offset : error.pos + offset + 1]
        if not found:
            return "unexpected end of JSON input"
        if found != wanted:
            return f"invalid character '{found}' in literal {literal} (expecting '{wanted}')"
    where = _PLACES.get(error.msg, "looking for beginning of value")
    return f"invalid character '{text[error.pos]}' {where}"


def go_type(value: Any) -> str:
    """What the decoder calls a value that does not fit."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "number"


def summary(body: bytes) -> str:
    """The body as a refusal shows it."""
    if not body:
        return "<empty>"
    more = " ..." if len(body) > _SHOWN else ""
    shown = body[:_SHOWN]
    return (shown.decode("utf-8", "replace") if body.startswith(b"{") else shown.hex()) + more


def duplicates(body: bytes) -> list[str]:
    """The paths that a JSON object gives more than once; the last one counts."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        twice = {key for key, _ in items if key in out or out.update({key: None})}
        return _Marked(items, twice) if twice else dict(items)

    _collect(json.loads(body, object_pairs_hook=pairs), (), found)
    return found


class _Marked(dict[str, Any]):
    def __init__(self, items: list[tuple[str, Any]], twice: set[str]) -> None:
        super().__init__(items)
        self.twice = twice


def _collect(value: Any, path: tuple[str, ...], found: list[str]) -> None:
    if isinstance(value, dict):
        twice = value.twice if isinstance(value, _Marked) else ()
        for key, inner in value.items():
            if key in twice:
                found.append(".".join((*path, key)))
            _collect(inner, (*path, key), found)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _collect(inner, (*path[:-1], f"{path[-1] if path else ''}[{i}]"), found)
