"""Plays nodes for the embedded cluster, as kwok does for a real one: `python -m bench.fake_nodes KUBECONFIG NODES`.

kwok itself cannot: it writes protobuf, and the embedded cluster reads JSON. The rule is kwok's `pod/fast`: a pod on one of
the nodes is Running and ready with one write of its status as soon as it is placed, and removed as soon as it is being
deleted. The reader of the watch hands pods to a few writers, so that a slow answer holds up only its own pod.
"""

import json
import queue
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.wire import Connection, Server

__all__ = ["main"]

_WRITERS = 4
_PODS = "/api/v1/pods"
_PATCH = "application/strategic-merge-patch+json"
_SIZE = {"cpu": "32", "memory": "256Gi", "pods": "500"}

Pod = dict[str, Any]


def main() -> None:
    server, count = Server.of_kubeconfig(Path(sys.argv[1])), int(sys.argv[2])
    names = [f"fake-{number}" for number in range(count)]
    addresses = {name: f"10.91.0.{number + 1}" for number, name in enumerate(names)}
    todo: queue.SimpleQueue[Pod] = queue.SimpleQueue()
    for _ in range(_WRITERS):
        threading.Thread(target=_write, args=(server, todo, addresses), daemon=True).start()
    with Connection(server) as connection:
        for name in names:
            _register(connection, name, addresses[name])
        print(f"plays {count} nodes", flush=True)
        while True:
            _follow(connection, todo)


def _register(connection: Connection, name: str, address: str) -> None:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    connection.must("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": _now()}
    addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    status = {"capacity": _SIZE, "allocatable": _SIZE, "addresses": addresses, "conditions": [ready]}
    connection.must("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, kind=_PATCH)


def _follow(connection: Connection, todo: "queue.SimpleQueue[Pod]") -> None:
    """One list and one watch until the server ends it."""
    found = json.loads(connection.get(_PODS))
    for pod in found["items"]:
        todo.put(pod)
    version = found["metadata"]["resourceVersion"]
    for line in connection.lines(_PODS, watch="true", resourceVersion=version, timeoutSeconds="1800"):
        event = json.loads(line)
        if event["type"] == "ERROR":
            return
        if event["type"] in ("ADDED", "MODIFIED"):
            todo.put(event["object"])


def _write(server: Server, todo: "queue.SimpleQueue[Pod]", addresses: dict[str, str]) -> None:
    with Connection(server) as connection:
        while True:
            pod = todo.get()
            meta, node = pod["metadata"], pod["spec"].get("nodeName")
            if node not in addresses:
                continue
            path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
            if meta.get("deletionTimestamp"):
                connection.ask("DELETE", path, {"gracePeriodSeconds": 0})  # it may be gone already
            elif (pod.get("status") or {}).get("phase") == "Pending":
                connection.ask("PATCH", f"{path}/status", {"status": _running(pod, addresses[node])}, kind=_PATCH)


def _running(pod: Pod, host: str) -> dict[str, Any]:
    now, uid = _now(), int(pod["metadata"]["uid"][:8], 16)
    address = f"10.90.{uid // 256 % 256}.{uid % 256}"
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now}
        for kind in ("Initialized", "Ready", "ContainersReady")
    ]
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for container in pod["spec"]["containers"]
    ]
    places = {"hostIP": host, "hostIPs": [{"ip": host}], "podIP": address, "podIPs": [{"ip": address}]}
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": containers,
        **places,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
