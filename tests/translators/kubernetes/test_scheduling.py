import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.kubernetes.scheduling import queue_reasons

TAIL = " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."


@pytest.mark.parametrize(
    ("message", "reasons", "nodes"),
    [
        ("0/3 nodes are available: 3 Insufficient cpu.", {"InsufficientCpus": 3}, 3),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match pod anti-affinity rules." + TAIL,
            {"InsufficientCpus": 1, "UnfulfilledConstraint": 2},
            3,
        ),
        (
            "0/4 nodes are available: 1 Insufficient memory, 1 Insufficient ephemeral-storage, 1 Insufficient nvidia.com/gpu,"
            " 1 node(s) didn't have free ports for the requested pod ports.",
            {"InsufficientMemory": 1, "InsufficientDisk": 1, "InsufficientGpus": 1, "InsufficientPorts": 1},
            4,
        ),
        (
            "0/2 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 1 node(s) were unschedulable.",
            {"UnfulfilledRole": 1, "AgentMaintenance": 1},
            2,
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints (missing required label).",
            {"UnfulfilledConstraint": 2},
            2,
        ),
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.",
            {"AgentMaintenance": 1},
            1,
        ),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s)."
            " no new claims to deallocate," + TAIL,
            {"InsufficientCpus": 1, "UnfulfilledRole": 2},
            3,
        ),
        ("no nodes available to schedule pods", {}, 0),
        ("", {}, 0),
    ],
)
def test_the_words_of_the_scheduler_are_reject_reasons(message: str, reasons: dict[str, int], nodes: int) -> None:
    assert queue_reasons([message]) == (reasons, nodes)


def test_pods_of_one_app_look_at_the_same_nodes() -> None:
    messages = [
        "0/3 nodes are available: 3 Insufficient cpu.",
        "0/3 nodes are available: 2 Insufficient cpu, 1 Insufficient memory.",
    ]
    assert queue_reasons(messages) == ({"InsufficientCpus": 3, "InsufficientMemory": 1}, 3)


@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_words_are_survived(messages: list[str]) -> None:
    reasons, nodes = queue_reasons(messages)
    assert all(count <= nodes for count in reasons.values())
