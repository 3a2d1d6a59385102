"""The parts of objects with paths of their own: scale, log, eviction, binding."""

from collections.abc import Callable
from typing import Any

from gateway.simulator.budgets import spend
from gateway.simulator.errors import (
    ApiError,
    bad_request,
    conflict,
    decoding_error,
    invalid,
    method_not_allowed,
    not_decodable,
    unsupported_media,
)
from gateway.simulator.gojson import go_type
from gateway.simulator.objects import Objects
from gateway.simulator.ownership import Claim, Path, applied, claims_of, written
from gateway.simulator.patches import json_patch, merge_patch
from gateway.simulator.requests import Request, Target, invalid_option
from gateway.simulator.responses import Answer
from gateway.simulator.selectors import reach
from gateway.simulator.writes import with_claims

__all__ = ["Logs", "Subresources"]

Obj = dict[str, Any]
Logs = Callable[[Obj, str], bytes]

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Subresources:
    """`logs` answers what a container wrote."""

    def __init__(self, objects: Objects, logs: Logs | None) -> None:
        self._objects = objects
        self._logs = logs

    def answer(self, request: Request, target: Target) -> Answer | None:
        """None if the kind has no such subresource."""
        name, method = target.subresource, request.method
        if name == "scale" and target.kind.scale:
            return self._scale(request, target)
        if target.kind.plural != "pods" or name not in ("log", "eviction", "binding"):
            return None
        if method != ("GET" if name == "log" else "POST"):
            raise method_not_allowed()
        if name == "binding" and (request.mapping().get("metadata") or {}).get("name") != target.name:
            raise bad_request("name in URL does not match name in Binding object")
        pod = self._objects.get("pods", target.namespace, target.name)
        if name == "log":
            log = self._log(request, pod)
            return Answer(200 if pod["spec"].get("nodeName") else 204, log)
        return self._evict(request, pod) if name == "eviction" else self._bind(request, pod)

    def _log(self, request: Request, pod: Obj) -> str:
        names = [container["name"] for container in pod["spec"]["containers"]]
        container = request.query.get("container") or names[0]
        if not request.query.get("container") and len(names) > 1:
            shown = " ".join(names)
            text = f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: [{shown}]"
            raise ApiError(400, "BadRequest", text)
        if container not in [*names, *(c["name"] for c in pod["spec"].get("initContainers") or ())]:
            raise bad_request(f"container {container} is not valid for pod {pod['metadata']['name']}")
        written_bytes = self._logs(pod, container) if self._logs else b""
        if limit := request.whole("limitBytes"):
            written_bytes = written_bytes[:limit]
        text = written_bytes.decode("utf-8", "replace")
        if "tailLines" not in request.query:
            return text
        lines = request.whole("tailLines")
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""

    def _evict(self, request: Request, pod: Obj) -> Answer:
        body = request.mapping() if request.body.strip() else {}
        options = body.get("deleteOptions") or {}
        meta, status = pod["metadata"], pod.get("status") or {}
        if request.dry_run("CreateOptions", options.get("dryRun")):
            return Answer(201, _SUCCESS)
        self._objects.check_preconditions(self._objects.kind("pods"), pod, *_preconditions(options))
        spend(self._objects, pod)
        others = [c for c in status.get("conditions") or () if c["type"] != "DisruptionTarget"]
        reason = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
        condition = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": self._objects.now(), **reason}
        changed = {**pod, "status": {**status, "conditions": [*others, condition]}}
        self._objects.update("pods", changed, subresource="status")
        grace = options.get("gracePeriodSeconds")
        self._objects.delete("pods", meta["namespace"], meta["name"], grace_s=None if grace is None else float(grace))
        return Answer(201, _SUCCESS)

    def _bind(self, request: Request, pod: Obj) -> Answer:
        node = str(((request.mapping().get("target")) or {}).get("name") or "")
        if pod["spec"].get("nodeName"):
            text = f"pod {pod['metadata']['name']} is already assigned to node {pod['spec']['nodeName']!r}"
            raise conflict("pods/binding", "", pod["metadata"]["name"], text)
        self._objects.update("pods", {**pod, "spec": {**pod["spec"], "nodeName": node}})
        return Answer(201, _SUCCESS)

    # Scale

    def _scale(self, request: Request, target: Target) -> Answer:
        obj = self._objects.get(target.kind.plural, target.namespace, target.name)
        if request.method == "GET":
            return Answer(200, _scale_of(obj, target))
        if request.method not in ("PUT", "PATCH"):
            raise method_not_allowed()
        options = "UpdateOptions" if request.method == "PUT" else "PatchOptions"
        dry = request.dry_run(options)
        asked, given = _asked(request, _scale_of(obj, target))
        replicas = (asked.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            why = (
                f"json: cannot unmarshal {go_type(replicas)} into Go struct field ScaleSpec.spec.replicas of type int32"
            )
            raise not_decodable(asked, why) if request.method == "PATCH" else decoding_error("Scale", "v1", why)
        if replicas < 0 and not target.kind.custom:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise invalid("Scale", "autoscaling", target.name, [("FieldValueInvalid", "spec.replicas", text)])
        path = (target.kind.scale or ("",))[0].strip(".").split(".")
        meta = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
        if given.get("resourceVersion"):
            meta["resourceVersion"] = given["resourceVersion"]
        changed = {**_with(obj, path, replicas), "metadata": meta}
        claims = self._claims(request, target, obj, path, replicas)
        done = self._objects.update(
            target.kind.plural, changed, dry_run=dry, managed=lambda new, _: with_claims(new, claims)
        )
        return Answer(200, _scale_of(done, target))

    def _claims(self, request: Request, target: Target, obj: Obj, path: list[str], replicas: int) -> list[Claim]:
        """The claims after the write; an apply refuses to take what another manages. Raises ApiError (409)."""
        field: Path = tuple(f"f:{step}" for step in path)
        is_apply = request.content_type == "application/apply-patch+yaml"
        operation = "Apply" if is_apply else "Update"
        moment = "" if target.kind.custom else self._objects.now()  # a real server forgets it there
        claim = Claim(request.manager, operation, target.kind.api_version, "scale", moment)
        live = {field: reach(obj, ".".join(path)) or 0}
        wanted = {field: replicas}
        claims = claims_of(obj)
        if not is_apply:
            return written(claims, claim, live, wanted)
        try:
            return applied(claims, claim, wanted, live, force=request.flag("force"))[0]
        except ApiError:
            seen = ("f:spec", "f:replicas")  # the refusal speaks of the Scale
            shown = [
                Claim(c.manager, c.operation, "autoscaling/v1", c.subresource, c.time, {seen})
                for c in claims
                if field in c.paths
            ]
            applied(shown, claim, {seen: replicas}, {seen: live[field]}, force=False)
            raise


def _preconditions(options: Obj) -> tuple[str | None, str | None]:
    given = options.get("preconditions") or {}
    return given.get("uid"), given.get("resourceVersion")


def _asked(request: Request, scale: Obj) -> tuple[Obj, Obj]:
    """The Scale the request wants, and the metadata it gave itself."""
    type_ = request.content_type
    if request.method == "PUT":
        body = request.mapping()
        return body, body.get("metadata") or {}
    if type_ == "application/json-patch+json":
        return json_patch(scale, request.decoded()), {}
    if type_ not in (
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ):
        raise unsupported_media(
            "application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"
        )
    body = request.mapping()
    if type_ == "application/apply-patch+yaml":
        if not request.query.get("fieldManager"):
            text = "Required value: is required for apply patch"
            raise invalid_option("PatchOptions", "fieldManager", text, "FieldValueRequired")
        return body, body.get("metadata") or {}
    return merge_patch(scale, body), body.get("metadata") or {}


def _with(obj: Obj, path: list[str], value: int) -> Obj:
    if len(path) == 1:
        return {**obj, path[0]: value}
    return {**obj, path[0]: _with(obj.get(path[0]) or {}, path[1:], value)}


def _scale_of(obj: Obj, target: Target) -> Obj:
    spec_path, status_path, selector_path = target.kind.scale or ("", "", "")
    keys = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    meta = {key: obj["metadata"][key] for key in keys if key in obj["metadata"]}
    replicas = reach(obj, spec_path) or 0
    labels = (reach(obj, "spec.selector") or {}).get("matchLabels") or {}
    selector = reach(obj, selector_path) if selector_path else ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    status: Obj = {"replicas": reach(obj, status_path) or 0}
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }
