"""Marathon health checks as probes: readiness tells alive from not alive, liveness kills, startup is the grace period.

HTTP, HTTPS and TCP checks kill after one failure more than `maxConsecutiveFailures`, and 0 means never; the checks that Mesos
runs kill after exactly that many, and 0 means at the first. A readiness check of an app without health checks becomes its
readiness probe; what it gates is decided by the rollout.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from translators.kubernetes.escape import literal
from translators.kubernetes.ports import PortEntry, entry_for_host_port, host_network

__all__ = ["chosen_check", "port_of_check", "probes"]

_MARATHON_LEVEL = ("HTTP", "HTTPS", "TCP")
_ENDLESS_TIMEOUT_S = 3600  # Mesos takes a timeout of 0 as none, Kubernetes as its default of one second
_FIRST_PROBE_S = 5

Check = Mapping[str, Any]


def probes(app: Mapping[str, Any], entries: Sequence[PortEntry]) -> dict[str, Any]:
    """`startupProbe`, `readinessProbe` and `livenessProbe` of the app's container, as far as it has checks."""
    check = chosen_check(app)
    if check is not None:
        handler = _handler(app, check, entries)
        return _health_probes(check, handler) if handler else {}
    ready = _readiness_handler(app, entries)
    return {"readinessProbe": ready} if ready else {}


def chosen_check(app: Mapping[str, Any]) -> Check | None:
    """The one check that the probes carry: that of Mesos if there is one, else the first."""
    checks: Sequence[Check] = app.get("healthChecks") or ()
    by_mesos = [check for check in checks if _protocol(check) not in _MARATHON_LEVEL]
    return next(iter([*by_mesos, *checks]), None)


def _protocol(check: Check) -> str:
    return str(check.get("protocol") or "HTTP").upper()


def _health_probes(check: Check, handler: Mapping[str, Any]) -> dict[str, Any]:
    interval = max(1, int(check.get("intervalSeconds", 60)))
    delay = _delay(check, interval)
    timed = {**handler, "periodSeconds": interval, "timeoutSeconds": _timeout(check)}
    readiness = {**timed, "successThreshold": 1, "failureThreshold": 1}
    failures = int(check.get("maxConsecutiveFailures", 3))
    marathon_level = _protocol(check) in _MARATHON_LEVEL
    if marathon_level and failures == 0:
        return {"readinessProbe": {**readiness, **delay}}
    kill = failures + 1 if marathon_level else max(1, failures)
    grace = -(-int(check.get("gracePeriodSeconds", 300)) // interval)
    return {
        "startupProbe": {**timed, **delay, "failureThreshold": grace + kill},
        "readinessProbe": readiness,
        "livenessProbe": {**timed, "failureThreshold": kill},
    }


def _delay(check: Check, interval: int) -> dict[str, int]:
    if _protocol(check) in _MARATHON_LEVEL:
        return {"initialDelaySeconds": min(interval, _FIRST_PROBE_S)}
    return {"initialDelaySeconds": int(check.get("delaySeconds", 15))}


def _timeout(check: Check) -> int:
    timeout = int(check.get("timeoutSeconds", 20))
    if timeout <= 0 and _protocol(check) not in _MARATHON_LEVEL:
        return _ENDLESS_TIMEOUT_S
    return max(1, timeout)


def _handler(app: Mapping[str, Any], check: Check, entries: Sequence[PortEntry]) -> dict[str, Any] | None:
    protocol = _protocol(check)
    if protocol == "COMMAND":
        command = str((check.get("command") or {}).get("value", ""))
        return {"exec": {"command": ["/bin/sh", "-c", literal(command)]}}
    port = port_of_check(app, check, entries)
    if port is None:
        return None
    if protocol.endswith("TCP"):
        return {"tcpSocket": {"port": port}}
    return {"httpGet": _http_get(check.get("path"), port, secure=protocol.endswith("HTTPS"))}


def _http_get(path: str | None, port: int | str, *, secure: bool) -> dict[str, Any]:
    scheme = {"scheme": "HTTPS"} if secure else {}
    return {"path": f"/{(path or '').removeprefix('/')}", "port": port, **scheme}


def port_of_check(app: Mapping[str, Any], check: Check, entries: Sequence[PortEntry]) -> int | str | None:
    """The name of the container port that a check goes to (or its number), None if there is no such port.

    `port` is a number on the agent for Marathon's own checks and one in the container for those of Mesos.
    """
    port = check.get("port")
    if port is None:
        index = int(check.get("portIndex") or 0)
        return entries[index].name if index < len(entries) else None
    if _protocol(check) in _MARATHON_LEVEL and not host_network(app):
        entry = entry_for_host_port(entries, port)
        return entry.name if entry else None
    return next((entry.name for entry in entries if entry.number == port), int(port))


def _readiness_handler(app: Mapping[str, Any], entries: Sequence[PortEntry]) -> dict[str, Any] | None:
    check = next(iter(app.get("readinessChecks") or ()), None)
    entry = next((e for e in entries if check and e.label == check.get("portName")), None)
    if check is None or entry is None:
        return None
    secure = str(check.get("protocol") or "HTTP").upper() == "HTTPS"
    return {
        "httpGet": _http_get(check.get("path"), entry.name, secure=secure),
        "periodSeconds": max(1, int(check.get("intervalSeconds", 30))),
        "timeoutSeconds": max(1, int(check.get("timeoutSeconds", 10))),
        "successThreshold": 1,
        "failureThreshold": 1,
    }
