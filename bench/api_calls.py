"""The life of an app in calls to the Kubernetes API, counted by the API server.

An app is created with 3 instances, scaled to 5, given a new `env`, and deleted. For each of these: the calls before the answer, and all
until the deployment has ended, its pods have come or gone, and the gateway has been quiet for a second. The real API server's
count is its audit log (requests of the gateway's own account), the embedded one's is taken where its requests come in. Beside it
stands what the gateway counts itself; the program ends with status 1 if they differ, or if a POST makes more than 3 calls
before its answer. Watches and the Lease are left out: they take the same however many apps there are; theirs come at the end.

The baseline is the one call with which a client of Kubernetes would do the same to a Deployment of its own: POST, PATCH,
PATCH, DELETE. Several lives, one after another; the figures are the medians and the extremes.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.clusters import ACCOUNT, NAMESPACE, control_plane, gateway_kubeconfig
from bench.fleet import definition
from bench.measuring import parser, progress, report
from gateway.api.settings import ApiSettings
from gateway.app import create_app
from gateway.clock import SystemClock
from gateway.kubernetes.transport import connect
from gateway.serve import Gateway, gateway
from gateway.settings import Settings
from gateway.simulator.cluster import Simulator
from translators.kubernetes.crds import crds

Calls = Callable[[], Counter[str]]

LIMIT = 3
_QUIET_S = 1.0
_STEP_S = 120
_ADDRESS = "127.0.0.1:8080"
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": [f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"]},
        {"level": "None"},
    ],
}
_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "watch": "WATCH"}
_STEPS = ("POST 3 instances", "PUT instances 5", "PUT env", "DELETE")


@dataclass(slots=True)
class Side:
    """One cluster: its kubeconfig, and what its API server has counted until now."""

    name: str
    kubeconfig: Path
    counted: Calls


@dataclass(slots=True)
class Step:
    """Of all lives: the calls before the answer, until the end, and how they were spread in the last life."""

    before: list[int] = field(default_factory=list)
    all: list[int] = field(default_factory=list)
    spread: Counter[str] = field(default_factory=Counter)


# The two API servers and their counts


@contextlib.asynccontextmanager
async def kwok() -> AsyncIterator[Side]:
    flags = ["--audit-policy-file=audit-policy.json", "--audit-log-path=audit.log", "--audit-log-mode=blocking"]
    files = {"audit-policy.json": json.dumps(_AUDIT_POLICY)}
    with control_plane(nodes=2, flags={"kube-apiserver": flags}, files=files) as plane:
        log = plane.home / "audit.log"
        yield Side("kwok", gateway_kubeconfig(plane), lambda: audited(log.read_text()))


def audited(log: str) -> Counter[str]:
    """One for each request; a watch has a line at its beginning and one at its end."""
    found: Counter[str] = Counter()
    for line in log.splitlines():
        event = json.loads(line)
        if event["verb"] == "watch" and event["stage"] != "ResponseStarted":
            continue
        target = event["objectRef"]
        what = "/".join(part for part in (target["resource"], target.get("subresource")) if part)
        found[f"{_METHODS.get(event['verb'], 'GET')} {what}"] += 1
    return found


@contextlib.asynccontextmanager
async def simulator() -> AsyncIterator[Side]:
    """In this process, with its own kubelets: the few pods of an app really run."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mgw-bench-") as scratch:
        cluster = Simulator(SystemClock(), root=Path(scratch) / "pods", nodes=2, crds=crds())
        inner = cluster.asgi

        async def counting(scope: Any, receive: Any, send: Any) -> None:
            found[_request(scope)] += 1
            await inner(scope, receive, send)

        cluster.asgi = counting  # type: ignore[assignment]
        async with cluster.serving("127.0.0.1", 0) as url:
            kubeconfig = Path(scratch) / "kubeconfig"
            cluster.write_kubeconfig(kubeconfig, url)
            yield Side("simulator", kubeconfig, lambda: Counter(found))


def _request(scope: Any) -> str:
    """`PATCH deployments/scale`: the resource is what follows the namespace, or the version for those without one."""
    parts = [part for part in scope["path"].split("/") if part]
    begin = parts.index("namespaces") + 2 if "namespaces" in parts else parts.index("v1") + 1
    rest = parts[begin:]
    method = "WATCH" if b"watch=true" in scope["query_string"] else scope["method"]
    return f"{method} {'/'.join([*rest[:1], *rest[2:]])}"


# The gateway, in this process so that its own count can be read


@contextlib.asynccontextmanager
async def running(side: Side) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    clock = SystemClock()
    api = await connect(side.kubeconfig)
    parts = gateway(Settings(namespace=NAMESPACE), api, address=_ADDRESS, clock=clock)
    app = create_app(
        parts.engine,
        parts.hub,
        settings=ApiSettings(address=_ADDRESS),
        clock=clock,
        cluster_id=lambda: parts.election.uid,
    )
    tasks = [asyncio.create_task(parts.cluster.run()), asyncio.create_task(parts.election.run(parts.runner.run))]
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://marathon") as client:
            await until(lambda: parts.cluster.synced and parts.election.leader() is not None, "the gateway leads")
            yield parts, client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.close()


