"""Nodes that fall silent, come back, or are drained: tasks are replaced, and the events tell which end each had."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.gateways import EventStream, Gateway
from tests.installations import Installation, installed, kubectl
from tests.outages.watching import web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(180)]

PLAYED = "kwok.x-k8s.io~1node"  # the annotation by which kwok takes a node for its own, in a JSON pointer


@pytest.fixture(scope="module")
def fragile(binaries: Path) -> Iterator[ControlPlane]:
    """A node that is silent for 6 s is lost, and its pods are evicted as soon as they allow it. The others speak each second."""
    manager = ["--node-monitor-period=500ms", "--node-monitor-grace-period=6s", "--node-eviction-rate=100"]
    flags = {
        "kube-controller-manager": [*manager, "--secondary-node-eviction-rate=100"],
        "kwok": ["--node-lease-duration-seconds=4"],
    }
    with ControlPlane(binaries, controllers=True, fake_nodes=3, flags=flags) as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def fragile_installation(fragile: ControlPlane) -> Iterator[Installation]:
    made = installed(fragile, "marathon")
    with made.api:
        yield made


@pytest.fixture(scope="module")
def watching(fragile_installation: Installation) -> Iterator[Gateway]:
    with fragile_installation.gateway() as gateway:
        yield gateway.await_serving().await_leader()


def silence(installation: Installation, node: str) -> None:
    """kwok stops playing the node: no heartbeat, and nothing happens to its pods."""
    patch = [{"op": "remove", "path": f"/metadata/annotations/{PLAYED}"}]
    headers = {"Content-Type": "application/json-patch+json"}
    installation.api.patch(f"/api/v1/nodes/{node}", json=patch, headers=headers).raise_for_status()


def revive(installation: Installation, node: str) -> None:
    patch = {"metadata": {"annotations": {"kwok.x-k8s.io/node": "fake"}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    installation.api.patch(f"/api/v1/nodes/{node}", json=patch, headers=headers).raise_for_status()


HELD = "tests.example/held"


def hold(installation: Installation, app_id: str, uid: str, *, held: bool = True) -> None:
    """A finalizer stands for a kubelet that cannot confirm the end of its pod: kwok ends pods of silent nodes, too."""
    pod = next((pod for pod in installation.pods(app_id) if pod["metadata"]["uid"] == uid), None)
    if pod is not None:
        path = installation.path("pods", pod["metadata"]["name"])
        headers = {"Content-Type": "application/merge-patch+json"}
        body = {"metadata": {"uid": uid, "finalizers": [HELD] if held else None}}
        installation.api.patch(path, json=body, headers=headers).raise_for_status()


def node_of(installation: Installation, app_id: str) -> tuple[str, str]:
    """The node of the app's oldest pod, and the pod's uid, which its task's id has."""
    pod = installation.pods(app_id)[0]
    return pod["spec"]["nodeName"], pod["metadata"]["uid"]


def test_a_task_on_a_silent_node_is_unreachable_and_runs_again_when_the_node_is_back(
    fragile_installation: Installation, watching: Gateway
) -> None:
    patient = {"unreachableStrategy": {"inactiveAfterSeconds": 300, "expungeAfterSeconds": 600}}
    with EventStream(watching.base) as stream:
        watching.create(web("/patient", **patient))
        node, uid = node_of(fragile_installation, "/patient")
        task_id = next(task["id"] for task in watching.tasks("/patient") if uid in task["id"])
        alone = sum(pod["spec"]["nodeName"] == node for pod in fragile_installation.pods("/patient"))
        silence(fragile_installation, node)
        stream.wait(lambda stream: stream.states("/patient")[task_id][-1] == "TASK_UNREACHABLE", 30)
        states = {task["id"]: task["state"] for task in watching.tasks("/patient")}
        assert states[task_id] == "TASK_UNREACHABLE"
        assert watching.app("/patient")["tasksRunning"] == 2 - alone
        revive(fragile_installation, node)
        stream.wait(lambda stream: stream.states("/patient")[task_id][-1] == "TASK_RUNNING", 30)
        assert stream.states("/patient")[task_id] == [
            "TASK_STARTING", "TASK_RUNNING", "TASK_UNREACHABLE", "TASK_RUNNING"
        ]  # fmt: skip
        assert watching.app("/patient")["tasksRunning"] == 2
        assert len(stream.states("/patient")) == 2, "nothing was replaced"
        watching.client.delete("/v2/apps//patient")
        watching.settle()


