"""The types of the built-in kinds, as structural schemas like those of CRDs.

One line a type: `Name = field:type …`. `?` after a type: a zero value is not written; `=x`: what an absent key of a list counts as;
`[]T{a,b}`: a list merged by these keys, `{}string`: a set; `any`: kept as it is; a lone `!`: one field for apply; a lone `+`: members that are not named are kept.
Whatever is not named is an unknown field, so a type is either complete or ends with `+`.
"""

from typing import Any

__all__ = ["FREE", "METADATA", "schema_of"]

Schema = dict[str, Any]

_TYPES = """
ObjectMeta = name:string? generateName:string? namespace:string? selfLink:string? uid:string? resourceVersion:string? generation:int64? creationTimestamp:string deletionTimestamp:string deletionGracePeriodSeconds:int64 labels:map annotations:map ownerReferences:[]OwnerReference{uid} finalizers:{}string managedFields:[]any
OwnerReference = apiVersion:string kind:string name:string uid:string controller:bool blockOwnerDeletion:bool
LabelSelector = ! matchLabels:map matchExpressions:[]LabelSelectorRequirement
LabelSelectorRequirement = key:string operator:string values:[]string?
Pod = spec:PodSpec status:PodStatus
PodTemplateSpec = metadata:ObjectMeta spec:PodSpec
PodSpec = volumes:[]Volume{name} initContainers:[]Container{name} containers:[]Container{name} ephemeralContainers:[]any restartPolicy:string? terminationGracePeriodSeconds:int64 activeDeadlineSeconds:int64 dnsPolicy:string? nodeSelector:atomic serviceAccountName:string? serviceAccount:string? automountServiceAccountToken:bool nodeName:string? hostNetwork:bool? hostPID:bool? hostIPC:bool? shareProcessNamespace:bool securityContext:PodSecurityContext imagePullSecrets:[]atomic{name} hostname:string? subdomain:string? affinity:Affinity schedulerName:string? tolerations:[]Toleration hostAliases:[]HostAlias{ip} priorityClassName:string? priority:int32 dnsConfig:any readinessGates:[]any runtimeClassName:string enableServiceLinks:bool preemptionPolicy:string overhead:quantities topologySpreadConstraints:[]TopologySpreadConstraint{topologyKey,whenUnsatisfiable} setHostnameAsFQDN:bool os:any hostUsers:bool schedulingGates:[]any{name} resourceClaims:[]any{name} resources:ResourceRequirements hostnameOverride:string workloadRef:any
Container = name:string image:string? command:[]string args:[]string workingDir:string? ports:[]ContainerPort{containerPort,protocol} envFrom:[]any env:[]EnvVar{name} resources:ResourceRequirements resizePolicy:[]any restartPolicy:string restartPolicyRules:[]any volumeMounts:[]VolumeMount{mountPath} volumeDevices:[]any{devicePath} livenessProbe:Probe readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:string? terminationMessagePolicy:string? imagePullPolicy:string? securityContext:any stdin:bool? stdinOnce:bool? tty:bool?
Lifecycle = postStart:LifecycleHandler preStop:LifecycleHandler stopSignal:string
LifecycleHandler = exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction
ExecAction = command:[]string
SleepAction = seconds:int64
ContainerPort = name:string? hostPort:int32? containerPort:int32 protocol:string?=TCP hostIP:string?
EnvVar = name:string value:string? valueFrom:EnvVarSource
EnvVarSource = fieldRef:atomic resourceFieldRef:atomic configMapKeyRef:atomic secretKeyRef:atomic fileKeyRef:atomic
Affinity = nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAffinity
NodeAffinity = requiredDuringSchedulingIgnoredDuringExecution:atomic preferredDuringSchedulingIgnoredDuringExecution:[]any
PodAffinity = requiredDuringSchedulingIgnoredDuringExecution:[]any preferredDuringSchedulingIgnoredDuringExecution:[]any
Event = involvedObject:atomic source:EventSource series:any +
EventSource = component:string? host:string?
RoleBinding = roleRef:atomic subjects:[]any
ResourceRequirements = limits:quantities requests:quantities claims:[]any{name}
Probe = exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction initialDelaySeconds:int32? timeoutSeconds:int32? periodSeconds:int32? successThreshold:int32? failureThreshold:int32? terminationGracePeriodSeconds:int64
HTTPGetAction = path:string? port:IntOrString host:string? scheme:string? httpHeaders:[]any
TCPSocketAction = port:IntOrString host:string?
GRPCAction = port:int32 service:string
VolumeMount = name:string readOnly:bool? recursiveReadOnly:string mountPath:string subPath:string? mountPropagation:string subPathExpr:string?
Volume = name:string secret:VolumeSource configMap:VolumeSource emptyDir:VolumeSource hostPath:VolumeSource persistentVolumeClaim:VolumeSource downwardAPI:VolumeSource projected:VolumeSource +
VolumeSource = defaultMode:int32 +
PodSecurityContext = seLinuxOptions:any windowsOptions:any runAsUser:int64 runAsGroup:int64 runAsNonRoot:bool supplementalGroups:[]int64 supplementalGroupsPolicy:string fsGroup:int64 sysctls:[]any fsGroupChangePolicy:string seccompProfile:SeccompProfile appArmorProfile:any seLinuxChangePolicy:string
SeccompProfile = type:string localhostProfile:string
Toleration = key:string? operator:string? value:string? effect:string? tolerationSeconds:int64
HostAlias = ip:string hostnames:[]string
TopologySpreadConstraint = maxSkew:int32 topologyKey:string whenUnsatisfiable:string labelSelector:LabelSelector minDomains:int32 nodeAffinityPolicy:string nodeTaintsPolicy:string matchLabelKeys:[]string
PodStatus = conditions:[]any{type} hostIPs:[]any podIPs:[]any{ip} +
Deployment = spec:DeploymentSpec status:DeploymentStatus
DeploymentSpec = replicas:int32 selector:LabelSelector template:PodTemplateSpec strategy:DeploymentStrategy minReadySeconds:int32? revisionHistoryLimit:int32 paused:bool? progressDeadlineSeconds:int32
DeploymentStrategy = type:string? rollingUpdate:RollingUpdateDeployment
RollingUpdateDeployment = maxUnavailable:IntOrString maxSurge:IntOrString
DeploymentStatus = conditions:[]any{type} +
ReplicaSet = spec:ReplicaSetSpec status:ReplicaSetStatus
ReplicaSetSpec = replicas:int32 minReadySeconds:int32? selector:LabelSelector template:PodTemplateSpec
ReplicaSetStatus = conditions:[]any{type} +
ControllerRevision = data:atomic revision:int64
Lease = spec:LeaseSpec
LeaseSpec = holderIdentity:string leaseDurationSeconds:int32 acquireTime:MicroTime renewTime:MicroTime leaseTransitions:int32 strategy:string preferredHolder:string
ConfigMap = data:map binaryData:bytes immutable:bool
Secret = data:bytes stringData:map type:string? immutable:bool
Node = spec:NodeSpec status:NodeStatus
NodeSpec = podCIDR:string? podCIDRs:{}string providerID:string? unschedulable:bool? taints:[]any +
NodeStatus = conditions:[]any{type} addresses:[]any{type} +
"""

