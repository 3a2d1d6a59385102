"""The gateway on real containers: kubelets, containerd, pods with their own addresses. See `tests.controlplane.nodes`."""
