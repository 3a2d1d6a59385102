"""Rules for `healthChecks`, `readinessChecks` and `check`."""

from collections.abc import Iterator, Mapping
from typing import Any

from translators.marathon.members import App, Found, container_of, port_count, ports_of
from translators.marathon.rules import Rules

__all__ = ["check_rules", "health_check_rules", "readiness_check_rules"]

_PORT_INDEX = "Health check port indices must address an element of the ports array or container port mappings."
_CHECK_INDEX = "check port index must address an element of the ports array or container port mappings."


def health_check_rules(app: App, _: Rules) -> Found:
    checks = app.get("healthChecks", ())
    for i, check in enumerate(checks):
        for message in _health_check(check, app):
            yield f"/healthChecks({i})", message
    if sum(1 for check in checks if check["protocol"].startswith("MESOS_")) > 1:
        yield "/", "AppDefinition can contain at most one Mesos health check"


def _health_check(check: Mapping[str, Any], app: App) -> Iterator[str]:
    protocol = check["protocol"]
    if "command" in check and protocol != "COMMAND":
        yield f"illegal protocol {protocol} specified with command"
        return
    if protocol == "COMMAND":
        if "command" not in check:
            yield "illegal protocol COMMAND for non-command health check"
        elif "path" in check or "port" in check:
            yield "Invalid combination of HealthCheck parameters: command with path or port"
        return
    index, count = check.get("portIndex"), port_count(app)
    if index is None:
        bad = "port" not in check and count != 1 and not (protocol.startswith("MESOS_") and count == 0)
        bad = bad or ("port" not in check and count == 0)
    else:
        bad = index >= count
    if bad:
        yield _PORT_INDEX
    if check.get("ipProtocol") == "IPv6" and not (
        protocol.startswith("MESOS_") and container_of(app).get("type") == "DOCKER"
    ):
        yield "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks"


def readiness_check_rules(app: App, _: Rules) -> Found:
    checks = app.get("readinessChecks", ())
    if len(checks) > 1:
        yield "/readinessChecks/size", f"got {len(checks)}, expected 1 or less"
    names = {p.get("name") for p in ports_of(app)}
    for i, check in enumerate(checks):
        if check["portName"] not in names:
            yield f"/readinessChecks({i})/portName", f"No port definition reference for portName {check['portName']}"
        if check["timeoutSeconds"] >= check["intervalSeconds"]:
            yield (
                f"/readinessChecks({i})/timeoutSeconds",
                f"got {check['timeoutSeconds']}, expected less than {check['intervalSeconds']}",
            )


def check_rules(app: App, _: Rules) -> Found:
    check = app.get("check")
    if check is None:
        return
    if container_of(app).get("type") == "DOCKER":
        yield "/", "AppDefinition must not use 'checks' if using docker"
    kinds = [key for key in ("http", "tcp", "exec") if key in check]
    if len(kinds) != 1:
        yield "/check", "illegal RAML Check: expected one of http, tcp or exec checks"
        return
    target = check[kinds[0]]
    if kinds[0] == "exec":
        return
    if target.get("scheme") == "HTTPS":
        yield "/check/http/scheme", "illegal RAML Check: HTTPS is not supported"
    index, count = target.get("portIndex"), port_count(app)
    if (index is not None and index >= count) or (index is None and "port" not in target and count != 1):
        yield "/check/get", _CHECK_INDEX
