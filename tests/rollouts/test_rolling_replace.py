"""Whatever the capacities and in whatever order signals come, a rolling replace keeps to them and gets to its end."""

import math
import random
from dataclasses import dataclass, replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rollouts.actions import AppState, Decision, Goal, begin_restart, restart
from translators.kubernetes.instances import Instance

OLD, NEW = "2024-01-01T00:00:00.000Z", "2024-02-01T00:00:00.000Z"
NAMES = {OLD: "old", NEW: "new"}


def pod(number: int, config: str, *, ready: bool) -> Instance:
    return Instance(
        uid=f"u{number:04d}",
        pod=f"p{number}",
        resource_version="1",
        app_id="/a",
        config_version=config,
        version=config,
        condition="Running" if ready else "Provisioned",
        state="TASK_RUNNING" if ready else "TASK_STAGING",
        task_id=f"t{number}",
        instance_id=f"i{number}",
        incarnation=1,
        created_at=f"{number:04d}",
        ready=ready,
    )


@dataclass
class Model:
    """Pods and replicas; every signal is a method, each does one thing."""

    pods: dict[str, Instance]
    replicas: dict[str, int]
    marked: set[str]
    number: int = 1000

    @property
    def state(self) -> AppState:
        names = {config: name for config, name in NAMES.items() if name in self.replicas}
        return AppState(list(self.pods.values()), dict(self.replicas), names, frozenset(self.marked))

    def serving(self) -> int:
        return sum(1 for p in self.pods.values() if p.ready and p.uid not in self.marked)

    def signals(self, *, new_get_ready: bool = True) -> list[tuple[str, str]]:
        found = [("gone", p.uid) for p in self.pods.values() if p.deleting]
        for config, name in NAMES.items():
            alive = [p for p in self.pods.values() if p.config_version == config and not p.deleting]
            wanted = self.replicas.get(name, 0)
            if len(alive) < wanted:
                found.append(("make", config))
            if len(alive) > wanted:
                found.append(("end", config))
        if new_get_ready:
            found += [("ready", p.uid) for p in self.pods.values() if not p.ready and p.config_version == NEW]
        return found

    def happen(self, signal: str, subject: str) -> None:
        if signal == "gone":
            del self.pods[subject]
        elif signal == "make":
            self.number += 1
            made = pod(self.number, subject, ready=False)
            self.pods[made.uid] = made
        elif signal == "ready":
            self._set(subject, ready=True, condition="Running")
        else:
            alive = [p for p in self.pods.values() if p.config_version == subject and not p.deleting]
            victim = min(alive, key=lambda p: (p.ready, p.uid not in self.marked, p.uid))
            self._set(victim.uid, deleting=True, ready=False)

    def _set(self, uid: str, **changes: object) -> None:
        self.pods[uid] = msgspec.structs.replace(self.pods[uid], **changes)

    def obey(self, decision: Decision) -> None:
        if decision.create:
            self.replicas.setdefault("new", 0)
        self.marked |= {victim.uid for victim in decision.victims}
        self.replicas.update(decision.replicas)


def modelled(old: int, ready: int) -> Model:
    return Model({p.uid: p for i in range(old) if (p := pod(i, OLD, ready=i < ready))}, {"old": old}, set())


def run(model: Model, goal: Goal, chance: random.Random, *, turns: int = 3000) -> None:
    """Signals and looks in random order until it is done. Asserts the invariants after each."""
    begun = begin_restart(goal, model.state)
    at_first, serving = len(model.pods), model.serving()
    least = min(serving, math.ceil(goal.instances * goal.minimum_health_capacity), goal.instances)
    if goal.resident:
        least -= 1
    for _ in range(turns):
        signals = model.signals()
        if signals and chance.random() < 0.6:
            model.happen(*chance.choice(signals))
        else:
            decision = restart(goal, model.state, begun)
            if decision.done:
                assert sorted(p.config_version for p in model.pods.values()) == [NEW] * goal.instances
                return
            model.obey(decision)
        assert len(model.pods) <= max(begun.cap, at_first)
        assert model.serving() >= least
    raise AssertionError(f"never done: {begun} {model}")


