"""Lossless or refused (design D6): what of a definition this platform can not honour, and what it honours only nearly.

Refusals are answers to the user: the path of the field, the reason, where there is one the way out. They come after Marathon's own
rules and `force` does not skip them. An operator may turn them into warnings (`Platform.soft_refusals`), except those of
definitions that no cluster would take.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from posixpath import join, normpath
from typing import Any
from urllib.parse import urlsplit

from translators.kubernetes.literals import NotFinite, literals
from translators.kubernetes.parameters import IGNORED, objection, run_as
from translators.kubernetes.placement import conflicts
from translators.kubernetes.placement import objection as constraint_objection
from translators.kubernetes.platform import SANDBOX, Platform
from translators.kubernetes.ports import ports
from translators.kubernetes.probes import chosen_check, port_of_check
from translators.marathon.errors import Detail

__all__ = ["refusals", "warnings"]

App = Mapping[str, Any]
Rule = Callable[[App, Platform], Iterator[Detail]]


def refusals(app: App, platform: Platform) -> list[Detail]:
    """Why the definition can not run here: one Detail per field, none if it can."""
    rules = _ALWAYS if platform.soft_refusals else (*_ALWAYS, *_UNLESS_SOFT)
    return _merged(detail for rule in rules for detail in rule(app, platform))


def warnings(app: App, platform: Platform) -> list[str]:
    """What the owner of the app should know: fields without effect or with a slightly different one."""
    soft = _merged(detail for rule in _UNLESS_SOFT for detail in rule(app, platform)) if platform.soft_refusals else []
    refused = [f"{detail.path}: {error}" for detail in soft for error in detail.errors]
    return [*refused, *(text for note in _NOTES for text in note(app, platform))]


def _merged(details: Iterator[Detail]) -> list[Detail]:
    found: dict[str, tuple[str, ...]] = {}
    for detail in details:
        found[detail.path] = tuple(dict.fromkeys((*found.get(detail.path, ()), *detail.errors)))
    return [Detail(path, errors) for path, errors in found.items()]


def _container(app: App) -> Mapping[str, Any]:
    return app.get("container") or {}


def _docker(app: App) -> Mapping[str, Any]:
    return _container(app).get("docker") or {}


def _linux(app: App) -> Mapping[str, Any]:
    return _container(app).get("linuxInfo") or {}


# What an operator may let pass


def _executor(app: App, _: Platform) -> Iterator[Detail]:
    if app.get("executor", "") not in ("", "//cmd"):
        yield Detail("/executor", ("custom executors are not supported by this platform",))


def _user(app: App, platform: Platform) -> Iterator[Detail]:
    user = app.get("user")
    if user and run_as(str(user), platform) is None:
        yield Detail("/user", (f"user '{user}' is not known to this platform; use a numeric id",))


def _parameters(app: App, platform: Platform) -> Iterator[Detail]:
    for i, parameter in enumerate(_docker(app).get("parameters") or ()):
        if text := objection(str(parameter.get("key", "")), str(parameter.get("value", "")), platform):
            yield Detail(f"/container/docker/parameters({i})", (text,))


def _fetch(app: App, platform: Platform) -> Iterator[Detail]:
    for i, item in enumerate(app.get("fetch") or ()):
        scheme = urlsplit(str(item.get("uri", ""))).scheme or "file"
        if scheme not in platform.fetch_schemes:
            yield Detail(f"/fetch({i})/uri", (f"URI scheme '{scheme}' is not supported by this platform",))


def _networks(app: App, platform: Platform) -> Iterator[Detail]:
    named = [(i, n.get("name")) for i, n in enumerate(app.get("networks") or ()) if n.get("name")]
    for i, name in named:
        if platform.network(str(name)) is None:
            yield Detail(f"/networks({i})/name", (f"network '{name}' is not known to this platform",))
    if len(named) > 1 and not all(platform.network(str(name)) for _, name in named):
        yield Detail("/networks", ("only one container network is supported by this platform",))


def _constraints(app: App, platform: Platform) -> Iterator[Detail]:
    errors = [text for c in app.get("constraints") or () if (text := constraint_objection(c, platform))]
    errors += [
        f"MAX_PER and GROUP_BY can not be combined on field '{name}' on this platform"
        for name in conflicts(app, platform)
    ]
    if errors:
        yield Detail("/constraints", tuple(errors))


def _volumes(app: App, platform: Platform) -> Iterator[Detail]:
    for i, volume in enumerate(_container(app).get("volumes") or ()):
        path = f"/container/volumes({i})"
        if "persistent" in volume:
            yield Detail(f"{path}/persistent", ("persistent volumes are not supported by this platform",))
        elif "external" in volume:
            yield Detail(f"{path}/external", ("external volumes are not supported by this platform",))
        elif str(volume.get("hostPath", "")).startswith("/") and not platform.allow_host_volumes:
            yield Detail(f"{path}/hostPath", ("host volumes are not allowed on this platform",))


def _ipc(app: App, platform: Platform) -> Iterator[Detail]:
    if (_linux(app).get("ipcInfo") or {}).get("mode") == "SHARE_PARENT" and not platform.allow_host_namespaces:
        yield Detail("/container/linuxInfo/ipcInfo/mode", ("SHARE_PARENT is not allowed on this platform",))


def _env(app: App, platform: Platform) -> Iterator[Detail]:
    for i, name in enumerate(app.get("env") or {}):
        if not platform.takes_variable(name):
            yield Detail(f"/env/keys({i})", ("environment variable name is not supported by this platform",))


def _checks(app: App, platform: Platform) -> Iterator[Detail]:
    checks = app.get("healthChecks") or ()
    entries = ports(app, prefix=platform.env_vars_prefix)
    if len(checks) > 1:
        yield Detail("/healthChecks", ("only one health check is supported by this platform",))
    for i, check in enumerate(checks):
        if check.get("protocol") != "COMMAND" and port_of_check(app, check, entries) is None:
            yield Detail(f"/healthChecks({i})/port", ("port does not belong to a port mapping",))
    if app.get("check"):
        yield Detail("/check", ("checks are not supported by this platform",))
    if checks and app.get("readinessChecks"):
        text = "readiness checks of apps with health checks are not supported by this platform"
        yield Detail("/readinessChecks", (text,))


# What no cluster would take


def _host_ports(app: App, platform: Platform) -> Iterator[Detail]:
    seen: set[tuple[int, str]] = set()
    path = "/container/portMappings" if _container(app).get("portMappings") else "/portDefinitions"
    for entry in ports(app, prefix=platform.env_vars_prefix):
        keys = {(entry.host_port, protocol) for protocol in entry.protocols if entry.host_port}
        if keys & seen:
            yield Detail(f"{path}({entry.index})", (f"host port {entry.host_port} is used twice",))
        seen |= keys


def _paths(app: App, platform: Platform) -> Iterator[Detail]:
    seen = {SANDBOX}
    for i, volume in enumerate(_container(app).get("volumes") or ()):
        path = f"/container/volumes({i})"
        wanted = str(volume.get("containerPath", ""))
        target = normpath(join(SANDBOX, wanted))
        if ":" in wanted or ".." in wanted.split("/"):
            yield Detail(f"{path}/containerPath", (f"path '{wanted}' is not supported by this platform",))
        elif target in seen:
            yield Detail(f"{path}/containerPath", (f"path '{wanted}' is used twice",))
        host_path = str(volume.get("hostPath", ""))
        if ".." in host_path.split("/"):
            yield Detail(f"{path}/hostPath", (f"path '{host_path}' is not supported by this platform",))
        seen.add(target)


_ALWAYS: tuple[Rule, ...] = (_host_ports, _paths)
_UNLESS_SOFT: tuple[Rule, ...] = (
    _executor,
    _user,
    _parameters,
    _fetch,
    _networks,
    _constraints,
    _volumes,
    _ipc,
    _env,
    _checks,
)


# What is worth knowing


def _image_note(app: App, platform: Platform) -> Iterator[str]:
    if not _docker(app).get("image"):
        yield f"/container/docker/image: none is given, so the app runs in {platform.default_image}"


def _fetch_notes(app: App, _: Platform) -> Iterator[str]:
    for i, item in enumerate(app.get("fetch") or ()):
        path = urlsplit(str(item.get("uri", ""))).path
        if re.search(r"docker\.tar\.gz$|\.dockercfg$", path):
            yield f"/fetch({i}): registry credentials are not taken from the sandbox; use container.docker.pullConfig"
        elif urlsplit(str(item.get("uri", ""))).scheme in ("", "file"):
            yield f"/fetch({i})/uri: files are taken from the image of the fetcher, not from the node"
        if item.get("cache"):
            yield f"/fetch({i})/cache: artifacts are not cached"


def _constraint_notes(app: App, platform: Platform) -> Iterator[str]:
    for constraint in app.get("constraints") or ():
        if len(constraint) == 3 and constraint[1] in ("LIKE", "UNLIKE") and _has_plain_dot(constraint[2]):
            yield f"/constraints: '.' in '{constraint[2]}' is taken literally"


def _has_plain_dot(expression: str) -> bool:
    try:
        literals(expression)
    except NotFinite:
        return False
    return re.search(r"(?<!\\)\.", re.sub(r"\[[^\]]*\]", "", expression)) is not None


def _check_notes(app: App, _: Platform) -> Iterator[str]:
    check = chosen_check(app) or {}
    if check.get("ignoreHttp1xx"):
        yield "/healthChecks: ignoreHttp1xx has no effect"
    if check.get("ipProtocol") == "IPv6":
        yield "/healthChecks: the check uses the address family of the pod, not ipProtocol"
    for ready in app.get("readinessChecks") or ():
        if list(ready.get("httpStatusCodesForReady") or [200]) != [200]:
            yield "/readinessChecks: every status from 200 to 399 counts as ready"


def _backoff_notes(app: App, _: Platform) -> Iterator[str]:
    defaults = {"backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300}
    for name, default in defaults.items():
        if app.get(name, default) != default:
            yield f"/{name}: restarts are delayed by the cluster's own back-off (10 s, doubling up to 300 s)"


def _other_notes(app: App, _: Platform) -> Iterator[str]:
    if app.get("taskKillGracePeriodSeconds") == 0:
        yield "/taskKillGracePeriodSeconds: the shortest grace period is one second"
    if app.get("executorResources"):
        yield "/executorResources: there are no custom executors, so nothing is reserved"
    if set(app.get("acceptedResourceRoles") or ("*",)) - {"*"}:
        yield "/acceptedResourceRoles: there are no reserved resources, so every node counts as unreserved"
    for i, parameter in enumerate(_docker(app).get("parameters") or ()):
        if parameter.get("key") in IGNORED:
            yield f"/container/docker/parameters({i}): '{parameter['key']}' has no effect"


_NOTES: tuple[Callable[[App, Platform], Iterator[str]], ...] = (
    _image_note,
    _fetch_notes,
    _constraint_notes,
    _check_notes,
    _backoff_notes,
    _other_notes,
)
