"""The environment of a container: downward API, Secrets and ConfigMaps, and the expansion of `$(NAME)`.

Kubernetes' rules: `$(NAME)` becomes the value of an earlier variable, stays as it is when there is none, and `$$` becomes `$`.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.simulator.scheduling.quantities import amount

__all__ = ["ConfigError", "Lookup", "contents", "environment", "expand"]

Lookup = Callable[[str, str], dict[str, Any] | None]
"""Kind (`secrets`, `configmaps`) and name to the object of the pod's namespace, or None."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]+)\))")
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ConfigError(Exception):
    """The container can not be made yet (`CreateContainerConfigError`); the message is the kubelet's."""


def expand(text: str, known: Mapping[str, str]) -> str:
    """`text` with its references replaced."""

    def replaced(found: re.Match[str]) -> str:
        name = found.group(1)
        return "$" if name is None else known.get(name, found.group())

    return _REFERENCE.sub(replaced, text)


def environment(pod: dict[str, Any], container: dict[str, Any], lookup: Lookup) -> dict[str, str]:
    """The variables of the container in their order, later ones winning.

    Raises:
        ConfigError: if a Secret or ConfigMap that it needs is not there.
    """
    known: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        known.update(_all_of(source, lookup))
    for entry in container.get("env") or ():
        if (source := entry.get("valueFrom")) is None:
            known[entry["name"]] = expand(entry.get("value") or "", known)
        elif (value := _value_from(pod, container, source, lookup)) is not None:
            known[entry["name"]] = value
    return known


def _all_of(source: dict[str, Any], lookup: Lookup) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for kind, field in (("secrets", "secretRef"), ("configmaps", "configMapRef")):
        if reference := source.get(field):
            found = lookup(kind, reference["name"])
            if found is None and not reference.get("optional"):
                raise ConfigError(f'{kind[:-1]} "{reference["name"]}" not found')
            return {prefix + key: value for key, value in contents(kind, found or {}).items()}
    return {}


def contents(kind: str, obj: dict[str, Any]) -> dict[str, str]:
    """The entries of a Secret or ConfigMap as text."""
    data = obj.get("data") or {}
    if kind == "configmaps":
        return dict(data)
    decoded = {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}
    return {**decoded, **(obj.get("stringData") or {})}


def _value_from(pod: dict[str, Any], container: dict[str, Any], source: dict[str, Any], lookup: Lookup) -> str | None:
    if reference := source.get("fieldRef"):
        return _field(pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        return _resource(container, reference)
    for kind, name in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
        if reference := source.get(name):
            return _entry(pod, kind, reference, lookup)
    return ""


def _entry(pod: dict[str, Any], kind: str, reference: dict[str, Any], lookup: Lookup) -> str | None:
    found = lookup(kind, reference["name"])
    value = contents(kind, found or {}).get(reference["key"])
    if value is not None or reference.get("optional"):
        return value
    if found is None:
        raise ConfigError(f'{kind[:-1]} "{reference["name"]}" not found')
    title = {"secrets": "Secret", "configmaps": "ConfigMap"}[kind]
    owner = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {title} {owner}")


def _field(pod: dict[str, Any], path: str) -> str:
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    if keyed := _KEYED_FIELD.fullmatch(path):
        return str((meta.get(keyed.group(1)) or {}).get(keyed.group(2), ""))
    fields = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": status.get("hostIP"),
        "status.hostIPs": status.get("hostIP"),
        "status.podIP": status.get("podIP"),
        "status.podIPs": status.get("podIP"),
    }
    return str(fields.get(path) or "")


def _resource(container: dict[str, Any], reference: dict[str, Any]) -> str:
    kind, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    value = amount((resources.get(kind) or {}).get(name, 0))
    divisor = amount(reference.get("divisor") or 1) or 1.0
    return str(-int(-value // divisor))
