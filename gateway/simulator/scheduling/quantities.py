"""Resource quantities: `500m`, `1Gi`, `1e3` as numbers, and what a pod asks for in all."""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["amount", "requests"]

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([numkKMGTPE]i?))?")
_SUFFIXES = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    **{letter: 1000.0**power for power, letter in enumerate("MGTPE", 2)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)},
}


def amount(quantity: str | float) -> float:
    """The number that a quantity stands for; 0 for what is not one (the API server refused it long before)."""
    if isinstance(quantity, int | float):
        return float(quantity)
    found = _QUANTITY.fullmatch(quantity.strip())
    if not found:
        return 0.0
    number, exponent, suffix = found.groups()
    return float(number + (exponent or "")) * _SUFFIXES.get(suffix or "", 1.0)


def requests(pod: Mapping[str, Any]) -> dict[str, float]:
    """What the pod asks of its node: the sum of its containers, or its largest init container if that is more."""
    spec = pod["spec"]
    total: dict[str, float] = {}
    for container in spec.get("containers") or ():
        for name, value in _requests(container).items():
            total[name] = total.get(name, 0.0) + value
    for container in spec.get("initContainers") or ():
        for name, value in _requests(container).items():
            total[name] = max(total.get(name, 0.0), value)
    return total


def _requests(container: Mapping[str, Any]) -> dict[str, float]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: amount(value) for name, value in asked.items()}
