"""Each app's JSON, rendered once per change and joined from bytes (design D8). Marathon's order of members.

A rendered form is valid while the engine's generation of the app is the same; past versions are not kept. The member `taskStats` has the spelling that
clients read (D13); it shows ages, so it is rendered anew each time.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from statistics import mean, median
from typing import Any

import msgspec

from gateway.clock import Clock
from gateway.engines.engine import App, Engine
from translators.kubernetes.instances import Instance
from translators.kubernetes.task_json import failure_json, task_json
from translators.marathon import app_json, service_ports

__all__ = ["LIST", "SINGLE", "Fragments"]

LIST = frozenset(("counts", "deployments"))
SINGLE = frozenset(("counts", "deployments", "tasks", "lastTaskFailure"))
_KNOWN = frozenset(("counts", "deployments", "tasks", "lastTaskFailure", "failures", "readiness", "taskStats"))
_TASKS = frozenset(("/v2/tasks",))
_KEPT = 50_000


class Fragments:
    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._cached: dict[tuple[str, frozenset[str]], tuple[int, bytes]] = {}

    def app(self, app: App, embed: frozenset[str]) -> bytes:
        embed = _expanded(embed)
        if "taskStats" in embed or self._engine.app(app.id) is not app:
            return msgspec.json.encode(self._render(app, embed))
        return self._once(app, embed, lambda: msgspec.json.encode(self._render(app, embed)))

    def _once(self, app: App, what: frozenset[str], render: Callable[[], bytes]) -> bytes:
        key, generation = (app.id, what), self._engine.generation(app.id)
        known = self._cached.get(key)
        if known is not None and known[0] == generation:
            return known[1]
        rendered = render()
        if len(self._cached) >= _KEPT:
            self._cached.clear()
        self._cached[key] = (generation, rendered)
        return rendered

    def apps(self, apps: Iterable[App], embed: frozenset[str], *, key: bytes = b"apps") -> bytes:
        return b'{"' + key + b'":[' + b",".join([self.app(app, embed) for app in apps]) + b"]}"

    def all_tasks(self, apps: Iterable[App]) -> bytes:
        """`/v2/tasks` of these apps."""

        def of(app: App) -> bytes:
            return self._once(app, _TASKS, lambda: msgspec.json.encode(self.tasks(app, with_service_ports=True))[1:-1])

        return b'{"tasks":[' + b",".join([listed for app in apps if (listed := of(app))]) + b"]}"

    def tasks(
        self, app: App, *, with_service_ports: bool = False, keep: Callable[[Instance], bool] = lambda _: True
    ) -> list[Any]:
        ports = service_ports(app.definition) if with_service_ports else ()
        return [task_json(i, service_ports=ports) for i in self.listed(app.id) if keep(i)]

    def listed(self, app_id: str) -> Sequence[Instance]:
        """The instances that are tasks: what was never placed is only in the queue."""
        return [i for i in self._engine.instances(app_id) if i.condition != "Scheduled"]

    def _render(self, app: App, embed: frozenset[str]) -> dict[str, Any]:
        out = app_json(
            app.definition,
            version=app.version,
            last_scaling_at=app.last_scaling_at,
            last_config_change_at=app.last_config_change_at,
        )
        instances = self.listed(app.id)
        if "counts" in embed:
            out |= _counts(instances)
        if "deployments" in embed:
            out["deployments"] = [{"id": i} for i in self._engine.deployments_of(app.id)]
        if "readiness" in embed:
            out["readinessCheckResults"] = []
        if "tasks" in embed:
            out["tasks"] = [task_json(i) for i in instances]
        failure = self._engine.last_task_failure(app.id) if "lastTaskFailure" in embed else None
        if failure is not None:
            out["lastTaskFailure"] = failure_json(failure)
        if "taskStats" in embed:
            out["taskStats"] = self._stats(app, instances)
        return out

    def _stats(self, app: App, instances: Sequence[Instance]) -> dict[str, Any]:
        active = [i for i in instances if i.active]
        groups = {
            "startedAfterLastScaling": [i for i in active if i.version >= app.last_scaling_at],
            "withLatestConfig": [i for i in active if i.version >= app.last_config_change_at],
            "withOutdatedConfig": [i for i in active if i.version < app.last_config_change_at],
            "totalSummary": active,
        }
        return {name: {"stats": self._summary(found)} for name, found in groups.items() if found}

    def _summary(self, instances: Sequence[Instance]) -> dict[str, Any]:
        counts = _counts(instances)
        named = {name.removeprefix("tasks").lower(): value for name, value in counts.items()}
        now = self._clock.time()
        ages = [
            max(0.0, round(now - datetime.fromisoformat(i.started_at).timestamp(), 3))
            for i in instances
            if i.started_at
        ]
        lives = (
            {"lifeTime": {"averageSeconds": float(mean(ages)), "medianSeconds": float(median(ages))}} if ages else {}
        )
        return {"counts": named, **lives}


def _expanded(embed: frozenset[str]) -> frozenset[str]:
    embed &= _KNOWN
    if "failures" in embed:
        embed = (embed - {"failures"}) | {"tasks", "lastTaskFailure", "deployments"}
    return embed | {"deployments"} if "tasks" in embed else embed


def _counts(instances: Sequence[Instance]) -> dict[str, int]:
    healths = [[result.alive for result in i.health] for i in instances]
    return {
        "tasksStaged": sum(1 for i in instances if i.active and i.state == "TASK_STAGING"),
        "tasksRunning": sum(1 for i in instances if i.state == "TASK_RUNNING"),
        "tasksHealthy": sum(1 for alive in healths if alive and all(alive)),
        "tasksUnhealthy": sum(1 for alive in healths if not all(alive)),
    }
