"""Which instances a scale-down takes (deployments.md §3.1), and what that makes of the Deployments' replicas. Pure.

Named ones first, then those that do not run (the real one takes those last and so kills the running instance of a stuck
app; nobody relies on that, design D14), then by Marathon's weights, among equals by `killSelection`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from translators.kubernetes.instances import Instance

__all__ = ["LOST", "by_age", "cut", "old_first", "unpaid"]

LOST = ("Unreachable", "UnreachableInactive")

_WEIGHTS = {"Unreachable": 1, "UnreachableInactive": 1, "Provisioned": 2, "Staging": 2, "Starting": 3, "Running": 4}


def by_age(instances: Iterable[Instance], *, oldest_first: bool = False) -> list[Instance]:
    """The order of a scale-down. An instance that is not ready goes before one that is: so the ReplicaSet chooses, too."""
    aged = sorted(instances, key=lambda i: (i.created_at, i.uid), reverse=not oldest_first)
    return sorted(aged, key=lambda i: (_WEIGHTS.get(i.condition, 0), i.ready))


def old_first(instances: Iterable[Instance]) -> list[Instance]:
    """The order among the old instances of a rolling replace: the lost, those that are not ready, then the oldest."""
    return sorted(instances, key=lambda i: (i.condition not in LOST, i.ready, i.created_at, i.uid))


def unpaid(
    instances: Iterable[Instance],
    *,
    replicas: Mapping[str, int],
    deployment_of: Mapping[str, str],
    marked: Collection[str],
) -> list[Instance]:
    """Those for which a sentence is still to be ordered.

    A Deployment with more pods than replicas is about to lose the difference: that many marked ones are taken care of.
    """
    alive = [i for i in instances if not i.deleting]
    present = Counter(deployment_of.get(i.config_version, "") for i in alive)
    surplus = {name: max(0, present[name] - count) for name, count in replicas.items()}
    left = []
    for instance in alive:
        name = deployment_of.get(instance.config_version, "")
        if instance.uid in marked and surplus.get(name, 0) > 0:
            surplus[name] -= 1
        else:
            left.append(instance)
    return left


def cut(
    ranked: Sequence[Instance],
    count: int,
    *,
    replicas: Mapping[str, int],
    deployment_of: Mapping[str, str],
    first: Collection[str] = (),
    then: Collection[str] = (),
) -> tuple[list[Instance], dict[str, int]]:
    """Takes `count` from `replicas`: the victims, and the replicas that change.

    `first` are uids to be taken before all others, `then` those that come next (marked by a runner that died before it
    could give the order); pods that are not there yet go before those that are.
    """
    here = [i for i in ranked if deployment_of.get(i.config_version, "") in replicas]
    present = Counter(deployment_of[i.config_version] for i in here)
    unmade = [name for name, number in replicas.items() for _ in range(max(0, number - present[name]))]
    chosen = [i for i in here if i.uid in first]
    chosen += [i for i in here if i.uid in then and i.uid not in first]
    rest = [i for i in here if i.uid not in first and i.uid not in then]
    order: list[Instance | str] = [*chosen, *unmade, *rest]
    left, victims, lowered = count, [], dict(replicas)
    for item in order:
        name = item if isinstance(item, str) else deployment_of[item.config_version]
        if left <= 0:
            break
        if lowered[name] <= 0:
            continue
        lowered[name] -= 1
        left -= 1
        if not isinstance(item, str):
            victims.append(item)
    return victims, {name: number for name, number in lowered.items() if number != replicas[name]}
