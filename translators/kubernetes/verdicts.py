"""What becomes of every field of an app on Kubernetes: the table behind `docs/compatibility.md`.

Data, so that the document is generated and a test can hold it against the list of all fields. The reasons are those that a
user of the field wants to read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["VERDICTS", "Grade", "Verdict", "markdown"]

Grade = Literal["exact", "approximate", "kept", "refused"]
"""Same behaviour; works, with a difference; stored and returned without effect on the cluster; answered with 422."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`path` is the field, list items without index; `reason` says how it is done, or what differs, or why it is not."""

    path: str
    grade: Grade
    reason: str


def _under(prefix: str, rows: Sequence[tuple[str, Grade, str]]) -> list[Verdict]:
    return [Verdict(f"{prefix}{path}", grade, reason) for path, grade, reason in rows]


_TOP: list[tuple[str, Grade, str]] = [
    ("id", "exact", "Names of objects are derived from it; the id itself is an annotation."),
    ("acceptedResourceRoles", "kept", "There are no reserved resources; every node counts as unreserved."),
    ("args", "exact", "Arguments of the image's entrypoint; without an image, the command itself."),
    ("backoffFactor", "kept", "The cluster delays restarts by itself: 10 s, doubling up to 300 s."),
    ("backoffSeconds", "kept", "The cluster delays restarts by itself: 10 s, doubling up to 300 s."),
    ("cmd", "exact", "Run by /bin/sh -c in the container; without an image in the platform's default image."),
    ("constraints", "approximate", "See the operators below."),
    ("container", "exact", "See its fields below."),
    ("cpus", "exact", "A request; Mesos' cpus are shares and no limit."),
    ("dependencies", "exact", "Steps of a deployment wait for them."),
    ("disk", "approximate", "A request of ephemeral storage; not enforced."),
    ("env", "exact", "Names must be printable ASCII without '='."),
    ("executor", "refused", "Only the default executor and //cmd."),
    ("executorResources", "kept", "There are no custom executors."),
    ("fetch", "approximate", "An init container; once per pod, not per restart of the task."),
    (
        "healthChecks",
        "approximate",
        "One check per app, run by the kubelet as probes; a kill restarts the task in place.",
    ),
    ("check", "refused", "Nothing runs it."),
    ("instances", "exact", "Replicas."),
    ("labels", "exact", "Kept on the app and given to its environment; an annotation on the cluster."),
    ("maxLaunchDelaySeconds", "kept", "The cluster delays restarts by itself: 10 s, doubling up to 300 s."),
    ("mem", "exact", "Request and limit."),
    ("gpus", "exact", "Limit of the platform's GPU resource."),
    ("ipAddress", "exact", "Read as networks and port mappings."),
    ("networks", "approximate", "See their fields below."),
    ("ports", "exact", "Read as portDefinitions."),
    ("portDefinitions", "approximate", "Dynamic ports are constants of the app on the pod's own address."),
    ("readinessChecks", "approximate", "A probe that gates deployments; only for apps without health checks."),
    ("residency", "kept", "It has no effect in Marathon either."),
    ("resourceLimits", "exact", "Limits beside the requests."),
    ("requirePorts", "exact", "The node's network, with these numbers."),
    ("secrets", "approximate", "Keys of Secrets; a missing one keeps the task staging."),
    ("taskKillGracePeriodSeconds", "exact", "Seconds between SIGTERM and SIGKILL; 0 counts as 1."),
    ("upgradeStrategy", "exact", "Marathon's arithmetic, run by the gateway."),
    ("uris", "exact", "Read as fetch."),
    ("user", "approximate", "A number, root, or a name that the platform maps to a number."),
    ("version", "exact", "Read-only; in an update it restores that version."),
    ("versionInfo", "exact", "Read-only."),
    (
        "killSelection",
        "approximate",
        "A deletion cost; the cluster takes pods that are not ready before it looks at the cost.",
    ),
    ("unreachableStrategy", "approximate", "inactiveAfterSeconds is the time a pod stays bound to a silent node."),
    ("tty", "exact", "tty and stdin of the container."),
    ("role", "kept", "Checked as Marathon does; no effect on the cluster."),
]

