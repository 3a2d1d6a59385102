"""Quantities as a real server writes them: `0.1` is kept as `100m`, `1024Mi` as `1Gi`."""

import re
from fractions import Fraction

__all__ = ["canonical"]

_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_LARGE = ("", "k", "M", "G", "T", "P", "E")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_SMALL = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}


def canonical(text: str | int | float) -> str:
    """The same amount with the largest suffix that needs no fraction; what is no amount comes back as it is."""
    found = _QUANTITY.fullmatch(str(text))
    if not found or ((found[2] or "")[:1] in ("e", "E") and len(found[2]) > 1):
        return str(text)
    suffix = found[2] or ""
    number = Fraction(found[1])
    if suffix in _BINARY[1:]:
        return _with_suffix(number * 1024 ** _BINARY.index(suffix), 1024, _BINARY)
    number *= _SMALL[suffix] if suffix in _SMALL else 1000 ** _LARGE.index(suffix)
    return _with_suffix(number, 1000, _LARGE)


def _with_suffix(number: Fraction, step: int, suffixes: tuple[str, ...]) -> str:
    if number.denominator != 1:
        for suffix in ("m", "u", "n"):
            small = number / _SMALL[suffix]
            if small.denominator == 1:
                return f"{small.numerator}{suffix}"
        return f"{-(-number // _SMALL['n'])}n"
    whole, place = number.numerator, 0
    while whole and whole % step == 0 and place < len(suffixes) - 1:
        whole, place = whole // step, place + 1
    return f"{whole}{suffixes[place]}"
