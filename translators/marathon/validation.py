"""Marathon's rules for app definitions, with its paths and texts. Each rule is a small function named for its member.

`validate_deprecated` looks at what was written, `validate` at the migrated app, both before defaults that need a valid
app; `validate_model` at the complete one. A rule yields (path, message); what is found is told together.
"""

from collections.abc import Callable, Mapping
from typing import Any

from translators.marathon.checks import check_rules, health_check_rules, readiness_check_rules
from translators.marathon.constraints import constraint_rules
from translators.marathon.deprecated import old_docker_rules, old_network_rules, ports_rules, uris_rules
from translators.marathon.errors import Detail, InvalidDefinition
from translators.marathon.members import App, Found, container_of, is_uri, repeated
from translators.marathon.normalisation import has_external, is_resident
from translators.marathon.paths import id_details, segment_details
from translators.marathon.rules import Rules
from translators.marathon.volumes import profile_names, volume_rules

__all__ = ["Found", "raise_found", "validate", "validate_deprecated", "validate_model"]

_COMMAND_OR_CONTAINER = "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."


def validate_deprecated(app: App, rules: Rules, *, update: bool = False) -> None:
    """In an update `uris` are looked at only when they have become `fetch`."""
    _run(_DEPRECATED[1:] if update else _DEPRECATED, app, rules)


def validate(app: App, rules: Rules) -> None:
    _run(_CANONICAL, app, rules)


def validate_model(app: App, rules: Rules) -> None:
    _run(_MODEL, app, rules)


def raise_found(found: Found) -> None:
    """Raises InvalidDefinition with the messages grouped by path."""
    by_path: dict[str, list[str]] = {}
    for path, message in found:
        messages = by_path.setdefault(path, [])
        if message not in messages:
            messages.append(message)
    if by_path:
        raise InvalidDefinition([Detail(path, tuple(messages)) for path, messages in by_path.items()])


def _run(rules_: tuple[Callable[[App, Rules], Found], ...], app: App, rules: Rules) -> None:
    raise_found(found for rule in rules_ for found in rule(app, rules))


def _docker_type(app: App, rules: Rules) -> Found:
    container = app.get("container")
    if container is None:
        return
    docker = container.get("docker")
    if container["type"] == "DOCKER" and docker is None:
        yield "/container/docker", "not defined"
    if docker is None:
        return
    if docker.get("credential") is not None:
        yield "/container/docker/credential", "must be empty"
    if container["type"] == "MESOS" and docker.get("parameters"):
        yield "/container/docker/parameters", "must be empty"
    yield from _pull_config(app, docker, rules)


def _pull_config(app: App, docker: Mapping[str, Any], rules: Rules) -> Found:
    config = docker.get("pullConfig")
    if config is None:
        return
    if container_of(app)["type"] == "DOCKER":
        yield "/container/docker/pullConfig", "pullConfig is not supported with Docker containerizer"
        return
    if not rules.enabled("secrets"):
        yield "/container/docker/pullConfig", "must be empty"
        yield "/container/docker/pullConfig", rules.not_enabled("secrets")
    if config["secret"] not in app.get("secrets", {}):
        yield "/container/docker/pullConfig", "pullConfig.secret must refer to an existing secret"


# The migrated app


def _dependencies(app: App, _: Rules) -> Found:
    for i, dependency in enumerate(app.get("dependencies", ())):
        for detail in segment_details(dependency, f"/dependencies({i})"):
            yield detail.path, detail.errors[0]


def _id(app: App, _: Rules) -> Found:
    for detail in id_details(app["id"]):
        for error in detail.errors:
            yield detail.path, error


def _command(app: App, _: Rules) -> Found:
    cmd, args = app.get("cmd"), app.get("args") or None
    if (cmd is not None and args is not None) or (cmd is None and args is None and "docker" not in container_of(app)):
        yield "/", _COMMAND_OR_CONTAINER
    if cmd is not None and len(cmd) == 1:
        yield "/", "must not be an empty string"


def _networks(app: App, rules: Rules) -> Found:
    networks = app.get("networks") or ()
    modes = [network["mode"] for network in networks]
    if any(n["mode"] == "host" and ("name" in n or n.get("labels")) for n in networks):
        yield "/networks", "Host networks may not have names or labels"
    if any(n["mode"] == "container/bridge" and "name" in n for n in networks):
        yield "/networks", "Bridge networks may not have names"
    names = [n.get("name", "") for n in networks if n["mode"] == "container"]
    if repeated(names):
        yield "/networks", "Duplicate networks are not allowed"
    if modes and not (modes in (["host"], ["container/bridge"]) or set(modes) == {"container"}):
        yield "/networks", "May specify a single host network, single bridge network, or else 1-to-n container networks"
    if "" in names and not rules.default_network_name:
        yield "/networks", "Network name must be specified when container network is selected."
    if len(names) > 1 and container_of(app).get("type") == "DOCKER":
        yield "/", "may only specify a single container network when using the Docker container engine"


