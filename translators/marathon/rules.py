"""What the rules for definitions depend on beyond the definition: the settings that Marathon has as flags."""

from dataclasses import dataclass, replace

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """`max_instances` is ours: a real Marathon accepts a thousand million instances and dies of them."""

    enabled_features: frozenset[str] = frozenset()
    mesos_role: str = "*"
    default_network_name: str | None = None
    mesos_bridge_name: str = "mesos-bridge"
    gpu_scheduling_behavior: str = "undefined"
    local_port_min: int = 10000
    local_port_max: int = 20000
    max_instances: int = 10_000

    def enforcing(self, top_group: str) -> "Rules":
        """For apps of a top-level group with `enforceRole`: its name is the role, and there is no other."""
        return replace(self, mesos_role=top_group.strip("/"))

    def enabled(self, feature: str) -> bool:
        return feature in self.enabled_features

    def not_enabled(self, feature: str) -> str:
        """Marathon's text; the stray bracket is on its wire."""
        return f"Feature {feature} is not enabled. Enable with --enable_features {feature})"
