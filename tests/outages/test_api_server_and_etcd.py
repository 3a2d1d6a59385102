"""The API server and etcd are killed and come back. What was acknowledged stays, and nobody is told of an end that was none.

A restarted API server takes no watch position from before, so each watch of the gateway has to be started anew from a list.
"""

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.gateways import EventStream, Gateway
from tests.installations import Installation
from tests.outages.watching import Watcher, web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

NEVER = {"TASK_KILLED", "TASK_UNREACHABLE", "TASK_LOST", "TASK_FAILED", "TASK_GONE"}


def told_ends(stream: EventStream) -> set[str]:
    """States that say that a task is gone or lost."""
    return NEVER & {state for states in stream.states().values() for state in states}


def accepted_again(gateway: Gateway, app_id: str, instances: int) -> None:
    """A change is taken and carried out, once the controllers have found the API server again: they too wait between tries."""
    change = {"instances": instances}
    eventually(lambda: gateway.client.put(f"/v2/apps/{app_id}", json=change).status_code == 200, 60)
    eventually(lambda: gateway.app(app_id)["tasksRunning"] == instances, 90)
    gateway.settle(60)


def test_a_restarted_api_server_costs_no_app_no_task_and_no_false_event(
    mortal: ControlPlane, mortal_installation: Installation, survivor: Gateway
) -> None:
    gateway = survivor
    with EventStream(gateway.base) as stream:
        gateway.create(web("/kept"))
        tasks = gateway.tasks("/kept")
        with Watcher(gateway.base, {"/kept": 2}):
            mortal.kill("kube-apiserver")
            refused = gateway.client.put("/v2/apps//kept", json={"instances": 5})
            assert (refused.status_code, bool(refused.json()["message"])) == (503, True)
            mortal.start("kube-apiserver")
            gateway.await_leader()
        assert gateway.tasks("/kept") == tasks
        assert told_ends(stream) == set()
        accepted_again(gateway, "/kept", 3)
        stream.wait(lambda stream: len(stream.states("/kept")) == 3)
        assert list(stream.states("/kept").values()) == [["TASK_STARTING", "TASK_RUNNING"]] * 3
        assert not stream.ended.is_set()


def test_what_happened_while_the_gateway_could_not_watch_is_told_once(
    mortal: ControlPlane, mortal_installation: Installation, survivor: Gateway
) -> None:
    """Pods that went and came, and an app's change by another replica, between the old watch and the new list."""
    gateway = survivor
    with EventStream(gateway.base) as stream:
        gateway.create(web("/gap"))
        before = {task["id"] for task in gateway.tasks("/gap")}
        stream.wait(lambda stream: len(stream.states("/gap")) == 2)
        process = gateway.process.process
        process.send_signal(19)  # SIGSTOP: it sees nothing of what follows
        try:
            for pod in mortal_installation.pods("/gap"):
                mortal_installation.api.delete(mortal_installation.path("pods", pod["metadata"]["name"]))
            eventually(
                lambda: (
                    [pod["status"]["phase"] for pod in mortal_installation.pods("/gap")] == ["Running"] * 2
                    and not before & {pod["metadata"]["uid"] for pod in mortal_installation.pods("/gap")}
                )
            )
            mortal.restart("kube-apiserver")
        finally:
            process.send_signal(18)
        eventually(lambda: not before & {task["id"] for task in gateway.tasks("/gap")}, 40)
        stream.wait(lambda stream: len(stream.states("/gap")) == 4)
        states = stream.states("/gap")
        assert [states[task] for task in before] == [["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]] * 2
        assert [told for task, told in states.items() if task not in before] == [["TASK_STARTING", "TASK_RUNNING"]] * 2


def test_a_killed_etcd_is_an_outage_and_no_loss(
    mortal: ControlPlane, mortal_installation: Installation, survivor: Gateway
) -> None:
    gateway = survivor
    with EventStream(gateway.base) as stream:
        gateway.create(web("/etcd"))
        tasks = gateway.tasks("/etcd")
        with Watcher(gateway.base, {"/etcd": 2}):
            mortal.kill("etcd")
            assert gateway.tasks("/etcd") == tasks
            mortal.start("etcd")
            mortal.await_ready()
        assert gateway.tasks("/etcd") == tasks
        accepted_again(gateway, "/etcd", 3)
        assert told_ends(stream) == set()


def test_what_was_accepted_right_after_an_outage_is_there_for_the_next_read(
    mortal: ControlPlane, survivor: Gateway
) -> None:
    """Its watches wait before their next try while the API server takes writes already."""
    mortal.restart("kube-apiserver")
    created = eventually(lambda: survivor.client.post("/v2/apps", json=web("/early")).status_code, every_s=0)
    while created == 503:
        created = survivor.client.post("/v2/apps", json=web("/early")).status_code
    assert created == 201
    assert survivor.client.get("/v2/apps//early").status_code == 200
    survivor.settle()


def test_a_compaction_is_not_noticed_and_one_before_a_restart_neither(
    mortal: ControlPlane, mortal_installation: Installation, survivor: Gateway
) -> None:
    gateway = survivor
    with EventStream(gateway.base) as stream:
        gateway.create(web("/compacted"))
        with Watcher(gateway.base, {"/compacted": 2}):
            mortal.compact()
            eventually(lambda: gateway.app("/compacted")["tasksRunning"] == 2)
        accepted_again(gateway, "/compacted", 3)
        with Watcher(gateway.base, {"/compacted": 3}):
            mortal.compact()
            mortal.restart("kube-apiserver")
            gateway.await_leader()
        accepted_again(gateway, "/compacted", 4)
        assert told_ends(stream) == set()
        assert len(stream.states("/compacted")) == 4


def test_a_rollout_goes_on_after_the_api_server_was_away(
    mortal: ControlPlane, mortal_installation: Installation, survivor: Gateway
) -> None:
    gateway = survivor
    with EventStream(gateway.base) as stream:
        gateway.create(web("/rolling", instances=4))
        with mortal_installation.slow_pods():
            change = gateway.change("/rolling", {"env": {"A": "b"}})
            eventually(lambda: len(mortal_installation.pods("/rolling")) > 4)
            mortal.restart("kube-apiserver")
        gateway.settle(60)
        assert {task["version"] for task in gateway.tasks("/rolling")} == {change["version"]}
        assert len(gateway.tasks("/rolling")) == 4
        stream.wait(lambda stream: (change["deploymentId"], "deployment_success") in stream.deployments())
        ends = [states[-1] for states in stream.states("/rolling").values()]
        assert sorted(ends) == ["TASK_KILLED"] * 4 + ["TASK_RUNNING"] * 4
