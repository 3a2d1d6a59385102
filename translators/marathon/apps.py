"""Apps from what people send: created, merged, replaced; compared; printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from translators.marathon.errors import BadRequest, Detail, InvalidDefinition
from translators.marathon.normalisation import ORDER, complete, migrate, ordered, port_indices
from translators.marathon.paths import absolute_id
from translators.marathon.readers import Errors, record
from translators.marathon.rules import Rules
from translators.marathon.types import APP, APP_FIELDS
from translators.marathon.validation import validate, validate_deprecated, validate_model

__all__ = [
    "AppUpdate",
    "app_json",
    "config_differs",
    "read_app",
    "read_app_list_update",
    "read_app_update",
    "replace_app",
    "update_app",
]

_UPDATE = record(*(f if not f.required else type(f)(f.name, f.read) for f in APP_FIELDS))
_NOT_CONFIG = frozenset(("instances", "version", "versionInfo", "executorResources"))
_FORGOTTEN_BY_MERGE = ("executorResources", "resourceLimits")


@dataclass(frozen=True, slots=True)
class AppUpdate:
    """A partial definition: `fields` as read, in the new forms; `source` what was sent, for a creation or a replacement.

    `version` is set if the update asks for the definition that the app had then.
    """

    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    source: object = None
    version: str | None = None


def read_app(
    source: object, *, rules: Rules, base: str = "/", app_id: str | None = None, path: str = ""
) -> dict[str, Any]:
    """A complete app as Marathon prints it, without `version` and `versionInfo`; service ports that were not given are 0.

    `app_id` overrides the id of the body, `base` is what a relative one is appended to, `path` prefixes the paths of
    type errors. Raises InvalidJson, InvalidDefinition.
    """
    if app_id is not None and isinstance(source, dict):
        source = {**source, "id": app_id}
    errors = Errors()
    app = APP(source, "", errors)
    errors.check(path)
    app.pop("version", None)
    validate_deprecated(app, rules)
    named_ports = bool(app.get("portDefinitions"))
    app = migrate(app, rules, base=base)
    if named_ports or (app.get("container") or {}).get("portMappings"):
        port_indices(app, always=True)
    return _finished(app, rules)


def read_app_update(source: object, *, rules: Rules, app_id: str, path: str = "") -> AppUpdate:
    """An update of one app; `path` prefixes the paths of type errors. Raises InvalidJson, InvalidDefinition."""
    body = source if isinstance(source, dict) else {}
    body = {key: value for key, value in body.items() if key != "id"}
    errors = Errors()
    update = _UPDATE({**body, "id": app_id} if _checkable(app_id) else body, "", errors)
    if not _checkable(app_id):
        errors.add("/id", "error.pattern")
    errors.check(path)
    version = update.pop("version", None)
    if version is not None and len(update) > 1:
        raise InvalidDefinition([Detail("/", ("The 'version' field may only be combined with the 'id' field.",))])
    if "ports" in update and "portDefinitions" in update:
        del update["ports"]
    validate_deprecated(update, rules, update=True)
    fields = migrate(update, rules)
    fields.pop("id", None)
    return AppUpdate(absolute_id(app_id), fields, {**body, "id": app_id}, version)


def read_app_list_update(sources: object, *, rules: Rules) -> list[AppUpdate]:
    """A list of updates, each with its id."""
    if not isinstance(sources, list):
        sources = []
    updates = []
    for i, source in enumerate(sources):
        app_id = source.get("id") if isinstance(source, dict) else None
        if not isinstance(app_id, str):
            raise BadRequest("requirement failed: App Update must have app id set", 422)
        updates.append(read_app_update(source, rules=rules, app_id=app_id, path=f"({i})"))
    return updates


def update_app(current: Mapping[str, Any] | None, update: AppUpdate, *, rules: Rules) -> dict[str, Any]:
    """PUT and PATCH: each member that is given replaces the whole old one. Without `current` it is a creation."""
    if current is None:
        return read_app(update.source, rules=rules, app_id=update.id)
    merged = {key: value for key, value in current.items() if key not in _FORGOTTEN_BY_MERGE}
    if "networks" in update.fields and "container" not in update.fields and merged.get("container"):
        merged["container"] = _without_port_mappings(merged["container"])
    merged.update(update.fields)
    app: dict[str, Any] = migrate(merged, rules)
    port_indices(app, always=True)
    return _finished(app, rules)


def _without_port_mappings(container: Mapping[str, Any]) -> dict[str, Any]:
    """Other networks, other ports: the mappings go, and with them the image of a Mesos container (recorded)."""
    gone = ("portMappings", "docker") if container["type"] == "MESOS" else ("portMappings",)
    return {key: value for key, value in container.items() if key not in gone}


def replace_app(current: Mapping[str, Any] | None, update: AppUpdate, *, rules: Rules) -> dict[str, Any]:
    """PUT with partialUpdate=false: the body is a complete app."""
    app = read_app(update.source, rules=rules, app_id=update.id)
    app.pop("executorResources", None)
    return app


def config_differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the instances must be replaced: anything differs but their number."""
    keys = (before.keys() | after.keys()) - _NOT_CONFIG
    return any(before.get(key) != after.get(key) for key in keys)


def app_json(
    definition: Mapping[str, Any],
    *,
    version: str,
    last_scaling_at: str | None = None,
    last_config_change_at: str | None = None,
) -> dict[str, Any]:
    """The definition with its version where Marathon prints it."""
    whole = {**definition, "version": version}
    if last_scaling_at is not None and last_config_change_at is not None:
        whole["versionInfo"] = {"lastScalingAt": last_scaling_at, "lastConfigChangeAt": last_config_change_at}
    return {key: whole[key] for key in ORDER if key in whole}


def _checkable(app_id: str) -> bool:
    errors = Errors()
    APP_FIELDS[0].read(app_id, "/id", errors)
    return not errors


def _finished(app: dict[str, Any], rules: Rules) -> dict[str, Any]:
    app = ordered(app)
    if app.get("container") is None:
        app.pop("container", None)
    validate(app, rules)
    done = complete(app, rules)
    validate_model(done, rules)
    return done
