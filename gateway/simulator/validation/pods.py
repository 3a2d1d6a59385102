"""Pods and pod templates: placement, volumes, security, names."""

import ipaddress
from typing import Any

from gateway.simulator.errors import Cause
from gateway.simulator.validation import containers
from gateway.simulator.validation.names import label_value, quoted

__all__ = ["IMMUTABLE", "causes", "template"]

Obj = dict[str, Any]

IMMUTABLE = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def causes(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    found = _spec(spec, "spec")
    if old is None:
        return found + _keys_in_selectors(spec)
    moved = old["spec"].get("nodeName", spec.get("nodeName")) != spec.get("nodeName")
    if moved or _fixed(spec) != _fixed(old["spec"]):
        found.append(("FieldValueForbidden", "spec", IMMUTABLE))
    gates = [gate.get("name") for gate in old["spec"].get("schedulingGates") or ()]
    for i, gate in enumerate(spec.get("schedulingGates") or ()):
        if gate.get("name") not in gates:
            text = f"Forbidden: only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            found.append(("FieldValueForbidden", f"spec.schedulingGates[{i}].name", text))
    return found


def template(spec: Obj, path: str) -> list[Cause]:
    found = _spec(spec, path, images=True)
    policy = spec.get("restartPolicy", "Always")
    if policy != "Always":
        text = f'Unsupported value: "{policy}": supported values: "Always"'
        found.append(("FieldValueNotSupported", f"{path}.restartPolicy", text))
    return found


def _fixed(spec: Obj) -> Obj:
    """What may not change. The scheduler of this cluster writes nodeName and takes gates away; clients use the binding."""
    free = ("activeDeadlineSeconds", "tolerations", "nodeName", "schedulingGates")
    fixed = {key: value for key, value in spec.items() if key not in free}
    for group in ("containers", "initContainers"):
        if group in fixed:
            fixed[group] = [{k: v for k, v in c.items() if k != "image"} for c in fixed[group]]
    return fixed


def _spec(spec: Obj, path: str, *, images: bool = False) -> list[Cause]:
    found = containers.causes(spec, path, images=images)
    found += _spread(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints")
    found += _node_affinity((spec.get("affinity") or {}).get("nodeAffinity") or {}, f"{path}.affinity.nodeAffinity")
    for i, toleration in enumerate(spec.get("tolerations") or ()):
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            shown = quoted(toleration.get("effect", ""))
            text = f"Invalid value: {shown}: effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(("FieldValueInvalid", f"{path}.tolerations[{i}].effect", text))
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        if not _is_address(alias.get("ip")):
            text = f"Invalid value: {quoted(alias.get('ip', ''))}: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            found.append(("FieldValueInvalid", f"{path}.hostAliases[{i}].ip", text))
    if "." in (spec.get("hostname") or ""):
        text = f"Invalid value: {quoted(spec['hostname'])}: must not contain dots"
        found.append(("FieldValueInvalid", f"{path}.hostname", text))
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        text = "Required value: must provide `dnsConfig` when `dnsPolicy` is None"
        found.append(("FieldValueRequired", f"{path}.dnsConfig", text))
    return found + _seccomp(spec.get("securityContext") or {}, f"{path}.securityContext")


def _is_address(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _seccomp(context: Obj, path: str) -> list[Cause]:
    profile = context.get("seccompProfile") or {}
    where, name = f"{path}.seccompProfile.localhostProfile", profile.get("localhostProfile")
    if profile.get("type") != "Localhost":
        return []
    if not name:
        return [("FieldValueRequired", where, "Required value: must be set when seccomp type is Localhost")]
    if name.startswith("/"):
        return [("FieldValueInvalid", where, f"Invalid value: {quoted(name)}: must be a relative path")]
    return []


def _spread(constraints: Any, path: str) -> list[Cause]:
    found: list[Cause] = []
    pairs = [(c.get("topologyKey"), c.get("whenUnsatisfiable")) for c in constraints]
    for i, constraint in enumerate(constraints):
        where = f"{path}[{i}]"
        if constraint.get("maxSkew", 0) <= 0:
            text = f"Invalid value: {constraint.get('maxSkew', 0)}: must be greater than zero"
            found.append(("FieldValueInvalid", f"{where}.maxSkew", text))
        domains, action = constraint.get("minDomains"), constraint.get("whenUnsatisfiable")
        if domains is not None and domains <= 0:
            text = f"Invalid value: {domains}: must be greater than zero"
            found.append(("FieldValueInvalid", f"{where}.minDomains", text))
        if domains is not None and action != "DoNotSchedule":
            text = f"Invalid value: {domains}: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            found.append(("FieldValueInvalid", f"{where}.minDomains", text))
        if constraint.get("matchLabelKeys") and not constraint.get("labelSelector"):
            text = "Forbidden: must not be specified when labelSelector is not set"
            found.append(("FieldValueForbidden", f"{where}.matchLabelKeys", text))
        if pairs[i] in pairs[i + 1 :]:
            shown = f"{{{pairs[i][0]}, {pairs[i][1]}}}"
            text = f"Duplicate value: {quoted(shown)}"
            found.append(("FieldValueDuplicate", f"{where}.{{topologyKey, whenUnsatisfiable}}", text))
    return found


def _node_affinity(affinity: Obj, path: str) -> list[Cause]:
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    found: list[Cause] = []
    for i, term in enumerate(required.get("nodeSelectorTerms") or ()):
        for j, expression in enumerate(term.get("matchExpressions") or ()):
            where = (
                f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{i}].matchExpressions[{j}]"
            )
            values = expression.get("values") or []
            if expression.get("operator") in ("In", "NotIn") and not values:
                text = "Required value: must be specified when `operator` is 'In' or 'NotIn'"
                found.append(("FieldValueRequired", f"{where}.values", text))
            for k, value in enumerate(values):
                if wrong := label_value(str(value)):
                    text = f"Invalid value: {quoted(value)}: {wrong}"
                    found.append(("FieldValueInvalid", f"{where}.values[{k}]", text))
    return found


def _keys_in_selectors(spec: Obj) -> list[Cause]:
    """Only a pod is asked: its server merges the keys into the selectors right after."""
    found: list[Cause] = []
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        selector = constraint.get("labelSelector") or {}
        named = {*(selector.get("matchLabels") or {}), *(e.get("key") for e in selector.get("matchExpressions") or ())}
        for j, key in enumerate(constraint.get("matchLabelKeys") or ()):
            if key in named:
                text = f"Invalid value: {quoted(key)}: exists in both matchLabelKeys and labelSelector"
                found.append(("FieldValueInvalid", f"spec.topologySpreadConstraints[{i}][{j}]", text))
    return found