_NETWORK: list[tuple[str, Grade, str]] = [
    ("mode=host", "approximate", "The node's network with requirePorts; otherwise the pod's own address."),
    ("mode=container/bridge", "approximate", "The pod network."),
    ("mode=container", "approximate", "The pod network, or a Multus network that the platform maps the name to."),
    ("name", "approximate", "Refused if the platform does not know it."),
    ("labels", "kept", "No effect on the cluster."),
]

_PORT: list[tuple[str, Grade, str]] = [
    ("port", "exact", "The service port, and the number on the pod's address."),
    ("protocol", "exact", "udp,tcp is two ports with one number."),
    ("name", "exact", "Named in the environment."),
    ("labels", "kept", "Read by load balancers."),
]

_MAPPING: list[tuple[str, Grade, str]] = [
    ("containerPort", "exact", "0: a number is chosen for the app."),
    ("hostPort", "approximate", "0: none is taken, tasks are reached by their own address; else a port of the node."),
    ("servicePort", "exact", "Assigned by the gateway."),
    ("protocol", "exact", "udp,tcp is two ports with one number."),
    ("name", "exact", "Named in the environment."),
    ("labels", "kept", "Read by load balancers."),
    ("networkNames", "kept", "No effect on the cluster."),
]

_CONTAINER: list[tuple[str, Grade, str]] = [
    ("type", "exact", "Both containerizers are containers of a pod."),
    ("docker.image", "exact", "The image."),
    ("docker.forcePullImage", "exact", "Pull policy Always, else IfNotPresent."),
    ("docker.privileged", "exact", "A privileged container."),
    ("docker.parameters", "approximate", "Options with a counterpart in a pod; others are refused."),
    ("docker.credential", "refused", "Marathon refuses it too."),
    ("docker.pullConfig.secret", "exact", "A pull secret, if the Secret is a docker configuration."),
    ("docker.network", "exact", "Read as networks."),
    ("docker.portMappings", "exact", "Read as container.portMappings."),
    ("portMappings", "approximate", "See their fields below."),
    ("volumes", "approximate", "See their kinds below."),
    ("linuxInfo.seccomp.profileName", "approximate", "A file in the kubelet's directory of profiles."),
    ("linuxInfo.seccomp.unconfined", "exact", "Profile Unconfined."),
    ("linuxInfo.ipcInfo.shmSize", "exact", "Memory on /dev/shm; it counts against mem."),
    ("linuxInfo.ipcInfo.mode", "approximate", "PRIVATE; SHARE_PARENT if the platform allows it."),
]

_VOLUME: list[tuple[str, Grade, str]] = [
    ("containerPath", "exact", "Relative paths are in the sandbox."),
    ("mode", "exact", "RO or RW."),
    ("hostPath", "exact", "A directory of the node, or of the sandbox if relative."),
    ("secret", "exact", "A file with the content of a Secret's key."),
    ("persistent", "refused", "A Deployment has no volume per instance."),
    ("external", "refused", "No volume driver is mapped."),
]

_CHECK: list[tuple[str, Grade, str]] = [
    ("protocol", "approximate", "Probes of the kubelet; redirects on the same host are followed."),
    ("command", "exact", "Run by /bin/sh -c in the container."),
    ("path", "exact", "The path of the probe."),
    ("port", "exact", "The container's side of that port."),
    ("portIndex", "exact", "The container port of that entry."),
    ("gracePeriodSeconds", "approximate", "A startup probe, in whole intervals."),
    ("intervalSeconds", "exact", "At least 1."),
    ("timeoutSeconds", "exact", "At least 1."),
    ("maxConsecutiveFailures", "exact", "Failures of the liveness probe."),
    ("delaySeconds", "exact", "For the checks that Mesos runs."),
    ("ignoreHttp1xx", "kept", "Marathon loses it too."),
    ("ipProtocol", "kept", "The pod's own address family."),
]

