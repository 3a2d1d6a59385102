"""Where pods of an app may run: constraints, the region it stays in, and how long it waits for a lost node.

Constraints count the instances of one configuration only, as in Marathon, so every selector names both hashes.
A spread constraint with more wanted domains than can exist takes the global minimum as zero: then `maxSkew` is a maximum per
domain, which is MAX_PER, and UNIQUE with 1.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from translators.kubernetes.literals import NotFinite, literals
from translators.kubernetes.platform import Platform

__all__ = ["conflicts", "objection", "placement", "tolerations"]

_ENDLESS_DOMAINS = 2147483647  # the largest minDomains that the API takes

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")

Term = dict[str, Any]


def placement(app: Mapping[str, Any], selector: Mapping[str, str], platform: Platform) -> dict[str, Any]:
    """`affinity` and `topologySpreadConstraints` of the pod, as far as the app has constraints."""
    constraints = [c for c in _deduplicated(app.get("constraints") or ()) if objection(c, platform) is None]
    near = {"labelSelector": {"matchLabels": dict(selector)}}
    nodes = [term for c in constraints for term in _node_terms(c, platform)]
    together = [{**near, "topologyKey": platform.label(c[0])} for c in constraints if c[1:] == ("CLUSTER",)]
    spread, apart = _spread(constraints, near, platform)
    affinity: dict[str, Any] = {}
    if nodes:
        required = {"nodeSelectorTerms": [{"matchExpressions": nodes}]}
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": required}
    if together:
        affinity["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": together}
    if apart:
        affinity["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": apart}
    return {
        **({"affinity": affinity} if affinity else {}),
        **({"topologySpreadConstraints": spread} if spread else {}),
    }


def objection(constraint: Sequence[str], platform: Platform) -> str | None:
    """Why one constraint can not be honoured, None if it can."""
    name, operator, *rest = constraint
    if not _LABEL_KEY.fullmatch(platform.label(name)):
        return f"attribute '{name}' can not be a node label on this platform"
    try:
        values = _values(operator.upper(), rest)
    except NotFinite:
        return f"regular expression '{rest[0]}' is not supported by this platform; spell out the values (a|b)"
    wrong = next((value for value in values if not _LABEL_VALUE.fullmatch(value)), None)
    return None if wrong is None else f"value '{wrong}' can not be a node label on this platform"


def _values(operator: str, rest: Sequence[str]) -> tuple[str, ...]:
    if operator in ("LIKE", "UNLIKE"):
        return literals(rest[0])
    return tuple(rest) if operator in ("IS", "CLUSTER") else ()


def conflicts(app: Mapping[str, Any], platform: Platform) -> list[str]:
    """The fields that have both a maximum above one and a grouping: one spread per field is all there is."""
    constraints = _deduplicated(app.get("constraints") or ())
    grouped = {platform.label(c[0]) for c in constraints if c[1] == "GROUP_BY"}
    unique = {platform.label(c[0]) for c in constraints if c[1] == "UNIQUE"}
    return [c[0] for c in constraints if c[1] == "MAX_PER" and platform.label(c[0]) in grouped - unique]


def _deduplicated(constraints: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys((str(c[0]), str(c[1]).upper(), *(str(v) for v in c[2:])) for c in constraints))


def _node_terms(constraint: tuple[str, ...], platform: Platform) -> list[Term]:
    name, operator, *rest = constraint
    key, value = platform.label(name), rest[0] if rest else ""
    if operator in ("IS", "CLUSTER") and (rest or operator == "IS"):
        return [{"key": key, "operator": "In", "values": [value]}]
    if operator == "LIKE":
        return [{"key": key, "operator": "In", "values": list(literals(value))}]
    if operator == "UNLIKE":
        return [{"key": key, "operator": "NotIn", "values": list(literals(value))}]
    if operator == "CLUSTER":
        return [{"key": key, "operator": "Exists"}]
    return []


def _spread(
    constraints: Sequence[tuple[str, ...]], near: Mapping[str, Any], platform: Platform
) -> tuple[list[Term], list[Term]]:
    """Spread constraints, and anti-affinity for UNIQUE on a field that is also grouped by: one spread per field."""
    grouped: dict[str, int] = {}
    most: dict[str, int] = {}
    for name, operator, *rest in constraints:
        key = platform.label(name)
        if operator == "GROUP_BY":
            grouped[key] = max(grouped.get(key, 0), int(rest[0]) if rest and rest[0] else 0)
        elif operator == "UNIQUE":
            most[key] = 1
        elif operator == "MAX_PER":
            most[key] = min(most.get(key, _ENDLESS_DOMAINS), max(1, int(rest[0])))
    shared = {key for key, limit in most.items() if limit == 1 and key in grouped}
    apart = [{**near, "topologyKey": key} for key in most if key in shared]
    spread = [_spread_term(k, limit, near, domains=_ENDLESS_DOMAINS) for k, limit in most.items() if k not in shared]
    spread += [
        _spread_term(key, 1, near, domains=domains, honor=True)
        for key, domains in grouped.items()
        if key not in most or key in shared
    ]
    return spread, apart


def _spread_term(key: str, skew: int, near: Mapping[str, Any], *, domains: int, honor: bool = False) -> Term:
    return {
        "maxSkew": skew,
        **({"minDomains": domains} if domains else {}),
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        **({"nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Honor"} if honor else {}),
        **near,
    }


def tolerations(app: Mapping[str, Any]) -> list[Term]:
    """How long pods stay bound to a node that went silent; both taints always, else admission adds 300 s."""
    strategy = app.get("unreachableStrategy")
    seconds = int(strategy.get("inactiveAfterSeconds") or 0) if isinstance(strategy, Mapping) else 0
    limit = {} if isinstance(strategy, str) else {"tolerationSeconds": seconds}
    return [
        {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", **limit}
        for taint in ("unreachable", "not-ready")
    ]
