"""What the operator of this installation decided about the cluster: the settings of the translation.

Every value has a default that works on a plain cluster. Immutable: a change of settings is a restart of the gateway, and
changes no running Deployment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from translators.kubernetes.names import secret_name

__all__ = ["SANDBOX", "Platform"]

SANDBOX = "/mnt/mesos/sandbox"
"""Where a task finds its sandbox, as with the default flags of a Mesos agent."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The settings of the translation."""

    namespace: str = "marathon"
    """Namespace of everything we make."""

    default_image: str = "docker.io/library/busybox:1.36"
    """Image of apps without one; on Mesos they ran on the agent's own file system."""

    fetcher_image: str = "docker.io/library/busybox:1.36"
    """Image that downloads `fetch` URIs; needs a shell, wget and tar."""

    kill_grace_s: int = 3
    """Seconds between SIGTERM and SIGKILL for apps that do not say; a Mesos agent gives 3."""

    task_id_style: str = "marathon"
    """Form of task ids (`marathon` or `instance`), for MESOS_TASK_ID."""

    env_vars_prefix: str = ""
    """Prefix of HOST and PORT* in the tasks' environment, as Marathon's flag of that name."""

    networks: Mapping[str, str] = field(default_factory=dict)
    """Container networks by Marathon's name; the value is a Multus network, empty for the pod network. `*` is any other name."""

    users: Mapping[str, str] = field(default_factory=dict)
    """Numeric ids (`65534` or `1000:1000`) of user names."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    """`<Secret name>/<key>` of secret sources. Others are looked for in `marathon-secret-<hash of the source>`, key `value`."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """Node labels by agent attribute. Others are looked for in `attribute.marathon-gateway.io/<attribute>`."""

    fetch_schemes: frozenset[str] = frozenset({"http", "https", "ftp", "file"})
    """Schemes of URIs that the fetcher can download."""

    gpu_resource: str = "nvidia.com/gpu"
    """Name of the extended resource that `gpus` asks for."""

    allow_host_volumes: bool = True
    """Whether volumes with an absolute `hostPath` are allowed."""

    allow_host_namespaces: bool = False
    """Whether apps may share the node's IPC or PID namespace."""

    strict_variable_names: bool = False
    """Whether the cluster takes only letters, digits, `-`, `_` and `.` in names of environment variables (before 1.34)."""

    soft_refusals: bool = False
    """Accept what this platform cannot honour, with a warning on the app, instead of refusing it."""

    def secret(self, source: str) -> tuple[str, str]:
        """Name and key of the Secret that holds what Marathon's secret store has at `source`."""
        name, _, key = self.secrets.get(source, "").partition("/")
        return (name, key or "value") if name else (secret_name(source), "value")

    def network(self, name: str) -> str | None:
        """What a container network is here (see `networks`), None if it is unknown."""
        return self.networks.get(name, self.networks.get("*"))

    def takes_variable(self, name: str) -> bool:
        """Whether the cluster takes this name of an environment variable."""
        return (_STRICT_NAME if self.strict_variable_names else _RELAXED_NAME).fullmatch(name) is not None

    def label(self, attribute: str) -> str:
        """The node label that holds an agent attribute (or Marathon's own fields of constraints)."""
        return _FIELDS.get(attribute) or self.attributes.get(attribute) or f"attribute.marathon-gateway.io/{attribute}"


_RELAXED_NAME = re.compile(r"[\x20-\x3c\x3e-\x7e]+")
_STRICT_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FIELDS = {
    "hostname": "kubernetes.io/hostname",
    "@hostname": "kubernetes.io/hostname",
    "@region": "topology.kubernetes.io/region",
    "@zone": "topology.kubernetes.io/zone",
}
