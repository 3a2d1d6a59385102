"""Containers: names, images, ports, environment, mounts, resources, probes."""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.simulator.errors import Cause
from gateway.simulator.validation.names import quoted, rfc1123_label

__all__ = ["causes", "warnings"]

Obj = dict[str, Any]

_ENV = re.compile(r"[ -<>-~]+")
_ENV_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def causes(spec: Obj, path: str, *, images: bool) -> list[Cause]:
    """`images`: whether each container needs one; what runs here as a local process needs none."""
    found: list[Cause] = []
    if not spec.get("containers"):
        found.append(("FieldValueRequired", f"{path}.containers", "Required value"))
    names: set[str] = set()
    host_ports: set[str] = set()
    for where, container in _all(spec, path):
        found += _name(container, where, names)
        if images and not container.get("image"):
            found.append(("FieldValueRequired", f"{where}.image", "Required value"))
        found += _ports(container, where, host=bool(spec.get("hostNetwork")), taken=host_ports)
        found += _environment(container, where) + _mounts(container, where)
        found += _resources(container.get("resources") or {}, f"{where}.resources")
        for name in _PROBES:
            found += _probe(name, container.get(name) or {}, f"{where}.{name}")
    return found


def warnings(spec: Obj, path: str) -> list[str]:
    """What is accepted with a word of warning."""
    found: list[str] = []
    for where, container in _all(spec, path):
        seen: dict[tuple[Any, Any], Obj] = {}
        for i, port in enumerate(container.get("ports") or ()):
            key = (port.get("containerPort"), port.get("protocol", "TCP"))
            if key in seen:
                found.append(
                    f"{where}.ports[{i}]: duplicate port definition with {where}.ports[{list(seen).index(key)}]"
                )
            seen.setdefault(key, port)
    return found


def _all(spec: Obj, path: str) -> Iterator[tuple[str, Obj]]:
    for group in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(group) or ()):
            yield f"{path}.{group}[{i}]", container


def _name(container: Obj, where: str, names: set[str]) -> list[Cause]:
    name = container.get("name") or ""
    if not name:
        return [("FieldValueRequired", f"{where}.name", "Required value")]
    if wrong := rfc1123_label(name):
        return [("FieldValueInvalid", f"{where}.name", f"Invalid value: {quoted(name)}: {wrong}")]
    if name in names:
        return [("FieldValueDuplicate", f"{where}.name", f"Duplicate value: {quoted(name)}")]
    names.add(name)
    return []


def _ports(container: Obj, where: str, *, host: bool, taken: set[str]) -> list[Cause]:
    found: list[Cause] = []
    names: set[str] = set()
    for i, port in enumerate(container.get("ports") or ()):
        at = f"{where}.ports[{i}]"
        name = port.get("name")
        if name:
            found += [
                ("FieldValueInvalid", f"{at}.name", f"Invalid value: {quoted(name)}: {t}") for t in _port_name(name)
            ]
            if name in names:
                found.append(("FieldValueDuplicate", f"{at}.name", f"Duplicate value: {quoted(name)}"))
            names.add(name)
        found += _port_numbers(port, at, host=host)
        if port.get("hostPort"):
            key = f"{port.get('protocol', 'TCP')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                found.append(("FieldValueDuplicate", f"{at}.hostPort", f"Duplicate value: {quoted(key)}"))
            taken.add(key)
    return found


def _port_name(name: str) -> list[str]:
    wrong = []
    if len(name) > 15:
        wrong.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", name):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in name:
        wrong.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def _port_numbers(port: Obj, at: str, *, host: bool) -> list[Cause]:
    number, published = port.get("containerPort") or 0, port.get("hostPort") or 0
    found: list[Cause] = []
    if not number:
        found.append(("FieldValueRequired", f"{at}.containerPort", "Required value"))
    for key, value in (("containerPort", number), ("hostPort", published)):
        if value and not 1 <= value <= 65535:
            text = f"Invalid value: {value}: must be between 1 and 65535, inclusive"
            found.append(("FieldValueInvalid", f"{at}.{key}", text))
    if host and published and published != number:
        text = f"Invalid value: {published}: must match `containerPort` when `hostNetwork` is true"
        found.append(("FieldValueInvalid", f"{at}.hostPort", text))
    if port.get("protocol", "TCP") not in ("SCTP", "TCP", "UDP"):
        text = f'Unsupported value: {quoted(port["protocol"])}: supported values: "SCTP", "TCP", "UDP"'
        found.append(("FieldValueNotSupported", f"{at}.protocol", text))
    return found


