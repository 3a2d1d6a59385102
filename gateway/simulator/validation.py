"""What the API server refuses or fills in before it stores an object of a built-in kind."""

import copy
import re
from typing import Any

from gateway.simulator.errors import ApiError, invalid
from gateway.simulator.kinds import Kind
from gateway.simulator.schemas import checked

__all__ = ["defaulted", "validate"]

Obj = dict[str, Any]
Cause = tuple[str, str, str]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_ANNOTATIONS_BYTES = 262_144
_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def defaulted(kind: Kind, obj: Obj) -> Obj:
    """The object with the defaults that matter for Deployments, ReplicaSets and pods."""
    if kind.plural == "deployments":
        return _deployment_defaults(obj)
    if kind.plural == "replicasets":
        return {**obj, "spec": {"replicas": 1, **(obj.get("spec") or {})}}
    if kind.plural == "pods":
        return {
            **obj,
            "spec": _pod_spec_defaults(obj.get("spec") or {}),
            "status": obj.get("status") or {"phase": "Pending"},
        }
    if kind.plural == "namespaces":
        return {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}, **obj}
    return obj


def validate(kind: Kind, new: Obj, old: Obj | None) -> None:
    """Raises ApiError (422 Invalid) with every cause."""
    meta = new["metadata"]
    causes = _metadata(meta)
    if kind.custom and kind.schema:
        causes += checked(new, kind.schema)
    elif kind.plural in ("deployments", "replicasets"):
        causes += _workload(new, old)
    elif kind.plural == "pods":
        causes += _pod_spec(new.get("spec") or {}, "spec")
    elif kind.plural == "controllerrevisions":
        if "revision" not in new:
            causes.append(("FieldValueRequired", "revision", "Required value"))
        if old is not None and old.get("data") != new.get("data"):
            causes.append(("FieldValueInvalid", "data", "Invalid value: field is immutable"))
    elif kind.plural == "leases":
        causes += _lease(new.get("spec") or {})
    if causes:
        raise invalid(kind.kind, kind.group, meta.get("name", ""), causes)


