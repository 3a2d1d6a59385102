"""How long to leave alone what has failed: twice as long after each further failure, up to a limit."""

from gateway.clock import Clock

__all__ = ["Backoff"]


class Backoff:
    """The defaults are Marathon's for an action that fails: 5 s to 60 s."""

    def __init__(self, clock: Clock, *, first_s: float = 5.0, most_s: float = 60.0) -> None:
        self._clock = clock
        self._first_s = first_s
        self._most_s = most_s
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def failed(self, key: str) -> float:
        """The seconds for which `key` is held now."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay_s = min(self._most_s, self._first_s * 2.0 ** min(count, 16))
        self._until[key] = self._clock.monotonic() + delay_s
        return delay_s

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)
        self._until.pop(key, None)

    def held_s(self, key: str) -> float:
        """The seconds left, 0 if it may be tried."""
        return max(0.0, self._until.get(key, 0.0) - self._clock.monotonic())
