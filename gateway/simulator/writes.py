"""POST, PUT, PATCH, DELETE on objects and their status."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.simulator.errors import (
    ApiError,
    Undecodable,
    bad_request,
    conflict,
    invalid,
    method_not_allowed,
    not_decodable,
    unsupported_media,
    unsupported_patch,
)
from gateway.simulator.gojson import go_type
from gateway.simulator.kinds import Kind
from gateway.simulator.objects import Objects
from gateway.simulator.ownership import MANAGERS, Claim, applied, claims_of, entries, fields, written
from gateway.simulator.patches import apply_merge, json_patch, merge_patch, strategic_patch, without
from gateway.simulator.reads import list_of, selected
from gateway.simulator.requests import Request, Target, check_size, invalid_option
from gateway.simulator.responses import Answer, encode
from gateway.simulator.schemas import decoded
from gateway.simulator.validation import containers, metadata, pods

__all__ = ["Writes"]

Obj = dict[str, Any]

_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STRATEGIC = "application/strategic-merge-patch+json"
_OWN_STATUS = ("deployments", "replicasets", "pods")
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
_MUST_HAVE_VERSION = ("leases",)


class Writes:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._sealed: set[str] = set()  # revisions whose data was not written as the server would write it

    # Creating and replacing

    def create(self, request: Request, target: Target) -> Answer:
        obj, kind = request.object(target.kind), target.kind
        dry = request.dry_run("CreateOptions")
        _check_type(obj, kind)
        meta = {**(obj.get("metadata") or {})}
        if kind.namespaced:
            if meta.get("namespace") not in (None, "", target.namespace):
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            meta["namespace"] = target.namespace
        if meta.get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        if kind.plural in _OWN_STATUS:
            obj.pop("status", None)
        read, warnings = self._read(request, kind, {**obj, "metadata": meta})
        read = request.admitted or read
        made = self._objects.create(kind.plural, read, dry_run=dry, managed=self._written_by(request, target))
        if kind.plural == "controllerrevisions" and not dry:
            self._seal(request, made)
        return Answer(201, made, warnings)

    def replace(self, request: Request, target: Target) -> Answer:
        obj, kind = request.object(target.kind), target.kind
        dry = request.dry_run("UpdateOptions")
        _check_type(obj, kind)
        meta = {**(obj.get("metadata") or {})}
        _check_place(meta, target)
        old = self._objects.get(kind.plural, target.namespace, target.name)
        if not meta.get("resourceVersion") and (kind.custom or kind.plural in _MUST_HAVE_VERSION):
            cause = (
                "FieldValueInvalid",
                "metadata.resourceVersion",
                "Invalid value: 0: must be specified for an update",
            )
            raise invalid(kind.plural, kind.group, target.name, [cause])
        meta |= {"name": target.name, "namespace": target.namespace}
        if MANAGERS not in meta and MANAGERS in old["metadata"]:
            meta[MANAGERS] = old["metadata"][MANAGERS]
        new = {**obj, "metadata": meta}
        return self._update(request, target, old, new, dry=dry)

    # Patching

    def patch(self, request: Request, target: Target) -> Answer:
        plural, type_ = target.kind.plural, request.content_type
        if type_ == "application/apply-patch+yaml":
            return self._apply(request, target)
        supported = _PATCHES if target.kind.custom else (*_PATCHES, _STRATEGIC)
        if type_ not in supported:
            raise unsupported_patch(*supported, custom=target.kind.custom)
        if "force" in request.query:
            raise invalid_option("PatchOptions", "force", "Forbidden: may not be specified for non-apply patch")
        dry = request.dry_run("PatchOptions")
        old = self._objects.get(plural, target.namespace, target.name)
        patch = request.decoded("{}" if type_ == _STRATEGIC else "error decoding patch: {}")
        if type_ == "application/json-patch+json":
            new = json_patch(old, patch)
        elif patch is None and type_ != _STRATEGIC:
            raise bad_request("Invalid JSON Patch")
        elif not isinstance(patch, dict):
            said = f"json: cannot unmarshal {go_type(patch)} into Go value of type map[string]interface {{}}"
            raise bad_request(f"error decoding patch: {said}")
        elif type_ == _STRATEGIC:
            new = strategic_patch(old, patch, target.kind.schema)
        else:
            new = merge_patch(old, patch)
        given = patch.get("metadata") if isinstance(patch, dict) else None
        _check_place(new.get("metadata") or {}, target)
        given = given if isinstance(given, dict) else {}
        if given.get("uid") not in (None, "", old["metadata"]["uid"]):
            cause = ("FieldValueInvalid", "metadata.uid", f'Invalid value: "{given["uid"]}": field is immutable')
            raise invalid(target.kind.kind, target.kind.group, target.name, [cause, cause])
        identified = _identified(new, old, given)
        if not target.kind.custom and new.get("kind") != target.kind.kind:
            why = f"couldn't convert a {new.get('kind')} to a {target.kind.kind}"
            raise not_decodable(new, why)
        try:
            return self._update(request, target, old, identified, dry=dry)
        except Undecodable as error:
            raise not_decodable(new, error.why) from None

    def _apply(self, request: Request, target: Target) -> Answer:
        if not request.query.get("fieldManager"):
            raise invalid_option(
                "PatchOptions", "fieldManager", "Required value: is required for apply patch", "FieldValueRequired"
            )
        dry, kind = request.dry_run("PatchOptions"), target.kind
        intent = request.decoded()
        if not isinstance(intent, dict):
            said = f"json: cannot unmarshal {go_type(intent)} into Go value of type map[string]interface {{}}"
            raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {said}")
        if (intent.get("apiVersion"), intent.get("kind")) != (kind.api_version, kind.kind):
            group = intent.get("apiVersion") or "/"
            raise bad_request(f"invalid object type: {group}, Kind={intent.get('kind') or ''}")
        given = intent.get("metadata") or {}
        if given.get(MANAGERS):
            raise bad_request("metadata.managedFields must be nil")
        old = self._objects.find(kind.plural, target.namespace if kind.namespaced else "", target.name)
        if old is None and given.get("uid"):
            text = f"uid mismatch: the provided object specified uid {given['uid']}, and no existing object was found"
            raise conflict(kind.plural, kind.group, target.name, text)
        read, warnings = self._read(request, kind, intent, applied=True)
        meta = {k: v for k, v in (read.get("metadata") or {}).items() if k not in ("resourceVersion", "uid")}
        read = {**read, "metadata": meta}
        managed, new = self._applied_by(request, target, read, old)
        _check_place(given, target)
        new["metadata"] = {**new["metadata"], "name": target.name, "namespace": target.namespace}
        new = request.admitted or new
        if old is None:
            made = self._objects.create(kind.plural, new, dry_run=dry, managed=managed)
            return Answer(201, made, warnings)
        new = _identified(new, old, given)
        check_size(new)
        changed = self._objects.update(kind.plural, new, subresource=target.subresource, dry_run=dry, managed=managed)
        return Answer(200, changed, warnings)

    # Deleting

    def delete(self, request: Request, target: Target) -> Answer:
        options = _options(request)
        obj = self._objects.get(target.kind.plural, target.namespace, target.name)
        if options["dry"]:
            self._objects.check_preconditions(target.kind, obj, options["uid"], options["resource_version"])
            return Answer(
                200, self._objects.shown_deleted(target.kind, obj, options["grace_s"]) or _deleted(target, obj)
            )
        how = {key: value for key, value in options.items() if key != "dry"}
        gone = self._objects.delete(target.kind.plural, target.namespace, target.name, **how)
        if gone["metadata"].get("deletionTimestamp"):
            return Answer(200, gone)
        if target.kind.plural == "pods":
            return Answer(200, self._objects.shown_deleted(target.kind, gone, 0) or gone)
        return Answer(200, _deleted(target, gone))

    def delete_collection(self, request: Request, target: Target) -> Answer:
        options, kind = _options(request), target.kind
        if "deletecollection" not in kind.verbs:
            raise method_not_allowed()
        matches = selected(request, kind)
        found = [obj for obj in self._objects.list(kind.plural, target.namespace or None) if matches(obj)]
        for obj in () if options["dry"] else found:
            meta = obj["metadata"]
            if self._objects.find(kind.plural, meta.get("namespace", ""), meta["name"]) is not None:
                self._objects.delete(
                    kind.plural, meta.get("namespace", ""), meta["name"],
                    propagation=options["propagation"], grace_s=options["grace_s"],
                )  # fmt: skip
        return Answer(200, list_of(kind, found, {"resourceVersion": str(self._objects.version)}))

    # How

    def _update(self, request: Request, target: Target, old: Obj, new: Obj, *, dry: bool) -> Answer:
        kind = target.kind
        if kind.custom:
            _check_type(new, kind)
        read, warnings = self._read(request, kind, new)
        if kind.plural == "controllerrevisions" and old["metadata"]["uid"] in self._sealed:
            shown = msgspec.json.encode(read.get("data")).decode()
            cause = ("FieldValueInvalid", "data", f"Invalid value: {shown}: field is immutable")
            raise invalid(kind.kind, kind.group, target.name, [cause])
        if kind.plural == "pods" and (read.get("spec") or {}).get("nodeName") != old["spec"].get("nodeName"):
            cause = ("FieldValueForbidden", "spec", pods.IMMUTABLE)  # the scheduler's way is the binding
            raise invalid(kind.kind, kind.group, target.name, [cause])
        managed, read = self._written_by(request, target), request.admitted or read
        changed = self._objects.update(kind.plural, read, subresource=target.subresource, dry_run=dry, managed=managed)
        return Answer(200, changed, warnings)

    def _read(self, request: Request, kind: Kind, obj: Obj, *, applied: bool = False) -> tuple[Obj, list[str]]:
        """The object as it is stored, and warnings. Raises ApiError (400, 413, 422, 500)."""
        wanted = request.query.get("fieldValidation") or "Warn"
        if wanted not in _VALIDATIONS[1:]:
            shown = ", ".join(f'"{value}"' for value in _VALIDATIONS)
            text = f'Unsupported value: "{wanted}": supported values: {shown}'
            raise invalid_option(_OPTIONS[request.method], "fieldValidation", text, "FieldValueNotSupported")
        read, unknown = decoded(obj, kind.schema, kind=kind.kind, version=kind.version, typed=not kind.custom)
        if unknown and applied:
            what = f"failed to create typed patch object ({_place(obj)}; {kind.api_version}, Kind={kind.kind})"
            raise ApiError(500, "", f"{what}: .{unknown[0]}: field not declared in schema")
        twice = request.duplicates() if wanted != "Ignore" and request.method in ("POST", "PUT") else []
        unknown = sorted(dict.fromkeys(unknown)) if kind.custom else list(dict.fromkeys(unknown))
        warnings = [f'unknown field "{path}"' for path in unknown] + [f'duplicate field "{path}"' for path in twice]
        if warnings and wanted == "Strict":
            raise Undecodable(kind.kind, kind.version, "strict decoding error: " + ", ".join(warnings))
        check_size(read)
        warnings = warnings if wanted == "Warn" else []
        warnings += metadata.warnings(read.get("metadata") or {})
        request.warnings = warnings  # a refusal carries them too
        if kind.plural == "deployments":
            pod = ((read.get("spec") or {}).get("template") or {}).get("spec") or {}
            warnings += containers.warnings(pod, "spec.template.spec")
        return read, warnings

    def _seal(self, request: Request, made: Obj) -> None:
        """The server compares bytes: data with spaces, or with < > & unescaped, never looks unchanged to it."""
        try:
            sent = msgspec.json.decode(request.body, type=dict[str, msgspec.Raw]).get("data")
        except msgspec.DecodeError:  # YAML
            return
        if sent is not None and bytes(sent) != encode(made["data"]):
            self._sealed.add(made["metadata"]["uid"])

    def _moment(self) -> str:
        return f"{datetime.fromtimestamp(self._objects.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"

    def _written_by(self, request: Request, target: Target) -> Callable[[Obj, Obj | None], Obj]:
        kind, subresource = target.kind, target.subresource
        claim = Claim(request.manager, "Update", kind.api_version, subresource, self._moment())

        def managed(new: Obj, old: Obj | None) -> Obj:
            if old is not None and not claims_of(old) and not claims_of(new):
                return new  # who manages nothing yet is asked again by the first apply only
            shown = [
                fields(obj, kind.schema, subresource=subresource, status=kind.status, added=True, custom=kind.custom)
                if obj
                else {}
                for obj in (old, new)
            ]
            return with_claims(new, written(claims_of(new), claim, *shown))

        return managed

    def _applied_by(
        self, request: Request, target: Target, intent: Obj, old: Obj | None
    ) -> tuple[Callable[[Obj, Obj | None], Obj], Obj]:
        """Who manages what after the apply, and the object it makes."""
        kind, subresource = target.kind, target.subresource
        claim = Claim(request.manager, "Apply", kind.api_version, subresource, self._moment())
        wanted = fields(intent, kind.schema, subresource=subresource, status=kind.status)
        live = fields(old or {}, kind.schema, subresource=subresource, status=kind.status)
        claims, dropped = applied(claims_of(old), claim, wanted, live, force=request.flag("force"))
        new = without(apply_merge(old or {}, intent, kind.schema), dropped, kind.schema)
        return (lambda prepared, _: with_claims(prepared, claims)), {"metadata": {}, **new}


def with_claims(obj: Obj, claims: list[Claim]) -> Obj:
    meta = {key: value for key, value in obj["metadata"].items() if key != MANAGERS}
    shown = entries(claims)
    return {**obj, "metadata": {**meta, MANAGERS: shown} if shown else meta}


def _options(request: Request) -> dict[str, Any]:
    """DeleteOptions out of the body and the query. Raises ApiError (422)."""
    if request.body and request.content_type not in ("", "application/json", "application/yaml"):
        raise unsupported_media("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
    body: Mapping[str, Any] = request.mapping() if request.body.strip() else {}
    if body.get("kind") not in (None, "", "DeleteOptions"):
        where = 'scheme "pkg/runtime/scheme.go:111"'
        raise bad_request(
            f'no kind "{body["kind"]}" is registered for version "{body.get("apiVersion", "")}" in {where}'
        )
    if body.get("propagationPolicy") and body.get("orphanDependents") is not None:
        text = (
            f'Invalid value: "{body["propagationPolicy"]}": orphanDependents and deletionPropagation cannot be both set'
        )
        raise invalid_option("DeleteOptions", "propagationPolicy", text, "FieldValueInvalid")
    request.whole("gracePeriodSeconds")
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    propagation = body.get("propagationPolicy") or request.query.get("propagationPolicy") or "Background"
    if propagation not in ("Foreground", "Background", "Orphan"):
        text = f'Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise invalid_option("DeleteOptions", "propagationPolicy", text, "FieldValueNotSupported")
    return {
        "dry": request.dry_run("DeleteOptions", body.get("dryRun")),
        "uid": preconditions.get("uid"),
        "resource_version": preconditions.get("resourceVersion"),
        "propagation": propagation,
        "grace_s": None if grace in (None, "") else float(grace),
    }


def _place(obj: Obj) -> str:
    meta = obj.get("metadata") or {}
    return f"{meta.get('namespace') or ''}/{meta.get('name') or ''}"


def _check_place(meta: Obj, target: Target) -> None:
    """An object may name its place, but no other than that of the path. Raises ApiError (400)."""
    if meta.get("name") not in (None, "", target.name):
        text = f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        raise bad_request(text)
    if target.kind.namespaced and meta.get("namespace") not in (None, "", target.namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _deleted(target: Target, gone: Obj) -> Obj:
    details = {
        "name": target.name,
        "group": target.kind.group,
        "kind": target.kind.plural,
        "uid": gone["metadata"]["uid"],
    }
    details = {key: value for key, value in details.items() if value}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _check_type(obj: Obj, kind: Kind) -> None:
    """Raises ApiError (400, of a custom kind 422) for an object of another kind."""
    version, name = obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.kind
    if version != kind.api_version:
        if kind.custom:
            text = (
                f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
            )
            raise bad_request(text)
        why = f'no kind "{name}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
        raise bad_request(f'{name} in version "{version.rpartition("/")[2]}" cannot be handled as a {kind.kind}: {why}')
    if name != kind.kind and not kind.custom:
        raise bad_request(f"the kind in the data ({name}) does not match the expected kind ({kind.kind})")
    if name != kind.kind:
        cause = ("FieldValueInvalid", "kind", f'Invalid value: "{name}": must be {kind.kind}')
        raise invalid(name, kind.group, str((obj.get("metadata") or {}).get("name") or ""), [cause])


def _identified(new: Obj, old: Obj, given: Obj) -> Obj:
    """A patch names its object by the path; versions and uids count only if the patch itself gives them."""
    meta = {**(new.get("metadata") or {}), "name": old["metadata"]["name"]}
    meta["namespace"] = old["metadata"].get("namespace", "")
    for key in ("resourceVersion", "uid"):
        meta.pop(key, None)
        if given.get(key):
            meta[key] = given[key]
    if MANAGERS in old["metadata"]:
        meta.setdefault(MANAGERS, old["metadata"][MANAGERS])
    return {**new, "metadata": meta}
