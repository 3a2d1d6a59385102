"""From what people write to what Marathon prints: deprecated members migrated, defaults set (its AppNormalization).

`migrate` turns the old forms into the new ones, `complete` sets what depends on the whole app. Both work on the output
of the reader and keep what they do not know.
"""

from typing import Any

from translators.marathon.paths import absolute_id
from translators.marathon.rules import Rules
from translators.marathon.types import DEFAULT_MAPPING, DEFAULT_PORT_DEFINITION

__all__ = ["ORDER", "complete", "has_external", "is_resident", "migrate", "ordered", "port_indices"]

ORDER = (
    "id", "acceptedResourceRoles", "args", "backoffFactor", "backoffSeconds", "cmd", "constraints", "container", "cpus",
    "dependencies", "disk", "env", "executor", "executorResources", "fetch", "healthChecks", "check", "instances", "labels",
    "maxLaunchDelaySeconds", "mem", "gpus", "networks", "portDefinitions", "readinessChecks", "residency", "resourceLimits",
    "requirePorts", "secrets", "taskKillGracePeriodSeconds", "upgradeStrategy", "user", "version", "versionInfo",
    "killSelection", "unreachableStrategy", "tty", "role",
)  # fmt: skip
"""The members of an app in the order in which Marathon prints them."""

_DEFAULTS: dict[str, Any] = {
    "backoffFactor": 1.15, "backoffSeconds": 1, "cpus": 1.0, "disk": 0.0, "executor": "", "instances": 1,
    "maxLaunchDelaySeconds": 300, "mem": 128.0, "gpus": 0, "requirePorts": False, "killSelection": "YOUNGEST_FIRST",
}  # fmt: skip
_OMITTED_IF_EMPTY = (
    "args",
    "constraints",
    "dependencies",
    "env",
    "fetch",
    "healthChecks",
    "readinessChecks",
    "secrets",
)
_ARCHIVES = (".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip", ".tar", ".gz")
_NETWORK_OF = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}


def ordered(app: dict[str, Any]) -> dict[str, Any]:
    return {key: app[key] for key in ORDER if key in app}


def is_resident(app: dict[str, Any]) -> bool:
    return any("persistent" in volume for volume in _volumes(app))


def has_external(app: dict[str, Any]) -> bool:
    return any("external" in volume for volume in _volumes(app))


def migrate(app: dict[str, Any], rules: Rules, *, base: str = "/") -> dict[str, Any]:
    """Old members to new ones. The result has none of `uris`, `ports`, `ipAddress`, `docker.network`, `docker.portMappings`."""
    app = dict(app)
    if "id" in app:
        app["id"] = absolute_id(app["id"], base)
    if "dependencies" in app:
        app["dependencies"] = list(dict.fromkeys(absolute_id(d, base) for d in app["dependencies"]))
    _migrate_uris(app)
    _migrate_networks(app, rules)
    _migrate_ports(app)
    _migrate_container(app)
    return app


