"""`/v2/info` and `/v2/leader`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.replies import HttpError, json_reply, not_found
from gateway.api.resource import Resource
from gateway.api.settings import MARATHON_VERSION, ApiSettings
from gateway.engines.engine import Engine

__all__ = ["Info"]

# What a Marathon with default flags says of itself (clients parse these; there is neither ZooKeeper nor Mesos here); `ApiSettings.info` replaces what is set here.
_MARATHON_CONFIG: dict[str, Any] = {
    "access_control_allow_origin": None, "checkpoint": True, "decline_offer_duration": 120000, "default_network_name": None,
    "env_vars_prefix": None, "executor": "//cmd", "failover_timeout": 604800, "features": [], "framework_name": "marathon",
    "ha": True, "hostname": "127.0.0.1", "launch_token": 100, "launch_token_refresh_interval": 30000,
    "leader_proxy_connection_timeout_ms": 5000, "leader_proxy_read_timeout_ms": 10000, "local_port_max": 20000,
    "local_port_min": 10000, "master": "zk://localhost:2181/mesos", "max_instances_per_offer": 5, "mesos_bridge_name": "mesos-bridge",
    "mesos_heartbeat_failure_threshold": 5, "mesos_heartbeat_interval": 15000, "mesos_leader_ui_url": "", "mesos_role": "*",
    "mesos_user": "root", "new_group_enforce_role": "Off", "min_revive_offers_interval": 5000, "offer_matching_timeout": 3000,
    "on_elected_prepare_timeout": 180000, "reconciliation_initial_delay": 15000, "reconciliation_interval": 600000,
    "scale_apps_initial_delay": 15000, "scale_apps_interval": 300000, "store_cache": True,
    "task_launch_confirm_timeout": 300000, "task_launch_timeout": 300000, "task_lost_expunge_initial_delay": 300000,
    "task_lost_expunge_interval": 30000, "task_reservation_timeout": 20000, "webui_url": None, "maintenance_mode": True,
}  # fmt: skip
_ZOOKEEPER_CONFIG = {
    "zk": "zk://localhost:2181/marathon", "zk_compression": True, "zk_compression_threshold": 65536, "zk_connection_timeout": 10000,
    "zk_max_node_size": 1024000, "zk_max_versions": 50, "zk_session_timeout": 10000, "zk_timeout": 10000,
}  # fmt: skip
_FRAMEWORK_ID = "6d617261-7468-4f6e-8a67-617465776179-0000"


class Info:
    def __init__(self, engine: Engine, settings: ApiSettings) -> None:
        self._engine = engine
        self._settings = settings

    def routes(self) -> list[tuple[str, Resource]]:
        return [
            ("/v2/info", Resource({"GET": self.info})),
            ("/v2/leader", Resource({"GET": self.leader, "DELETE": self.abdicate})),
        ]

    async def info(self, _request: Request) -> Response:
        leader = self._engine.leader()
        return json_reply(
            {
                "name": "marathon",
                "version": MARATHON_VERSION,
                "buildref": "marathon-gateway",
                "elected": leader == self._settings.address,
                "leader": leader,
                "frameworkId": _FRAMEWORK_ID,
                "marathon_config": {
                    **_MARATHON_CONFIG,
                    "mesos_leader_ui_url": f"http://{self._settings.address}/",
                    **self._settings.info,
                },
                "zookeeper_config": _ZOOKEEPER_CONFIG,
                "http_config": {"http_port": self._settings.http_port, "https_port": 8443},
            }
        )

    async def leader(self, _request: Request) -> Response:
        leader = self._engine.leader()
        if leader is None:
            raise not_found("There is no leader")
        return json_reply({"leader": leader})

    async def abdicate(self, _request: Request) -> Response:
        if self._engine.leader() is None:
            raise HttpError(404, "There is no leader", details=True)
        await self._engine.abdicate()
        return json_reply({"message": "Leadership abdicated"})
