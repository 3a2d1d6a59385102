"""From a container's specification to the process that stands in for it: command, environment and directory."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.simulator.kubelet.environment import environment, expand
from gateway.simulator.kubelet.sandbox import SANDBOX
from gateway.simulator.kubelet.surroundings import Surroundings

__all__ = ["Launch", "launch"]

INHERITED = ("PATH", "HOME", "LANG")


@dataclass(frozen=True)
class Launch:
    """How to run a container. `command` is empty where there is nothing to run: the image, which nobody has, would say."""

    command: list[str]
    env: dict[str, str]
    directory: Path
    sandbox: Path


def launch(around: Surroundings, container: dict[str, Any]) -> Launch:
    """Prepares the directories and says how to run the container.

    Raises:
        ConfigError: if something that it refers to is not there.
    """
    around.sandbox.prepare(container, around.lookup)
    own = environment(around.pod, container, around.lookup)

    def real(text: str) -> str:
        return around.sandbox.rewrite(container, text)

    sandbox = around.sandbox.directory(container["name"])
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env = {**inherited, **{name: real(value) for name, value in own.items()}, "MESOS_SANDBOX": str(sandbox)}
    return Launch(
        command=[real(expand(word, own)) for word in _words(container)],
        env=env,
        directory=_directory(real(container.get("workingDir") or SANDBOX), sandbox),
        sandbox=sandbox,
    )


def _words(container: dict[str, Any]) -> list[str]:
    """Arguments alone belong to an image's entry point, unless there is no image that could have one."""
    command, args = container.get("command") or [], container.get("args") or []
    return [*command, *args] if command or not container.get("image") else []


def _directory(wanted: str, sandbox: Path) -> Path:
    return Path(wanted) if Path(wanted).is_dir() else sandbox
