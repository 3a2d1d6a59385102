"""The whole gateway in one process without a socket: HTTP on top, a cluster in memory below, and time that stands still."""

from collections.abc import Mapping
from typing import Any

import httpx

from events.hub import Hub
from gateway.api.settings import ApiSettings
from gateway.app import create_app
from gateway.clock import timestamp
from gateway.engines.announcer import Announcer
from gateway.engines.kubernetes import KubernetesEngine
from gateway.kubernetes.resources import PODS
from tests.rollouts.world import World
from translators.kubernetes.instances import Instance
from translators.kubernetes.platform import Platform
from translators.marathon import Rules

LEADER = "10.0.0.1:8080"


class FixedLeader:
    """Somebody leads until told to step down."""

    def __init__(self) -> None:
        self.who: str | None = LEADER

    def leader(self) -> str | None:
        return self.who

    async def abdicate(self) -> None:
        self.who = None


class House(World):
    """`client` speaks to the app; the cluster, its controllers and its runner are World's."""

    def __init__(
        self,
        *,
        settings: ApiSettings | None = None,
        rules: Rules | None = None,
        platform: Platform | None = None,
        max_running_deployments: int = 100,
        backlog: int = 1024,
    ) -> None:
        super().__init__()
        self.hub = Hub(lambda: timestamp(self.clock.time()), backlog=backlog)
        self.leadership = FixedLeader()
        announcer = Announcer(self.cluster, self.instances, self.hub, self.clock)
        self.engine = KubernetesEngine(
            self.cluster,
            self.instances,
            rules=rules or Rules(),
            platform=platform or Platform(),
            clock=self.clock,
            leadership=self.leadership,
            max_running_deployments=max_running_deployments,
            refused=announcer,
        )
        self.app = create_app(
            self.engine,
            self.hub,
            settings=settings or ApiSettings(address=LEADER),
            clock=self.clock,
            cluster_id=lambda: "6f1c2a36-0000-4000-8000-000000000001",
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=("192.0.2.7", 1234))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://marathon")

    async def __aenter__(self) -> "House":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def post_app(self, app_id: str = "/a", **more: Any) -> httpx.Response:
        return await self.client.post("/v2/apps", json={"id": app_id, "cmd": "sleep 100", **more})

    async def deployed(self, app_id: str = "/a", **more: Any) -> list[Instance]:
        """An app whose deployment has ended and whose instances run."""
        answer = await self.post_app(app_id, **more)
        assert answer.status_code == 201, answer.text
        await self.roll()
        return list(self.instances.of(app_id))

    async def roll(self) -> None:
        async with self.runner():
            await self.rest()

    def unsynced(self) -> None:
        self.cluster.pods.synced = False

    def shape(self) -> Mapping[str, Any]:
        """All that a request could have changed."""
        return {
            "writes": list(self.cluster.writes),
            "apps": [(app.id, app.version) for app in self.engine.apps()],
            "changes": sorted(change.metadata.name for change in self.cluster.changes.values()),
            "pods": sorted(pod.metadata.name for pod in self.cluster.pods.values()),
        }

    def pod(self, instance: Instance) -> dict[str, Any]:
        return self.cluster.object(PODS, instance.pod)
