"""Filters of `GET /v2/apps`: `id`, `cmd` and label selectors (Marathon's LabelSelector grammar)."""

import re
from collections.abc import Callable, Mapping

from gateway.api.replies import HttpError

__all__ = ["label_selector"]

Matcher = Callable[[Mapping[str, str]], bool]

_TERM = r"(?:[-A-Za-z0-9_.]|\\.)+"
_COMPARISON = re.compile(rf"\s*({_TERM})\s*(==|!=)\s*({_TERM})\s*")
_SET = re.compile(rf"\s*({_TERM})\s+(in|notin)\s*\(\s*((?:{_TERM}\s*(?:,\s*{_TERM}\s*)*)?)\)\s*")
_EXISTS = re.compile(rf"\s*({_TERM})\s*")


def label_selector(text: str) -> Matcher:
    """Raises HttpError (422) for what is no selector."""
    tests: list[Matcher] = []
    position = 0
    while True:
        for pattern, build in ((_SET, _in_set), (_COMPARISON, _compared), (_EXISTS, _exists)):
            found = pattern.match(text, position)
            if found and (found.end() == len(text) or text[found.end()] == ","):
                tests.append(build(found))
                break
        else:
            raise HttpError(422, f"Can not parse label selector {text}. Reason: end of input expected")
        if found.end() == len(text):
            return lambda labels: all(test(labels) for test in tests)
        position = found.end() + 1


def _plain(term: str) -> str:
    return re.sub(r"\\(.)", r"\1", term.strip())


def _in_set(found: re.Match[str]) -> Matcher:
    key, operator = _plain(found[1]), found[2]
    values = {_plain(value) for value in re.split(r"(?<!\\),", found[3]) if value.strip()}
    if operator == "in":
        return lambda labels: labels.get(key) in values
    return lambda labels: key in labels and labels[key] not in values


def _compared(found: re.Match[str]) -> Matcher:
    key, value = _plain(found[1]), _plain(found[3])
    if found[2] == "==":
        return lambda labels: labels.get(key) == value
    return lambda labels: key in labels and labels[key] != value


def _exists(found: re.Match[str]) -> Matcher:
    key = _plain(found[1])
    return lambda labels: key in labels
