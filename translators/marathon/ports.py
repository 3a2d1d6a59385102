"""Service ports: numbers for load balancers, unique on the cluster, assigned where a definition says 0."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from translators.marathon.errors import BadRequest
from translators.marathon.rules import Rules

__all__ = ["assign_service_ports", "service_ports"]


def service_ports(app: Mapping[str, Any]) -> list[int]:
    """The service ports of an app, one for each port entry; 0 where none is assigned yet."""
    key, entries = _entries(app)
    return [entry[key] for entry in entries]


def assign_service_ports(
    app: Mapping[str, Any], taken: Collection[int], *, rules: Rules, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The app with a number for every 0: those its previous version had first, then the lowest free ones.

    `taken` are the service ports of all other apps. Raises BadRequest (422) if the range is used up.
    """
    key, entries = _entries(app)
    given = {entry[key] for entry in entries if entry[key]}
    old = [port for port in service_ports(before or {}) if port and port not in given]
    numbers = _numbers(old, {*taken, *given}, rules)
    filled = [{**entry, key: entry[key] or next(numbers)} for entry in entries]
    if key == "port":
        return {**app, "portDefinitions": filled} if "portDefinitions" in app else dict(app)
    return {**app, "container": {**app["container"], "portMappings": filled}}


def _numbers(old: list[int], used: set[int], rules: Rules) -> Iterator[int]:
    yield from old
    used |= set(old)
    for port in range(rules.local_port_min, rules.local_port_max):
        if port not in used:
            used.add(port)
            yield port
    raise BadRequest(f"All ports in the range [{rules.local_port_min}-{rules.local_port_max}) are already in use", 422)


def _entries(app: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    mappings = (app.get("container") or {}).get("portMappings")
    if mappings:
        return "servicePort", mappings
    return "port", app.get("portDefinitions") or []
