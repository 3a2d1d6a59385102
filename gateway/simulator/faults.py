"""Faults on command: what an API server does to its clients on a bad day. Tests set the fields."""

from dataclasses import dataclass

__all__ = ["Faults"]


@dataclass
class Faults:
    """Each field is one way to misbehave, in force until it is taken back.

    `refuse` answers the next requests with (status, text) pairs, oldest first; a text body, as proxies send it; a 429 says
    `Retry-After` with `retry_after_s`. `latency_s` delays every answer. `cut_after_bytes` breaks the next watch in the middle of
    its bytes. `silent` keeps watches open without a byte, bookmarks included. `mixed_up` gives the initial events of a watch out of
    order and one of them twice. `unreachable` resets every connection, new and old (on a socket; in-process a request fails).
    To forget what watches resume from, see `Objects.forget`, `compact` and `restart_versions`.
    """

    latency_s: float = 0.0
    refuse: tuple[tuple[int, str], ...] = ()
    retry_after_s: int = 1
    cut_after_bytes: int | None = None
    silent: bool = False
    mixed_up: bool = False
    unreachable: bool = False

    def next_refusal(self) -> tuple[int, str] | None:
        if not self.refuse:
            return None
        first, *rest = self.refuse
        self.refuse = tuple(rest)
        return first
