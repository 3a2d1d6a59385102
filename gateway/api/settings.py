"""What the HTTP layer is told of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MARATHON_VERSION", "ApiSettings"]

MARATHON_VERSION = "1.11.24"
"""The Marathon whose recorded answers are the oracle, and that /v2/info reports."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`address` is this replica's `host:port`; `info` overrides members of `marathon_config` in /v2/info."""

    address: str = "127.0.0.1:8080"
    http_port: int = 8080
    credentials: str = ""
    realm: str = ""
    max_body_bytes: int = 8 * 1024 * 1024
    max_concurrent_requests: int = 0
    allow_origin: tuple[str, ...] = ()
    cluster_name: str = "marathon-gateway"
    info: Mapping[str, Any] = field(default_factory=dict)