_READINESS: list[tuple[str, Grade, str]] = [
    ("name", "kept", "Results are not listed."),
    ("protocol", "exact", "HTTP or HTTPS."),
    ("path", "exact", "The path of the probe."),
    ("portName", "exact", "The container port of that entry."),
    ("intervalSeconds", "exact", "At least 1."),
    ("timeoutSeconds", "exact", "At least 1."),
    ("httpStatusCodesForReady", "approximate", "Every status from 200 to 399 counts."),
    ("preserveLastResponse", "kept", "Responses are not kept."),
]

_CONSTRAINT: list[tuple[str, Grade, str]] = [
    ("UNIQUE", "exact", "At most one instance per value."),
    ("MAX_PER", "exact", "At most that many instances per value; not together with GROUP_BY on one field."),
    ("GROUP_BY", "approximate", "Kubernetes knows all values, Marathon those in use and in offers."),
    ("CLUSTER", "exact", "One value for all instances."),
    ("IS", "exact", "A label of the node."),
    ("LIKE", "approximate", "Expressions that spell out their values; others are refused."),
    ("UNLIKE", "approximate", "Expressions that spell out their values; others are refused."),
]

_FETCH: list[tuple[str, Grade, str]] = [
    ("uri", "approximate", "Schemes that the fetcher knows; files come from the fetcher's image."),
    ("extract", "exact", "By extension."),
    ("executable", "exact", "Made executable, not unpacked."),
    ("cache", "kept", "Artifacts are not cached."),
    ("destPath", "exact", "A path in the sandbox."),
]

_REST: list[tuple[str, Grade, str]] = [
    ("env.*.secret", "exact", "The key of a Secret."),
    ("secrets.*.source", "approximate", "Mapped to a Secret and its key."),
    ("executorResources.cpus", "kept", "There are no custom executors."),
    ("executorResources.mem", "kept", "There are no custom executors."),
    ("executorResources.disk", "kept", "There are no custom executors."),
    ("resourceLimits.cpus", "exact", "Limit of cpu, none if unlimited."),
    ("resourceLimits.mem", "exact", "Limit of memory, none if unlimited."),
    ("upgradeStrategy.maximumOverCapacity", "exact", "Counted with terminating pods."),
    ("upgradeStrategy.minimumHealthCapacity", "exact", "Counted by health and readiness."),
    ("unreachableStrategy.inactiveAfterSeconds", "approximate", "The cluster needs up to a minute to see the silence."),
    (
        "unreachableStrategy.expungeAfterSeconds",
        "kept",
        "A replaced pod is forgotten when its node is back or removed.",
    ),
    ("residency.relaunchEscalationTimeoutSeconds", "kept", "It has no effect in Marathon either."),
    ("residency.taskLostBehavior", "kept", "It has no effect in Marathon either."),
]

VERDICTS: tuple[Verdict, ...] = (
    *_under("", _TOP),
    *_under("networks[].", _NETWORK),
    *_under("portDefinitions[].", _PORT),
    *_under("container.", _CONTAINER),
    *_under("container.portMappings[].", _MAPPING),
    *_under("container.volumes[].", _VOLUME),
    *_under("healthChecks[].", _CHECK),
    *_under("readinessChecks[].", _READINESS),
    *_under("constraints[].", _CONSTRAINT),
    *_under("fetch[].", _FETCH),
    *_under("", _REST),
)


def markdown() -> str:
    """The table for the documentation."""
    rows = [f"| `{verdict.path}` | {verdict.grade} | {verdict.reason} |" for verdict in VERDICTS]
    return "\n".join(["| Field | Verdict | |", "|---|---|---|", *rows, ""])
