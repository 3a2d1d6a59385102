"""Whatever a kubelet reports, the derivation answers, and what it answers hangs together."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.translators.kubernetes.pods import (
    APP,
    CHECKED,
    LATER,
    PLACED_CONDITION,
    container,
    node,
    ready,
    seen,
    terminated,
    waiting,
)
from translators.kubernetes.failures import CONDITIONS
from translators.kubernetes.task_json import task_json

REASONS = ["", "ContainerCreating", "CrashLoopBackOff", "ErrImagePull", "CreateContainerError", "SomethingNew"]
STATES = st.one_of(
    st.just({}),
    st.just({"running": {"startedAt": LATER}}),
    st.builds(
        terminated, st.integers(-1, 300), st.sampled_from(["Error", "Completed", "OOMKilled", "StartError", "New"])
    ),
    st.builds(waiting, st.sampled_from(REASONS), st.text(max_size=10)),
)
LAST = st.one_of(st.just({}), st.builds(terminated, st.integers(0, 255)))
CONDITION_LISTS = st.sampled_from([[], [PLACED_CONDITION], ready("True")["conditions"], ready("False")["conditions"]])
STATUSES = st.builds(
    lambda state, last, count, phase, reason, conditions, ip: {
        **container(state, last, restartCount=count),
        "phase": phase,
        "reason": reason,
        "conditions": conditions,
        "podIP": ip,
        "podIPs": [{"ip": ip}] if ip else [],
    },
    STATES,
    LAST,
    st.integers(0, 3),
    st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown", ""]),
    st.sampled_from(["", "Evicted", "OutOfcpu", "NodeLost", "Unheard"]),
    CONDITION_LISTS,
    st.sampled_from(["", "10.0.0.7", "fd00::7"]),
)
NODES = st.sampled_from([None, node(), node("Unknown")])
DELETED = st.sampled_from([{}, {"deletionTimestamp": LATER}])
SEEN = st.lists(st.tuples(STATUSES, NODES, DELETED), min_size=1, max_size=4)


@given(SEEN, st.sampled_from([APP, CHECKED]))
def test_any_history_of_a_pod_makes_sense(history: list[tuple[Any, Any, Any]], app: dict[str, Any]) -> None:
    before = None
    for status, on, deleted in history:
        found = seen(status, app=app, on=on, before=before, **deleted)
        ended = found.state in CONDITIONS and found.state != "TASK_UNREACHABLE"
        assert found.active is (found.condition in ("Provisioned", "Running", "Unreachable"))
        assert not ended or (found.ports == () and found.started_at is None and not found.active)
        assert not found.ready or (found.condition == "Running" and not found.deleting)
        assert found.condition == "Running" or found.state != "TASK_RUNNING"
        assert found.healthy is None or app is CHECKED
        assert before is None or found.incarnation >= before.incarnation
        assert found.since
        assert found.task_id.startswith("prod_web.")
        assert None not in task_json(found).values()
        assert seen(status, app=app, on=on, before=found, **deleted) == found
        before = found