def _metadata(meta: Obj) -> list[Cause]:
    causes: list[Cause] = []
    name = meta.get("name", "")
    if len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        causes.append(("FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {_TEXT}'))
    for key, value in (meta.get("labels") or {}).items():
        bare = key.rpartition("/")[2]
        if len(bare) > 63 or not _LABEL_NAME.fullmatch(bare):
            causes.append(
                (
                    "FieldValueInvalid",
                    "metadata.labels",
                    f'Invalid value: "{key}": name part must consist of alphanumeric characters',
                )
            )
        if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            causes.append(
                (
                    "FieldValueInvalid",
                    "metadata.labels",
                    f'Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric characters',
                )
            )
    annotations = meta.get("annotations") or {}
    if sum(len(str(k)) + len(str(v)) for k, v in annotations.items()) > _ANNOTATIONS_BYTES:
        causes.append(
            ("FieldValueTooLong", "metadata.annotations", f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes")
        )
    return causes


def _workload(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    causes: list[Cause] = []
    replicas = spec.get("replicas", 1)
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise ApiError(
            400, "BadRequest", f'{new.get("kind")} in version "v1" cannot be handled: replicas is not a number'
        )
    if replicas < 0:
        causes.append(
            ("FieldValueInvalid", "spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0")
        )
    selector, template = spec.get("selector"), spec.get("template") or {}
    if not selector:
        causes.append(("FieldValueRequired", "spec.selector", "Required value"))
        return causes
    labels = (template.get("metadata") or {}).get("labels") or {}
    if any(labels.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        causes.append(
            (
                "FieldValueInvalid",
                "spec.template.metadata.labels",
                f"Invalid value: {labels}: `selector` does not match template `labels`",
            )
        )
    if old is not None and (old.get("spec") or {}).get("selector") != selector:
        causes.append(("FieldValueInvalid", "spec.selector", "Invalid value: field is immutable"))
    return causes + _pod_spec(template.get("spec") or {}, "spec.template.spec")


def _pod_spec(spec: Obj, path: str) -> list[Cause]:
    containers = spec.get("containers") or []
    causes: list[Cause] = []
    if not containers:
        causes.append(("FieldValueRequired", f"{path}.containers", "Required value"))
    seen = set()
    for i, container in enumerate(containers):
        where = f"{path}.containers[{i}]"
        name = container.get("name")
        if not name:
            causes.append(("FieldValueRequired", f"{where}.name", "Required value"))
        elif name in seen:
            causes.append(("FieldValueDuplicate", f"{where}.name", f'Duplicate value: "{name}"'))
        seen.add(name)
        if path.startswith("spec.template") and not container.get("image"):
            causes.append(("FieldValueRequired", f"{where}.image", "Required value"))
        causes += _port_causes(container, where, host=bool(spec.get("hostNetwork")))
    return causes


def _port_causes(container: Obj, where: str, *, host: bool) -> list[Cause]:
    causes: list[Cause] = []
    names = [p.get("name") for p in container.get("ports") or () if p.get("name")]
    for i, port in enumerate(container.get("ports") or ()):
        number = port.get("containerPort")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            causes.append(
                (
                    "FieldValueInvalid",
                    f"{where}.ports[{i}].containerPort",
                    f"Invalid value: {number}: must be between 1 and 65535, inclusive",
                )
            )
        if host and port.get("hostPort", number) != number:
            causes.append(
                (
                    "FieldValueInvalid",
                    f"{where}.ports[{i}].hostPort",
                    f"Invalid value: {port.get('hostPort')}: must match `containerPort` when `hostNetwork` is true",
                )
            )
        if names.count(port.get("name")) > 1:
            causes.append(("FieldValueDuplicate", f"{where}.ports[{i}].name", f'Duplicate value: "{port.get("name")}"'))
    return causes


def _lease(spec: Obj) -> list[Cause]:
    for key in ("acquireTime", "renewTime"):
        value = spec.get(key)
        if value is not None and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(value)):
            raise ApiError(
                400, "BadRequest", f'Lease in version "v1" cannot be handled as a Lease: parsing time "{value}"'
            )
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        return [("FieldValueInvalid", "spec.leaseDurationSeconds", f"Invalid value: {seconds}: must be greater than 0")]
    return []


def _deployment_defaults(obj: Obj) -> Obj:
    spec = copy.copy(obj.get("spec") or {})
    spec.setdefault("replicas", 1)
    strategy = spec.get("strategy") or {"type": "RollingUpdate"}
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = {"maxUnavailable": "25%", "maxSurge": "25%", **(strategy.get("rollingUpdate") or {})}
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    spec["strategy"] = strategy
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    template = spec.get("template")
    if isinstance(template, dict):
        spec["template"] = {**template, "spec": _pod_spec_defaults(template.get("spec") or {})}
    return {**obj, "spec": spec}


def _pod_spec_defaults(spec: Obj) -> Obj:
    host = bool(spec.get("hostNetwork"))
    base = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
    }
    containers = [_container_defaults(container, host) for container in spec.get("containers") or ()]
    out = {**base, **spec, "containers": containers}
    if spec.get("initContainers"):
        out["initContainers"] = [_container_defaults(container, host) for container in spec["initContainers"]]
    return out


def _container_defaults(container: Obj, host: bool) -> Obj:
    out = {"imagePullPolicy": "IfNotPresent", **container}
    if container.get("ports"):
        out["ports"] = [_port_defaults(port, host) for port in container["ports"]]
    return out


def _port_defaults(port: Obj, host: bool) -> Obj:
    out = {**port, "protocol": port.get("protocol", "TCP")}
    if host and not out.get("hostPort"):
        out["hostPort"] = out.get("containerPort")
    return out
