"""From a Deployment's pod template to its ReplicaSet: the hash, the name, and what is copied down."""

import json
from typing import Any

from gateway.simulator.controllers.owners import reference
from gateway.simulator.controllers.rolling import replicas_of, surge_and_unavailable

__all__ = [
    "DESIRED",
    "HASH",
    "HISTORY",
    "MAXIMUM",
    "REVISION",
    "annotations_for",
    "revision_of",
    "same_template",
    "set_for",
    "sizes",
    "template_hash",
]

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"

HISTORY = f"{REVISION}-history"

_OWN = ("kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM)
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: dict[str, Any], collisions: int) -> str:
    """32 bits of FNV-1a over the template, spelled with letters that make no words."""
    text = json.dumps([template, collisions] if collisions else template, sort_keys=True)
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def same_template(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Equal but for the hash label."""
    return _plain(one) == _plain(other)


def _plain(template: dict[str, Any]) -> dict[str, Any]:
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if v}
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def revision_of(obj: dict[str, Any]) -> int:
    value = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(value) if value.isdecimal() else 0


def annotations_for(deployment: dict[str, Any], known: dict[str, str], revision: int) -> dict[str, str]:
    """The annotations of its ReplicaSet: the Deployment's own, copied, and the controller's."""
    copied = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in _OWN}
    found = {**known, **copied, REVISION: str(revision), **sizes(deployment)}
    if known.get(REVISION, str(revision)) != str(revision):  # it was the present one before, and is again
        found[HISTORY] = ",".join(filter(None, (known.get(HISTORY), known[REVISION])))
    return found


def sizes(deployment: dict[str, Any]) -> dict[str, str]:
    surge, _ = surge_and_unavailable(deployment)
    wanted = replicas_of(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + surge)}


def set_for(deployment: dict[str, Any], *, replicas: int, revision: int, collisions: int) -> dict[str, Any]:
    """The new ReplicaSet of the Deployment's present template."""
    meta, spec = deployment["metadata"], deployment["spec"]
    hashed = {HASH: template_hash(spec["template"], collisions)}
    template = spec["template"]
    template_meta = template.get("metadata") or {}
    labels = {**(template_meta.get("labels") or {}), **hashed}
    selector = spec["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{hashed[HASH]}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations_for(deployment, {}, revision),
            "ownerReferences": [reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **hashed}},
            "template": {**template, "metadata": {**template_meta, "labels": labels}},
        },
    }