async def until(reached: Callable[[], bool], what: str) -> None:
    clock = SystemClock()
    try:
        async with asyncio.timeout(_STEP_S):
            while not reached():
                await clock.sleep(0.02)
    except TimeoutError:
        raise SystemExit(f"not within {_STEP_S} s: {what}") from None


def of_apps(counts: Counter[str]) -> Counter[str]:
    """Without what is there without any app."""
    return Counter({call: n for call, n in counts.items() if not call.startswith("WATCH ") and "leases" not in call})


async def at_rest(parts: Gateway, pods: int) -> None:
    """No deployment is left, so many pods are there and run, and no call was made for a while."""

    def ended() -> bool:
        found = list(parts.cluster.pods.values())
        running = [pod for pod in found if pod.status.phase == "Running" and not pod.metadata.deletionTimestamp]
        return not parts.engine.deployments() and len(found) == len(running) == pods

    await until(ended, f"{pods} pods and no deployment")
    known, since = of_apps(parts.cluster.api.calls), time.monotonic()

    def quiet() -> bool:
        nonlocal known, since
        if (now := of_apps(parts.cluster.api.calls)) != known:
            known, since = now, time.monotonic()
        return time.monotonic() - since > _QUIET_S

    await until(quiet, "no more calls")


async def life(number: int, side: Side, parts: Gateway, client: httpx.AsyncClient, steps: Sequence[Step]) -> None:
    source = {**definition(number, 3), "cmd": "sleep 1000", "healthChecks": []}
    path = f"/v2/apps/{source['id']}"
    requests = (
        (lambda: client.post("/v2/apps", json=source), 3),
        (lambda: client.put(path, json={"instances": 5}), 5),
        (lambda: client.put(path, json={"env": {"LOG_LEVEL": "debug"}}), 5),
        (lambda: client.delete(path), 0),
    )
    for step, (request, pods) in zip(steps, requests, strict=True):
        begin = of_apps(side.counted())
        answer = await request()  # what the runner has begun meanwhile would count as before the answer, too
        answered = of_apps(side.counted()) - begin
        if answer.status_code >= 400:
            raise SystemExit(f"{answer.request.method} {path}: {answer.status_code} {answer.text}")
        await at_rest(parts, pods)
        step.spread = of_apps(side.counted()) - begin
        step.before.append(answered.total())
        step.all.append(step.spread.total())


async def measure(start: Callable[[], AbstractAsyncContextManager[Side]], lives: int) -> bool:
    """Whether all is as promised."""
    steps = [Step() for _ in _STEPS]
    async with start() as side, running(side) as (parts, client):
        begin, before = time.monotonic(), side.counted()
        for number in range(lives):
            progress(f"{side.name}, life {number + 1} of {lives}")
            await life(number, side, parts, client, steps)
        theirs, ours, taken = side.counted(), Counter(parts.cluster.api.calls), time.monotonic() - begin
    for name, step in zip(_STEPS, steps, strict=True):
        calls = ", ".join(f"{n} {call}" for call, n in sorted(step.spread.items()))
        report(
            "api_calls",
            f"{name:16}",
            f"{statistics.median(step.before):.0f} x the one call before the answer,",
            f"{statistics.median(step.all):.0f} x until the end ({min(step.all)}-{max(step.all)} in {lives} lives)",
            f"[{side.name}: {calls}]",
        )
    whole = [sum(calls) for calls in zip(*(step.all for step in steps), strict=True)]
    lease = sum(n for call, n in (theirs - before).items() if "leases" in call) / taken * 60
    watches = sum(n for call, n in theirs.items() if call.startswith("WATCH "))
    report(
        "api_calls",
        "whole life      ",
        f"{statistics.median(whole) / len(_STEPS):.2f} x the {len(_STEPS)} calls,",
        f"{statistics.median(whole):.0f} calls ({min(whole)}-{max(whole)})",
        f"[{side.name}; beside them {watches} watches, and the Lease with {lease:.0f} calls a minute]",
    )
    return _agree(side.name, of_apps(theirs), of_apps(ours)) and max(steps[0].before) <= LIMIT


def _agree(name: str, theirs: Counter[str], ours: Counter[str]) -> bool:
    total = f"{theirs.total()} calls counted by the API server, {ours.total()} by the gateway"
    differing = {call: (theirs[call], ours[call]) for call in theirs | ours if theirs[call] != ours[call]}
    report("api_calls", "counts          ", total, f"[{name}]", *(f"{differing}" for _ in range(bool(differing))))
    return not differing


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--lives", type=int, default=5)
    given = arguments.parse_args()
    sides = {"kwok": kwok, "simulator": simulator}
    lives = 1 if given.quick else given.lives
    kept = [asyncio.run(measure(start, lives)) for name, start in sides.items() if given.on in (name, "both")]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
