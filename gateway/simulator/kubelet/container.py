"""One container of a pod: started, probed, restarted with back-off, and ended.

A container with a command is a local process; one without (only its image would know what to run) is simulated: running, started and
ready until it is stopped. An init container named `fetch` is done in here instead of by its image.
"""

import asyncio
import contextlib
import uuid
from datetime import datetime
from typing import Any

from gateway.simulator.controllers.recorder import stamp
from gateway.simulator.kubelet.backoff import Backoff
from gateway.simulator.kubelet.environment import ConfigError, expand
from gateway.simulator.kubelet.fetch import FetchFailed, fetch
from gateway.simulator.kubelet.health import Health
from gateway.simulator.kubelet.launch import Launch, launch
from gateway.simulator.kubelet.probes import Outcome, port_number
from gateway.simulator.kubelet.process import NotStarted, Process
from gateway.simulator.kubelet.status import View, restarts
from gateway.simulator.kubelet.surroundings import Surroundings
from gateway.simulator.kubelet.termination import race, terminate

__all__ = ["Container"]

CONFIG_RETRY_S = 10.0


class Container:
    """`known` is the status that an earlier kubelet wrote about it, if there was one."""

    def __init__(
        self, around: Surroundings, spec: dict[str, Any], *, initial: bool, known: dict[str, Any] | None = None
    ) -> None:
        self._around = around
        self._spec = spec
        self._name = str(spec["name"])
        self._initial = initial
        self._backoff = Backoff()
        self._health: Health | None = None
        self._state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
        self._last: dict[str, Any] = {}
        self._restarts = 0
        self._id = ""
        self._steady = False
        self._runs = 0
        self._finished_at = 0.0
        if known:
            self._recall(known)

    @property
    def view(self) -> View:
        running = "running" in self._state
        health = self._health
        return View(
            spec=self._spec,
            state=self._state,
            last=self._last,
            restarts=self._restarts,
            ready=self._completed if self._initial else running and (self._steady or bool(health and health.ready)),
            started=running and (self._steady or bool(health and health.started)),
            container_id=self._id,
        )

    @property
    def _completed(self) -> bool:
        return bool(self._state.get("terminated", {"exitCode": 1})["exitCode"] == 0)

    @property
    def simulated(self) -> bool:
        """Whether there is nothing to run."""
        return not self._fetches and not self._spec.get("command") and bool(self._spec.get("image"))

    @property
    def _fetches(self) -> bool:
        return (
            self._initial and self._name == "fetch" and any(e["name"] == "FETCH" for e in self._spec.get("env") or ())
        )

    def creating(self) -> None:
        """Says that it is its turn."""
        if "terminated" not in self._state:
            self._set({"waiting": {"reason": "ContainerCreating"}})

    async def run(self) -> None:
        """Returns when the container has ended for good, or the pod is stopped."""
        stopping = self._around.stopping
        while not stopping.is_set():
            ended = self._state.get("terminated")
            if ended:
                if not restarts(self._around.pod, self._spec, ended["exitCode"], initial=self._initial):
                    return
                await self._back_off(ended)
                if stopping.is_set():
                    return
            await self._run_once()

    def _recall(self, known: dict[str, Any]) -> None:
        """Goes on from an earlier kubelet's status; what ran then is lost."""
        self._restarts = int(known.get("restartCount") or 0)
        self._last = known.get("lastState") or {}
        self._id = str(known.get("containerID") or "").removeprefix("process://")
        state = known.get("state") or {}
        if "running" in state:
            self._state = {"terminated": self._lost(state["running"])}
        elif "terminated" in state:
            self._state = state
        elif "terminated" in self._last:
            self._state = self._last

    def _lost(self, running: dict[str, Any]) -> dict[str, Any]:
        return {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was terminated",
            "startedAt": running.get("startedAt"),
            "finishedAt": self._now(),
            "containerID": f"process://{self._id}",
        }

    async def _back_off(self, ended: dict[str, Any]) -> None:
        clock, around = self._around.clock, self._around
        finished_at = self._finished_at or _seconds(ended["finishedAt"])
        wait = self._backoff.delay(finished_at)
        if (left := finished_at + wait - clock.time()) > 0:
            meta = around.pod["metadata"]
            owner = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
            text = f"back-off {_duration(wait)} restarting failed container={self._name} pod={owner}"
            self._last = {"terminated": ended}
            self._set({"waiting": {"reason": "CrashLoopBackOff", "message": text}})
            around.recorder.warning(
                around.pod,
                "BackOff",
                f"Back-off restarting failed container {self._name} in pod {owner}",
                container=self._name,
            )
            await race(clock.sleep(left), around.stopping.wait())
        self._backoff.restarted(clock.time())

    async def _run_once(self) -> None:
        try:
            plan = launch(self._around, self._spec)
        except (ConfigError, OSError) as error:
            reason = "CreateContainerConfigError" if isinstance(error, ConfigError) else "CreateContainerError"
            self._set({"waiting": {"reason": reason, "message": str(error)}})
            self._around.recorder.warning(self._around.pod, "Failed", f"Error: {error}", container=self._name)
            await race(self._around.clock.sleep(CONFIG_RETRY_S), self._around.stopping.wait())
            return
        self._begin()
        if self._fetches:
            await self._fetch(plan)
        elif plan.command:
            await self._run_process(plan)
        else:
            await self._simulate()

    def _begin(self) -> None:
        """Counts the restart and keeps the last end."""
        if ended := self._state.get("terminated") or self._last.get("terminated"):
            self._last = {"terminated": ended}
            self._restarts += 1
        self._runs += 1
        self._id = uuid.uuid4().hex
        self._health, self._steady = None, False

    async def _fetch(self, plan: Launch) -> None:
        self._running()
        try:
            await fetch(plan.env["FETCH"], plan.sandbox)
        except FetchFailed as error:
            with (plan.sandbox / "stderr").open("a") as log:
                log.write(f"{error}\n")
            self._end(1, message=str(error))
        else:
            self._end(0)

    async def _simulate(self) -> None:
        self._steady = True
        self._running()
        if not self._initial:
            await self._around.stopping.wait()
        self._end(0)

    async def _run_process(self, plan: Launch) -> None:
        around = self._around
        if self._runs > 1:
            _rotate(plan)
        try:
            process = await Process.start(
                plan.command,
                name=f"mesos-{self._id}",
                directory=plan.directory,
                sandbox=plan.sandbox,
                env=plan.env,
                records=around.records,
            )
        except NotStarted as error:
            around.recorder.warning(around.pod, "Failed", f"Error: {error}", container=self._name)
            self._end(128, reason="StartError", message=str(error))
            return
        try:
            await self._attend(process, plan)
        finally:
            await process.close()
        self._end((await process.wait()).code)

    async def _attend(self, process: Process, plan: Launch) -> None:
        """Probes the process until it ends, is found sick, or the pod is stopped."""
        around = self._around
        self._health = Health(
            self._spec,
            clock=around.clock,
            check=lambda probe: self._check(probe, plan),
            on_change=around.changed,
            on_failure=self._unhealthy,
        )
        probed = any(self._spec.get(f"{kind}Probe") for kind in ("startup", "readiness", "liveness"))
        self._steady = self._initial or not probed
        self._running()
        sick = asyncio.ensure_future(self._health.watch())
        try:
            await race(_wait(process), _wait_for(sick), around.stopping.wait())
        finally:
            sick.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sick
        if around.stopping.is_set():
            await self._stop(process, plan)
        elif sick.done() and not sick.cancelled():
            await self._kill_sick(process, sick.result())

    async def _stop(self, process: Process, plan: Launch) -> None:
        around = self._around
        around.recorder.normal(around.pod, "Killing", f"Stopping container {self._name}", container=self._name)
        if hook := (self._spec.get("lifecycle") or {}).get("preStop"):
            left = around.deadline() - around.clock.time()
            await race(self._check(hook, plan), around.clock.sleep(max(0.0, left)), _wait(process))
        await terminate(process, clock=around.clock, deadline=around.deadline, moved=around.moved)

    async def _kill_sick(self, process: Process, probe: dict[str, Any]) -> None:
        around = self._around
        kind = "liveness" if probe == self._spec.get("livenessProbe") else "startup"
        text = f"Container {self._name} failed {kind} probe, will be restarted"
        around.recorder.normal(around.pod, "Killing", text, container=self._name)
        grace = probe.get("terminationGracePeriodSeconds")
        end = around.clock.time() + (around.grace_s if grace is None else float(grace))
        await terminate(
            process,
            clock=around.clock,
            deadline=lambda: min(end, around.deadline()) if around.stopping.is_set() else end,
            moved=around.moved,
        )

    async def _check(self, probe: dict[str, Any], plan: Launch) -> Outcome:
        """Executes one probe or hook."""
        around, timeout_s = self._around, float(probe.get("timeoutSeconds") or 1)
        if action := probe.get("exec"):
            words = (expand(word, plan.env) for word in action.get("command") or ())
            command = [around.sandbox.rewrite(self._spec, word) for word in words]
            return await around.prober.command(command, directory=plan.directory, env=plan.env, timeout_s=timeout_s)
        for kind, run in (("httpGet", around.prober.http), ("tcpSocket", around.prober.tcp)):
            if action := probe.get(kind):
                port = port_number(self._spec, action["port"])
                if port is None:
                    return Outcome(False, f'couldn\'t find port: "{action["port"]}"')
                return await run(action, host=around.address, port=port, timeout_s=timeout_s)
        if action := probe.get("sleep"):
            await around.clock.sleep(float(action["seconds"]))
        return Outcome(True)

    def _unhealthy(self, kind: str, message: str) -> None:
        text = f"{kind} probe failed: {message}"
        self._around.recorder.warning(self._around.pod, "Unhealthy", text, container=self._name)

    def _running(self) -> None:
        recorder, pod = self._around.recorder, self._around.pod
        if image := self._spec.get("image"):
            recorder.normal(
                pod, "Pulled", f'Container image "{image}" already present on machine', container=self._name
            )
        recorder.normal(pod, "Created", f"Created container: {self._name}", container=self._name)
        recorder.normal(pod, "Started", f"Started container {self._name}", container=self._name)
        self._set({"running": {"startedAt": self._now()}})

    def _end(self, code: int, *, reason: str = "", message: str = "") -> None:
        self._finished_at = self._around.clock.time()
        started = self._state.get("running", {}).get("startedAt")
        ended = {
            "exitCode": code,
            "reason": reason or ("Completed" if code == 0 else "Error"),
            **({"message": message} if message else {}),
            "startedAt": started or self._now(),
            "finishedAt": self._now(),
            "containerID": f"process://{self._id}",
        }
        self._set({"terminated": ended})

    def _set(self, state: dict[str, Any]) -> None:
        self._state = state
        self._around.changed()

    def _now(self) -> str:
        return stamp(self._around.clock.time())


async def _wait(process: Process) -> None:
    await process.wait()


async def _wait_for(task: "asyncio.Future[Any]") -> None:
    await asyncio.shield(task)


def _rotate(plan: Launch) -> None:
    """Keeps the output of the run before as `stdout.previous`."""
    for name in ("stdout", "stderr"):
        with contextlib.suppress(FileNotFoundError):
            (plan.sandbox / name).replace(plan.sandbox / f"{name}.previous")


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _duration(seconds: float) -> str:
    """As Go prints it: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
