"""Labels and annotations of our objects. Selectors use the hashes; the annotations hold what labels are too narrow for."""

from translators.kubernetes.names import config_hash, id_hash
from translators.kubernetes.objects import GROUP

__all__ = [
    "CONFIG_HASH",
    "CONFIG_VERSION",
    "CONTAINER",
    "HEALTH_CHECKS",
    "ID",
    "ID_HASH",
    "MANAGED_BY",
    "MANAGER",
    "PORTS",
    "USER_LABELS",
    "VERSION",
    "annotations",
    "selector",
]

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "marathon-gateway"
ID_HASH = f"{GROUP}/id-hash"
CONFIG_HASH = f"{GROUP}/config-hash"
ID = f"{GROUP}/id"
CONFIG_VERSION = f"{GROUP}/config-version"
VERSION = f"{GROUP}/version"
PORTS = f"{GROUP}/ports"
USER_LABELS = f"{GROUP}/labels"
HEALTH_CHECKS = f"{GROUP}/health-checks"
"""On pods: how many health checks the app has, so that a pod tells by itself whether it needs to be healthy."""

CONTAINER = "app"
"""Name of the container of an app."""


def selector(app_id: str, config_version: str) -> dict[str, str]:
    """What picks the pods of one configuration of one app."""
    return {ID_HASH: id_hash(app_id), CONFIG_HASH: config_hash(config_version)}


def annotations(app_id: str, *, version: str, config_version: str) -> dict[str, str]:
    return {ID: app_id, CONFIG_VERSION: config_version, VERSION: version}
