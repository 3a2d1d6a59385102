"""Port admission: gives each pod the numbers that Marathon would have got from an agent's offer.

Pods here are local processes that share one network, so two instances of an app cannot listen on the same number. Every port that
the annotation calls dynamic gets a number that is free on this machine and that no other pod has; the container port and the
environment variable that the annotation names carry it, and everything else in the template refers to one of these.
Numbers are given in turn, so one that was just released is not reused at once.
"""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

from gateway.simulator.objects import Objects

__all__ = ["ANNOTATION", "FIRST", "LAST", "Exhausted", "admission"]

ANNOTATION = "marathon-gateway.io/ports"
FIRST, LAST = 31000, 32000

Pod = dict[str, Any]


class Exhausted(Exception):
    """No free number is left."""


def admission(objects: Objects) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """The admission step for `objects.admission`; numbers are held until their pod is gone."""
    return _Assigner(objects).admit


class _Assigner:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._held: dict[int, str] | None = None
        self._next = FIRST
        objects.subscribe("pods", self._on_pod)

    def admit(self, kind: str, obj: dict[str, Any]) -> dict[str, Any]:
        if kind != "pods":
            return obj
        entries = _entries(obj)
        dynamic = [(i, entry) for i, entry in enumerate(entries) if entry.get("dynamic")]
        taken: set[int] = set()
        for index, entry in dynamic:
            number = self._free(taken)
            taken.add(number)
            name = str(entry.get("name") or f"p{index}")
            obj = _with_port(obj, name, str(entry.get("env") or f"PORT{index}"), number)
        return obj

    def _free(self, taken: set[int]) -> int:
        held = self._holders()
        for _ in range(LAST - FIRST + 1):
            number = self._next
            self._next = FIRST if number == LAST else number + 1
            if number not in held and number not in taken and _bindable(number):
                return number
        raise Exhausted(f"no free port between {FIRST} and {LAST}")

    def _holders(self) -> dict[int, str]:
        """Who has which number; read from the store once, then kept by its events."""
        if self._held is None:
            self._held = {}
            for pod in self._objects.list("pods"):
                self._hold(self._held, pod)
        return self._held

    def _on_pod(self, _type: str, after: Pod | None, before: Pod | None) -> None:
        if self._held is None:
            return
        if after is not None and before is None:
            self._hold(self._held, after)
        elif after is None and before is not None:
            uid = before["metadata"]["uid"]
            for number in [n for n in _numbers(before) if self._held.get(n) == uid]:
                del self._held[number]

    @staticmethod
    def _hold(held: dict[int, str], pod: Pod) -> None:
        held.update(dict.fromkeys(_numbers(pod), pod["metadata"]["uid"]))


def _entries(pod: Pod) -> list[dict[str, Any]]:
    """The annotation's items; none if it is absent or not what we write."""
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION)
    try:
        entries = json.loads(text) if text else []
    except ValueError:
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _with_port(pod: Pod, name: str, variable: str, number: int) -> Pod:
    """The pod with the number in its port of that name (both protocols) and in the variable of every container."""
    spec = dict(pod["spec"])
    for group in ("initContainers", "containers"):
        if group in spec:
            spec[group] = [_container(c, name, variable, number) for c in spec[group]]
    return {**pod, "spec": spec}


def _container(container: dict[str, Any], name: str, variable: str, number: int) -> dict[str, Any]:
    changed = {**container, "env": _environment(container.get("env") or [], variable, str(number))}
    if "ports" in container:
        both = {"containerPort": number, "hostPort": number}
        changed["ports"] = [{**p, **both} if p.get("name") in (name, f"{name}-udp") else p for p in container["ports"]]
    return changed


def _environment(env: list[dict[str, Any]], variable: str, value: str) -> list[dict[str, Any]]:
    """The variable comes first if it is new, since only later ones can refer to it."""
    entry = {"name": variable, "value": value}
    if any(item["name"] == variable for item in env):
        return [entry if item["name"] == variable else item for item in env]
    return [entry, *env]


def _numbers(pod: Pod) -> Iterator[int]:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if FIRST <= int(port["containerPort"]) <= LAST:
                yield int(port["containerPort"])


def _bindable(number: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", number))
            except OSError:
                return False
    return True
