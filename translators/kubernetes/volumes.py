"""Volumes of an app: the sandbox, host directories, secrets.

Every task has a sandbox, as on Mesos; relative paths are in it. Volumes that must outlive a pod are refused elsewhere
(`support`); where the operator let them pass they are directories that live as long as the pod.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import basename, join
from typing import Any

from translators.kubernetes.platform import SANDBOX, Platform
from translators.kubernetes.resources import mebibytes

__all__ = ["SANDBOX_VOLUME", "Volumes", "memory_volume", "volumes"]

SANDBOX_VOLUME = "sandbox"


@dataclass(slots=True)
class Volumes:
    """`volumes` of the pod and `volumeMounts` of its container, as they are put together."""

    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, source: Mapping[str, Any], path: str, **mount: Any) -> None:
        name = f"v{len(self.volumes) - 1}"
        self.volumes.append({"name": name, **source})
        self.mounts.append({"name": name, "mountPath": path, **mount})


def volumes(app: Mapping[str, Any], platform: Platform) -> Volumes:
    """The sandbox, then the app's volumes in their order."""
    made = Volumes([{"name": SANDBOX_VOLUME, "emptyDir": {}}], [{"name": SANDBOX_VOLUME, "mountPath": SANDBOX}])
    for volume in (app.get("container") or {}).get("volumes") or ():
        _add(made, volume, app, platform)
    return made


def _add(made: Volumes, volume: Mapping[str, Any], app: Mapping[str, Any], platform: Platform) -> None:
    path = join(SANDBOX, volume["containerPath"])
    access = {"readOnly": True} if volume.get("mode") == "RO" else {}
    if "secret" in volume:
        source = ((app.get("secrets") or {}).get(volume["secret"]) or {}).get("source", volume["secret"])
        secret, key = platform.secret(source)
        file = basename(path.rstrip("/"))
        made.add({"secret": {"secretName": secret, "items": [{"key": key, "path": file}]}}, path, subPath=file)
    elif host_path := volume.get("hostPath"):
        if host_path.startswith("/"):
            made.add({"hostPath": {"path": host_path, "type": ""}}, path, **access)
        else:
            made.mounts.append({"name": SANDBOX_VOLUME, "mountPath": path, "subPath": host_path, **access})
    else:
        made.add({"emptyDir": {}}, path, **access)


def memory_volume(made: Volumes, path: str, size_mib: float | None = None) -> None:
    """Mounts memory at `path`; it counts against the container's memory."""
    limit = {"sizeLimit": mebibytes(size_mib)} if size_mib else {}
    made.add({"emptyDir": {"medium": "Memory", **limit}}, path)
