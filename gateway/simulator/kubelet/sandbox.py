"""The directories of one pod on this machine, standing in for its volumes and for the Mesos sandbox.

    <root>/pods/<uid>/<container>          the sandbox of a container: its working directory, with its stdout and stderr
    <root>/pods/<uid>/volumes/<volume>     other volumes that live and die with the pod
    <root>/claims/<namespace>/<claim>      persistent claims, which outlive it

An ordinary user cannot mount anything at `/mnt/mesos/sandbox` or `/data`. So a mount path is a name here: where the command, its
arguments or environment speak of one, the real directory is written instead, and mounts below the sandbox are links in it.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from gateway.simulator.kubelet.environment import ConfigError, Lookup, contents

__all__ = ["SANDBOX", "Sandbox"]

SANDBOX = "/mnt/mesos/sandbox"


class Sandbox:
    """The directories of one pod."""

    def __init__(self, root: Path, pod: dict[str, Any]) -> None:
        self._root = root
        self._pod = pod
        self._home = root / "pods" / str(pod["metadata"]["uid"])

    def directory(self, container: str) -> Path:
        """The sandbox of a container; init containers that mount a container's sandbox work in that one."""
        every = [*(self._pod["spec"].get("initContainers") or ()), *self._pod["spec"]["containers"]]
        mine = next(c for c in every if c["name"] == container)
        volume = self._sandbox_volume(mine)
        owner = next((c for c in self._pod["spec"]["containers"] if volume and self._sandbox_volume(c) == volume), mine)
        return self._home / str(owner["name"])

    def prepare(self, container: dict[str, Any], lookup: Lookup) -> None:
        """Makes the directories and links of the container and writes its Secrets and ConfigMaps.

        Raises:
            ConfigError: if one of these is not there.
        """
        sandbox = self.directory(container["name"])
        sandbox.mkdir(parents=True, exist_ok=True)
        for mount, target in self._mounts(container):
            self._fill(mount["name"], lookup)
            if mount.get("subPath") and not target.exists():
                target.mkdir(parents=True)
            path = mount["mountPath"].rstrip("/")
            if path.startswith(f"{SANDBOX}/") or not path.startswith("/"):
                _link(sandbox / path.removeprefix(f"{SANDBOX}/"), target)

    def rewrite(self, container: dict[str, Any], text: str) -> str:
        """`text` with every mount path replaced by the directory that stands in for it."""
        paths = {SANDBOX: str(self.directory(container["name"]))}
        for mount, target in self._mounts(container):
            path = mount["mountPath"].rstrip("/")
            if path.startswith("/") and not path.startswith(f"{SANDBOX}/"):
                paths[path] = str(target)
        names = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))
        return re.sub(rf"(?<![\w./-])(?:{names})(?![\w.-])", lambda found: paths[found.group()], text)

    def remove(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)

    def _sandbox_volume(self, container: dict[str, Any]) -> str | None:
        mounts = container.get("volumeMounts") or ()
        return next((str(m["name"]) for m in mounts if m["mountPath"].rstrip("/") == SANDBOX), None)

    def _mounts(self, container: dict[str, Any]) -> list[tuple[dict[str, Any], Path]]:
        found = []
        for mount in container.get("volumeMounts") or ():
            if mount["mountPath"].rstrip("/") != SANDBOX:
                base = self._base(mount["name"])
                found.append((mount, base / mount["subPath"] if mount.get("subPath") else base))
        return found

    def _base(self, name: str) -> Path:
        volume = self._volume(name)
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        if claim := volume.get("persistentVolumeClaim"):
            return self._root / "claims" / str(self._pod["metadata"]["namespace"]) / str(claim["claimName"])
        return self._home / "volumes" / name

    def _volume(self, name: str) -> dict[str, Any]:
        return next((v for v in self._pod["spec"].get("volumes") or () if v["name"] == name), {})

    def _fill(self, name: str, lookup: Lookup) -> None:
        volume, base = self._volume(name), self._base(name)
        if "hostPath" in volume:
            return
        base.mkdir(parents=True, exist_ok=True)
        for kind, field, key in (("secrets", "secret", "secretName"), ("configmaps", "configMap", "name")):
            if source := volume.get(field):
                self._write(base, source, kind, str(source[key]), lookup)

    def _write(self, base: Path, source: dict[str, Any], kind: str, name: str, lookup: Lookup) -> None:
        found = lookup(kind, name)
        if found is None and not source.get("optional"):
            raise ConfigError(f'MountVolume.SetUp failed for volume: {kind[:-1]} "{name}" not found')
        entries = contents(kind, found or {})
        items = source.get("items") or [{"key": key, "path": key} for key in entries]
        for item in items:
            if item["key"] not in entries:
                raise ConfigError(f"references non-existent {kind[:-1]} key: {item['key']}")
            target = base / item["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(entries[item["key"]].encode(errors="surrogateescape"))
            target.chmod(0o600)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() or link.exists():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
