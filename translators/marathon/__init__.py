"""Marathon's definitions: read, defaulted, normalised, validated, merged and printed as a real Marathon 1.11.24 does."""

from translators.marathon.apps import (
    AppUpdate,
    app_json,
    config_differs,
    read_app,
    read_app_list_update,
    read_app_update,
    replace_app,
    update_app,
)
from translators.marathon.json import read_json
from translators.marathon.ports import assign_service_ports, service_ports
from translators.marathon.root import validate_root
from translators.marathon.rules import Rules

__all__ = [
    "AppUpdate",
    "Rules",
    "app_json",
    "assign_service_ports",
    "config_differs",
    "read_app",
    "read_app_list_update",
    "read_app_update",
    "read_json",
    "replace_app",
    "service_ports",
    "update_app",
    "validate_root",
]
