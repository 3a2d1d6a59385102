"""A namespace that is full: the queue says why, nothing else is held up, and the deployment goes on when there is room."""

import pytest

from tests.gateways import Gateway
from tests.installations import Installation
from tests.outages.watching import web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(120)]


def test_an_app_beyond_the_quota_waits_in_the_queue_until_there_is_room(
    installation: Installation, gateway: Gateway
) -> None:
    gateway.create(web("/first"))
    used = len(installation.items("pods"))
    quota = installation.path("resourcequotas")
    body = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": str(used + 1)}}}
    installation.api.post(quota, json=body).raise_for_status()
    # until the quota's controller has counted, it admits nothing
    eventually(lambda: installation.api.get(f"{quota}/pods").json()["status"]["used"]["pods"] == str(used))
    deployment = gateway.create(web("/second", instances=3), settle=False)
    eventually(lambda: gateway.app("/second")["tasksRunning"] == 1)
    waiting = eventually(lambda: gateway.queued("/second"))
    assert waiting["count"] == 2
    gateway.change("/first", {"instances": 1})
    eventually(lambda: gateway.app("/first")["tasksRunning"] == 1)
    assert deployment in {each["id"] for each in gateway.get("/v2/deployments")}

    headers = {"Content-Type": "application/merge-patch+json"}
    roomy = {"spec": {"hard": {"pods": "50"}}}
    installation.api.patch(f"{quota}/pods", json=roomy, headers=headers).raise_for_status()
    eventually(lambda: gateway.app("/second")["tasksRunning"] == 3, 60)
    gateway.settle()
    assert gateway.queued("/second") is None