def _port_definitions(app: App, _: Rules) -> Found:
    definitions = app.get("portDefinitions") or ()
    if repeated(d["name"] for d in definitions if "name" in d):
        yield "/portDefinitions", "Port names must be unique."
    if repeated(d["port"] for d in definitions if d["port"]):
        yield "/portDefinitions", "Ports must be unique."


def _port_mappings(app: App, _: Rules) -> Found:
    mappings = container_of(app).get("portMappings") or ()
    if repeated(m["name"] for m in mappings if "name" in m):
        yield "/container/portMappings", "Port names must be unique."
    names = [n["name"] for n in app.get("networks") or () if n["mode"] == "container" and "name" in n]
    for i, mapping in enumerate(mappings):
        path = f"/container/portMappings({i})"
        wanted = mapping.get("networkNames", ())
        if "hostPort" in mapping and len(names) > 1 and len(wanted) != 1:
            yield (
                path,
                "networkNames must be a single item list when hostPort is specified and more than 1 container network is defined",
            )
        for j, name in enumerate(wanted):
            if name not in names:
                yield f"{path}/networkNames({j})", f"is not one of ({','.join(names)})"


def _fetch(app: App, _: Rules) -> Found:
    for i, fetch in enumerate(app.get("fetch", ())):
        if not is_uri(fetch["uri"]):
            yield f"/fetch({i})/uri", "URI has invalid syntax."


def _env(app: App, rules: Rules) -> Found:
    env = app.get("env", {})
    for i, name in enumerate(env):
        if not name:
            yield f"/env/keys({i})", "must not be empty"
    references = {name: value["secret"] for name, value in env.items() if isinstance(value, dict)}
    if references and not rules.enabled("secrets"):
        yield "/env", "use of secret-references in the environment requires the secrets feature to be enabled"
    for name, secret in references.items():
        if secret not in app.get("secrets", {}):
            yield f"/env/{name}/secret", "references an undefined secret"


def _secrets(app: App, rules: Rules) -> Found:
    if app.get("secrets") and not rules.enabled("secrets"):
        yield "/secrets", rules.not_enabled("secrets")
        return
    for i, name in enumerate(app.get("secrets", {})):
        if not name:
            yield f"/secrets/keys({i})", "must not be empty"


def _gpus(app: App, rules: Rules) -> Found:
    if not app.get("gpus"):
        return
    if container_of(app).get("type") == "DOCKER":
        yield "/", "GPU resources only work with the Mesos containerizer"
    if not rules.enabled("gpu_resources"):
        yield "/", rules.not_enabled("gpu_resources")


def _resource_limits(app: App, _: Rules) -> Found:
    for key, default in (("cpus", 1.0), ("mem", 128.0)):
        limit = (app.get("resourceLimits") or {}).get(key)
        requested = app.get(key, default)
        if isinstance(limit, str) and limit != "unlimited":
            yield (
                f"/resourceLimits/{key}",
                f"'{limit}' is an invalid resource limit. It must be 'unlimited' or a number",
            )
        if isinstance(limit, float) and limit < requested:
            yield (
                f"/resourceLimits/{key}",
                f"resource limit must be greater than or equal to requested resource ({requested})",
            )


def _linux_info(app: App, _: Rules) -> Found:
    info = container_of(app).get("linuxInfo") or {}
    seccomp = info.get("seccomp")
    if seccomp is not None:
        profile = seccomp.get("profileName") is not None
        if profile and seccomp["unconfined"]:
            yield "/container/linuxInfo/seccomp", "Seccomp unconfined can NOT be true when Profile is defined"
        if not profile and not seccomp["unconfined"]:
            yield "/container/linuxInfo/seccomp", "Seccomp unconfined must be true when Profile is NOT defined"
    ipc = info.get("ipcInfo")
    if ipc is not None and ipc["mode"] == "SHARE_PARENT" and "shmSize" in ipc:
        yield "/container/linuxInfo/ipcInfo", "ipcInfo shmSize can NOT be set when mode is SHARE_PARENT"


def _unreachable(app: App, _: Rules) -> Found:
    strategy = app.get("unreachableStrategy")
    if isinstance(strategy, dict):
        inactive, expunge = strategy["inactiveAfterSeconds"], strategy["expungeAfterSeconds"]
        if inactive > expunge:
            yield (
                "/unreachableStrategy/inactiveAfterSeconds",
                f"inactiveAfterSeconds ({inactive}) must be less or equal to expungeAfterSeconds, which is {expunge}",
            )
    if is_resident(dict(app)) and isinstance(strategy, dict):
        yield "/", "unreachableStrategy must be disabled for resident tasks"