def _environment(container: Obj, where: str) -> list[Cause]:
    found: list[Cause] = []
    for i, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        if not name:
            found.append(("FieldValueRequired", f"{where}.env[{i}].name", "Required value"))
        elif not _ENV.fullmatch(name):
            text = f"Invalid value: {quoted(name)}: {_ENV_TEXT}"
            found.append(("FieldValueInvalid", f"{where}.env[{i}].name", text))
    return found


def _mounts(container: Obj, where: str) -> list[Cause]:
    found: list[Cause] = []
    for mount in container.get("volumeMounts") or ():
        path = mount.get("subPath") or ""
        if ".." in path.split("/"):
            text = f"Invalid value: {quoted(path)}: must not contain '..'"
            found.append(("FieldValueInvalid", f"{where}.volumeMounts.subPath", text))
        elif path.startswith("/"):
            text = f"Invalid value: {quoted(path)}: must be a relative path"
            found.append(("FieldValueInvalid", f"{where}.volumeMounts.subPath", text))
    return found


def _resources(resources: Obj, where: str) -> list[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found: list[Cause] = []
    for group, quantities in (("limits", limits), ("requests", requests)):
        for name, value in quantities.items():
            at = f"{where}.{group}[{name}]"
            amount = _amount(value)
            if amount is None:
                found.append(("FieldValueInvalid", at, f"Invalid value: {quoted(value)}: must be a quantity"))
            elif amount < 0:
                text = f"Invalid value: {quoted(value)}: must be greater than or equal to 0"
                found.append(("FieldValueInvalid", at, text))
            elif _is_extended(name) and amount != int(amount):
                found.append(("FieldValueInvalid", at, f"Invalid value: {quoted(value)}: must be an integer"))
    for name, value in requests.items():
        wanted, limit = _amount(value), _amount(limits.get(name))
        if _is_extended(name) and name not in limits:
            text = "Required value: Limit must be set for non overcommitable resources"
            found.append(("FieldValueRequired", f"{where}.limits", text))
        elif wanted is not None and limit is not None and wanted > limit:
            text = f"Invalid value: {quoted(value)}: must be less than or equal to {name} limit of {limits[name]}"
            found.append(("FieldValueInvalid", f"{where}.requests", text))
    return found


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


def _amount(value: object) -> Decimal | None:
    found = re.fullmatch(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)([a-zA-Z]*)", str(value))
    if not found or (found[2] not in _SUFFIXES and found[2] not in _BINARY):
        return None
    try:
        number = Decimal(found[1])
    except InvalidOperation:
        return None
    if found[2] in _BINARY:
        return number * Decimal(1024 ** _BINARY[found[2]])
    return number.scaleb(_SUFFIXES[found[2]])


def _probe(name: str, probe: Obj, where: str) -> list[Cause]:
    if not probe:
        return []
    found: list[Cause] = []
    handlers = [key for key in _HANDLERS if probe.get(key) is not None]
    if not handlers:
        found.append(("FieldValueRequired", where, "Required value: must specify a handler type"))
    found += [
        ("FieldValueForbidden", f"{where}.{key}", "Forbidden: may not specify more than 1 handler type")
        for key in handlers[1:]
    ]
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(key, 0) < 0:
            text = f"Invalid value: {probe[key]}: must be greater than or equal to 0"
            found.append(("FieldValueInvalid", f"{where}.{key}", text))
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        text = f"Invalid value: {probe['successThreshold']}: must be 1"
        found.append(("FieldValueInvalid", f"{where}.successThreshold", text))
    return found
