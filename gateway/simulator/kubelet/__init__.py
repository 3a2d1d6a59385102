"""The kubelet of the embedded cluster: it runs pods as local processes."""

from gateway.simulator.kubelet.kubelet import Kubelet, NoSuchContainer

__all__ = ["Kubelet", "NoSuchContainer"]
