"""An app definition as a Deployment: one per app and configuration, whose template is never edited (design D4).

The template depends on the definition, the configuration's version and the platform alone, so making it again gives the same.
Whatever is a change of configuration in Marathon changes the Deployment, even if no pod would differ: the version of the
configuration is in the template. Only `replicas` is written later.
"""

import json
from collections.abc import Mapping
from typing import Any

from translators.kubernetes.environment import environment
from translators.kubernetes.escape import literal
from translators.kubernetes.fetching import fetch_container
from translators.kubernetes.labels import (
    CONTAINER,
    HEALTH_CHECKS,
    MANAGED_BY,
    MANAGER,
    PORTS,
    USER_LABELS,
    annotations,
    selector,
)
from translators.kubernetes.names import deployment_name
from translators.kubernetes.parameters import Parameters, parameters, run_as
from translators.kubernetes.placement import placement, tolerations
from translators.kubernetes.platform import SANDBOX, Platform
from translators.kubernetes.ports import container_ports, host_network, ports, ports_annotation
from translators.kubernetes.probes import probes
from translators.kubernetes.resources import resources
from translators.kubernetes.volumes import Volumes, memory_volume, volumes

__all__ = ["deployment"]

_MULTUS = "k8s.v1.cni.cncf.io/networks"
_NEVER_S = 2147483647  # Marathon never gives up on a deployment

App = Mapping[str, Any]


def deployment(app: App, *, version: str, config_version: str, platform: Platform, replicas: int = 0) -> dict[str, Any]:
    """The complete `apps/v1` Deployment.

    `version` is the app's version at this moment, `config_version` the one at which its configuration last changed.
    What this platform cannot honour is left out: ask `support.refusals` first.
    """
    labels = {MANAGED_BY: MANAGER, **selector(app["id"], config_version)}
    noted = annotations(app["id"], version=version, config_version=config_version)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(app["id"], config_version),
            "namespace": platform.namespace,
            "labels": labels,
            "annotations": {**noted, USER_LABELS: json.dumps(app.get("labels") or {}, ensure_ascii=False)},
        },
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": _NEVER_S,
            "selector": {"matchLabels": selector(app["id"], config_version)},
            "template": {
                "metadata": {"labels": labels, "annotations": {**noted, **_pod_annotations(app, platform)}},
                "spec": _pod(app, config_version, platform),
            },
        },
    }


def _pod_annotations(app: App, platform: Platform) -> dict[str, str]:
    names = [platform.network(n.get("name", "")) or "" for n in app.get("networks") or ()]
    networks = ",".join(name for name in names if name)
    return {
        PORTS: ports_annotation(ports(app, prefix=platform.env_vars_prefix)),
        HEALTH_CHECKS: str(len(app.get("healthChecks") or ())),
        **({_MULTUS: networks} if networks else {}),
    }


def _pod(app: App, config_version: str, platform: Platform) -> dict[str, Any]:
    given = parameters(app, platform)
    mounted = _volumes(app, given, platform)
    fetch = fetch_container(app, platform)
    return {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _grace(app, platform),
        **_host_network(app),
        **_host_ipc(app, platform),
        **given.pod,
        **({"securityContext": given.pod_security} if given.pod_security else {}),
        **_pull_secrets(app, platform),
        "tolerations": tolerations(app),
        **placement(app, selector(app["id"], config_version), platform),
        "volumes": mounted.volumes,
        **({"initContainers": [fetch]} if fetch else {}),
        "containers": [_container(app, config_version, platform, given, mounted)],
    }


def _grace(app: App, platform: Platform) -> int:
    """At least one second: zero is a forced delete, after which nobody knows whether the process has ended."""
    wanted = app.get("taskKillGracePeriodSeconds")
    return max(1, platform.kill_grace_s if wanted is None else int(wanted))


def _host_network(app: App) -> dict[str, Any]:
    """The node's network only for ports that the user fixed there; others are on the pod's own address."""
    if host_network(app) and any(entry.host_port for entry in ports(app)):
        return {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return {}


def _host_ipc(app: App, platform: Platform) -> dict[str, Any]:
    ipc = ((app.get("container") or {}).get("linuxInfo") or {}).get("ipcInfo") or {}
    return {"hostIPC": True} if ipc.get("mode") == "SHARE_PARENT" and platform.allow_host_namespaces else {}


def _pull_secrets(app: App, platform: Platform) -> dict[str, Any]:
    name = (_docker(app).get("pullConfig") or {}).get("secret")
    if not name:
        return {}
    source = ((app.get("secrets") or {}).get(name) or {}).get("source", name)
    return {"imagePullSecrets": [{"name": platform.secret(source)[0]}]}


def _docker(app: App) -> Mapping[str, Any]:
    docker: Mapping[str, Any] = (app.get("container") or {}).get("docker") or {}
    return docker


def _volumes(app: App, given: Parameters, platform: Platform) -> Volumes:
    made = volumes(app, platform)
    for source, target, read_only in given.host_paths:
        access = {"readOnly": True} if read_only else {}
        made.add({"hostPath": {"path": source, "type": ""}}, target, **access)
    for path in given.memory_paths:
        memory_volume(made, path)
    ipc = ((app.get("container") or {}).get("linuxInfo") or {}).get("ipcInfo") or {}
    if size := ipc.get("shmSize") or given.shm_mib:
        memory_volume(made, "/dev/shm", size)  # noqa: S108
    return made


def _container(
    app: App, config_version: str, platform: Platform, given: Parameters, mounted: Volumes
) -> dict[str, Any]:
    docker = _docker(app)
    entries = ports(app, prefix=platform.env_vars_prefix)
    security = _security(app, given, platform)
    image = docker.get("image")
    return {
        "name": CONTAINER,
        "image": image or platform.default_image,
        "imagePullPolicy": "Always" if docker.get("forcePullImage") else "IfNotPresent",
        **_command(app, given),
        **({} if image else {"workingDir": SANDBOX}),
        **given.container,
        **({"tty": True, "stdin": True} if app.get("tty") else {}),
        **({"ports": container_ports(entries)} if entries else {}),
        "env": environment(app, entries, config_version=config_version, platform=platform, parameters=given.env),
        "resources": resources(app, platform),
        **({"securityContext": security} if security else {}),
        "volumeMounts": mounted.mounts,
        **probes(app, entries),
    }


def _command(app: App, given: Parameters) -> dict[str, Any]:
    """`cmd` runs in a shell, `args` go to the image's entrypoint, or are the command where there is no image."""
    shell = ["/bin/sh", "-c", literal(app["cmd"])] if app.get("cmd") else None
    args = [literal(arg) for arg in app.get("args") or ()]
    if given.entrypoint:
        rest = shell or args
        return {"command": [literal(given.entrypoint)], **({"args": rest} if rest else {})}
    if shell:
        return {"command": shell}
    if not args:
        return {}
    return {"args": args} if _docker(app).get("image") else {"command": args}


def _security(app: App, given: Parameters, platform: Platform) -> dict[str, Any]:
    made = dict(given.security)
    user = app.get("user") or given.user
    made.update((run_as(str(user), platform) if user else None) or {})
    if _docker(app).get("privileged"):
        made["privileged"] = True
    seccomp = ((app.get("container") or {}).get("linuxInfo") or {}).get("seccomp") or {}
    if seccomp.get("profileName"):
        made["seccompProfile"] = {"type": "Localhost", "localhostProfile": seccomp["profileName"]}
    elif seccomp.get("unconfined"):
        made["seccompProfile"] = {"type": "Unconfined"}
    return made
