"""What a container needs of its pod and its node, in one place."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.recorder import Recorder
from gateway.simulator.kubelet.environment import Lookup
from gateway.simulator.kubelet.probes import Prober
from gateway.simulator.kubelet.sandbox import Sandbox

__all__ = ["Surroundings"]


@dataclass
class Surroundings:
    """Of one pod. `pod` is its latest object; `changed` is called after each change of a container."""

    pod: dict[str, Any]
    address: str
    clock: Clock
    recorder: Recorder
    prober: Prober
    sandbox: Sandbox
    records: Path
    lookup: Lookup
    changed: Callable[[], None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def grace_s(self) -> float:
        grace = self.pod["spec"].get("terminationGracePeriodSeconds")
        return 30.0 if grace is None else float(grace)

    def deadline(self) -> float:
        """When the grace period of the pod's deletion ends; `deletionTimestamp` already includes it."""
        moment = self.pod["metadata"].get("deletionTimestamp")
        return self.clock.time() if moment is None else datetime.fromisoformat(moment).timestamp()
