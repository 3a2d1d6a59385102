"""A Marathon whose tasks are real containers, as a test asks it: apps, tasks, logs, events."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.nodes import Node
from tests.processes import eventually

__all__ = ["SMALL", "Events", "Marathon"]

SMALL: dict[str, Any] = {"cpus": 0.01, "mem": 32}
NAMESPACE = "marathon"


class Events:
    """All events since the start, in order."""

    def __init__(self, base: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self._base = base
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        eventually(lambda: self.seen)

    def _listen(self) -> None:
        head = {"Accept": "text/event-stream"}
        try:
            with httpx.stream("GET", f"{self._base}/v2/events", headers=head, timeout=None, trust_env=False) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data: "):
                        self.seen.append(json.loads(line[6:]))
        except httpx.HTTPError:
            return  # the gateway has ended

    def of(self, app_id: str, kind: str = "") -> list[dict[str, Any]]:
        return [
            event
            for event in tuple(self.seen)
            if app_id in (event.get("appId"), event.get("runSpecId")) and kind in ("", event["eventType"])
        ]

    def states(self, task_id: str) -> list[str]:
        """What `status_update_event` said of one task."""
        return [e["taskStatus"] for e in tuple(self.seen) if e.get("taskId") == task_id and "taskStatus" in e]


@dataclass
class Marathon:
    """`client` speaks to the gateway."""

    control_plane: ControlPlane
    nodes: Sequence[Node]
    client: httpx.Client
    events: Events
    _made: list[str] = field(default_factory=list)

    def post(self, **app: Any) -> str:
        """Creates an app (small, unless it says otherwise); the id of the deployment. It ends with the test."""
        answer = self.client.post("/v2/apps", json={**SMALL, **app})
        assert answer.status_code == 201, answer.text
        self._made.append(app["id"])
        return str(answer.json()["deployments"][0]["id"])

    def put(self, app_id: str, **change: Any) -> str:
        answer = self.client.put(f"/v2/apps/{app_id}", json=change)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["deploymentId"])

    def run(self, timeout_s: float = 60, **app: Any) -> list[dict[str, Any]]:
        """Creates an app and waits for the end of its deployment; its tasks."""
        self.deployed(self.post(**app), timeout_s)
        return self.tasks(app["id"])

    def deployed(self, deployment_id: str, timeout_s: float = 60) -> None:
        def over() -> bool:
            return deployment_id not in [d["id"] for d in self.client.get("/v2/deployments").json()]

        eventually(over, timeout_s)

    def app(self, app_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.client.get(f"/v2/apps/{app_id}").json()["app"]
        return shown

    def tasks(self, app_id: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.client.get(f"/v2/apps/{app_id}/tasks").json()["tasks"]
        return listed

    def queued(self, app_id: str) -> dict[str, Any]:
        queue = self.client.get("/v2/queue", params={"embed": "lastUnusedOffers"}).json()["queue"]
        found: list[dict[str, Any]] = [item for item in queue if item["app"]["id"] == app_id]
        return found[0]  # LookupError while it is not there, which `until` waits out

    def pods(self, app_id: str) -> list[dict[str, Any]]:
        """Kubernetes' own view."""
        with self.control_plane.client() as client:
            items = client.get(f"/api/v1/namespaces/{NAMESPACE}/pods").json()["items"]
        return [p for p in items if p["metadata"]["annotations"].get("marathon-gateway.io/id") == app_id]

    def log(self, app_id: str, *, container: str = "app", previous: bool = False) -> str:
        """What the app's only pod has printed."""
        (pod,) = self.pods(app_id)
        return self.pod_log(pod["metadata"]["name"], container=container, previous=previous)

    def pod_log(self, pod: str, *, container: str = "app", previous: bool = False) -> str:
        with self.control_plane.client() as client:
            params = {"container": container, "previous": str(previous).lower()}
            answer = client.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/log", params=params)
        return answer.text if answer.status_code == 200 else ""

    def placed(self, app_id: str) -> list[str]:
        """The nodes of its running tasks, each as often as it has one."""
        return sorted(pod["spec"].get("nodeName", "") for pod in self.pods(app_id))

    @contextmanager
    def cleaned_up(self) -> Iterator["Marathon"]:
        """Has every app of the block deleted, without waiting for the last container."""
        self._made.clear()
        try:
            yield self
        finally:
            for app_id in self._made:
                self.client.delete(f"/v2/apps/{app_id}", params={"force": "true"})


def until(check: Callable[[], Any], timeout_s: float = 60) -> Any:
    """As `eventually`, with less haste: two cores have other things to do."""
    return eventually(check, timeout_s, every_s=0.2)
