"""Request bodies as Marathon reads them: tolerant of byte order marks, UTF-16 and a second value."""

import json
from typing import Any

from translators.marathon.errors import MalformedJson
from translators.marathon.syntax import location, syntax_error, trailing_error

__all__ = ["compact", "read_json"]

_MAX_DEPTH = 200
_TOO_DEEP = f"The document is nested more than {_MAX_DEPTH} levels deep"
_SPACE = " \t\r\n"
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_json(body: bytes) -> Any:
    """The first JSON value of a body. Of repeated keys the last counts. Raises MalformedJson, in Jackson's words."""
    text = _decoded(body)
    start = len(text) - len(text.lstrip(_SPACE))
    if start == len(text):
        detail = f"No content to map due to end-of-input\n at {location(body, 1, 0)}"
        raise MalformedJson("Please specify data in JSON format", detail)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise MalformedJson("Invalid JSON", syntax_error(text, body) or _TOO_DEEP) from None
    except ValueError as error:
        raise MalformedJson("Invalid JSON", syntax_error(text, body) or f"{error}") from None
    if wrong := trailing_error(text, end, body):
        raise MalformedJson("Invalid JSON", wrong)
    if _deeper_than(value, _MAX_DEPTH):
        raise MalformedJson("Invalid JSON", _TOO_DEEP)
    return value


def compact(value: Any) -> str:
    """The value as Marathon quotes it in messages: whole numbers have no fraction there."""
    return json.dumps(_whole(value), separators=(",", ":"), ensure_ascii=False)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def _decoded(body: bytes) -> str:
    for mark, encoding in _ENCODINGS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if len(body) > 1 and body[0] == 0 != body[1]:
        return body.decode("utf-16-be", "replace")
    if len(body) > 1 and body[1] == 0 != body[0]:
        return body.decode("utf-16-le", "replace")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        if error.reason == "invalid start byte":
            raise MalformedJson("Invalid JSON", f"Invalid UTF-8 start byte 0x{body[error.start]:x}") from None
        if error.end < len(body):
            raise MalformedJson("Invalid JSON", f"Invalid UTF-8 middle byte 0x{body[error.end]:x}") from None
        raise MalformedJson("Invalid JSON", "Unexpected end-of-input in VALUE_STRING") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"Non-standard token '{name}'")


def _number(text: str) -> int:
    """A number of thousands of digits is no number of ours, and costs quadratic time to read."""
    if len(text) > 400:
        raise ValueError("a number has more than 400 digits")
    return int(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_number)


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [inner for item in level for inner in _children(item)]
        if not level:
            return False
    return True


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [v for v in item.values() if isinstance(v, dict | list)]
    if isinstance(item, list):
        return [v for v in item if isinstance(v, dict | list)]
    return []
