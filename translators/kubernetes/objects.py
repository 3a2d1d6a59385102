"""The fields of Kubernetes objects that the gateway reads, and the custom resources it keeps its state in.

Partial structs, decoded straight from bytes: what is not declared here is skipped by the decoder and costs nothing
(`managedFields`, probes, environment). Field names are Kubernetes' own. Every struct tolerates absent fields and never
refuses an object for what it does not know.

The custom resources of group `marathon-gateway.io/v1`:

    MarathonApp         the current definition of one app, as JSON text, with its version
    MarathonGroup       what one group has beyond the apps in it
    MarathonDeployment  one accepted change; its name is the next number of the change log (`change-0000000042`)
"""

from typing import Any

import msgspec

__all__ = [
    "GROUP",
    "VERSION",
    "AppChange",
    "AppRecord",
    "AppSpec",
    "AppStatus",
    "Begun",
    "ChangeSpec",
    "ChangeStatus",
    "Condition",
    "Container",
    "ContainerPort",
    "ContainerState",
    "ContainerStatus",
    "Deployment",
    "DeploymentSpec",
    "DeploymentStatus",
    "EnvVar",
    "Event",
    "GroupChange",
    "GroupRecord",
    "GroupSpec",
    "Lease",
    "LeaseSpec",
    "ListMeta",
    "MarathonApp",
    "MarathonDeployment",
    "MarathonGroup",
    "Meta",
    "Node",
    "ObjectReference",
    "OwnerReference",
    "Pod",
    "PodIP",
    "PodSpec",
    "PodStatus",
    "Running",
    "Step",
    "StepAction",
    "Taint",
    "Terminated",
    "Waiting",
]

GROUP = "marathon-gateway.io"
VERSION = "v1"


