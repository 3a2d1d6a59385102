"""Cold start with 5,000 pods against decoding the same bytes once, and the memory that they take.

On the embedded cluster there are 1,000: it has no more ports, since all its pods share the addresses of one machine.
500 apps of 10 instances are given to a gateway and run on fake nodes; then that gateway is ended. In every round, in turn:

* start: `mgw serve` in a new process. `synchronised` is from its line that it serves to its first answer that is no 503:
  six lists, decoding, indexes, and the instances that every answer reads. `first answer` is from starting the process to the
  end of its first `/v2/tasks`, which must have all 5,000; Python's own start and the imports are in it.
* decoding: the bytes of the same lists, from memory, into the same structs, with msgspec.
* reading: a bare client reads the same lists over the same wire, page by page, and decodes them.

`wall` is the time that passes, `CPU` that of the process which does it (the gateway, the decoding, the bare client), which other
work on the machine hardly changes. Memory is the resident memory of these processes after
`/v2/tasks` and `/v2/apps`, less that of one which started on the empty cluster and answered the same; the baseline is what a
bare process grows by when it decodes the same bytes and keeps them. One round beforehand does not count.
"""

import gc
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

import msgspec

from bench.clusters import MOST_PODS, NAMESPACE, Cluster, Start, chosen
from bench.fleet import fill, serving
from bench.measuring import cpu_s, parser, progress, ratio, report, rss_bytes
from bench.wire import Connection
from gateway.kubernetes.cluster import stores
from gateway.kubernetes.resources import EVENTS, NODES, Resource

Lists = Mapping[Resource[Any], Sequence[bytes]]

_PAGE = 500  # the gateway's own
_MANAGED = {"labelSelector": "app.kubernetes.io/managed-by=marathon-gateway"}
_TYPES: dict[Resource[Any], Any] = {
    r: msgspec.defstruct(r.kind, [("items", list[r.type])])  # type: ignore[name-defined]
    for r in stores()
}
_MIB = 2**20


@dataclass(slots=True)
class Times:
    """Of all rounds, in seconds."""

    synced: list[float] = field(default_factory=list)
    synced_cpu: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    decoded: list[float] = field(default_factory=list)
    decoded_cpu: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    read_cpu: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)


def read(connection: Connection) -> Lists:
    """What the gateway lists at its start."""
    return {
        r: connection.pages(r.path(NAMESPACE), limit=_PAGE, **({} if r in (NODES, EVENTS) else _MANAGED))
        for r in stores()
    }


def decode(lists: Lists) -> list[Any]:
    return [msgspec.json.decode(page, type=_TYPES[r]) for r, pages in lists.items() for page in pages]


def growth(lists: Lists) -> float:
    """What a bare process grows by when it keeps the decoded lists, in bytes. A new one: it has no room left over."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=hold, args=(there,), daemon=True)
    process.start()
    here.send({r.name: pages for r, pages in lists.items()})
    grown = float(here.recv())
    process.join(30)
    return grown


def hold(pipe: Pipe) -> None:
    named = pipe.recv()
    lists = {r: named[r.name] for r in stores()}
    before = rss_bytes(os.getpid())
    kept = decode(lists)
    pipe.send(rss_bytes(os.getpid()) - before)
    del kept


def start(cluster: Cluster, pods: int, times: Times) -> None:
    with serving(cluster.kubeconfig) as gateway, Connection(gateway.server) as connection:
        cpu = cpu_s(gateway.id)
        synced = gateway.synced(connection)
        times.synced.append(synced - gateway.listened)
        times.synced_cpu.append(cpu_s(gateway.id) - cpu)
        found = connection.get("/v2/tasks").count(b'"appId"')
        times.answered.append(time.perf_counter() - gateway.began)
        if found != pods:
            raise SystemExit(f"the gateway tells of {found} tasks, and there are {pods} pods")
        connection.get("/v2/apps")
        times.resident.append(rss_bytes(gateway.id))


def baselines(cluster: Cluster, lists: Lists, times: Times) -> None:
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    decode(lists)
    times.decoded.append(time.perf_counter() - begin)
    times.decoded_cpu.append(time.process_time() - cpu)
    with Connection(cluster.admin) as connection:
        begin, cpu = time.perf_counter(), time.process_time()
        decode(read(connection))
        times.read.append(time.perf_counter() - begin)
        times.read_cpu.append(time.process_time() - cpu)
    times.kept.append(growth(lists))


def measure(begin: Start, apps: int, instances: int, rounds: int, *, warm: int = 1) -> None:
    pods = apps * instances
    with begin(20) as cluster:
        empty = Times()
        for _ in range(min(rounds, 3)):
            progress("starts on the empty cluster")
            start(cluster, 0, empty)
        with serving(cluster.kubeconfig) as gateway:
            fill(gateway, apps, instances)
        with Connection(cluster.admin) as connection:
            lists = read(connection)
        times = Times()
        for number in range(1 - warm, rounds + 1):
            progress(f"round {number} of {rounds}")
            if number == 1:
                times = Times()
            start(cluster, pods, times)
            baselines(cluster, lists, times)
        tell(cluster.name, pods, lists, empty, times)


def tell(name: str, pods: int, lists: Lists, empty: Times, times: Times) -> None:
    size = sum(map(len, itertools.chain(*lists.values())))
    what = f"[{name}, {pods} pods, {size / _MIB:.1f} MiB]"
    report("cold_start", "synchronised, wall  ", ratio(times.synced, times.decoded), "decoding the same bytes", what)
    report(
        "cold_start",
        "synchronised, CPU   ",
        ratio(times.synced_cpu, times.decoded_cpu),
        "decoding the same bytes",
        what,
    )
    report("cold_start", "synchronised, wall  ", ratio(times.synced, times.read), "reading and decoding them", what)
    report(
        "cold_start", "synchronised, CPU   ", ratio(times.synced_cpu, times.read_cpu), "reading and decoding them", what
    )
    report("cold_start", "first answer, wall  ", ratio(times.answered, times.decoded), "decoding the same bytes", what)
    bare = statistics.median(empty.resident)
    grown = [resident - bare for resident in times.resident]
    per_thousand = statistics.median(grown) / pods * 1000 / _MIB
    report(
        "cold_start",
        "memory              ",
        ratio(grown, times.kept),
        f"keeping the decoded lists; {per_thousand:.1f} MiB per 1,000 pods beside {bare / _MIB:.0f} MiB without any, "
        f"and {statistics.median(grown) / size:.2f} of the bytes of the lists",
        what,
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--apps", type=int, default=500)
    arguments.add_argument("--instances", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    for name, begin in chosen(given.on).items():
        if given.quick:
            measure(begin, 4, 5, 1, warm=0)
        else:
            apps = min(given.apps, MOST_PODS[name] // given.instances)
            measure(begin, apps, given.instances, given.rounds)


if __name__ == "__main__":
    main()
