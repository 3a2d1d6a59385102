"""Members of a definition that several rules look at."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["App", "Found", "container_of", "docker_of", "is_uri", "port_count", "ports_of", "repeated"]

App = Mapping[str, Any]
Found = Iterator[tuple[str, str]]


def container_of(app: App) -> Mapping[str, Any]:
    return app.get("container") or {}


def docker_of(app: App) -> Mapping[str, Any]:
    return container_of(app).get("docker") or {}


def ports_of(app: App) -> list[Mapping[str, Any]]:
    """The ports as they will be, before the defaults are set."""
    networks = app.get("networks")
    host = not networks or any(network["mode"] == "host" for network in networks)
    ports: list[Mapping[str, Any]] | None = (
        app.get("portDefinitions") if host else container_of(app).get("portMappings")
    )
    if ports is None:
        return [{"name": "default"}]
    if not host:
        padding = len(app.get("portDefinitions") or ()) - len(ports)
        return [*ports, *({} for _ in range(padding))]
    return list(ports)


def port_count(app: App) -> int:
    return len(ports_of(app))


def repeated(items: Iterator[Any] | list[Any]) -> bool:
    seen = list(items)
    return len(seen) != len({str(item) for item in seen})


_URI_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])*")


def is_uri(text: str) -> bool:
    """What java.net.URI takes, as far as definitions go: its characters, escapes and a scheme before a colon."""
    if not _URI_CHARACTERS.fullmatch(text) or text.count("#") > 1:
        return False
    head, colon, rest = text.partition(":")
    if colon and "/" not in head and (not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*", head) or not rest):
        return False
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True
