"""Apps on Kubernetes: the change log is the truth of what is wanted, the pods are the truth of what runs."""

from gateway.engines.kubernetes.engine import KubernetesEngine

__all__ = ["KubernetesEngine"]
