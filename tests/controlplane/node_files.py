"""The configuration of a real node's containerd, CNI plugins and kubelet, with the reason for what is not the default."""

import json
from pathlib import Path
from typing import Any

import yaml

__all__ = ["SANDBOX_IMAGE", "cni", "containerd", "kubelet"]

SANDBOX_IMAGE = "mgw.test/busybox:1"
"""Holds the network of each pod; every node has it."""

_UNUSED_PLUGINS = (
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "zfs")),
    *("io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"),
)


def cni(home: Path, *, bridge: str, network: str) -> str:
    """Addresses from the node's own range, and ports on the host for those who ask for them."""
    ranges = [[{"subnet": f"{network}.0/24"}]]
    routes = [{"dst": "0.0.0.0/0"}]
    ipam = {"type": "host-local", "dataDir": str(home / "ipam"), "ranges": ranges, "routes": routes}
    plugins = [
        {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": bridge, "plugins": plugins})


def containerd(home: Path, *, stream_port: int) -> str:
    """Everything in `home`, mounts of network namespaces included, so that they are found there."""
    return f"""\
version = 2
root = "{home}/containerd"
state = "{home}/state"
disabled_plugins = {json.dumps(_UNUSED_PLUGINS)}
[grpc]
  address = "{home}/containerd.sock"
[ttrpc]
  address = "{home}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX_IMAGE}"
  disable_apparmor = true
  # Machines that may not lower an oom_score_adj (no CAP_SYS_RESOURCE): without this no container starts.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  tolerate_missing_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "{stream_port}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def kubelet(home: Path, *, address: str, port: int, cgroup: str) -> str:
    """No eviction, no garbage collection, no port but the one for logs; the lease is renewed each second."""
    nothing = dict.fromkeys(("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%")
    written: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,  # loopback is refused
        "port": port,
        "healthzPort": 0,
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "containerRuntimeEndpoint": f"unix://{home}/containerd.sock",
        "podLogsDir": str(home / "logs"),
        "volumePluginDir": str(home / "plugins"),
        "resolvConf": str(home / "resolv.conf"),
        "makeIPTablesUtilChains": False,
        "localStorageCapacityIsolation": False,
        "enforceNodeAllocatable": [],
        "evictionHard": nothing,
        "imageGCHighThresholdPercent": 100,
        "registryPullQPS": 0,
        "nodeLeaseDurationSeconds": 4,  # a quarter of it is the time between two signs of life
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "fileCheckFrequency": "0s",
        "httpCheckFrequency": "0s",
        "shutdownGracePeriod": "0s",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
    }
    return yaml.safe_dump(written)
