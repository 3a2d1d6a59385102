"""Deployments and pods of one namespace in few words; pods get their state by hand, as a kubelet would write it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.contract.client import Client, deployment
from tests.contract.servers import Paths
from tests.processes import eventually

__all__ = ["NOWHERE", "Obj", "Workload", "name_of"]

Obj = dict[str, Any]

NOWHERE = {"nodeSelector": {"none": "such"}}
"""For pods that are to stay pending."""


def name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


class Workload:
    def __init__(self, kube: Client, ns: Paths) -> None:
        self.kube = kube
        self.ns = ns

    # Deployments

    def create(
        self, name: str, replicas: int = 1, *, labels: dict[str, str] | None = None, spec: Obj | None = None,
        container: Obj | None = None, **pod_spec: object,
    ) -> Obj:  # fmt: skip
        whole = {"replicas": replicas, **(spec or {})}
        body = deployment(name, labels=labels, container=container, spec=whole, pod_spec=pod_spec)
        answer = self.kube.post(f"{self.ns.apps}/deployments", body)
        assert answer.status_code == 201, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def get(self, name: str) -> Obj:
        return self.kube.get(f"{self.ns.apps}/deployments/{name}").json()  # type: ignore[no-any-return]

    def status(self, name: str) -> Obj:
        return self.get(name)["status"]  # type: ignore[no-any-return]

    def conditions(self, name: str) -> dict[str, tuple[str, str, str]]:
        found = self.status(name).get("conditions", [])
        return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}

    def patch(self, name: str, body: Obj) -> Obj:
        answer = self.kube.patch(f"{self.ns.apps}/deployments/{name}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def retemplate(self, name: str, version: str) -> None:
        """A new pod template."""
        self.patch(name, {"spec": {"template": {"metadata": {"annotations": {"version": version}}}}})

    def scale(self, name: str, replicas: int) -> None:
        answer = self.kube.patch(f"{self.ns.apps}/deployments/{name}/scale", {"spec": {"replicas": replicas}})
        assert answer.status_code == 200, answer.text

    def annotation(self, name: str, key: str) -> str | None:
        return self.get(name)["metadata"].get("annotations", {}).get(key)  # type: ignore[no-any-return]

    # What follows from them

    def sets(self, app: str) -> list[Obj]:
        """Oldest revision first."""
        found = self.kube.get(f"{self.ns.apps}/replicasets", labelSelector=f"app={app}").json()["items"]
        return sorted(found, key=lambda s: int((s["metadata"].get("annotations") or {}).get(REVISION, 0)))

    def sizes(self, app: str) -> list[int]:
        return [s["spec"]["replicas"] for s in self.sets(app)]

    def pods(self, app: str) -> list[Obj]:
        return self.kube.get(f"{self.ns.core}/pods", labelSelector=f"app={app}").json()["items"]  # type: ignore[no-any-return]

    def names(self, app: str) -> set[str]:
        return {name_of(p) for p in self.pods(app)}

    def live(self, app: str) -> list[Obj]:
        return [p for p in self.pods(app) if "deletionTimestamp" not in p["metadata"]]

    def doomed(self, app: str) -> set[str]:
        return {name_of(p) for p in self.pods(app) if "deletionTimestamp" in p["metadata"]}

    def made(self, app: str, count: int) -> list[Obj]:
        """The live pods, once there are so many."""
        return eventually(lambda: (found := self.live(app)) if len(self.live(app)) == count else [])

    def bound(self, app: str, count: int) -> list[Obj]:
        """The live pods, once so many have a node."""

        def placed() -> list[Obj]:
            found = [p for p in self.live(app) if p["spec"].get("nodeName")]
            return found if len(found) == count else []

        return eventually(placed)

    def running(self, app: str, count: int, **state: Any) -> list[Obj]:
        """So many pods, bound and made to run."""
        found = self.bound(app, count)
        for pod in found:
            self.run(pod, **state)
        eventually(lambda: sum(s["status"].get("readyReplicas", 0) for s in self.sets(app)) >= count)
        return found

    def events(self, about: str) -> dict[str, str]:
        """Reasons with their messages, about the object of this name."""
        found = self.kube.get(f"{self.ns.core}/events", fieldSelector=f"involvedObject.name={about}").json()["items"]
        return {e["reason"]: e["message"] for e in found}

    # Playing the kubelet

    def run(self, pod: Obj, *, ready: bool = True, age_s: int = 0, restarts: int = 0, phase: str = "Running") -> None:
        """Phase, conditions and container status; `age_s` is how long it has been (un)ready."""
        since = self.now(-age_s)
        conditions = [
            {"type": kind, "status": "True" if ready or kind in ("PodScheduled", "Initialized") else "False", "lastTransitionTime": since}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]  # fmt: skip
        container = {"name": "app", "image": "x", "imageID": "", "ready": ready, "restartCount": restarts}
        container["state"] = {"running": {"startedAt": since}}
        status = {"phase": phase, "startTime": since, "conditions": conditions, "containerStatuses": [container]}
        answer = self.kube.patch(f"{self.ns.core}/pods/{name_of(pod)}/status", {"status": status})
        assert answer.status_code == 200, answer.text

    def end(self, *pods: str) -> None:
        """The end of terminating pods."""
        for pod in pods:
            self.kube.delete(f"{self.ns.core}/pods/{pod}", gracePeriodSeconds=0)

    def cost(self, pod: Obj, cost: int) -> None:
        body = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": str(cost)}}}
        assert self.kube.patch(f"{self.ns.core}/pods/{name_of(pod)}", body).status_code == 200

    def now(self, offset_s: float = 0) -> str:
        """By the server's clock, which may not be ours."""
        made = self.kube.post(f"{self.ns.core}/configmaps", {"metadata": {"name": "clock"}}, dryRun="All").json()
        moment = datetime.fromisoformat(made["metadata"]["creationTimestamp"]) + timedelta(seconds=offset_s)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"

    # Waiting

    def settled(self, read: Callable[[], object]) -> Any:
        """What `read` says once all controllers have seen the present: it then says the same for a while."""
        seen: list[object] = []

        def steady() -> bool:
            seen.append(read())
            return len(seen) >= _STEADY and all(value == seen[-1] for value in seen[-_STEADY:])

        eventually(steady)
        return seen[-1]


REVISION = "deployment.kubernetes.io/revision"
_STEADY = 8  # polls of 50 ms
