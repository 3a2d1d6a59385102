"""What the API server fills in: defaults of built-in kinds, and what admission adds to a new pod."""

import base64
from typing import Any

from gateway.simulator.kinds import Kind

__all__ = ["admitted", "defaulted"]

Obj = dict[str, Any]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_MODE = 420  # 0644
_TOLERATED_S = 300


def defaulted(kind: Kind, obj: Obj) -> Obj:
    """The object with the defaults that matter for Deployments, ReplicaSets, pods and namespaces."""
    spec = obj.get("spec") or {}
    if kind.plural == "deployments":
        return {**obj, "spec": _deployment(spec), "status": obj.get("status") or {}}
    if kind.plural == "replicasets":
        return {
            **obj,
            "spec": _with_template({"replicas": 1, **spec}),
            "status": {"replicas": 0, **(obj.get("status") or {})},
        }
    if kind.plural == "pods":
        spec = _pod(spec)
        status = obj.get("status") or _first_status(spec, obj["metadata"].get("creationTimestamp"))
        status = {"qosClass": _quality(spec), **status}
        return {**obj, "spec": spec, "status": _conditions(status)}
    if kind.plural == "namespaces":
        name = obj["metadata"].get("name", "")
        labels = {**(obj["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}
        meta = {**obj["metadata"], "labels": labels}
        return {"status": {"phase": "Active"}, **obj, "metadata": meta}
    if kind.plural == "secrets":
        return _secret(obj)
    return obj


def _secret(obj: Obj) -> Obj:
    """What is given as text is kept encoded."""
    plain = {key: base64.b64encode(str(text).encode()).decode() for key, text in (obj.get("stringData") or {}).items()}
    out = {"type": "Opaque", **{key: value for key, value in obj.items() if key != "stringData"}}
    return {**out, "data": {**(obj.get("data") or {}), **plain}} if plain else out


def _deployment(spec: Obj) -> Obj:
    strategy = spec.get("strategy") or {}
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = {"maxUnavailable": "25%", "maxSurge": "25%", **(strategy.get("rollingUpdate") or {})}
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    base = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    return _with_template({**base, **spec, "strategy": strategy})


def _with_template(spec: Obj) -> Obj:
    template = spec.get("template")
    if not isinstance(template, dict):
        return spec
    return {**spec, "template": {**template, "spec": _pod_spec(template.get("spec") or {})}}


def _pod_spec(spec: Obj) -> Obj:
    base = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    out = {**base, **spec}
    for group in ("containers", "initContainers"):
        if out.get(group):
            out[group] = [_container(container) for container in out[group]]
    if out.get("volumes"):
        out["volumes"] = [_volume(volume) for volume in out["volumes"]]
    return out


def _container(container: Obj) -> Obj:
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    base = {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent",
    }
    out = {**base, **container}
    if out.get("env"):
        out["env"] = [_variable(variable) for variable in out["env"]]
    if out.get("ports"):
        out["ports"] = [{**port, "protocol": port.get("protocol") or "TCP"} for port in out["ports"]]
    for name in _PROBES:
        if out.get(name):
            out[name] = _probe(out[name])
    return out


def _variable(variable: Obj) -> Obj:
    source = variable.get("valueFrom")
    return {**variable, "valueFrom": _item(source)} if isinstance(source, dict) else variable


def _probe(probe: Obj) -> Obj:
    """0 means the default: it is not told apart from nothing."""
    out = dict(probe)
    for key, default in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        out[key] = out.get(key) or default
    if out.get("httpGet"):
        out["httpGet"] = {"path": "/", "scheme": "HTTP", **out["httpGet"]}
    return out


def _volume(volume: Obj) -> Obj:
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(volume.get(source), dict):
            volume = {**volume, source: {"defaultMode": _FILE_MODE, **volume[source]}}
    if isinstance(volume.get("hostPath"), dict):
        volume = {**volume, "hostPath": {"type": "", **volume["hostPath"]}}
    if (volume.get("downwardAPI") or {}).get("items"):
        items = [_item(item) for item in volume["downwardAPI"]["items"]]
        volume = {**volume, "downwardAPI": {**volume["downwardAPI"], "items": items}}
    return volume


def _item(item: Obj) -> Obj:
    return {**item, "fieldRef": {"apiVersion": "v1", **item["fieldRef"]}} if "fieldRef" in item else item


def _conditions(status: Obj) -> Obj:
    """Both times are always there, if only as null."""
    if not status.get("conditions"):
        return status
    times = {"lastProbeTime": None, "lastTransitionTime": None}
    return {**status, "conditions": [{**times, **condition} for condition in status["conditions"]]}


def _first_status(spec: Obj, moment: str | None) -> Obj:
    if not spec.get("schedulingGates"):
        return {"phase": "Pending"}
    text = "Scheduling is blocked due to non-empty scheduling gates"
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "lastTransitionTime": moment,
        "reason": "SchedulingGated",
        "message": text,
    }
    return {"phase": "Pending", "conditions": [condition]}


def _quality(spec: Obj) -> str:
    """What a pod has asked for, as the kubelet will judge it."""
    both = [c.get("resources") or {} for c in (*spec.get("containers", ()), *spec.get("initContainers", ()))]
    if not any(r.get("requests") or r.get("limits") for r in both):
        return "BestEffort"
    limits = [r.get("limits") or {} for r in both]
    whole = all({"cpu", "memory"} <= limit.keys() for limit in limits)
    same = all((r.get("requests") or r.get("limits")) == r.get("limits") for r in both)
    return "Guaranteed" if whole and same else "Burstable"


def _pod(spec: Obj) -> Obj:
    """What a pod has besides what its template has."""
    spec = {"enableServiceLinks": True, **_pod_spec(spec)}
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    host = bool(spec.get("hostNetwork"))
    for group in ("containers", "initContainers"):
        if spec.get(group):
            spec[group] = [_pod_container(container, host) for container in spec[group]]
    return spec


def _pod_container(container: Obj, host: bool) -> Obj:
    resources = container.get("resources") or {}
    if resources.get("limits"):
        requests = {**resources["limits"], **(resources.get("requests") or {})}
        container = {**container, "resources": {**resources, "requests": requests}}
    if host and container.get("ports"):
        ports = [{**port, "hostPort": port.get("hostPort") or port.get("containerPort")} for port in container["ports"]]
        container = {**container, "ports": ports}
    return container


def admitted(kind: Kind, new: Obj) -> Obj:
    """What nobody manages: set after the managers are known."""
    if kind.plural == "pods":
        return _admitted_pod(new)
    if kind.plural == "namespaces":
        return {**new, "spec": {"finalizers": ["kubernetes"], **(new.get("spec") or {})}}
    if kind.plural == "events":
        return {"eventTime": None, "reportingComponent": "", "reportingInstance": "", **new}
    return new


def _admitted_pod(pod: Obj) -> Obj:
    """A new pod with the tolerations every pod gets, and with its matchLabelKeys as selectors."""
    spec = dict(pod["spec"])
    spec["tolerations"] = _tolerations(spec.get("tolerations") or [])
    account = spec.get("serviceAccountName") or "default"
    spec |= {"serviceAccountName": account, "serviceAccount": account}
    spec = {"priority": 0, "preemptionPolicy": "PreemptLowerPriority", **spec}
    labels = pod["metadata"].get("labels") or {}
    if spec.get("topologySpreadConstraints"):
        spec["topologySpreadConstraints"] = [_with_keys(c, labels) for c in spec["topologySpreadConstraints"]]
    if spec.get("affinity"):
        spec["affinity"] = _affinity(spec["affinity"], labels)
    return {**pod, "spec": spec}


def _tolerations(given: list[Obj]) -> list[Obj]:
    out = list(given)
    for name in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{name}"
        covered = any(
            t.get("key", key) == key and t.get("effect", "NoExecute") == "NoExecute" and t.get("operator") == "Exists"
            for t in given
        )
        if not covered:
            out.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S})
    return out


def _affinity(affinity: Obj, labels: Obj) -> Obj:
    out = dict(affinity)
    for name in ("podAffinity", "podAntiAffinity"):
        rules = dict(out.get(name) or {})
        required, preferred = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
        if rules.get(required):
            rules[required] = [_with_keys(term, labels) for term in rules[required]]
        if rules.get(preferred):
            rules[preferred] = [
                {**term, "podAffinityTerm": _with_keys(term.get("podAffinityTerm") or {}, labels)}
                for term in rules[preferred]
            ]
        if rules:
            out[name] = rules
    return out


def _with_keys(term: Obj, labels: Obj) -> Obj:
    pairs = [("In", key) for key in term.get("matchLabelKeys") or () if key in labels]
    pairs += [("NotIn", key) for key in term.get("mismatchLabelKeys") or () if key in labels]
    if not pairs:
        return term
    selector = term.get("labelSelector") or {}
    added = [{"key": key, "operator": operator, "values": [labels[key]]} for operator, key in pairs]
    expressions = [*(selector.get("matchExpressions") or ()), *added]
    return {**term, "labelSelector": {**selector, "matchExpressions": expressions}}
