"""What a cluster needs to run the gateway: custom resources, least RBAC, Deployment. `mgw manifests` prints it."""

from typing import Any

from gateway.settings import Settings
from translators.kubernetes.crds import crds
from translators.kubernetes.objects import GROUP

__all__ = ["manifests"]

_NAME = "marathon-gateway"
_LABELS = {"app.kubernetes.io/name": _NAME, "app.kubernetes.io/managed-by": _NAME}
_IMAGE = "marathon-gateway:0.1.0"

_RULES: tuple[dict[str, list[str]], ...] = (
    {
        "apiGroups": [GROUP],
        "resources": ["*"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    },
    {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "verbs": ["get", "list", "watch", "create", "delete"],
    },
    {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]},
    {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["get", "list", "create", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
)


def manifests(settings: Settings) -> list[dict[str, Any]]:
    """All objects in the order in which they are to be applied."""
    namespace = settings.namespace
    account = {"kind": "ServiceAccount", "name": _NAME, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": _LABELS}},
        *crds(),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(namespace)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": _meta(namespace),
            "rules": list(_RULES),
        },
        _binding("RoleBinding", "Role", _meta(namespace), account),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": _meta(),
            "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]}],
        },
        _binding("ClusterRoleBinding", "ClusterRole", _meta(name=f"{_NAME}-{namespace}"), account),
        _deployment(settings),
    ]


def _meta(namespace: str = "", *, name: str = _NAME) -> dict[str, Any]:
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": _LABELS}


def _binding(kind: str, role: str, metadata: dict[str, Any], account: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": _NAME},
        "subjects": [account],
    }


def _deployment(settings: Settings) -> dict[str, Any]:
    """Two replicas: both serve, one leads. `/ping` needs no cluster, so it is the liveness; readiness needs the first read."""
    labels = {"app.kubernetes.io/name": _NAME}
    probe = {"port": "http", "scheme": "HTTP"}
    container = {
        "name": "gateway",
        "image": _IMAGE,
        "args": [
            "serve",
            "--http_address",
            "0.0.0.0",
            "--http_port",
            "8080",
            "--hostname",
            "$(POD_IP)",
            "--namespace",
            settings.namespace,
        ],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": "/ping", **probe}, "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/v2/leader", **probe}, "periodSeconds": 5, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(settings.namespace),
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": _NAME, "enableServiceLinks": False, "containers": [container]},
            },
        },
    }
