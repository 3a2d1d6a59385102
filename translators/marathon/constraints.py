"""Rules for `constraints`."""

import re

from translators.marathon.members import App, Found
from translators.marathon.rules import Rules

__all__ = ["constraint_rules"]

_OPERATORS = ("UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "MAX_PER", "UNLIKE", "IS")
_IS_VALUE = re.compile(r"[a-zA-Z0-9_/.-]*")


def constraint_rules(app: App, _: Rules) -> Found:
    for constraint in app.get("constraints", ()):
        message = _constraint(constraint)
        if message:
            yield "/constraints", message


def _constraint(constraint: list[str]) -> str:
    if len(constraint) not in (2, 3):
        return "Each constraint must have either 2 or 3 fields"
    field, operator, *values = constraint
    value = values[0] if values else None
    if not field or not operator:
        return "illegal constraint specification"
    if operator.upper() not in _OPERATORS:
        return "operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS"
    message = _constraint_value(operator.upper(), value)
    if not message and operator != operator.upper():
        return f"illegal constraint specification {','.join(constraint)}"
    return message


def _constraint_value(operator: str, value: str | None) -> str:
    if operator == "UNIQUE" and value is not None:
        return "UNIQUE does not accept a value"
    if operator == "GROUP_BY" and value is not None and not _is_int(value):
        return "GROUP BY must define an integer value or else no value at all"
    if operator == "MAX_PER" and (value is None or not _is_int(value)):
        return "MAX_PER requires an integer value"
    if operator in ("LIKE", "UNLIKE"):
        if not value:
            return "LIKE and UNLIKE require a non-empty, regular expression value"
        if not _is_regex(value):
            return "is not a valid regular expression"
    if operator == "IS" and value is not None and not _IS_VALUE.fullmatch(value):
        return "IS only supports Mesos text and float values (see http://mesos.apache.org/documentation/latest/attributes-resources/)"
    return ""


def _is_int(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,10}", text) is not None and -(2**31) <= int(text) < 2**31


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
