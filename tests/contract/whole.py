"""Whole answers, made comparable: what differs from run to run stands there as a word in braces."""

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

__all__ = ["HEADERS", "answer_of", "plain"]

HEADERS = ("content-type", "warning", "retry-after", "allow")
_OF_CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok")
_WORDS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "{uid}"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "{microtime}"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "{time}"),
    (re.compile(r"(?<=\{n\}-)[a-z0-9]{5}$"), "{suffix}"),
    (re.compile(r"(resource version: \d+, current: |resource version: 1 \()\d+"), r"\1{version}"),
    (re.compile(r"^\d+s$"), "{age}"),
    (re.compile(r'(patch: Invalid value: |^Invalid value: )"\{(?:[^"\\]|\\.)*"'), r"\1{object}"),
    (re.compile(r"(pod updates may not change fields other than [^\n]*)\n.*", re.DOTALL), r"\1"),
    (re.compile(r"(in record \()\d+"), r"\1{version}"),
    (re.compile(r"\beyJ[\w.=-]+"), "{token}"),
)


def answer_of(got: httpx.Response, names: Mapping[str, str], ignored: tuple[str, ...] = ()) -> dict[str, Any]:
    """Status, the headers that matter, and the body; of a watch, the list of its events."""
    headers = {key: plain(got.headers[key], names) for key in HEADERS if key in got.headers}
    body = plain(_read(got.text) if "json" in headers.get("content-type", "") else got.text, names)
    for path in ignored:
        _drop(body, path.split("."))
    return {"status": got.status_code, "headers": headers, "body": body}


def _read(text: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(text)
    with contextlib.suppress(ValueError):
        return [json.loads(line) for line in text.splitlines()]
    return text


def plain(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    """The value with words for names, versions, uids and times, and without what controllers add at their leisure."""
    if isinstance(value, dict):
        left_out = "description" if key == "columnDefinitions" else "deployment.kubernetes.io/revision"
        return {k: plain(v, names, k) for k, v in value.items() if k != left_out}
    if isinstance(value, list):
        return [plain(item, names, key) for item in (_managers(value) if key == "managedFields" else value)]
    if not isinstance(value, str):
        return value
    if key == "resourceVersion" and value.isdecimal() and value != "0":
        return "{version}"
    for name, text in names.items():
        value = value.replace(text, "{" + name + "}")
    for pattern, word in _WORDS:
        value = pattern.sub(word, value)
    return value


def _managers(entries: list[Any]) -> list[Any]:
    """In an order that does not depend on when they wrote."""
    found = [entry for entry in entries if entry["manager"] not in _OF_CONTROLLERS]
    return sorted(found, key=lambda entry: (entry["operation"], entry["manager"], entry.get("subresource", "")))


def _drop(value: Any, path: list[str]) -> None:
    head, *rest = path
    if isinstance(value, list):
        for item in value:
            _drop(item, path)
    elif isinstance(value, dict) and head in value:
        if rest:
            _drop(value[head], rest)
        else:
            del value[head]
