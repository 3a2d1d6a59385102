"""Rules between pods: topology spread, affinity and anti-affinity over domains of nodes.

A domain is a value of a node label. What a real scheduler was seen to do and this one repeats: spread does not count pods that
are terminating, anti-affinity does; with fewer domains than `minDomains` the least full one counts as empty; the first pod that
wants to be near its own kind may go anywhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.simulator.scheduling.filters import Refusal, accepts_node, untolerated
from gateway.simulator.scheduling.labels import selects
from gateway.simulator.scheduling.snapshot import NodeState

__all__ = ["Topology"]

Pod = Mapping[str, Any]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Topology:
    """The rules of one pod against one picture of the cluster; counted once, asked for each node."""

    def __init__(self, pod: Pod, nodes: Mapping[str, NodeState]) -> None:
        self._pod = pod
        self._spread = [_Spread(pod, c, nodes.values()) for c in _spread_constraints(pod)]
        self._near = [_Term(pod, term, nodes.values()) for term in _terms(pod, "podAffinity")]
        self._apart = [_Term(pod, term, nodes.values()) for term in _terms(pod, "podAntiAffinity")]
        self._kept_out = set(_kept_out(pod, nodes.values()))

    def refuses(self, node: NodeState) -> Refusal | None:
        for spread in self._spread:
            if refusal := spread.refuses(node):
                return refusal
        if not self._is_near(node):
            return Refusal(("node(s) didn't match pod affinity rules",), final=True)
        if any(term.domain(node) in term.domains for term in self._apart):
            return Refusal(("node(s) didn't match pod anti-affinity rules",))
        if any(node.labels.get(key) == value for key, value in self._kept_out):
            return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))
        return None

    def _is_near(self, node: NodeState) -> bool:
        if not self._near:
            return True
        if any(term.domain(node) is None for term in self._near):
            return False
        if all(term.domain(node) in term.domains for term in self._near):
            return True
        first = not any(term.domains for term in self._near)
        return first and all(term.matches(self._pod) for term in self._near)


class _Spread:
    """One `DoNotSchedule` constraint."""

    def __init__(self, pod: Pod, constraint: Mapping[str, Any], nodes: Iterable[NodeState]) -> None:
        self._key = constraint["topologyKey"]
        self._skew = int(constraint["maxSkew"])
        selector = _with_keys(constraint.get("labelSelector"), constraint.get("matchLabelKeys"), pod)
        self._self = int(selects(selector, pod["metadata"].get("labels")))
        self._counts: dict[str, int] = {}
        for node in nodes:
            if self._key in node.labels and _counts_for(pod, constraint, node):
                value = node.labels[self._key]
                found = sum(1 for other in node.pods if _same_kind(pod, other, selector))
                self._counts[value] = self._counts.get(value, 0) + found
        enough = len(self._counts) >= int(constraint.get("minDomains") or 1)
        self._least = min(self._counts.values(), default=0) if enough else 0

    def refuses(self, node: NodeState) -> Refusal | None:
        text = "node(s) didn't match pod topology spread constraints"
        if self._key not in node.labels:
            return Refusal((f"{text} (missing required label)",), final=True)
        count = self._counts.get(node.labels[self._key], 0)
        return Refusal((text,)) if count + self._self - self._least > self._skew else None


def _spread_constraints(pod: Pod) -> Iterator[Mapping[str, Any]]:
    for constraint in pod["spec"].get("topologySpreadConstraints") or ():
        if constraint.get("whenUnsatisfiable") == "DoNotSchedule":
            yield constraint


def _counts_for(pod: Pod, constraint: Mapping[str, Any], node: NodeState) -> bool:
    if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not accepts_node(pod, node):
        return False
    honoured = constraint.get("nodeTaintsPolicy", "Ignore") == "Honor"
    return not honoured or untolerated(pod, node.taints, effects=("NoSchedule", "NoExecute")) is None


def _same_kind(pod: Pod, other: Pod, selector: Mapping[str, Any] | None) -> bool:
    meta = other["metadata"]
    same_namespace = meta.get("namespace") == pod["metadata"].get("namespace")
    return same_namespace and not meta.get("deletionTimestamp") and selects(selector, meta.get("labels"))


class _Term:
    """One required (anti-)affinity term: the domains that hold a matching pod."""

    def __init__(self, pod: Pod, term: Mapping[str, Any], nodes: Iterable[NodeState]) -> None:
        self._key = term["topologyKey"]
        self._namespaces = _namespaces(pod, term)
        self._selector = _with_keys(term.get("labelSelector"), term.get("matchLabelKeys"), pod)
        self.domains = {
            node.labels[self._key]
            for node in nodes
            if self._key in node.labels and any(self.matches(other) for other in node.pods)
        }

    def domain(self, node: NodeState) -> str | None:
        return node.labels.get(self._key)

    def matches(self, other: Pod) -> bool:
        meta = other["metadata"]
        if self._namespaces is not None and meta.get("namespace") not in self._namespaces:
            return False
        return selects(self._selector, meta.get("labels"))


def _terms(pod: Pod, kind: str) -> list[Mapping[str, Any]]:
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return list(affinity.get(_REQUIRED) or ())


def _namespaces(pod: Pod, term: Mapping[str, Any]) -> set[str] | None:
    """The namespaces a term looks at, None for all. Namespaces carry no labels of note here, so only `{}` selects."""
    if term.get("namespaceSelector") == {}:
        return None
    return set(term.get("namespaces") or [pod["metadata"].get("namespace")])


def _kept_out(pod: Pod, nodes: Iterable[NodeState]) -> Iterator[tuple[str, str]]:
    """The domains whose pods want this one elsewhere."""
    for node in nodes:
        for other in node.pods:
            for term in _terms(other, "podAntiAffinity"):
                key = term["topologyKey"]
                if key in node.labels and _Term(other, term, ()).matches(pod):
                    yield key, node.labels[key]


def _with_keys(selector: Mapping[str, Any] | None, keys: Iterable[str] | None, pod: Pod) -> Mapping[str, Any] | None:
    """The selector narrowed to the pod's own values of `matchLabelKeys`."""
    labels = pod["metadata"].get("labels") or {}
    extra = [{"key": key, "operator": "In", "values": [labels[key]]} for key in keys or () if key in labels]
    if selector is None or not extra:
        return selector
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *extra]}
