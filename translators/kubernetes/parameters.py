"""`container.docker.parameters`: options of the docker command line that have a counterpart in a pod.

`KNOWN` says which keys are read and how exactly; all others are refused. Values that can not be honoured are named by
`objection`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from translators.kubernetes.platform import Platform

__all__ = ["IGNORED", "KNOWN", "Parameters", "objection", "parameters", "run_as"]

IGNORED = frozenset({"label", "log-driver", "log-opt"})
"""Kept in the definition, without effect here."""

KNOWN = IGNORED | {
    "add-host",
    "cap-add",
    "cap-drop",
    "dns",
    "dns-opt",
    "dns-search",
    "entrypoint",
    "env",
    "hostname",
    "ipc",
    "pid",
    "privileged",
    "read-only",
    "security-opt",
    "shm-size",
    "sysctl",
    "tmpfs",
    "user",
    "volume",
    "workdir",
}

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_USER = re.compile(r"\d+(:\d+)?")
_SIZE = re.compile(r"(\d+)([bkmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_MIB = 1024 * 1024


@dataclass(slots=True)
class Parameters:
    """What the parameters add to the pod, its container and their security contexts."""

    pod: dict[str, Any] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)
    pod_security: dict[str, Any] = field(default_factory=dict)
    security: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: str | None = None
    user: str | None = None
    host_paths: list[tuple[str, str, bool]] = field(default_factory=list)
    memory_paths: list[str] = field(default_factory=list)
    shm_mib: float | None = None


_Handler = Callable[[Parameters, str], None]


def parameters(app: Mapping[str, Any], platform: Platform) -> Parameters:
    """What the app's parameters ask for; those that `objection` names are left out."""
    made = Parameters()
    for key, value in _pairs(app):
        if objection(key, value, platform) is None:
            _apply(made, key, value)
    return made