def test_a_task_of_a_lost_node_is_replaced_and_is_forgotten_when_the_node_is_back(
    fragile_installation: Installation, watching: Gateway
) -> None:
    with EventStream(watching.base) as stream:
        watching.create(web("/impatient"))
        node, uid = node_of(fragile_installation, "/impatient")
        task_id = next(task["id"] for task in watching.tasks("/impatient") if uid in task["id"])
        lost = sum(pod["spec"]["nodeName"] == node for pod in fragile_installation.pods("/impatient"))
        hold(fragile_installation, "/impatient", uid)
        silence(fragile_installation, node)
        stream.wait(lambda stream: stream.states("/impatient")[task_id][-1] == "TASK_UNREACHABLE", 30)
        stream.wait(lambda stream: len(stream.states("/impatient")) == 2 + lost, 30)
        eventually(lambda: watching.app("/impatient")["tasksRunning"] == 2, 30)
        assert {task["id"]: task["state"] for task in watching.tasks("/impatient")}[task_id] == "TASK_UNREACHABLE"
        assert stream.states("/impatient")[task_id] == ["TASK_STARTING", "TASK_RUNNING", "TASK_UNREACHABLE"]
        assert watching.get("/v2/deployments") == []
        revive(fragile_installation, node)
        hold(fragile_installation, "/impatient", uid, held=False)
        eventually(lambda: task_id not in {task["id"] for task in watching.tasks("/impatient")}, 30)
        told = stream.states("/impatient")
        assert told[task_id][:3] == ["TASK_STARTING", "TASK_RUNNING", "TASK_UNREACHABLE"]
        assert told[task_id][3:] in (["TASK_KILLED"], ["TASK_GONE"])
        assert watching.app("/impatient")["tasksRunning"] == 2
        watching.client.delete("/v2/apps//impatient")
        watching.settle()


def test_a_node_that_is_removed_ends_its_tasks_as_gone(fragile_installation: Installation, watching: Gateway) -> None:
    with EventStream(watching.base) as stream:
        watching.create(web("/removed"))
        node, uid = node_of(fragile_installation, "/removed")
        task_id = next(task["id"] for task in watching.tasks("/removed") if uid in task["id"])
        hold(fragile_installation, "/removed", uid)
        silence(fragile_installation, node)
        stream.wait(lambda stream: stream.states("/removed")[task_id][-1] == "TASK_UNREACHABLE", 30)
        fragile_installation.api.delete(f"/api/v1/nodes/{node}").raise_for_status()
        eventually(lambda: fragile_installation.api.get(f"/api/v1/nodes/{node}").status_code == 404)
        hold(fragile_installation, "/removed", uid, held=False)
        eventually(lambda: watching.app("/removed")["tasksRunning"] == 2, 30)
        eventually(lambda: len(watching.tasks("/removed")) == 2, 30)
        stream.wait(lambda stream: len(stream.states("/removed")[task_id]) >= 4, 10)
        assert stream.states("/removed")[task_id][:3] == ["TASK_STARTING", "TASK_RUNNING", "TASK_UNREACHABLE"]
        assert stream.states("/removed")[task_id][3:] in (["TASK_KILLED"], ["TASK_GONE"])


def test_a_drained_node_has_its_tasks_replaced_one_for_one(
    control_plane: ControlPlane, installation: Installation, gateway: Gateway
) -> None:
    pool = installation.namespace
    first, second = control_plane.add_fake_nodes(2, labels={"attribute.marathon-gateway.io/pool": pool})
    apart = [["pool", "LIKE", pool]]
    try:
        with EventStream(gateway.base) as stream:
            gateway.create(web("/drained", instances=4, constraints=apart))
            nodes = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in installation.pods("/drained")}
            assert set(nodes.values()) <= {first, second}
            moved = {uid for uid, node in nodes.items() if node == first}
            assert moved
            kubectl(control_plane, "drain", first, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
            eventually(lambda: gateway.app("/drained")["tasksRunning"] == 4, 30)
            assert {pod["spec"]["nodeName"] for pod in installation.pods("/drained")} == {second}
            stream.wait(lambda stream: len(stream.states("/drained")) == 4 + len(moved))
            ended = {task for task, states in stream.states("/drained").items() if states[-1] != "TASK_RUNNING"}
            assert {task for task in ended if not any(uid in task for uid in moved)} == set()
            assert {stream.states("/drained")[task][-1] for task in ended} == {"TASK_KILLED"}
            assert len(ended) == len(moved)
            assert gateway.get("/v2/deployments") == [], "a drain is no deployment"
    finally:
        for name in (first, second):
            installation.api.delete(f"/api/v1/nodes/{name}")
