"""1,000 apps posted and running, against the bare creation of the same objects.

In every round, each on a new cluster of its own:

* gateway: 1,000 apps of one instance are posted to `mgw serve` on 16 kept connections. `running` is from the first POST to the
  moment when all Deployments have their ready pod, `done` to the moment when the gateway says that no deployment is left.
* bare: the objects that the gateway has made in the first round (per app its MarathonDeployment, MarathonApp,
  ControllerRevision and Deployment) are posted by a minimal client on 16 kept connections: an app's four one after another, as
  nothing else is done with them. `running` as above.

When the pods are ready is seen by the same bare watch of Deployments in both. The gateway's share is how much longer its way takes;
`CPU` is its process' part of the CPU time that it and the cluster's processes take together until `done`, which no other work
on the machine can change.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.clusters import NAMESPACE, Cluster, Start, chosen
from bench.fleet import in_parallel, post, serving, until_running
from bench.measuring import cpu_s, parser, progress, ratio, report
from bench.wire import Connection
from gateway.kubernetes.resources import APPS, CHANGES, DEPLOYMENTS, REVISIONS, Resource

Objects = Mapping[Resource[Any], Sequence[bytes]]

_KINDS: tuple[Resource[Any], ...] = (CHANGES, APPS, REVISIONS, DEPLOYMENTS)
_SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences")
_READY_S = 900
_NODES = 8


@dataclass(slots=True)
class Times:
    """Of all rounds, in seconds."""

    running: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    gateway_cpu: list[float] = field(default_factory=list)
    all_cpu: list[float] = field(default_factory=list)
    bare_cpu: list[float] = field(default_factory=list)


class Ready:
    """A bare watch of Deployments in a thread of its own, until so many have a ready pod."""

    def __init__(self, cluster: Cluster, wanted: int) -> None:
        self._connection = Connection(cluster.admin)
        self._path = DEPLOYMENTS.path(NAMESPACE)
        self._wanted = wanted
        self._ready: set[str] = set()
        self._at = 0.0
        version = json.loads(self._connection.get(self._path))["metadata"]["resourceVersion"]
        self._lines = self._connection.lines(
            self._path, watch="true", resourceVersion=version, timeoutSeconds=str(_READY_S)
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def wait(self) -> float:
        """When it was so."""
        end = time.perf_counter() + _READY_S
        while self._thread.is_alive() and time.perf_counter() < end:
            self._thread.join(1)
            progress(f"{len(self._ready)} of {self._wanted} Deployments are ready")
        self._connection.close()
        if not self._at:
            raise SystemExit(f"only {len(self._ready)} of {self._wanted} Deployments have become ready")
        return self._at

    def _follow(self) -> None:
        for line in self._lines:
            found = json.loads(line)["object"]
            if (found.get("status") or {}).get("readyReplicas"):
                self._ready.add(found["metadata"]["name"])
                if len(self._ready) == self._wanted:
                    self._at = time.perf_counter()
                    return


def by_gateway(cluster: Cluster, apps: int, times: Times) -> None:
    with serving(cluster.kubeconfig) as gateway, Connection(gateway.server) as connection:
        gateway.synced(connection)
        ready = Ready(cluster, apps)
        cpu, own, begin = cluster_cpu(cluster), cpu_s(gateway.id), time.perf_counter()
        post(gateway.server, apps, 1)
        times.running.append(ready.wait() - begin)
        until_running(connection, apps)
        times.done.append(time.perf_counter() - begin)
        times.gateway_cpu.append(cpu_s(gateway.id) - own)
        times.all_cpu.append(cluster_cpu(cluster) - cpu + times.gateway_cpu[-1])


def bare(cluster: Cluster, made: Objects, times: Times) -> None:
    def job(bodies: Sequence[bytes]) -> Callable[[Connection], object]:
        paths = [kind.path(NAMESPACE) for kind in _KINDS]
        return lambda connection: [connection.must("POST", *pair) for pair in zip(paths, bodies, strict=True)]

    jobs = [job(bodies) for bodies in zip(*(made[kind] for kind in _KINDS), strict=True)]
    ready = Ready(cluster, len(jobs))
    cpu, begin = cluster_cpu(cluster), time.perf_counter()
    in_parallel(cluster.admin, jobs)
    times.bare.append(ready.wait() - begin)
    times.bare_cpu.append(cluster_cpu(cluster) - cpu)


def cluster_cpu(cluster: Cluster) -> float:
    return sum(cpu_s(process) for process in cluster.processes())


def objects(cluster: Cluster) -> Objects:
    """As they would be posted: without what the API server has added to them, and without their status."""
    with Connection(cluster.admin) as connection:
        pages = {
            kind: [json.loads(page)["items"] for page in connection.pages(kind.path(NAMESPACE), limit=500)]
            for kind in _KINDS
        }
    return {kind: [_body(kind, item) for items in found for item in items] for kind, found in pages.items()}


def _body(kind: Resource[Any], item: dict[str, Any]) -> bytes:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _SERVERS_OWN}
    rest = {key: value for key, value in item.items() if key not in ("metadata", "status", "kind", "apiVersion")}
    version = kind.prefix.removeprefix("/apis/")
    return json.dumps({"apiVersion": version, "kind": kind.kind, "metadata": metadata, **rest}).encode()


def measure(begin: Start, apps: int, rounds: int) -> None:
    times, made, name = Times(), None, ""
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}, gateway")
        with begin(_NODES) as cluster:
            by_gateway(cluster, apps, times)
            made, name = made or objects(cluster), cluster.name
        progress(f"round {number + 1} of {rounds}, bare")
        with begin(_NODES) as cluster:
            bare(cluster, made, times)
    what = f"[{name}, {apps} apps]"
    report("thousand_apps", "running, wall", ratio(times.running, times.bare), "bare creation", what)
    report("thousand_apps", "done, wall   ", ratio(times.done, times.bare), "bare creation until running", what)
    report("thousand_apps", "gateway's CPU", ratio(times.gateway_cpu, times.all_cpu), "its own and the cluster's", what)
    report(
        "thousand_apps", "all CPU      ", ratio(times.all_cpu, times.bare_cpu), "the cluster's in bare creation", what
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--apps", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    size = (10, 1) if given.quick else (given.apps, given.rounds)
    for begin in chosen(given.on).values():
        measure(begin, *size)


if __name__ == "__main__":
    main()
