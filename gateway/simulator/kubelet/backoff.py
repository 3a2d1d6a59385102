"""The kubelet's restart back-off: the first restart is immediate, then 10 s, doubling to 300 s, forgotten after 10 quiet minutes."""

from dataclasses import dataclass

__all__ = ["FIRST_S", "LONGEST_S", "Backoff"]

FIRST_S = 10.0
LONGEST_S = 300.0


@dataclass
class Backoff:
    """Of one container. Mutable: it remembers the last restart."""

    _delay_s: float = 0.0
    _since: float = 0.0

    def delay(self, finished_at: float) -> float:
        """How long after `finished_at` the container has to wait; 0 if it may start at once."""
        if self._delay_s and finished_at - self._since > 2 * LONGEST_S:
            self._delay_s = 0.0
        return self._delay_s

    def restarted(self, now: float) -> None:
        """Notes a restart: the next one waits twice as long."""
        self._delay_s = min(self._delay_s * 2, LONGEST_S) if self._delay_s else FIRST_S
        self._since = now