@given(
    n=st.integers(1, 9),
    min_hc=st.sampled_from([0, 0.1, 0.5, 0.7, 0.75, 0.9, 1]),
    max_oc=st.sampled_from([0, 0.25, 0.3, 0.5, 1]),
    old=st.integers(0, 12),
    unready=st.integers(0, 12),
    resident=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=300, deadline=None)
def test_any_order_of_signals_keeps_the_capacities_and_ends(
    n: int, min_hc: float, max_oc: float, old: int, unready: int, resident: bool, seed: int
) -> None:
    goal = Goal("new", NEW, n, min_hc, 0 if resident else max_oc, resident=resident)
    run(modelled(old, max(0, old - unready)), goal, random.Random(seed))


@given(n=st.integers(1, 6), min_hc=st.sampled_from([0, 0.5, 1]), old=st.integers(1, 8), seed=st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_a_runner_that_dies_between_marking_and_scaling_does_no_harm(
    n: int, min_hc: float, old: int, seed: int
) -> None:
    model = modelled(old, old)
    goal = Goal("new", NEW, n, min_hc, 0.5)
    begun = begin_restart(goal, model.state)
    chance = random.Random(seed)
    for _ in range(3000):
        signals = model.signals()
        if signals and chance.random() < 0.6:
            model.happen(*chance.choice(signals))
            continue
        decision = restart(goal, model.state, begun)
        if decision.done:
            break
        model.obey(replace(decision, replicas={}) if chance.random() < 0.3 else decision)
        sentenced = [p for p in model.pods.values() if p.uid in model.marked and p.config_version == OLD]
        assert len(sentenced) <= max(begun.kill + n, old)
    assert restart(goal, model.state, begun).done


@given(
    n=st.integers(1, 6),
    min_hc=st.sampled_from([0, 0.5, 1]),
    max_oc=st.sampled_from([0, 0.5, 1]),
    old=st.integers(0, 8),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=150, deadline=None)
def test_a_version_that_never_gets_ready_costs_no_more_than_the_first_kills(
    n: int, min_hc: float, max_oc: float, old: int, seed: int
) -> None:
    model, chance = modelled(old, old), random.Random(seed)
    goal = Goal("new", NEW, n, min_hc, max_oc)
    begun = begin_restart(goal, model.state)
    for _ in range(300):
        signals = model.signals(new_get_ready=False)
        if signals and chance.random() < 0.6:
            model.happen(*chance.choice(signals))
        else:
            model.obey(restart(goal, model.state, begun))
        assert model.serving() == sum(1 for p in model.pods.values() if p.ready) - len(
            [u for u in model.marked if u in model.pods and model.pods[u].ready]
        )
        assert model.serving() >= old - begun.kill


@given(n=st.integers(1, 6), new=st.integers(0, 6), old=st.integers(0, 6), seed=st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_what_is_ready_already_is_no_reason_to_kill(n: int, new: int, old: int, seed: int) -> None:
    """A rollback finds instances of its target."""
    model = modelled(old, old)
    for i in range(new):
        made = pod(100 + i, NEW, ready=True)
        model.pods[made.uid] = made
    if new:
        model.replicas["new"] = new
    run(model, Goal("new", NEW, n, 1, 0), random.Random(seed))


def test_pods_that_are_ordered_and_not_made_yet_go_before_those_that_run() -> None:
    model = modelled(1, 1)
    model.replicas["old"] = 3
    goal = Goal("new", NEW, 1, 1, 0)
    decision = restart(goal, model.state, begin_restart(goal, model.state))
    assert decision.replicas["old"] >= 1
    assert not decision.victims


def test_a_sentence_that_the_cluster_has_not_carried_out_yet_is_not_given_to_another() -> None:
    model = modelled(4, 4)
    goal = Goal("new", NEW, 4, 1, 1)
    begun = begin_restart(goal, model.state)
    model.replicas["new"] = 4
    for i in range(2):
        made = pod(100 + i, NEW, ready=True)
        model.pods[made.uid] = made
        model.obey(restart(goal, model.state, begun))
    assert len(model.marked) == 2
    assert model.replicas["old"] == 2
