"""One action of a step, decided from what is there. Pure and level-based: the same state gives the same decision.

A decision is the writes that are missing now and whether the action is done. Whoever carries the writes out may die
between any two of them; the next look at the state decides the rest. Capacity is counted from pods, those being stopped
included until they are gone; an instance on an unreachable node counts as gone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.rollouts.arithmetic import ignition, start_now
from gateway.rollouts.victims import old_victims, scale_victims
from translators.kubernetes.instances import Instance
from translators.kubernetes.objects import Begun

__all__ = ["AppState", "Decision", "Goal", "begin", "restart", "scale", "stop"]

_GONE = ("Unreachable", "UnreachableInactive")


@dataclass(frozen=True, slots=True)
class Goal:
    """What the record in force wants: `deployment` is the name of the Deployment of its configuration."""

    deployment: str
    config_version: str
    instances: int
    minimum_health_capacity: float = 1.0
    maximum_over_capacity: float = 1.0
    oldest_first: bool = False
    resident: bool = False


@dataclass(frozen=True, slots=True)
class AppState:
    """What is there: instances (without pods that have ended for good) and the replicas of each Deployment, by name.

    `deployment_of` names the Deployment of each configuration that has one.
    """

    instances: Sequence[Instance]
    replicas: Mapping[str, int]
    deployment_of: Mapping[str, str]

    def of(self, config_version: str) -> list[Instance]:
        return [i for i in self.instances if i.config_version == config_version]

    def other(self, config_version: str) -> list[Instance]:
        return [i for i in self.instances if i.config_version != config_version]


@dataclass(frozen=True, slots=True)
class Decision:
    """`victims` are to be marked, then `replicas` written (Deployment to number), then `delete` pods deleted.

    `create` asks for the goal's Deployment to be made first, `remove` for Deployments without pods to be deleted.
    """

    done: bool = False
    create: bool = False
    victims: Sequence[Instance] = ()
    replicas: Mapping[str, int] = field(default_factory=dict)
    delete: Sequence[Instance] = ()
    remove: Sequence[str] = ()

    @property
    def idle(self) -> bool:
        return not (self.create or self.victims or self.replicas or self.delete or self.remove)


def scale(goal: Goal, state: AppState, *, present: Collection[str], kill: Collection[str] = ()) -> Decision:
    """ScaleApplication: the right number, whatever the versions; done when what was started is ready and what was too

    much is gone. `present` are the uids that were there when the step began: those are not waited for.
    """
    create = goal.deployment not in state.replicas
    total = sum(state.replicas.values())
    if total > goal.instances:
        victims = scale_victims(state.instances, total - goal.instances, named=kill, oldest_first=goal.oldest_first)
        return Decision(create=create, victims=victims, replicas=_lowered(state, victims, total - goal.instances))
    if total < goal.instances or create:
        more = goal.instances - total
        raised = state.replicas.get(goal.deployment, 0) + more
        return Decision(create=create, replicas={goal.deployment: raised} if more else {})
    alive = [i for i in state.instances if not i.deleting and i.condition not in _GONE]
    left = [i for i in alive if i.uid in kill]
    if left and len(alive) <= goal.instances:
        return Decision(delete=left)  # the ReplicaSet chose others: these were named, and will be replaced
    started = sum(1 for i in alive if i.ready and i.uid not in present)
    leaving = [i for i in state.instances if i.deleting and i.condition not in _GONE]
    return Decision(
        done=started >= max(0, goal.instances - len(present)) and len(alive) <= goal.instances and not leaving
    )


def stop(state: AppState) -> Decision:
    """StopApplication: nothing is left."""
    running = {name: 0 for name, count in state.replicas.items() if count}
    if running:
        return Decision(victims=[i for i in state.instances if not i.deleting], replicas=running)
    if any(i.condition not in _GONE for i in state.instances):
        return Decision()
    return Decision(done=not state.replicas, remove=list(state.replicas))


def begin(goal: Goal, state: AppState) -> Begun:
    """The arithmetic of a rolling replace, once, when it begins."""
    old = [i for i in state.other(goal.config_version) if i.condition not in _GONE]
    here = [i for i in state.instances if i.condition not in _GONE]
    found = ignition(
        goal.instances,
        minimum_health_capacity=goal.minimum_health_capacity,
        maximum_over_capacity=goal.maximum_over_capacity,
        running=sum(1 for i in here if i.ready and not i.deleting),
        present=sum(1 for i in here if not i.deleting),
        resident=goal.resident,
    )
    kill = found.kill_now or _unblocked(len(here), sum(1 for i in old if not i.ready), found.max_capacity)
    return Begun(old=sum(1 for i in old if not i.deleting), kill=kill, cap=found.max_capacity)


def _unblocked(present: int, unready_old: int, capacity: int) -> int:
    """Old instances that are not ready, as many as must go so that one new one has room.

    The real one counts neither as healthy nor as killable what is not ready and then waits for ever (§4.3).
    """
    return min(unready_old, max(0, present - capacity + 1))


def restart(goal: Goal, state: AppState, begun: Begun) -> Decision:
    """RestartApplication: each new instance that is ready sentences one old one; each old one that is gone makes room."""
    old = state.other(goal.config_version)
    new = state.of(goal.config_version)
    old_replicas = {name: count for name, count in state.replicas.items() if name != goal.deployment}
    ready = sum(1 for i in new if i.ready and not i.deleting)
    sentenced = begun.old - sum(old_replicas.values())
    allowed = begun.old if ready >= goal.instances else begun.kill + ready
    excess = min(max(0, allowed - sentenced), sum(old_replicas.values()))
    victims = old_victims(old, excess)
    replicas = dict(_lowered(AppState(old, old_replicas, state.deployment_of), victims, excess)) if excess else {}
    started = state.replicas.get(goal.deployment, 0)
    create = goal.deployment not in state.replicas
    in_the_way = sum(1 for i in old if i.condition not in _GONE)
    in_the_way = max(in_the_way, sum(old_replicas.values())) + max(0, len(new) - started)
    more = start_now(goal.instances, started=started, old=in_the_way, max_capacity=begun.cap)
    if started > goal.instances:
        extra = scale_victims(new, started - goal.instances, oldest_first=goal.oldest_first)
        return Decision(
            create=create, victims=[*victims, *extra], replicas={**replicas, goal.deployment: goal.instances}
        )
    if more:
        replicas[goal.deployment] = started + more
    gone = not any(i.condition not in _GONE for i in old) and not sum(old_replicas.values())
    done = ready >= goal.instances and started == goal.instances and gone and not create
    return Decision(done=done, create=create, victims=victims, replicas=replicas)


def _lowered(state: AppState, victims: Sequence[Instance], count: int) -> dict[str, int]:
    """The replicas after `count` less: first where the victims are, the rest (pods not made yet) wherever there are any."""
    lowered = dict(state.replicas)
    left = count
    for victim in victims:
        name = state.deployment_of.get(victim.config_version)
        if name is not None and lowered.get(name, 0) > 0:
            lowered[name] -= 1
            left -= 1
    for name in lowered:
        take = min(left, lowered[name])
        lowered[name] -= take
        left -= take
    return {name: value for name, value in lowered.items() if value != state.replicas[name]}
