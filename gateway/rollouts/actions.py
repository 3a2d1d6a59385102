"""One action of a step, decided from what is there. Pure and level-based: the same state gives the same decision.

A decision is the writes that are missing now and whether the action is done. Whoever carries the writes out may die
between any two of them; the next look at the state decides the rest. Capacity is counted from pods, those being stopped
included until they are gone; an instance on an unreachable node counts as gone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.rollouts.arithmetic import Ignition, ignition, start_now
from gateway.rollouts.victims import LOST, by_age, cut, old_first, unpaid
from translators.kubernetes.instances import Instance
from translators.kubernetes.objects import Begun

__all__ = ["AppState", "Decision", "Goal", "begin_restart", "begin_scale", "restart", "scale", "stop"]


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

    `deployment_of` names the Deployment of each configuration that has one; `marked` are the uids of sentenced pods.
    """

    instances: Sequence[Instance]
    replicas: Mapping[str, int]
    deployment_of: Mapping[str, str]
    marked: Collection[str] = frozenset()

    @property
    def unsentenced(self) -> list[Instance]:
        """Those that stay unless another order is given."""
        return unpaid(self.instances, replicas=self.replicas, deployment_of=self.deployment_of, marked=self.marked)

    def of(self, config_version: str) -> "AppState":
        return self._only(config_version, wanted=True)

    def other(self, config_version: str) -> "AppState":
        return self._only(config_version, wanted=False)

    @property
    def total(self) -> int:
        return sum(self.replicas.values())

    @property
    def in_the_way(self) -> int:
        """Pods that take room: all that are not gone, and those that were ordered and are not made yet."""
        made = dict.fromkeys(self.replicas, 0)
        for i in self.instances:
            if not i.deleting and (name := self.deployment_of.get(i.config_version)) in made:
                made[name] += 1
        unmade = sum(max(0, count - made[name]) for name, count in self.replicas.items())
        return len(_there(self.instances)) + unmade

    @property
    def ready(self) -> int:
        return sum(1 for i in self.unsentenced if i.ready)

    @property
    def lost(self) -> int:
        """Instances on unreachable nodes that are still ordered."""
        return min(self.total, sum(1 for i in self.unsentenced if i.condition in LOST))

    def _only(self, config_version: str, *, wanted: bool) -> "AppState":
        own = self.deployment_of.get(config_version)
        return AppState(
            [i for i in self.instances if (i.config_version == config_version) == wanted],
            {name: count for name, count in self.replicas.items() if (name == own) == wanted},
            self.deployment_of,
            self.marked,
        )


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


def begin_scale(state: AppState) -> Begun:
    """How many were there when a ScaleApplication began: only what is more is waited for."""
    return Begun(old=min(state.total, len(state.unsentenced)))


def scale(
    goal: Goal, state: AppState, begun: Begun, *, present: Collection[str] = (), kill: Collection[str] = ()
) -> Decision:
    """ScaleApplication: the right number, whatever the versions.

    Done when as many as were missing at the beginning are ready, other than those `present` then, and what was too much
    is gone. `kill` are the uids that a kill-and-scale named.
    """
    create = goal.deployment not in state.replicas
    if state.total > goal.instances:
        ranked = by_age(state.unsentenced, oldest_first=goal.oldest_first)
        victims, replicas = _cut(state, ranked, state.total - goal.instances, first=kill)
        return Decision(create=create, victims=victims, replicas=replicas)
    if state.total < goal.instances:
        raised = state.replicas.get(goal.deployment, 0) + goal.instances - state.total
        return Decision(create=create, replicas={goal.deployment: raised})
    if create:
        return Decision(create=True)
    alive = [i for i in _there(state.instances) if not i.deleting]
    left = [i for i in alive if i.uid in kill]
    if left and len(alive) <= goal.instances:
        return Decision(delete=left)  # the ReplicaSet chose others: these were named, and will be replaced
    started = sum(1 for i in alive if i.ready and i.uid not in present)
    leaving = any(i.deleting for i in _there(state.instances))
    return Decision(done=started >= goal.instances - begun.old and len(alive) <= goal.instances and not leaving)