class _Struct(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Decoded JSON has no cycles, so the collector may pass these by."""


class OwnerReference(_Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Meta(_Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 0
    creationTimestamp: str = ""
    deletionTimestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    ownerReferences: list[OwnerReference] = []
    finalizers: list[str] = []


class ListMeta(_Struct, frozen=True):
    """`metadata` of a list."""

    resourceVersion: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    remainingItemCount: int | None = None


class Condition(_Struct, frozen=True):
    type: str = ""
    status: str = ""  # "True", "False", "Unknown"
    reason: str = ""
    message: str = ""
    lastTransitionTime: str | None = None


class ContainerPort(_Struct, frozen=True):
    name: str = ""
    containerPort: int = 0
    hostPort: int = 0
    protocol: str = "TCP"


class EnvVar(_Struct, frozen=True):
    name: str = ""
    value: str | None = None


class Container(_Struct, frozen=True):
    name: str = ""
    image: str = ""
    ports: list[ContainerPort] = []


class PodSpec(_Struct, frozen=True):
    nodeName: str = ""
    hostNetwork: bool = False
    containers: list[Container] = []
    terminationGracePeriodSeconds: int | None = None


class Terminated(_Struct, frozen=True):
    exitCode: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    startedAt: str | None = None
    finishedAt: str | None = None


class Running(_Struct, frozen=True):
    startedAt: str | None = None


class Waiting(_Struct, frozen=True):
    reason: str = ""
    message: str = ""


class ContainerState(_Struct, frozen=True):
    running: Running | None = None
    terminated: Terminated | None = None
    waiting: Waiting | None = None


class ContainerStatus(_Struct, frozen=True):
    name: str = ""
    ready: bool = False
    started: bool | None = None
    restartCount: int = 0
    containerID: str = ""
    state: ContainerState = ContainerState()
    lastState: ContainerState = ContainerState()


class PodIP(_Struct, frozen=True):
    ip: str = ""


class PodStatus(_Struct, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    hostIP: str = ""
    podIP: str = ""
    podIPs: list[PodIP] = []
    startTime: str | None = None
    conditions: list[Condition] = []
    containerStatuses: list[ContainerStatus] = []
    initContainerStatuses: list[ContainerStatus] = []


class Pod(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Taint(_Struct, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(_Struct, frozen=True):
    taints: list[Taint] = []
    unschedulable: bool = False


class NodeAddress(_Struct, frozen=True):
    type: str = ""
    address: str = ""


class NodeStatus(_Struct, frozen=True):
    conditions: list[Condition] = []
    addresses: list[NodeAddress] = []
    allocatable: dict[str, Any] = {}
    capacity: dict[str, Any] = {}


class Node(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class DeploymentSpec(_Struct, frozen=True):
    replicas: int = 1


class DeploymentStatus(_Struct, frozen=True):
    observedGeneration: int = 0
    replicas: int = 0
    readyReplicas: int = 0
    conditions: list[Condition] = []


class Deployment(_Struct, frozen=True):
    """`apps/v1` Deployment: one per app and config version."""

    metadata: Meta = Meta()
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class ObjectReference(_Struct, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""
    fieldPath: str = ""


class Event(_Struct, frozen=True):
    """Core `v1` Event: what the kubelet and the scheduler say about a pod."""

    metadata: Meta = Meta()
    involvedObject: ObjectReference = ObjectReference()
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    firstTimestamp: str | None = None
    lastTimestamp: str | None = None
    eventTime: str | None = None


class LeaseSpec(_Struct, frozen=True):
    holderIdentity: str | None = None
    leaseDurationSeconds: int | None = None
    acquireTime: str | None = None
    renewTime: str | None = None
    leaseTransitions: int | None = None


class Lease(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: LeaseSpec = LeaseSpec()


class AppRecord(_Struct, frozen=True):
    """One version of one app.

    `definition` is the canonical JSON text of the app (Marathon's GET form without `version` and `versionInfo`), kept as
    text because an object field loses key order and the spelling of numbers.
    The three times are Marathon time stamps (`2024-05-01T10:00:00.000Z`).
    """

    definition: str = "{}"
    version: str = ""
    lastScalingAt: str = ""
    lastConfigChangeAt: str = ""


class AppSpec(_Struct, frozen=True):
    """`spec` of a MarathonApp.

    `sequence` is the number of the change that wrote this record: a change with a higher number overlays it
    (`gateway.engines.kubernetes.fold`). `versions` are the app's versions, oldest first; each has a ControllerRevision.
    """

    id: str = ""
    sequence: int = 0
    record: AppRecord = AppRecord()
    versions: list[str] = []


class AppStatus(_Struct, frozen=True):
    lastTaskFailure: dict[str, Any] | None = None


class MarathonApp(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: AppSpec = AppSpec()
    status: AppStatus = AppStatus()


class GroupRecord(_Struct, frozen=True):
    """What a group has beyond what is in it. `dependencies` are absolute ids; `enforceRole` is that of top-level groups."""

    dependencies: list[str] = []
    enforceRole: bool = False


class GroupSpec(_Struct, frozen=True):
    """`spec` of a MarathonGroup; `sequence` as in AppSpec."""

    id: str = ""
    sequence: int = 0
    record: GroupRecord = GroupRecord()


class MarathonGroup(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: GroupSpec = GroupSpec()


class StepAction(_Struct, frozen=True):
    """`action` is one of StartApplication, ScaleApplication, StopApplication, RestartApplication."""

    action: str
    app: str


class Step(_Struct, frozen=True):
    actions: list[StepAction] = []


class AppChange(_Struct, frozen=True):
    """What one change does to one app: `after` is None for a removal, `before` is None for a new app."""

    id: str
    before: AppRecord | None = None
    after: AppRecord | None = None


class GroupChange(_Struct, frozen=True):
    """What one change does to one group, as AppChange."""

    id: str
    before: GroupRecord | None = None
    after: GroupRecord | None = None


class ChangeSpec(_Struct, frozen=True):
    """`spec` of a MarathonDeployment: one accepted change, complete and immutable.

    `apps` is JSON text of a list of AppChange (the definitions make it large; text keeps them as they are), `groups` of
    a list of GroupChange.
    `cancels` are the ids of the deployments that this change ends (a forced change, or DELETE /v2/deployments/{id});
    a change with `cancels` and no `steps` is a plain cancellation and is itself not listed as a deployment.
    `kill` are the uids of the pods that a kill-and-scale named.
    `origin` tells the event stream where the change came from: `uri` and `clientIp` of the request, `groupId` of
    `group_change_success`, and `apiPost` (the app id) where Marathon publishes an `api_post_event`; nothing is told of a
    `quiet` change.
    """

    id: str = ""
    version: str = ""
    force: bool = False
    apps: str = "[]"
    groups: str = "[]"
    steps: list[Step] = []
    cancels: list[str] = []
    kill: list[str] = []
    origin: dict[str, str] = {}


class Begun(_Struct, frozen=True):
    """How an action began: `old` instances were there, for a rolling replace those of other configurations.

    `kill` of these are to be killed at once, less one for each new instance that was ready already (so it may be
    negative); `cap` is the most instances at a time.
    """

    old: int = 0
    kill: int = 0
    cap: int = 0


class ChangeStatus(_Struct, frozen=True):
    """`status` of a MarathonDeployment, written by the runner.

    `phase` is "" (accepted), "Running", "Succeeded" or "Failed"; `applied` is True once every MarathonApp carries
    this change (or a later one); `currentStep` is 1-based, 0 before the first; `present` are the uids of the pods that
    were there when the current step began (a ScaleApplication waits for the others only), `begun` how each
    ScaleApplication and RestartApplication of the step began, by app id.
    """

    phase: str = ""
    reason: str = ""
    applied: bool = False
    currentStep: int = 0
    present: list[str] = []
    begun: dict[str, Begun] = {}
    finishedAt: str | None = None


class MarathonDeployment(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: ChangeSpec = ChangeSpec()
    status: ChangeStatus = ChangeStatus()

    @property
    def sequence(self) -> int:
        """The place in the change log, from the object's name."""
        return int(self.metadata.name.rpartition("-")[2])

    @property
    def open(self) -> bool:
        return self.status.phase not in ("Succeeded", "Failed")
