"""Rules for members that Marathon still reads in their old form: they are judged as they were written."""

from translators.marathon.members import App, Found, container_of, docker_of, is_uri, repeated
from translators.marathon.rules import Rules

__all__ = ["old_docker_rules", "old_network_rules", "ports_rules", "uris_rules"]


def uris_rules(app: App, _: Rules) -> Found:
    uris = app.get("uris") or ()
    if uris and app.get("fetch"):
        yield "/uris", "may not be set in conjunction with fetch"
    for i, uri in enumerate(uris):
        if not is_uri(uri):
            yield f"/uris({i})", "URI has invalid syntax."


def ports_rules(app: App, _: Rules) -> Found:
    ports = app.get("ports")
    if ports is None:
        return
    if any(port < 0 for port in ports):
        for i, port in enumerate(ports):
            if port < 0:
                yield f"/portDefinitions({i})/port", f"got {port}, expected 0 or more"
    if repeated(port for port in ports if port):
        yield "/", "ports must be unique"
    definitions = app.get("portDefinitions")
    if definitions is not None and [d["port"] for d in definitions] != list(ports):
        yield "/", "cannot specify both ports and port definitions"
    if app.get("ipAddress") is not None and ports:
        yield "/", "cannot specify both an IP address and port"


def old_network_rules(app: App, _: Rules) -> Found:
    docker = docker_of(app)
    networks = app.get("networks")
    if networks and app.get("ipAddress") is not None:
        yield "/", "must not specify both networks and ipAddress"
    if networks and docker.get("network") is not None:
        yield "/", "must not specify both container.docker.network and networks"
    discovery = (app.get("ipAddress") or {}).get("discovery")
    if discovery is not None and container_of(app).get("type") == "DOCKER":
        yield "/ipAddress", "ipAddress/discovery is not allowed for Docker containers"


def old_docker_rules(app: App, _: Rules) -> Found:
    container, docker = container_of(app), docker_of(app)
    if container.get("type") == "MESOS":
        for key in ("network", "portMappings"):
            if docker.get(key) is not None:
                yield f"/container/docker/{key}", "must be empty"
    if docker.get("network") == "NONE":
        yield "/container/docker/network", "unsupported docker network type NONE"
    old = docker.get("portMappings")
    if old:
        if repeated(m.get("name") for m in old if m.get("name")):
            yield "/app.container.flatMap(_.docker.flatMap(_.portMappings))", "Port names must be unique."
        if container.get("portMappings"):
            yield "/container/portMappings", "cannot specify both portMappings and docker.portMappings"
