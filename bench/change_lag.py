"""From a pod's change at the API server to the gateway's answer, against a bare watch client's receipt of the same change.

On a cluster with 1,000 running pods of 100 apps, the address of one pod is changed (a PATCH of its status, as its kubelet
would), one after another. Three moments are taken from the sending of the PATCH: its answer; the line of a bare watch with the
gateway's own selector; and the end of the first answer of the gateway that has the new address, where the gateway is asked as
soon as the bare watch has the line, and then again and again. So the gateway's way (watch, decoding, deriving, the request and its
answer) is measured beside the least that any client needs for the same change at the same moment.

Asked is `/v2/apps/ID/tasks`, the tasks of one app, and in a second series `/v2/tasks`, all tasks; the figures of each are over its
changes. `at once` is the share of changes that the very first answer had. Some changes beforehand do not count.
"""

import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.clusters import NAMESPACE, Cluster, Start, chosen
from bench.fleet import Gateway, fill, serving
from bench.measuring import parser, progress, ratio, report
from bench.wire import Connection

_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_MANAGED = "app.kubernetes.io/managed-by=marathon-gateway"
_PATCH = "application/merge-patch+json"
_SEEN_S = 30
_WARM = 5


@dataclass(slots=True)
class Moments:
    """Seconds after the PATCH was sent, and the share that needed one request of the gateway only."""

    written: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)


class Watch:
    """A bare watch in a thread of its own, which asks the gateway the moment that it reads what is expected."""

    def __init__(self, cluster: Cluster, gateway: Gateway) -> None:
        self._admin = Connection(cluster.admin)
        self._gateway = Connection(gateway.server)
        version = json.loads(self._admin.get(_PODS, limit="1"))["metadata"]["resourceVersion"]
        self._lines = self._admin.lines(
            _PODS, watch="true", resourceVersion=version, labelSelector=_MANAGED, timeoutSeconds="3600"
        )

    def close(self) -> None:
        self._admin.close()
        self._gateway.close()

    def expect(self, marker: bytes, path: str, seen: list[float]) -> None:
        """Notes the receipt of the marker, then that of every answer of the gateway up to the one that has it, too."""
        for line in self._lines:
            if marker in line:
                break
        seen.append(time.perf_counter())
        while seen[-1] - seen[0] < _SEEN_S:
            known = marker in self._gateway.get(path)
            seen.append(time.perf_counter())
            if known:
                return
        raise SystemExit(f"{path} has not had the change within {_SEEN_S} s")


def change(admin: Connection, watch: Watch, pod: str, address: str, path: str, moments: Moments) -> None:
    marker = b'"' + address.encode() + b'"'
    seen: list[float] = []
    waiting = threading.Thread(target=watch.expect, args=(marker, path, seen), daemon=True)
    waiting.start()
    begin = time.perf_counter()
    body = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
    admin.must("PATCH", f"{_PODS}/{pod}/status", body, kind=_PATCH)
    moments.written.append(time.perf_counter() - begin)
    waiting.join(2 * _SEEN_S)
    if waiting.is_alive() or len(seen) < 2:
        raise SystemExit(f"the change of pod {pod} has not come through")
    moments.watched.append(seen[0] - begin)
    moments.answered.append(seen[-1] - begin)
    moments.first.append(len(seen) == 2)


def addresses() -> Iterator[str]:
    """Each once, and none that a pod has already."""
    return (f"10.200.{number // 250}.{number % 250 + 1}" for number in itertools.count())


def series(cluster: Cluster, watch: Watch, pods: Sequence[Any], fresh: Iterator[str], *, one: bool) -> Moments:
    moments = Moments()
    with Connection(cluster.admin) as admin:
        for number, pod in enumerate(pods):
            app = pod["metadata"]["annotations"]["marathon-gateway.io/id"]
            path = f"/v2/apps/{app}/tasks" if one else "/v2/tasks"
            change(admin, watch, pod["metadata"]["name"], next(fresh), path, moments)
            if number % 50 == 49:
                progress(f"{number + 1} of {len(pods)} changes")
    return moments


def measure(begin: Start, apps: int, instances: int, changes: int) -> None:
    with begin(10) as cluster, serving(cluster.kubeconfig) as gateway:
        fill(gateway, apps, instances)
        with Connection(cluster.admin) as admin:
            pods = json.loads(admin.get(_PODS, labelSelector=_MANAGED))["items"]
        watch, fresh = Watch(cluster, gateway), addresses()
        try:
            for one in (True, False):
                wanted = list(itertools.islice(itertools.cycle(pods), _WARM + changes))
                tell(cluster.name, apps * instances, series(cluster, watch, wanted, fresh, one=one), one=one)
        finally:
            watch.close()


def tell(name: str, pods: int, moments: Moments, *, one: bool) -> None:
    path = "/v2/apps/ID/tasks" if one else "/v2/tasks        "
    answered, watched, written = moments.answered[_WARM:], moments.watched[_WARM:], moments.written[_WARM:]
    first = moments.first[_WARM:]
    what = f"[{name}, {pods} pods, {sum(first) / len(first):.0%} at once]"
    report("change_lag", path, ratio(answered, watched), "a bare watch's receipt of the change", what)
    report("change_lag", path, ratio(answered, written), "the API server's answer to the change", what)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--apps", type=int, default=100)
    arguments.add_argument("--instances", type=int, default=10)
    arguments.add_argument("--changes", type=int, default=300)
    given = arguments.parse_args()
    size = (3, 2, 6) if given.quick else (given.apps, given.instances, given.changes)
    for begin in chosen(given.on).values():
        measure(begin, *size)


if __name__ == "__main__":
    main()