def _roles(app: App, rules: Rules) -> Found:
    role, accepted = app.get("role", rules.mesos_role), app.get("acceptedResourceRoles")
    top = app["id"].strip("/").partition("/")
    valid = [rules.mesos_role, *([top[0]] if top[1] else [])]
    if role not in valid:
        yield "/role", f"got {role}, expected one of: [{', '.join(dict.fromkeys(valid))}]"
    if accepted is None:
        return
    if not accepted:
        yield "/acceptedResourceRoles", "must not be empty"
    for i, name in enumerate(accepted):
        if message := _role_name(name):
            yield f"/acceptedResourceRoles({i})" if name else "/acceptedResourceRoles", message
    if any(name not in ("*", role) for name in accepted):
        roles = " and ".join(dict.fromkeys(("*", role)))
        yield "/acceptedResourceRoles", f"acceptedResourceRoles can only contain {roles}"


_ROLE_CHARACTERS = {
    "\t": "horizontal tab (\\x09)", "\n": "line feed (\\x0a)", "\v": "vertical tab (\\x0b)", "\f": "form feed (\\x0c)",
    "\r": "carriage return (\\x0d)", " ": "space (\\x20)", "/": "slash (\\x2f)", "\x7f": "backspace (\\x7f)",
}  # fmt: skip


def _role_name(name: str) -> str:
    if name in ("", ".", ".."):
        return f'A role name must not be "{name}".'
    if name.startswith("-"):
        return "A role name must not start with a '-'."
    for character, text in _ROLE_CHARACTERS.items():
        if character in name:
            return f"A role name must not include a {text} character."
    return ""


def _single_instance(app: App, _: Rules) -> Found:
    if _is_single(app) and app.get("instances", 1) > 1:
        yield "/", "Single instance app may only have one instance"


# The complete app


def _upgrade_strategy(app: App, _: Rules) -> Found:
    strategy = app["upgradeStrategy"]
    over, minimum = strategy["maximumOverCapacity"], strategy["minimumHealthCapacity"]
    if (is_resident(dict(app)) or has_external(dict(app))) and over != 0:
        yield "/upgradeStrategy/maximumOverCapacity", f"got {over}, expected 0.0"
    if _is_single(app):
        if over != 0:
            yield "/isSingleInstance", "must be false"
            yield "/upgradeStrategy/maximumOverCapacity", f"got {over}, expected 0.0"
        if minimum != 0:
            yield "/upgradeStrategy/minimumHealthCapacity", f"got {minimum}, expected 0.0"


def _instances(app: App, rules: Rules) -> Found:
    if app["instances"] > rules.max_instances:
        yield (
            "/instances",
            f"got {app['instances']}, expected {rules.max_instances} or less on this platform (setting max_instances)",
        )


def _dvdi_instances(app: App, _: Rules) -> Found:
    volumes = container_of(app).get("volumes") or ()
    if app["instances"] > 1 and any((v.get("external") or {}).get("provider") == "dvdi" for v in volumes):
        yield "/", f"Number of instances is limited to 1 when declaring DVDI volumes in app [{app['id']}]"


def _migration_label(app: App, _: Rules) -> Found:
    labels = app["labels"]
    if labels.get("DCOS_MIGRATION_API_VERSION") is None:
        return
    complete = labels.get("DCOS_PACKAGE_FRAMEWORK_NAME") and labels.get("DCOS_MIGRATION_API_PATH")
    if labels["DCOS_MIGRATION_API_VERSION"] != "v1" or not complete:
        yield (
            "/",
            "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined when using DCOS_MIGRATION_API_VERSION",
        )


def _resident_role(app: App, _: Rules) -> Found:
    if not is_resident(dict(app)):
        return
    if app.get("acceptedResourceRoles") not in (None, ["*"]):
        yield "/acceptedResourceRoles", 'A resident app must have `acceptedResourceRoles = ["*"]`.'
    if app["role"] == "*":
        yield "/role", "Resident apps cannot have the role *"


_DEPRECATED = (uris_rules, ports_rules, old_network_rules, old_docker_rules)
_CANONICAL = (
    _id, _dependencies, _command, _docker_type, _networks, _port_definitions, _port_mappings, constraint_rules, health_check_rules,
    readiness_check_rules, check_rules, _fetch, _env, _secrets, _gpus, _resource_limits, _linux_info, _unreachable, _roles, _single_instance,
    volume_rules,
)  # fmt: skip
_MODEL = (_upgrade_strategy, _instances, _dvdi_instances, _migration_label, profile_names, _resident_role)


# Helpers


def _is_single(app: App) -> bool:
    return bool((app.get("labels") or {}).get("MARATHON_SINGLE_INSTANCE_APP") == "true")
