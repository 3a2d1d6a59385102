"""Which instances a scale-down takes (deployments.md §3.1). Pure.

Named ones first, then those that do not run (the real one takes those last and so kills the running instance of a stuck
app; nobody relies on that, design D14), then by Marathon's weights, among equals by `killSelection`.
"""

from collections.abc import Collection, Iterable

from translators.kubernetes.instances import Instance

__all__ = ["old_victims", "scale_victims"]

_WEIGHTS = {"Unreachable": 1, "UnreachableInactive": 1, "Provisioned": 2, "Staging": 2, "Starting": 3, "Running": 4}


def scale_victims(
    instances: Iterable[Instance], count: int, *, named: Collection[str] = (), oldest_first: bool = False
) -> list[Instance]:
    """`count` of the instances that are not being stopped yet, the first to go first."""

    def order(instance: Instance) -> tuple[bool, int]:
        return instance.uid not in named, _WEIGHTS.get(instance.condition, 0)

    alive = [instance for instance in instances if not instance.deleting]
    alive.sort(key=lambda i: (i.created_at, i.uid), reverse=not oldest_first)
    return sorted(alive, key=order)[: max(0, count)]


def old_victims(instances: Iterable[Instance], count: int) -> list[Instance]:
    """Of the old instances in a rolling replace: those that are not ready first, then the oldest."""
    alive = [instance for instance in instances if not instance.deleting]
    return sorted(alive, key=lambda i: (i.ready, i.created_at, i.uid))[: max(0, count)]