def stop(state: AppState) -> Decision:
    """StopApplication: nothing is left."""
    running = {name: 0 for name, count in state.replicas.items() if count}
    if running:
        return Decision(victims=state.unsentenced, replicas=running)
    if _there(state.instances):
        return Decision()
    return Decision(done=not state.replicas, remove=list(state.replicas))


def begin_restart(goal: Goal, state: AppState) -> Begun:
    """The arithmetic of a rolling replace, once, when it begins.

    New instances that are ready already (a rollback, a restarted change) are no reason to kill an old one: `kill` is
    lower by their number.
    """
    old, new = state.other(goal.config_version), state.of(goal.config_version)
    old_count = old.total - old.lost
    present = old_count + new.total
    found = ignition(
        goal.instances,
        minimum_health_capacity=goal.minimum_health_capacity,
        maximum_over_capacity=goal.maximum_over_capacity,
        running=min(present, old.ready + new.ready),
        present=present,
        resident=goal.resident,
    )
    kill, capacity = min(found.kill_now, old_count), found.max_capacity
    if new.total < goal.instances:
        kill, capacity = _unblocked(found, goal, kill=kill, present=present, old=old, old_count=old_count)
    return Begun(old=old_count, kill=kill - new.ready, cap=capacity)


def _unblocked(
    found: Ignition, goal: Goal, *, kill: int, present: int, old: AppState, old_count: int
) -> tuple[int, int]:
    """Room for one new instance after the first kills.

    Where some are not ready the real one may have neither a kill nor room and waits for ever (§4.3). What is not ready
    goes first, then what is more than must be healthy; an ordinary app may exceed its capacity by one, as it does anyway
    if all are ready.
    """
    capacity, unready = found.max_capacity, old_count - min(old_count, old.ready)
    while kill < old_count and capacity - (present - kill) < 1:
        healthy = old.ready - max(0, kill - unready)
        if kill < unready or healthy > found.min_healthy or goal.resident:
            kill += 1
        else:
            capacity += 1
    return kill, capacity


def restart(goal: Goal, state: AppState, begun: Begun) -> Decision:
    """RestartApplication: each new instance that is ready sentences one old one; each old one that is gone makes room."""
    old, new = state.other(goal.config_version), state.of(goal.config_version)
    create, started = goal.deployment not in state.replicas, new.total
    if started > goal.instances:
        ranked = by_age(new.unsentenced, oldest_first=goal.oldest_first)
        victims, replicas = _cut(new, ranked, started - goal.instances)
        return Decision(victims=victims, replicas=replicas)
    sentenced = begun.old - (old.total - old.lost)
    allowed = begun.old if new.ready >= goal.instances else begun.kill + new.ready
    excess = min(old.total, max(0, allowed - sentenced) + old.lost)
    victims, replicas = _cut(old, old_first(old.unsentenced), excess)
    in_the_way = old.in_the_way + max(0, new.in_the_way - started)
    more = start_now(goal.instances, started=started, old=in_the_way, max_capacity=begun.cap)
    if more:
        replicas[goal.deployment] = started + more
    complete = new.ready >= goal.instances and started == goal.instances and not _surplus(new)
    gone = not _there(old.instances) and not old.total
    return Decision(done=complete and gone and not create, create=create, victims=victims, replicas=replicas)


def _surplus(state: AppState) -> bool:
    """Whether instances that were too many are still there."""
    there = _there(state.instances)
    staying = sum(1 for i in there if not i.deleting)
    return staying > state.total or any(i.deleting and i.uid in state.marked for i in there)


def _there(instances: Sequence[Instance]) -> list[Instance]:
    return [i for i in instances if i.condition not in LOST]


def _cut(
    state: AppState, ranked: Sequence[Instance], count: int, *, first: Collection[str] = ()
) -> tuple[list[Instance], dict[str, int]]:
    return cut(
        ranked,
        count,
        replicas=state.replicas,
        deployment_of=state.deployment_of,
        first=first,
        then=[i.uid for i in ranked if i.uid in state.marked],
    )
