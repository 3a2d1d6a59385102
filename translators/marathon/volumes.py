"""Rules for `container.volumes`: persistent, external and secret ones."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from translators.marathon.rules import Rules

__all__ = ["profile_names", "volume_rules"]

App = Mapping[str, Any]
Found = Iterator[tuple[str, str]]

_LABEL = r"^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$"
_OPTION_KEY = r"^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?/[A-Za-z0-9](?:[-A-Za-z0-9\._:]*[A-Za-z0-9])?$"
_READ_ONLY_MODES = ("SINGLE_NODE_READER_ONLY", "MULTI_NODE_READER_ONLY")


def volume_rules(app: App, rules: Rules) -> Found:
    container = app.get("container") or {}
    volumes = container.get("volumes", ())
    if any("secret" in volume for volume in volumes) and not rules.enabled("secrets"):
        yield "/container/secretVolumes(container)", "must be empty"
        yield "/container/secretVolumes(container)", rules.not_enabled("secrets")
    for i, volume in enumerate(volumes):
        path = f"/container/volumes({i})"
        if "persistent" in volume:
            yield from _persistent(volume, path)
        elif "external" in volume:
            yield from _external(volume, path, container, rules)
        elif "secret" in volume and volume["secret"] not in app.get("secrets", {}):
            yield path, "volume.secret must refer to an existing secret"
    yield from _external_names(app, volumes)


def profile_names(app: App, _: Rules) -> Found:
    for i, volume in enumerate((app.get("container") or {}).get("volumes", ())):
        if (volume.get("persistent") or {}).get("profileName") == "":
            yield f"/container/volumes({i})/volume/persistent/profileName", "must not be empty"


def _persistent(volume: Mapping[str, Any], path: str) -> Found:
    if "/" in volume["containerPath"]:
        yield f"{path}/containerPath", 'value must not contain "/"'
    if volume["containerPath"] in (".", ".."):
        yield f"{path}/containerPath", "can not be one of (.,..)"
    if volume["mode"] != "RW":
        yield f"{path}/mode", "does not equal RW"
    persistent = volume["persistent"]
    if persistent["size"] <= 0:
        yield f"{path}/persistent/size", f"got {persistent['size']}, expected more than 0"
    kind = persistent.get("type") or ("mount" if persistent.get("profileName") is not None else "root")
    if kind == "root" and persistent["constraints"]:
        yield f"{path}/persistent", "Constraints on root volumes are not supported"
    if "maxSize" in persistent:
        if kind != "mount":
            yield f"{path}/persistent", "Only mount volumes can have maxSize"
        elif persistent["maxSize"] <= persistent["size"]:
            yield f"{path}/persistent", "Max size must be larger than size"
    for constraint in persistent["constraints"]:
        if message := _volume_constraint(constraint):
            yield f"{path}/persistent/constraints", message


def _volume_constraint(constraint: list[str]) -> str:
    if not constraint:
        return "Missing field and operator"
    if constraint[0] != "path" or len(constraint) < 2:
        return f"Unsupported constraint {','.join(constraint)}"
    _, operator, *values = constraint
    if operator not in ("UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"):
        return f"unknown constraint operator {operator}"
    if operator not in ("LIKE", "UNLIKE"):
        return "Operator must be one of LIKE, UNLIKE"
    try:
        re.compile(values[0] if values else "")
    except re.error:
        return "Invalid regular expression"
    return f"illegal volume constraint {','.join(constraint)}" if operator == "UNLIKE" else ""


def _external(volume: Mapping[str, Any], path: str, container: Mapping[str, Any], rules: Rules) -> Found:
    if not rules.enabled("external_volumes"):
        yield path, rules.not_enabled("external_volumes")
    external = volume["external"]
    provider, name = external.get("provider"), external.get("name")
    if provider is None:
        yield f"{path}/external/provider", "not defined"
        if name:
            yield f"{path}/external/provider", "is unknown provider"
    elif provider not in ("dvdi", "csi"):
        yield f"{path}/external/provider", "is unknown provider"
        if not re.fullmatch(_LABEL, provider):
            yield f"{path}/external/provider", f"must match regular expression '{_LABEL}'"
    if not name:
        yield f"{path}/external/name", "must not be empty"
        if name is None and provider == "dvdi":
            yield f"{path}/external/name", "not defined"
    if provider == "dvdi":
        yield from _dvdi(volume, path, container)
    elif provider == "csi":
        yield from _csi(volume, path)


def _dvdi(volume: Mapping[str, Any], path: str, container: Mapping[str, Any]) -> Found:
    external = volume["external"]
    options = external.get("options", {})
    if any(not re.fullmatch(_OPTION_KEY, key) for key in options):
        yield f"{path}/external/options/keys", f"must match regular expression '{_OPTION_KEY}'"
    driver = options.get("dvdi/driver")
    if driver is None:
        yield f'{path}/external/options("dvdi/driver")', "not defined"
    elif not re.fullmatch(_LABEL, driver):
        yield f'{path}/external/options("dvdi/driver")', f"must match regular expression '{_LABEL}'"
    elif driver == "rexray":
        yield from _rexray(options, path)
    if container.get("type") == "DOCKER":
        if set(options) - {"dvdi/driver"}:
            yield f"{path}/external/options", "must only contain dvdi/driver"
        if "size" in external:
            yield f"{path}/external/size", "must be undefined for Docker containers"
    elif volume["mode"] != "RW":
        yield f"{path}/mode", "does not equal RW"
    if container.get("type") == "MESOS" and volume["containerPath"] in (".", ".."):
        yield f"{path}/containerPath", "can not be one of (.,..)"


def _rexray(options: Mapping[str, str], path: str) -> Found:
    for key in ("dvdi/volumetype", "dvdi/newfstype"):
        if key in options and not re.fullmatch(_LABEL, options[key]):
            yield f'{path}/external/options("{key}")', f"must match regular expression '{_LABEL}'"
    iops = options.get("dvdi/iops")
    if iops is not None and not (iops.isdecimal() and int(iops) > 0):
        yield f'{path}/external/options("dvdi/iops")', f"Expected a valid, positive integer instead of {iops}"
    if options.get("dvdi/overwritefs", "true").lower() not in ("true", "false"):
        yield f'{path}/external/options("dvdi/overwritefs")', "Expected a valid boolean"


def _csi(volume: Mapping[str, Any], path: str) -> Found:
    capability = volume["external"]["options"]["capability"]
    if capability["accessMode"] in _READ_ONLY_MODES and volume["mode"] != "RO":
        yield path, "CSI volume must be mounted readonly with a read-only access mode"


def _external_names(app: App, volumes: list[Mapping[str, Any]]) -> Found:
    names = [v["external"]["name"] for v in volumes if "external" in v and v["external"].get("name")]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        yield "/container/volumes", "Volume names must be unique"
        yield "/", f"Requested DVDI volume '{name}' is declared more than once within app {app['id']}"
