"""The controllers of the embedded cluster: Deployments, ReplicaSets, budgets, node lifecycle, garbage of pods and events, port admission.

Each is level-based: events only put keys into a queue, and what is done follows from the objects as they are then, so a controller
may be stopped between any two writes and started again.
"""

import asyncio

from gateway.clock import Clock
from gateway.simulator.controllers.budgets import Budgets
from gateway.simulator.controllers.deployments import Deployments
from gateway.simulator.controllers.expiry import Expiry
from gateway.simulator.controllers.garbage import Garbage
from gateway.simulator.controllers.nodes import NodeLifecycle
from gateway.simulator.controllers.replicasets import ReplicaSets
from gateway.simulator.objects import Objects

__all__ = ["Controllers"]


class Controllers:
    """All controllers as one task."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._parts = (
            Deployments(objects, clock),
            ReplicaSets(objects, clock),
            NodeLifecycle(objects, clock),
            Garbage(objects, clock),
            Budgets(objects, clock),
            Expiry(objects, clock),
        )

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(part.run())
