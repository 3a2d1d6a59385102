"""The port entries of an app: which numbers its containers listen on, and which of them Marathon shows.

Design D5: every pod has its own address, so a port that Marathon would have picked on the agent is a constant of the app
here. Only numbers that the user fixed become host ports. The annotation `marathon-gateway.io/ports` says of each entry whether
its number was ours to choose (`dynamic`, an admission step may choose another one per pod) and whether it has a host port
in Marathon's sense (`host`, it is in `tasks[].ports`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["PortEntry", "container_ports", "entry_for_host_port", "host_network", "ports", "ports_annotation"]

_FIRST_UNASSIGNED = 31000  # for entries whose service port nobody has assigned; beyond the range of service ports


@dataclass(frozen=True, slots=True)
class PortEntry:
    """Entry `index` of the app's port list.

    `number` is what the container listens on, `host_port` the fixed port on the node, `requested` the number that the user
    wrote (it names `PORT_<requested>`), `label` Marathon's port name, `variable` the environment variable that carries the
    number.
    """

    index: int
    number: int
    requested: int
    protocols: tuple[str, ...]
    variable: str
    label: str | None = None
    host_port: int | None = None
    dynamic: bool = False
    host: bool = True

    @property
    def name(self) -> str:
        """The name of the container port."""
        return f"p{self.index}"


def host_network(app: Mapping[str, Any]) -> bool:
    """Whether the app is on the node's network in Marathon's sense."""
    networks = app.get("networks") or [{"mode": "host"}]
    return bool(networks[0].get("mode", "container") == "host")


def ports(app: Mapping[str, Any], *, prefix: str = "") -> Sequence[PortEntry]:
    """The entries of `container.portMappings` if that list counts and has any, else of `portDefinitions`."""
    mappings = (app.get("container") or {}).get("portMappings") or ()
    if mappings and not host_network(app):
        return [_mapped(app, i, mapping, _variable(app, i, prefix)) for i, mapping in enumerate(mappings)]
    if not host_network(app):
        return []
    fixed = bool(app.get("requirePorts"))
    definitions = app.get("portDefinitions") or ()
    return [_defined(i, definition, _variable(app, i, prefix), fixed=fixed) for i, definition in enumerate(definitions)]


def _variable(app: Mapping[str, Any], index: int, prefix: str) -> str:
    """`PORT<i>`, or a name of our own where the user has taken that one."""
    name = f"{prefix}PORT{index}"
    return f"MARATHON_GATEWAY_PORT{index}" if name in (app.get("env") or {}) else name


def _defined(index: int, definition: Mapping[str, Any], variable: str, *, fixed: bool) -> PortEntry:
    port = int(definition.get("port") or 0)
    return PortEntry(
        index,
        number=port or _FIRST_UNASSIGNED + index,
        requested=port,
        protocols=_protocols(definition),
        variable=variable,
        label=definition.get("name"),
        host_port=port if fixed and port else None,
        dynamic=not (fixed and port),
    )


def _mapped(app: Mapping[str, Any], index: int, mapping: Mapping[str, Any], variable: str) -> PortEntry:
    requested = int(mapping.get("containerPort") or 0)
    host_port = mapping.get("hostPort")
    if host_port is None and _bridge(app):
        host_port = 0
    chosen = requested or host_port or int(mapping.get("servicePort") or 0) or _FIRST_UNASSIGNED + index
    return PortEntry(
        index,
        number=int(chosen),
        requested=requested,
        protocols=_protocols(mapping),
        variable=variable,
        label=mapping.get("name"),
        host_port=host_port or None,
        dynamic=host_port == 0 or (host_port is None and requested == 0),
        host=host_port is not None,
    )


def _bridge(app: Mapping[str, Any]) -> bool:
    return any(network.get("mode") == "container/bridge" for network in app.get("networks") or ())


def _protocols(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """TCP first, since the first one carries the plain name."""
    return tuple(sorted(part.strip().upper() for part in str(entry.get("protocol") or "tcp").split(",")))


def container_ports(entries: Sequence[PortEntry]) -> list[dict[str, Any]]:
    """`ports` of the container: `p<i>`, and `p<i>-udp` beside it where an entry has both protocols."""
    return [
        {
            "name": entry.name if nth == 0 else f"{entry.name}-{protocol.lower()}",
            "containerPort": entry.number,
            **({"hostPort": entry.host_port} if entry.host_port else {}),
            "protocol": protocol,
        }
        for entry in entries
        for nth, protocol in enumerate(entry.protocols)
    ]


def ports_annotation(entries: Sequence[PortEntry]) -> str:
    """JSON text of one item per entry."""
    return json.dumps(
        [{"name": e.name, "dynamic": e.dynamic, "host": e.host, "env": e.variable} for e in entries],
        separators=(",", ":"),
    )


def entry_for_host_port(entries: Sequence[PortEntry], port: int) -> PortEntry | None:
    """The entry that a Marathon-level check means by `port`, a number on the agent."""
    return next((entry for entry in entries if entry.host_port == port), None)