FREE: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_SCALARS: dict[str, Schema] = {
    "string": {"type": "string", "x-go": "string"},
    "bool": {"type": "boolean", "x-go": "bool"},
    "int32": {"type": "integer", "format": "int32", "x-go": "int32"},
    "int64": {"type": "integer", "format": "int64", "x-go": "int64"},
    "MicroTime": {"type": "string", "format": "microtime"},
    "IntOrString": {"x-kubernetes-int-or-string": True},
    "any": FREE,
    "atomic": {**FREE, "x-kubernetes-map-type": "atomic"},
    "map": {"type": "object", "additionalProperties": {"type": "string", "x-go": "string"}, "x-go": "map[string]string"},
    "bytes": {"type": "object", "additionalProperties": {"type": "string", "format": "byte", "x-go": "[]uint8"}, "x-go": "map[string][]uint8"},
    "quantities": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True, "format": "quantity"}, "x-go": "v1.ResourceList"},
}  # fmt: skip


def _parsed() -> dict[str, Schema]:
    types: dict[str, Schema] = {}
    lines = [line.partition(" = ") for line in _TYPES.strip().splitlines()]
    for name, _, _ in lines:
        types[name] = {"type": "object", "properties": {}, "x-go": f"v1.{name}", "x-struct": name}
    for name, _, fields in lines:
        for field in fields.split():
            if field == "+":
                types[name]["x-kubernetes-preserve-unknown-fields"] = True
                continue
            if field == "!":
                types[name]["x-kubernetes-map-type"] = "atomic"
                continue
            key, _, text = field.partition(":")
            types[name]["properties"][key] = _type(text, types)
    return types


def _type(text: str, types: dict[str, Schema]) -> Schema:
    text, _, default = text.partition("=")
    if text.endswith("?"):
        schema = {**_type(text[:-1], types), "x-omit-zero": True}
        return {**schema, "x-key-default": default} if default else schema
    if text.startswith("{}"):
        return {"type": "array", "items": _SCALARS["string"], "x-kubernetes-list-type": "set", "x-go": "[]string"}
    if text.startswith("[]"):
        item, _, keys = text[2:].rstrip("}").partition("{")
        schema = {"type": "array", "items": _type(item, types)}
        schema["x-go"] = "[]" + schema["items"].get("x-go", item)
        if keys:
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys.split(",")}
        return schema
    return _SCALARS.get(text) or types[text]


_BY_NAME = _parsed()
METADATA = _BY_NAME["ObjectMeta"]


def schema_of(kind: str) -> Schema:
    """The schema of a built-in kind; one that is not described here keeps whatever it is given."""
    found = _BY_NAME.get(kind) or {"type": "object", "properties": {}, **FREE}
    envelope = {"apiVersion": _SCALARS["string"], "kind": _SCALARS["string"], "metadata": METADATA}
    return {**found, "properties": {**envelope, **found["properties"]}}
