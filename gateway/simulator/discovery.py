"""Which groups, versions and resources there are: what kubectl asks first."""

from typing import Any

from gateway.simulator.kinds import Kinds

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
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}