def complete(app: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """The canonical form: every default set, empty options left out, members in order."""
    app = {**_DEFAULTS, **app}
    app.setdefault("labels", {})
    if not app.get("networks"):
        app["networks"] = [{"mode": "host"}]
    for network in app["networks"]:
        if network["mode"] == "container" and "name" not in network and rules.default_network_name:
            network["name"] = rules.default_network_name
    app["networks"] = [_network(network) for network in app["networks"]]
    _complete_ports(app)
    _complete_checks(app)
    app.setdefault("upgradeStrategy", _upgrade_strategy(app))
    if is_resident(app):
        app.setdefault("unreachableStrategy", "disabled")
        app["residency"] = {"relaunchEscalationTimeoutSeconds": 3600, "taskLostBehavior": "WAIT_FOREVER"}
    else:
        app.pop("residency", None)
    app.setdefault("unreachableStrategy", {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0})
    app.setdefault("role", rules.mesos_role)
    for key in _OMITTED_IF_EMPTY:
        if key in app and not app[key]:
            del app[key]
    return ordered(app)


def port_indices(app: dict[str, Any], *, always: bool) -> None:
    """A check without `port` and `portIndex` gets index 0 where Marathon adds it: on an app that names its ports."""
    mappings = (app.get("container") or {}).get("portMappings")
    if not (always or app.get("portDefinitions") or mappings):
        return
    for check in app.get("healthChecks", ()):
        if check["protocol"] != "COMMAND" and "port" not in check and "portIndex" not in check:
            check["portIndex"] = 0


def _volumes(app: dict[str, Any]) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = (app.get("container") or {}).get("volumes") or []
    return volumes


def _migrate_uris(app: dict[str, Any]) -> None:
    uris = app.pop("uris", None)
    if uris:
        app["fetch"] = [
            {"uri": uri, "extract": uri.split("?")[0].endswith(_ARCHIVES), "executable": False, "cache": False}
            for uri in uris
        ]


def _migrate_networks(app: dict[str, Any], rules: Rules) -> None:
    address = app.get("ipAddress")
    docker = (app.get("container") or {}).get("docker") or {}
    old = docker.get("network")
    if address is None and old is None:
        return
    if old is not None and old != "USER":
        network: dict[str, Any] = {"mode": _NETWORK_OF[old]}
    else:
        name = (address or {}).get("networkName")
        bridge = name == rules.mesos_bridge_name
        network = {"mode": "container/bridge" if bridge else "container"}
        if name is not None and not bridge:
            network["name"] = name
    if address is not None and address.get("labels") and network["mode"] != "host":
        network["labels"] = address["labels"]
    app["networks"] = [network]


def _is_host(app: dict[str, Any]) -> bool:
    networks = app.get("networks")
    return not networks or any(network["mode"] == "host" for network in networks)


def _migrate_ports(app: dict[str, Any]) -> None:
    ports = app.pop("ports", None)
    if "portDefinitions" not in app and ports is not None:
        app["portDefinitions"] = [{"port": port, "protocol": "tcp"} for port in ports]


def _migrate_container(app: dict[str, Any]) -> None:
    address = app.pop("ipAddress", None)
    if address is not None and app.get("container") is None:
        app["container"] = {"type": "MESOS", "volumes": []}
    container = app.get("container")
    if container is None:
        return
    container = app["container"] = dict(container)
    docker = container.get("docker")
    if docker is not None:
        docker = container["docker"] = dict(docker)
        docker.pop("network", None)
        old = docker.pop("portMappings", None)
        if old is not None and not container.get("portMappings"):
            container["portMappings"] = old
    ports = ((address or {}).get("discovery") or {}).get("ports")
    if ports:
        container["portMappings"] = [_discovered(port) for port in ports]


def _discovered(port: dict[str, Any]) -> dict[str, Any]:
    return {
        "containerPort": port["number"],
        "labels": port["labels"],
        "name": port["name"],
        "protocol": port["protocol"],
        "servicePort": 0,
    }


def _network(network: dict[str, Any]) -> dict[str, Any]:
    return {key: network[key] for key in ("name", "mode", "labels") if key in network and network[key] != {}}


def _complete_ports(app: dict[str, Any]) -> None:
    legacy = app.get("portDefinitions")
    if _is_host(app):
        if legacy is None:
            app["portDefinitions"] = [dict(DEFAULT_PORT_DEFINITION)]
        app["portDefinitions"] = [_port_definition(d) for d in app["portDefinitions"]]
        if app.get("container") is not None:
            app["container"] = _container({k: v for k, v in app["container"].items() if k != "portMappings"})
        return
    app.pop("portDefinitions", None)
    app["requirePorts"] = False
    container = app.get("container") or {"type": "MESOS", "volumes": []}
    mappings = container.get("portMappings")
    if mappings is None:
        mappings = [dict(DEFAULT_MAPPING)]
    bridge = any(network["mode"] == "container/bridge" for network in app["networks"])
    missing = len(legacy or ()) - len(mappings)
    mappings = [*mappings, *({k: v for k, v in DEFAULT_MAPPING.items() if k != "name"} for _ in range(missing))]
    app["container"] = _container({**container, "portMappings": [_mapping(m, bridge=bridge) for m in mappings]})


def _port_definition(definition: dict[str, Any]) -> dict[str, Any]:
    keys = ("port", "labels", "name", "protocol")
    return {key: definition[key] for key in keys if key in definition and definition[key] != {}}


def _mapping(mapping: dict[str, Any], *, bridge: bool) -> dict[str, Any]:
    if bridge:
        mapping = {"hostPort": 0, **mapping}
    keys = ("containerPort", "hostPort", "labels", "name", "protocol", "servicePort", "networkNames")
    return {key: mapping[key] for key in keys if key in mapping and not (key == "networkNames" and not mapping[key])}


def _container(container: dict[str, Any]) -> dict[str, Any]:
    docker = container.get("docker")
    out: dict[str, Any] = {"type": container["type"]}
    if docker is not None:
        keys = ("pullConfig", "forcePullImage", "image", "parameters", "privileged")
        out["docker"] = {key: docker[key] for key in keys if key in docker}
        if out["type"] == "MESOS":
            out["docker"]["privileged"] = False
    if out["type"] == "MESOS" and "linuxInfo" in container:
        out["linuxInfo"] = container["linuxInfo"]
    out["volumes"] = [_volume(volume) for volume in container.get("volumes", ())]
    if "portMappings" in container:
        out["portMappings"] = container["portMappings"]
    return out


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    persistent = volume.get("persistent")
    if persistent is not None and "type" not in persistent:
        kind = "mount" if persistent.get("profileName") is not None else "root"
        return {**volume, "persistent": {"type": kind, **persistent}}
    return volume


_CHECK_ORDER = (
    "command", "gracePeriodSeconds", "ignoreHttp1xx", "intervalSeconds", "maxConsecutiveFailures", "path", "port", "portIndex",
    "protocol", "ipProtocol", "timeoutSeconds", "delaySeconds",
)  # fmt: skip


def _complete_checks(app: dict[str, Any]) -> None:
    if "healthChecks" in app:
        app["healthChecks"] = [_health_check(check) for check in app["healthChecks"]]


def _health_check(check: dict[str, Any]) -> dict[str, Any]:
    """What Marathon keeps of a check: `ignoreHttp1xx` is lost, `delaySeconds` belongs to checks that Mesos runs."""
    check = dict(check)
    protocol = check["protocol"]
    check.pop("ignoreHttp1xx", None)
    if protocol in ("HTTP", "HTTPS"):
        check["ignoreHttp1xx"] = False
    if protocol in ("HTTP", "HTTPS", "TCP"):
        check["delaySeconds"] = 15
        check["ipProtocol"] = "IPv4"
    if protocol in ("TCP", "MESOS_TCP", "COMMAND"):
        check.pop("path", None)
    if protocol == "COMMAND":
        check.pop("portIndex", None)
    return {key: check[key] for key in _CHECK_ORDER if key in check}


def _upgrade_strategy(app: dict[str, Any]) -> dict[str, float]:
    if is_resident(app) or has_external(app):
        return {"maximumOverCapacity": 0.0, "minimumHealthCapacity": 0.5}
    return {"maximumOverCapacity": 1.0, "minimumHealthCapacity": 1.0}
