"""Everything together: a Deployment with dynamic ports becomes processes that answer at their pod's address and port."""

import json
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from gateway.simulator.controllers import Controllers, ports
from gateway.simulator.kubelet import Kubelet
from gateway.simulator.objects import Objects
from gateway.simulator.scheduler import Scheduler
from tests.simulator.helpers import NAMESPACE, deployment, eventually, get, running


def web() -> dict[str, Any]:
    probe = {"httpGet": {"path": "/who", "port": "p0"}, "periodSeconds": 1}
    app = {
        "name": "app",
        "image": "python",
        "command": ["/bin/sh", "-c", "echo $POD $PORT > who; exec python3 -m http.server $PORT0"],
        "ports": [{"name": "p0", "containerPort": 10000, "hostPort": 10000}],
        "env": [
            {"name": "PORT0", "value": "10000"},
            {"name": "PORT", "value": "$(PORT0)"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "readinessProbe": probe,
    }
    body = deployment("web", 2, containers=[app], hostNetwork=True)
    annotation = json.dumps([{"name": "p0", "dynamic": True, "host": True, "env": "PORT0"}])
    body["spec"]["template"]["metadata"]["annotations"] = {ports.ANNOTATION: annotation}
    return body


async def test_two_instances_answer_side_by_side_and_leave_nothing(tmp_path: Path) -> None:
    clock = SystemClock()
    objects = Objects(clock)
    objects.admission.append(ports.admission(objects))
    kubelets = [Kubelet(objects, clock, f"n{i}", tmp_path) for i in (1, 2)]
    async with running(Controllers(objects, clock), Scheduler(objects, clock), *kubelets):
        await eventually(lambda: all(get(objects, "nodes", f"n{i}") for i in (1, 2)))
        objects.create("deployments", web())
        await eventually(lambda: (get(objects, "deployments", "web") or {})["status"].get("availableReplicas") == 2)
        pods = objects.list("pods", NAMESPACE)
        assert {p["status"]["podIP"] for p in pods} == {"127.0.0.1", "127.0.0.2"}
        async with httpx.AsyncClient(trust_env=False) as client:
            for pod in pods:
                port = pod["spec"]["containers"][0]["ports"][0]["containerPort"]
                answer = await client.get(f"http://{pod['status']['podIP']}:{port}/who")
                assert answer.text == f"{pod['metadata']['name']} {port}\n"
        objects.delete("deployments", NAMESPACE, "web")
        await eventually(lambda: not objects.list("pods"))
        assert [list((tmp_path / "processes" / k).iterdir()) for k in ("n1", "n2")] == [[], []]
