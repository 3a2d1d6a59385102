"""The finitely many texts that a regular expression matches, if they are few.

Constraints hold Java regular expressions that must match a whole attribute value; node affinity holds lists of values. A
list that depended on the nodes of the day would change the template when a node joins, so only expressions that spell
out their values can be translated: literals, alternation, groups, small character classes, `?` and `{n}`.
An unescaped `.` between literals is read as a dot, since that is what host names in constraints mean by it.
"""

import re
from itertools import product

__all__ = ["NotFinite", "literals"]

_MOST = 256
_SPECIAL = re.compile(r"[*+^$]")


class NotFinite(Exception):
    """The expression matches more texts than can be listed, or uses what is not read here."""


def literals(expression: str) -> tuple[str, ...]:
    """All texts that `expression` matches, in the order in which it names them.

    Raises:
        NotFinite: if it is not an expression of the kind described above.
    """
    reader = _Reader(expression.removeprefix("^").removesuffix("$"))
    words = reader.alternation()
    if reader.rest:
        raise NotFinite(expression)
    return tuple(dict.fromkeys(words))


class _Reader:
    """Recursive descent over the expression."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def alternation(self) -> list[str]:
        words = self._sequence()
        while self._take("|"):
            words = _few([*words, *self._sequence()])
        return words

    def _sequence(self) -> list[str]:
        words = [""]
        while self.rest and self.rest[0] not in "|)":
            part = self._repeated(self._atom())
            words = _few([a + b for a, b in product(words, part)]) if len(words) * len(part) <= _MOST else _few(None)
        return words

    def _repeated(self, words: list[str]) -> list[str]:
        if self._take("?"):
            return [*words, ""]
        if found := re.match(r"\{(\d{1,2})\}", self.rest):
            self.rest = self.rest[found.end() :]
            if len(words) ** int(found[1]) > _MOST:
                raise NotFinite
            return ["".join(parts) for parts in product(words, repeat=int(found[1]))]
        if self.rest[:1] in ("*", "+", "{"):
            raise NotFinite
        return words

    def _atom(self) -> list[str]:
        if self._take("(?:") or self._take("("):
            words = self.alternation()
            if not self._take(")"):
                raise NotFinite
            return words
        if self._take("["):
            return self._class()
        char, self.rest = self.rest[0], self.rest[1:]
        if char == "\\":
            return [self._escaped()]
        if _SPECIAL.match(char) or char in "?{}[]":
            raise NotFinite
        return [char]

    def _escaped(self) -> str:
        char, self.rest = self.rest[:1], self.rest[1:]
        if not char or char.isalnum():
            raise NotFinite
        return char

    def _class(self) -> list[str]:
        content, closed, self.rest = self.rest.partition("]")
        if not closed or not content or content[0] == "^" or re.search(r"[\\\[&]", content):
            raise NotFinite
        chars: list[str] = []
        while content:
            if len(content) > 2 and content[1] == "-":
                chars += [chr(code) for code in range(ord(content[0]), ord(content[2]) + 1)]
                content = content[3:]
            else:
                chars.append(content[0])
                content = content[1:]
        return _few(chars)

    def _take(self, text: str) -> bool:
        if not self.rest.startswith(text):
            return False
        self.rest = self.rest[len(text) :]
        return True


def _few(words: list[str] | None) -> list[str]:
    if not words or len(words) > _MOST:
        raise NotFinite
    return words