def _pairs(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    docker = (app.get("container") or {}).get("docker") or {}
    for parameter in docker.get("parameters") or ():
        yield str(parameter.get("key", "")), str(parameter.get("value", ""))


def run_as(user: str, platform: Platform) -> dict[str, int] | None:
    """`runAsUser` and `runAsGroup` of a user name or number, None if the name is not known."""
    known = platform.users.get(user, "0" if user == "root" else user)
    if not _USER.fullmatch(known):
        return None
    uid, _, gid = known.partition(":")
    return {"runAsUser": int(uid), **({"runAsGroup": int(gid)} if gid else {})}


def objection(key: str, value: str, platform: Platform) -> str | None:
    """Why a parameter can not be honoured, None if it can."""
    if key not in KNOWN:
        return f"docker parameter '{key}' is not supported by this platform"
    if key == "user" and run_as(value, platform) is None:
        return f"user '{value}' is not known to this platform; use a numeric id"
    if key in ("ipc", "pid") and (value != "host" or not platform.allow_host_namespaces):
        return f"docker parameter '{key}={value}' is not allowed on this platform"
    if key == "volume":
        return _volume_objection(value, platform)
    if not _FORMS.get(key, _ANY).fullmatch(value):
        return f"docker parameter '{key}={value}' is not supported by this platform"
    return None


def _volume_objection(value: str, platform: Platform) -> str | None:
    source, _, rest = value.partition(":")
    target, _, options = rest.partition(":")
    if not source.startswith("/") or not target.startswith("/") or options not in ("", "ro", "rw"):
        return f"docker parameter 'volume={value}' is not supported by this platform"
    return None if platform.allow_host_volumes else "host volumes are not allowed on this platform"


_ANY = re.compile(r"(?s).*")
_FORMS = {
    "add-host": re.compile(r"[^:=]+[:=].+"),
    "env": re.compile(r"(?s)[\x20-\x3c\x3e-\x7e]+(=.*)?"),
    "hostname": _DNS_LABEL,
    "security-opt": re.compile(r"no-new-privileges(:true)?|seccomp[=:]unconfined"),
    "shm-size": _SIZE,
    "sysctl": re.compile(r"[^=]+=.*"),
    "tmpfs": re.compile(r"/[^:]*(:.*)?"),
    "workdir": re.compile(r"/.*"),
}


def _apply(made: Parameters, key: str, value: str) -> None:
    handler = _HANDLERS.get(key)
    if handler:
        handler(made, value)


def _env(made: Parameters, value: str) -> None:
    name, _, text = value.partition("=")
    made.env[name] = text


def _hostname(made: Parameters, value: str) -> None:
    made.pod["hostname"] = value


def _add_host(made: Parameters, value: str) -> None:
    name, address = re.split(r"[:=]", value, maxsplit=1)
    made.pod.setdefault("hostAliases", []).append({"ip": address, "hostnames": [name]})


def _dns(made: Parameters, value: str) -> None:
    made.pod["dnsPolicy"] = "None"
    made.pod.setdefault("dnsConfig", {}).setdefault("nameservers", []).append(value)


def _dns_search(made: Parameters, value: str) -> None:
    made.pod.setdefault("dnsConfig", {}).setdefault("searches", []).append(value)


def _dns_opt(made: Parameters, value: str) -> None:
    name, _, text = value.partition(":")
    option = {"name": name, "value": text} if text else {"name": name}
    made.pod.setdefault("dnsConfig", {}).setdefault("options", []).append(option)


def _capability(kind: str) -> _Handler:
    def apply(made: Parameters, value: str) -> None:
        names = made.security.setdefault("capabilities", {}).setdefault(kind, [])
        names.append(value.upper().removeprefix("CAP_"))

    return apply


def _privileged(made: Parameters, value: str) -> None:
    made.security["privileged"] = _true(value)


def _read_only(made: Parameters, value: str) -> None:
    made.security["readOnlyRootFilesystem"] = _true(value)


def _security_opt(made: Parameters, value: str) -> None:
    if value.startswith("no-new-privileges"):
        made.security["allowPrivilegeEscalation"] = False
    else:
        made.security["seccompProfile"] = {"type": "Unconfined"}


def _sysctl(made: Parameters, value: str) -> None:
    name, _, text = value.partition("=")
    made.pod_security.setdefault("sysctls", []).append({"name": name, "value": text})


def _user(made: Parameters, value: str) -> None:
    made.user = value


def _workdir(made: Parameters, value: str) -> None:
    made.container["workingDir"] = value


def _entrypoint(made: Parameters, value: str) -> None:
    made.entrypoint = value


def _volume(made: Parameters, value: str) -> None:
    source, target, *options = value.split(":")
    made.host_paths.append((source, target, "ro" in options))


def _tmpfs(made: Parameters, value: str) -> None:
    made.memory_paths.append(value.partition(":")[0])


def _shm_size(made: Parameters, value: str) -> None:
    if found := _SIZE.fullmatch(value):
        made.shm_mib = int(found[1]) * _UNITS[found[2].lower()] / _MIB


def _host_namespace(name: str) -> _Handler:
    def apply(made: Parameters, _value: str) -> None:
        made.pod[name] = True

    return apply


def _true(value: str) -> bool:
    return value.lower() in ("", "true", "1")


_HANDLERS: Mapping[str, _Handler] = {
    "add-host": _add_host,
    "cap-add": _capability("add"),
    "cap-drop": _capability("drop"),
    "dns": _dns,
    "dns-opt": _dns_opt,
    "dns-search": _dns_search,
    "entrypoint": _entrypoint,
    "env": _env,
    "hostname": _hostname,
    "ipc": _host_namespace("hostIPC"),
    "pid": _host_namespace("hostPID"),
    "privileged": _privileged,
    "read-only": _read_only,
    "security-opt": _security_opt,
    "shm-size": _shm_size,
    "sysctl": _sysctl,
    "tmpfs": _tmpfs,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
