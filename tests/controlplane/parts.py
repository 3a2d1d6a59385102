"""The command line of each part. All of them run in the home directory of their control plane and use relative paths."""

from collections.abc import Sequence

__all__ = ["USERS", "apiserver", "controller_manager", "etcd", "kwok", "scheduler", "token_file"]

# The controllers that a Marathon's apps meet. Each costs memory and start time, so the others are left out.
_CONTROLLERS = (
    "clusterrole-aggregation",
    "deployment",
    "disruption",
    "endpointslice",
    "endpoints",
    "garbage-collector",
    "namespace",
    "node-lifecycle",
    "persistentvolume-binder",
    "persistentvolume-protection",
    "persistentvolumeclaim-protection",
    "pod-garbage-collector",
    "replicaset",
    "resourcequota",
    "root-ca-certificate-publisher",
    "serviceaccount",
    "serviceaccount-token",
    "statefulset",
    "taint-eviction",
)

# User and groups. `nobody` may do nothing; the parts are administrators, for they are not what is tested.
USERS = {
    "admin": "system:masters",
    "nobody": "nobodies",
    "system:kube-controller-manager": "system:masters",
    "system:kube-scheduler": "system:masters",
    **{f"system:node:node{number}": "system:nodes" for number in range(1, 5)},
}


def token_file(tokens: dict[str, str]) -> str:
    """The API server reads it once, at its start."""
    return "".join(f'{token},{user},{user},"{USERS[user]}"\n' for user, token in tokens.items())


def etcd() -> Sequence[str]:
    # Unix sockets: no port to be free, and a relative path is never too long. For addresses of peers etcd wants host:port.
    peer = "unix://localhost:0"
    return (
        "etcd",
        "--data-dir=etcd",
        "--name=default",
        "--listen-client-urls=unix://etcd.sock",
        "--advertise-client-urls=unix://localhost:1",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # what a power cut would lose, a test does not need
        "--heartbeat-interval=10",  # the election of the only member is most of a start otherwise
        "--election-timeout=100",
        "--watch-progress-notify-interval=5s",
        "--log-level=warn",
    )


def apiserver(port: int) -> Sequence[str]:
    return (
        "kube-apiserver",
        "--etcd-servers=unix://etcd.sock",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        "--cert-dir=certs",  # it signs its own, good for 127.0.0.1
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=accounts.key",
        "--service-account-signing-key-file=accounts.key",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
    )


def controller_manager() -> Sequence[str]:
    return (
        "kube-controller-manager",
        "--kubeconfig=system:kube-controller-manager.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        f"--controllers={','.join(f'{name}-controller' for name in _CONTROLLERS)}",
        "--service-account-private-key-file=accounts.key",
        "--root-ca-file=certs/apiserver.crt",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    )


def scheduler() -> Sequence[str]:
    return (
        "kube-scheduler",
        "--kubeconfig=system:kube-scheduler.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    )


def kwok(stages: str) -> Sequence[str]:
    return (
        "kwok",
        "--kubeconfig=admin.kubeconfig",
        f"--config={stages}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        "--cidr=10.90.0.1/16",
        "--node-ip=10.91.0.1",
    )
