"""Real nodes: what a kubelet and a containerd leave on a machine, and how it is ended."""

from pathlib import Path

__all__ = ["end_all"]


def end_all(home: Path) -> None:
    """Ends the containers, mounts and bridges of the nodes in `home`."""
