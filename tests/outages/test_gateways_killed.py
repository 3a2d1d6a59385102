"""`kill -9` of the leading of two gateways, again and again in one rolling update: the other goes on where it stopped."""

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.gateways import EventStream, Gateway
from tests.installations import Installation
from tests.outages.watching import web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(180)]

KILLS, INSTANCES, LEAST, MOST = 3, 8, 6, 10
UPGRADE = {"upgradeStrategy": {"minimumHealthCapacity": 0.75, "maximumOverCapacity": 0.25}}


def ready(pod: dict) -> bool:
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def leader_of(gateways: list[Gateway]) -> Gateway | None:
    """The one that both say leads."""
    said = {gateway.client.get("/v2/leader").json().get("leader") for gateway in gateways}
    return next((gateway for gateway in gateways if said == {gateway.base.removeprefix("http://")}), None)


def test_a_rolling_update_survives_the_death_of_each_of_its_leaders(
    control_plane: ControlPlane, installation: Installation
) -> None:
    gateways = [installation.gateway() for _ in range(2)]
    try:
        gateways[0].await_serving().create(web("/rolling", instances=INSTANCES, **UPGRADE))
        change = gateways[0].change("/rolling", {"env": {"A": "b"}})
        for _ in range(KILLS):
            with installation.slow_pods():
                leader = eventually(lambda: leader_of(gateways))
                made = {pod["metadata"]["uid"] for pod in installation.pods("/rolling")}
                assert sum(map(ready, installation.pods("/rolling"))) >= LEAST
                assert len(made) <= MOST
                gateways.remove(leader)
                leader.kill()
            gateways.append(installation.gateway())
            gateways[-1].await_serving()
        with EventStream(gateways[0].base) as stream:
            gateways[0].settle()
            for gateway in gateways:
                tasks = eventually(
                    lambda one=gateway: len(one.tasks("/rolling")) == INSTANCES and one.tasks("/rolling")
                )
                assert {task["version"] for task in tasks} == {change["version"]}
            assert set(dict(stream.deployments()).values()) <= {"deployment_success"}
        done = installation.items("marathondeployments", group="marathon-gateway.io/v1")
        phases = {item["spec"]["id"]: item["status"]["phase"] for item in done}
        assert phases[change["deploymentId"]] == "Succeeded"
        assert len(phases) == 2, "nobody made a change of its own"
    finally:
        for gateway in gateways:
            gateway.stop()
