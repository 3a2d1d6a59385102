"""The steps of one change: how each begins, and the next thing its actions want done.

The actions of a step go on independently: one that fails is left alone for a while and never holds the others up.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from gateway.clock import Clock
from gateway.kubernetes.errors import Conflict, KubernetesError, NotFound
from gateway.rollouts.actions import AppState, Decision, begin_restart, begin_scale, restart, scale, stop
from gateway.rollouts.apps import AppWrites
from gateway.rollouts.backoff import Backoff
from gateway.rollouts.changes import decode_changes
from translators.kubernetes.objects import AppRecord, Begun, MarathonDeployment, StepAction

__all__ = ["Progress", "Steps"]

_AT_ONCE = 32  # actions that write at the same time
_COUNTED = ("ScaleApplication", "RestartApplication")

log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """`done`: the step is over. `again`: something was written, look at once. `held_s`: look again then (0: no need)."""

    done: bool = False
    again: bool = False
    held_s: float = 0.0


class Steps:
    def __init__(self, apps: AppWrites, *, clock: Clock) -> None:
        self._apps = apps
        self._backoff = Backoff(clock)
        self._conflicts = Backoff(clock, first_s=0.05, most_s=5.0)
        self._busy = asyncio.Semaphore(_AT_ONCE)
        self._last: dict[str, dict[StepAction, Progress]] = {}

    def beginning(self, change: MarathonDeployment, step: int) -> Mapping[str, Any]:
        """The status with which a step begins. Written before its first order, so that a successor counts alike."""
        actions = change.spec.steps[step - 1].actions
        records = _records(change)
        begun = {a.app: b for a in actions if (b := self._begun(a, records.get(a.app))) is not None}
        present = [
            i.uid for a in actions if a.action == "ScaleApplication" for i in self._apps.state(a.app).unsentenced
        ]
        written = {app_id: {"old": b.old, "kill": b.kill, "cap": b.cap} for app_id, b in begun.items()}
        forgotten = dict.fromkeys(change.status.begun)  # a merge patch keeps what it does not name
        return {"currentStep": step, "present": present, "begun": {**forgotten, **written}}

    def has_begun(self, change: MarathonDeployment) -> bool:
        """False if somebody has taken away what the step's arithmetic stands on."""
        actions = change.spec.steps[change.status.currentStep - 1].actions
        return all(a.app in change.status.begun for a in actions if a.action in _COUNTED)

    async def advance(self, change: MarathonDeployment, changed: Collection[str] | None) -> Progress:
        """Has every action of the current step do its next thing.

        `changed` are the apps that something was seen of since the last time, None for all: an action that waits, and of
        whose app nothing was seen, is not looked at again. A change may hold hundreds.
        """
        actions = change.spec.steps[change.status.currentStep - 1].actions
        records = _records(change)
        last = self._last.setdefault(change.metadata.name, {})
        due = [a for a in actions if changed is None or a.app in changed or _unsettled(last.get(a))]
        parts = await asyncio.gather(*(self._guarded(change, action, records.get(action.app)) for action in due))
        last.update(zip(due, parts, strict=True))
        now = [last[action] for action in actions]
        held = [part.held_s for part in now if part.held_s]
        return Progress(
            done=all(part.done for part in now),
            again=any(part.again for part in now),
            held_s=min(held, default=0.0),
        )

    def forget(self, change_name: str) -> None:
        """The step is over, or nobody drives the change any more."""
        self._last.pop(change_name, None)

    async def _guarded(self, change: MarathonDeployment, action: StepAction, record: AppRecord | None) -> Progress:
        key = f"{change.metadata.name} {action.action} {action.app}"
        if held_s := self._backoff.held_s(key):
            return Progress(held_s=held_s)
        try:
            async with self._busy:
                progress = await self._act(change, action, record)
        except (Conflict, NotFound):  # somebody else was here meanwhile
            return Progress(held_s=self._conflicts.failed(key))
        except Exception as error:
            delay_s = self._backoff.failed(key)
            text = "deployment %s: %s of %s: %s; tried again in %s s"
            details = not isinstance(error, KubernetesError)
            log.warning(text, change.spec.id, action.action, action.app, error, delay_s, exc_info=details)
            return Progress(held_s=delay_s)
        self._backoff.succeeded(key)
        self._conflicts.succeeded(key)
        return progress

    async def _act(self, change: MarathonDeployment, action: StepAction, record: AppRecord | None) -> Progress:
        seen = self._apps.state(action.app)
        decision = self._decide(change, action, record, seen)
        wrote = False
        if not decision.idle:
            reason = f"deployment {change.spec.id}"
            wrote = await self._apps.carry_out(action.app, record, decision, seen=seen, reason=reason)
        if action.action == "StopApplication" and decision.done:
            await self._apps.remove(action.app, change.sequence)
        return Progress(done=decision.done, again=wrote)

    def _decide(
        self, change: MarathonDeployment, action: StepAction, record: AppRecord | None, seen: AppState
    ) -> Decision:
        if action.action == "StopApplication":
            return stop(seen)
        if action.action not in _COUNTED or record is None:
            return Decision(done=True)
        goal, begun = self._apps.goal(action.app, record), change.status.begun[action.app]
        if action.action == "ScaleApplication":
            return scale(goal, seen, begun, present=change.status.present, kill=change.spec.kill)
        return restart(goal, seen, begun)

    def _begun(self, action: StepAction, record: AppRecord | None) -> Begun | None:
        if record is None or action.action not in _COUNTED:
            return None
        state = self._apps.state(action.app)
        if action.action == "ScaleApplication":
            return begin_scale(state)
        return begin_restart(self._apps.goal(action.app, record), state)


def _unsettled(last: Progress | None) -> bool:
    return last is None or last.again or last.held_s > 0


def _records(change: MarathonDeployment) -> dict[str, AppRecord | None]:
    return {edit.id: edit.after for edit in decode_changes(change.spec)}
