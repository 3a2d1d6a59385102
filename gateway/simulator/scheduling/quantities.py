"""Resource quantities: `500m`, `1Gi`, `1e3` as numbers and back, and what a pod asks for in all."""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

__all__ = ["amount", "canonical", "exact", "requests", "total"]

_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {f"{letter}i": power for power, letter in enumerate("KMGTPE", 1)}


def exact(quantity: str | float) -> Fraction:
    """The number that a quantity stands for; 0 for what is not one (the API server refused it long before)."""
    if isinstance(quantity, int | float):
        return Fraction(quantity)
    found = _QUANTITY.fullmatch(quantity.strip())
    if not found:
        return Fraction(0)
    number, exponent, suffix = found.groups()
    if suffix in _BINARY:
        return Fraction(number) * Fraction(1024) ** _BINARY[suffix]
    return Fraction(number + (exponent or "")) * Fraction(10) ** _DECIMAL.get(suffix or "", 0)


def amount(quantity: str | float) -> float:
    """The same as a float, for what is only compared."""
    return float(exact(quantity))


def canonical(quantity: str | float) -> str:
    """As the API server writes it: the largest unit that leaves an integer, binary ones if it was given in one.

    What is no quantity comes back as it is, and so does one with an exponent.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None or found[2]:
        return str(quantity)
    return _written(exact(quantity), _is_binary(quantity))


def total(quantities: Iterable[str | float]) -> str:
    """Their sum, in the units of the first that is more than zero."""
    parts = [q for q in quantities if exact(q)]
    return _written(sum(map(exact, parts), Fraction(0)), bool(parts) and _is_binary(parts[0]))


def _is_binary(quantity: str | float) -> bool:
    return isinstance(quantity, str) and quantity.endswith("i")


def _written(value: Fraction, binary: bool) -> str:
    if binary and abs(value) >= 1024 and value.denominator == 1:
        for suffix, power in reversed(_BINARY.items()):
            if value % 1024**power == 0:
                return f"{value // 1024**power}{suffix}"
        return str(value)
    for suffix, exponent in reversed(_DECIMAL.items()):
        scaled = value / Fraction(10) ** exponent
        if scaled.denominator == 1:
            return f"{scaled}{suffix}" if value else "0"
    return f"{-(-value // Fraction(10) ** -9)}n"


def requests(pod: Mapping[str, Any]) -> dict[str, float]:
    """What the pod asks of its node: the sum of its containers, or its largest init container if that is more."""
    spec = pod["spec"]
    asked: dict[str, float] = {}
    for container in spec.get("containers") or ():
        for name, value in _requests(container).items():
            asked[name] = asked.get(name, 0.0) + value
    for container in spec.get("initContainers") or ():
        for name, value in _requests(container).items():
            asked[name] = max(asked.get(name, 0.0), value)
    return asked


def _requests(container: Mapping[str, Any]) -> dict[str, float]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: amount(value) for name, value in asked.items()}
