"""Label selectors and node selector terms, as Kubernetes evaluates them."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Requirement", "matches_node_terms", "satisfies", "selects"]

Requirement = Mapping[str, Any]
"""`{key, operator, values}`."""


def satisfies(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether labels meet one `matchExpressions` entry."""
    key, operator = requirement["key"], requirement["operator"]
    values = requirement.get("values") or ()
    value = labels.get(key)
    match operator:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Gt" | "Lt":
            return _compares(operator, value, values)
    return False


def _compares(operator: str, value: str | None, values: Iterable[str]) -> bool:
    try:
        mine, limit = int(value or ""), int(next(iter(values)))
    except (ValueError, StopIteration):
        return False
    return mine > limit if operator == "Gt" else mine < limit


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a LabelSelector matches: an absent one matches nothing, an empty one everything."""
    if selector is None:
        return False
    labels = labels or {}
    exact = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in exact.items()):
        return False
    return all(satisfies(r, labels) for r in selector.get("matchExpressions") or ())


def matches_node_terms(terms: Iterable[Mapping[str, Any]], node: Mapping[str, Any]) -> bool:
    """Whether any term matches; within a term all requirements hold, and an empty term matches nothing."""
    return any(_matches_term(term, node) for term in terms)


def _matches_term(term: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    name = {"metadata.name": node["metadata"]["name"]}
    return all(satisfies(r, labels) for r in expressions) and all(satisfies(r, name) for r in fields)
