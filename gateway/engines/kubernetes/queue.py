"""Which wanted instances do not run, and why: `/v2/queue` computed from records, pods and the scheduler's words."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.engines.engine import App, QueueItem
from translators.kubernetes.instances import Instance
from translators.kubernetes.scheduling import queue_reasons

__all__ = ["held", "queue_item"]

_WAITING = ("Scheduled", "Provisioned", "Failed", "Finished", "Killed", "Error", "Dropped", "Gone")
_HELD = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def queue_item(app: App, instances: Sequence[Instance], now: float) -> QueueItem | None:
    """The queue entry of one app, or None if all its instances run (lifecycle: Scheduled and Provisioned are queued)."""
    current = [i for i in instances if not i.deleting]
    waiting = [i for i in current if i.condition in _WAITING]
    running = [i for i in current if i.condition not in _WAITING and i.config_version == app.last_config_change_at]
    missing = max(0, app.instances - len(running) - len(waiting))
    count = len(waiting) + missing
    if not count:
        return None
    left = max((_left(i, now) for i in waiting), default=0.0)
    messages = tuple(i.unschedulable for i in waiting if i.unschedulable)
    reasons, nodes = queue_reasons(messages)
    return QueueItem(
        app=app,
        count=count,
        delay_s=int(left),
        held=any(held(i, now) for i in waiting),
        since=_since(waiting, app),
        reasons=reasons,
        nodes=nodes,
        messages=messages or tuple(i.waiting for i in waiting if i.waiting),
    )


def held(instance: Instance, now: float) -> bool:
    """Whether a back-off holds it. That of a pull is not told in seconds: it is the last second, then, as long as it lasts."""
    return _left(instance, now) > 0 or instance.waiting.startswith(_HELD)


def _left(instance: Instance, now: float) -> float:
    """Seconds of the back-off that are left: the kubelet tells how long it is, `since` when it began."""
    if not instance.delay_s or not instance.since:
        return 0.0
    return max(0.0, datetime.fromisoformat(instance.since).timestamp() + instance.delay_s - now)


def _since(waiting: Iterable[Instance], app: App) -> str:
    return min((i.since or i.created_at for i in waiting), default=app.version)
