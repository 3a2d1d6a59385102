"""Health of a task out of its pod's Ready condition and the kubelet's events.

A probe tells alive from not alive; when and why is coarser than what Marathon's own checks know: times are those of the
condition's changes, causes and counts those of events, which the kubelet repeats at its leisure.
Everything starts anew with each task. While the startup probe has not passed, which is the grace period, there is no result.
"""

from collections.abc import Sequence

from translators.kubernetes.instances import Health, Instance
from translators.kubernetes.moments import marathon_time
from translators.kubernetes.objects import Condition, ContainerStatus, Event, Pod

__all__ = ["condition", "health"]


def condition(pod: Pod, kind: str) -> Condition | None:
    return next((c for c in pod.status.conditions if c.type == kind), None)


def health(pod: Pod, status: ContainerStatus, *, events: Sequence[Event], before: Instance | None) -> Health | None:
    """The result of the check of a running container, None before there is one. `before` is of the same task."""
    ready = condition(pod, "Ready")
    known = before.health[0] if before and before.health else None
    if ready is None:
        return known
    changed = marathon_time(ready.lastTransitionTime)
    if ready.status == "True":
        return Health(
            alive=True,
            firstSuccess=(known.firstSuccess if known else None) or changed,
            lastSuccess=changed,
            lastFailure=known.lastFailure if known else None,
            lastFailureCause=known.lastFailureCause if known else None,
        )
    failures = _failures(status, events)
    if status.started is False:  # within the grace period a failure counts for nothing, but there is a result
        return known or (Health(alive=False) if failures else None)
    if known is None and not failures:
        return None
    return _failed(known, failures, changed)


def _failures(status: ContainerStatus, events: Sequence[Event]) -> list[Event]:
    """The failed probes of this start of the container, oldest first."""
    started = (status.state.running.startedAt if status.state.running else None) or ""
    found = [e for e in events if e.reason == "Unhealthy" and _time(e)[:19] >= started[:19]]
    return sorted(found, key=_time)


def _time(event: Event) -> str:
    return event.lastTimestamp or event.eventTime or event.firstTimestamp or ""


def _failed(known: Health | None, failures: Sequence[Event], changed: str | None) -> Health:
    last = failures[-1] if failures else None
    cause = (last.message.partition(": ")[2].strip() or last.message) if last else None
    counted = max((event.count for event in failures if event.message.startswith("Readiness")), default=0)
    return Health(
        alive=False,
        consecutiveFailures=max(1, counted, known.consecutiveFailures if known else 0),
        firstSuccess=known.firstSuccess if known else None,
        lastSuccess=known.lastSuccess if known else None,
        lastFailure=(marathon_time(_time(last)) if last else None) or changed,
        lastFailureCause=cause or (known.lastFailureCause if known else None),
    )
