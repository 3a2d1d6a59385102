"""What a task needs to know of the node it is on."""

from translators.kubernetes.moments import marathon_time
from translators.kubernetes.objects import Node

__all__ = ["address", "region", "unreachable_since", "zone"]

_UNREACHABLE = "node.kubernetes.io/unreachable"


def unreachable_since(node: Node | None) -> str | None:
    """Since when the node has been silent (Marathon's time), None if it is not."""
    if node is None:
        return None
    ready = next((c for c in node.status.conditions if c.type == "Ready"), None)
    silent = ready is not None and ready.status == "Unknown"
    if not silent and not any(taint.key == _UNREACHABLE for taint in node.spec.taints):
        return None
    return marathon_time(ready.lastTransitionTime if ready else None) or ""


def address(node: Node | None) -> str:
    """Its address inside the cluster, "" if it has none."""
    addresses = {a.type: a.address for a in reversed(node.status.addresses)} if node else {}
    return addresses.get("InternalIP") or addresses.get("Hostname") or ""


def region(node: Node | None) -> str | None:
    return node.metadata.labels.get("topology.kubernetes.io/region") if node else None


def zone(node: Node | None) -> str | None:
    return node.metadata.labels.get("topology.kubernetes.io/zone") if node else None
