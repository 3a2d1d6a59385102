"""Faults on command: what an API server does to its clients on a bad day. Tests set the fields."""

from dataclasses import dataclass

__all__ = ["Faults"]


@dataclass
class Faults:
    """`refuse` answers the next requests with (status, text) pairs, oldest first; a text body, as proxies send it.

    `latency_s` delays every answer, `cut_watches` ends open watches at once, `cut_after_bytes` breaks the next watch in the
    middle of its bytes, `silent` keeps watches open without a byte, bookmarks included.
    """

    latency_s: float = 0.0
    refuse: tuple[tuple[int, str], ...] = ()
    retry_after_s: int = 1
    cut_after_bytes: int | None = None
    silent: bool = False

    def next_refusal(self) -> tuple[int, str] | None:
        if not self.refuse:
            return None
        first, *rest = self.refuse
        self.refuse = tuple(rest)
        return first
