"""A node that is drained: its tasks are replaced, and the events tell their end."""

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.gateways import EventStream, Gateway
from tests.installations import Installation, kubectl
from tests.outages.watching import web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(180)]


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
