"""Which groups, versions and resources there are: what kubectl asks first."""

from typing import Any

from gateway.simulator.kinds import Kind, Kinds

__all__ = ["answer"]

Obj = dict[str, Any]
_VERSION = {
    "major": "1", "minor": "35", "gitVersion": "v1.35.4", "gitCommit": "", "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none", "compiler": "none", "platform": "linux/amd64",
}  # fmt: skip


def answer(path: str, kinds: Kinds) -> Obj | str | None:
    """The discovery document of a path, or None if it is no path of discovery."""
    parts = [part for part in path.split("/") if part]
    if path in ("/healthz", "/livez", "/readyz"):
        return "ok"
    if parts[:2] == ["openapi", "v3"]:
        return _openapi(parts[2:], kinds)
    if parts == ["version"]:
        return _VERSION
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        groups = [_group(group, sorted(versions)) for group, versions in sorted(kinds.groups().items()) if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if parts == ["api", "v1"]:
        return _resources(kinds, "", "v1")
    if len(parts) == 2 and parts[0] == "apis" and parts[1] in kinds.groups():
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], sorted(kinds.groups()[parts[1]]))}
    if len(parts) == 3 and parts[0] == "apis" and parts[2] in kinds.groups().get(parts[1], ()):
        return _resources(kinds, parts[1], parts[2])
    return None


def _group(group: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resources(kinds: Kinds, group: str, version: str) -> Obj:
    resources = [r for kind in kinds if (kind.group, kind.version) == (group, version) for r in kind.discovery()]
    name = f"{group}/{version}" if group else version
    head = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}
    return {**head, "groupVersion": name, "resources": resources}


def _openapi(parts: list[str], kinds: Kinds) -> Obj | None:
    """As much of OpenAPI v3 as kubectl needs to know that it may leave validation to the server."""
    if not parts:
        groups = kinds.groups().items()
        versions = [
            f"apis/{group}/{version}" if group else f"api/{version}" for group, found in groups for version in found
        ]
        return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in versions}}
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[-1])
    found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not found:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.35.4"},
        "components": {"schemas": {}},
        "paths": {_object_path(kind): {"patch": _patch_operation(kind)} for kind in found},
    }


def _object_path(kind: Kind) -> str:
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{prefix}/{'namespaces/{namespace}/' if kind.namespaced else ''}{kind.plural}/{{name}}"


def _patch_operation(kind: Kind) -> Obj:
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    }
