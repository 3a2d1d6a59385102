"""Names of what we make on the cluster, derived from app ids and versions alone.

Kubernetes names are short and narrow, app ids are not: a name is a readable slug plus a hash of the full id, always, so that
two ids never share a name and a name never changes because another app came. Names are never parsed: look objects up by
the label of the hash and verify the annotation with the full id.
"""

import hashlib
import re
import uuid
from base64 import b32encode
from functools import lru_cache

__all__ = [
    "app_object_name",
    "config_hash",
    "deployment_name",
    "group_object_name",
    "id_hash",
    "instance_id",
    "revision_name",
    "safe_path",
    "secret_name",
    "task_id",
    "task_id_template",
]

_SLUG_LENGTH = (
    37  # with the hash 46, so that pod names stay host names (63) after the two suffixes that controllers add
)
_VERSIONED_SLUG_LENGTH = 30


@lru_cache(maxsize=65_536)  # asked for every app id at each of its pods
def _hash(text: str, length: int) -> str:
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:length]


def _slug(app_id: str, length: int) -> str:
    return re.sub(r"-+", "-", app_id.strip("/").replace("/", "-").replace(".", "-"))[:length].rstrip("-")


def id_hash(app_id: str) -> str:
    """Label `id-hash`."""
    return _hash(app_id, 8)


def config_hash(config_version: str) -> str:
    """Label `config-hash`."""
    return _hash(config_version, 6)


def app_object_name(app_id: str) -> str:
    """Of the MarathonApp: at most 46 characters."""
    return f"{_slug(app_id, _SLUG_LENGTH)}-{id_hash(app_id)}"


def group_object_name(group_id: str) -> str:
    """Of the MarathonGroup: at most 46 characters."""
    return f"{_slug(group_id, _SLUG_LENGTH) or 'root'}-{id_hash(group_id)}"


def deployment_name(app_id: str, config_version: str) -> str:
    """Of the Deployment of one configuration: at most 46 characters."""
    return f"{_slug(app_id, _VERSIONED_SLUG_LENGTH)}-{id_hash(app_id)}-{config_hash(config_version)}"


def revision_name(object_name: str, version: str) -> str:
    """Of the ControllerRevision of one version, e.g. `httpserver-kxff7gdq-20240501100000000`."""
    return f"{object_name}-{re.sub(r'[^0-9]', '', version)}"


def secret_name(source: str) -> str:
    """Of the Secret for a secret source that no setting maps."""
    return f"marathon-secret-{_hash(source, 8)}"


def safe_path(app_id: str) -> str:
    """`/prod/web` as task ids spell it: `prod_web`."""
    return app_id.strip("/").replace("/", "_")


def instance_id(app_id: str, pod_uid: str, incarnation: int = 1, *, style: str = "marathon") -> str:
    if style == "instance":
        return f"{safe_path(app_id)}.instance-{pod_uid}"
    return f"{safe_path(app_id)}.marathon-{_incarnation_uuid(pod_uid, incarnation)}"


def task_id(app_id: str, pod_uid: str, incarnation: int = 1, *, style: str = "marathon") -> str:
    """The id of the task that the n-th start of the pod's container is."""
    if style == "instance":
        return f"{instance_id(app_id, pod_uid, style=style)}._app.{incarnation}"
    return f"{safe_path(app_id)}.{_incarnation_uuid(pod_uid, incarnation)}"


def task_id_template(app_id: str, uid_variable: str, *, style: str = "marathon") -> str:
    """The id of a pod's first task as its environment spells it, with the uid to be expanded by the cluster."""
    return task_id(app_id, f"$({uid_variable})", style=style)


def _incarnation_uuid(pod_uid: str, incarnation: int) -> str:
    if incarnation <= 1:
        return pod_uid
    try:
        namespace = uuid.UUID(pod_uid)
    except ValueError:
        namespace = uuid.uuid5(uuid.NAMESPACE_OID, pod_uid)
    return str(uuid.uuid5(namespace, str(incarnation)))
