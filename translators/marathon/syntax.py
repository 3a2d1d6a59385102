"""What is wrong with a text that is not JSON, in the words of Jackson, which reads the bodies of a Marathon.

Only broken bodies come here, so nothing in it is fast; it is one pass without recursion, so depth and size cost no more
than their length. The texts are those of recorded answers and, where none was recorded, of Jackson 2.10.
"""

from dataclasses import dataclass

__all__ = ["location", "syntax_error", "trailing_error"]

_SHOWN = 500  # bytes of the body that a message quotes
_TOKEN = 256  # characters of an unknown word that a message quotes
_SPACE = " \t\r\n"
_WANTED = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_WORDS = {"t": "true", "f": "false", "n": "null", "N": "NaN", "I": "Infinity"}
_COMMENT = (
    "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not enabled for parser)"
)


class _Broken(Exception):
    """The text of the first error."""


@dataclass(frozen=True, slots=True)
class _Context:
    """What is open: `root`, `Object` or `Array`, with the place of its first character."""

    kind: str
    line: int
    column: int


def syntax_error(text: str, source: bytes) -> str | None:
    """The first error of `text`, or None if its first value is JSON. `source` are the bytes that it was read from."""
    scanner = _Scanner(text, source)
    try:
        scanner.value()
    except _Broken as error:
        return str(error)
    return None


def trailing_error(text: str, start: int, source: bytes) -> str | None:
    """What is wrong with the one token that follows the first value, which ended at `start`; None for none or a good one.

    A Marathon reads just so far: a second object is ignored, a word that is no token is an error.
    """
    scanner = _Scanner(text, source, start)
    try:
        scanner.next_at_root()
    except _Broken as error:
        return str(error)
    return None


class _Scanner:
    def __init__(self, text: str, source: bytes, start: int = 0) -> None:
        self._text = text
        self._source = source
        self._at = start
        self._open = [_Context("root", 1, 0)]

    def value(self) -> None:
        """The first value with all that is in it."""
        self._skip_space()
        self._begin()
        while len(self._open) > 1:
            self._member()

    def next_at_root(self) -> None:
        previous = self._text[self._at - 1 : self._at]
        if previous.isdigit() and self._peek() not in (*_SPACE, ""):
            raise _unexpected(self._peek(), "Expected space separating root-level values")
        self._skip_space()
        character = self._peek()
        if character in ("}", "]"):
            self._close(character)
        elif character not in ("", '"'):  # a text is not looked into before somebody asks for it
            self._begin()

    def _member(self) -> None:
        """One step inside of what is open: its end, or the next member up to the begin of its value."""
        first = self._text[self._at - 1] in "{["
        self._skip_space()
        if (character := self._peek()) in ("}", "]"):
            self._close(character)
            return
        if not character:
            raise _Broken(
                f"Unexpected end-of-input: expected close marker for {self._kind} (start marker at {self._start()})"
            )
        if not first:
            if character != ",":
                raise _unexpected(character, f"was expecting comma to separate {self._kind} entries")
            self._at += 1
            self._must_go_on()
        if self._kind == "Object":
            self._name()
        self._begin()

    def _name(self) -> None:
        if self._peek() != '"':
            raise _unexpected(self._peek(), "was expecting double-quote to start field name")
        self._string(": was expecting closing '\"' for name", "name")
        self._must_go_on()
        if self._peek() != ":":
            raise _unexpected(self._peek(), "was expecting a colon to separate field name and value")
        self._at += 1
        self._must_go_on()

    def _begin(self) -> None:
        """A whole scalar, or the begin of an object or array."""
        character = self._peek()
        if character in ("{", "["):
            self._open.append(_Context("Object" if character == "{" else "Array", *self._place()))
            self._at += 1
        elif character == '"':
            self._string(" in VALUE_STRING", "string value")
        elif character == "-" or character in "0123456789":
            self._number()
        elif character in _WORDS:
            self._word(_WORDS[character])
        else:
            raise self._no_value(character)

    def _no_value(self, character: str) -> _Broken:
        if character in (",", "}", "]") and not (character == "]" and self._kind != "Array"):
            return _unexpected(character, "expected a value")
        if character == "+":
            self._at += 1
            return self._bad_number("expected digit (0-9) to follow minus sign, for valid numeric value")
        if character.isidentifier() or character == "$":
            return self._unknown_word(self._at)
        return _unexpected(character, f"expected a valid value {_WANTED}")

    def _close(self, character: str) -> None:
        context = self._open[-1]
        if context.kind != ("Object" if character == "}" else "Array"):
            wanted = "]" if character == "}" else "}"
            raise _Broken(
                f"Unexpected close marker '{character}': expected '{wanted}' (for {context.kind} starting at {self._start()})"
            )
        self._open.pop()
        self._at += 1

    def _string(self, end_of_input: str, what: str) -> None:
        self._at += 1
        while (character := self._peek()) != '"':
            if not character:
                raise _Broken(f"Unexpected end-of-input{end_of_input}")
            if character < " ":
                raise _Broken(
                    f"Illegal unquoted character ({_described(character)}): has to be escaped using backslash "
                    f"to be included in {what}"
                )
            self._at += 1
            if character == "\\":
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        character = self._peek()
        if not character:
            raise _Broken("Unexpected end-of-input in character escape sequence")
        if character not in '"\\/bfnrtu':
            raise _Broken(f"Unrecognized character escape {_described(character)}")
        self._at += 1
        if character == "u":
            for _ in range(4):
                digit = self._peek()
                if not digit:
                    raise _Broken("Unexpected end-of-input in character escape sequence")
                if digit not in "0123456789abcdefABCDEF":
                    raise _unexpected(digit, "expected a hex-digit for character escape sequence")
                self._at += 1

    def _number(self) -> None:
        if self._peek() == "-":
            self._at += 1
            if self._peek() not in tuple("0123456789"):
                raise self._bad_number("expected digit (0-9) to follow minus sign, for valid numeric value")
        if self._peek() == "0":
            self._at += 1
            if self._peek() in tuple("0123456789"):
                raise _Broken("Invalid numeric value: Leading zeroes not allowed")
        self._digits()
        if self._peek() == ".":
            self._at += 1
            if not self._digits():
                raise self._bad_number("Decimal point not followed by a digit")
        if self._peek() in ("e", "E"):
            self._at += 1
            if self._peek() in ("+", "-"):
                self._at += 1
            if not self._digits():
                raise self._bad_number("Exponent indicator not followed by a digit")
        if self._kind == "root" and self._peek() not in (*_SPACE, ""):
            raise _unexpected(self._peek(), "Expected space separating root-level values")

    def _digits(self) -> int:
        start = self._at
        while self._peek() in tuple("0123456789"):
            self._at += 1
        return self._at - start

    def _bad_number(self, comment: str) -> _Broken:
        if not self._peek():
            return _Broken("Unexpected end-of-input in a Number value")
        return _Broken(f"Unexpected character ({_described(self._peek())}) in numeric value: {comment}")

    def _word(self, word: str) -> None:
        start = self._at
        for letter in word:
            if self._peek() != letter:
                raise self._unknown_word(start)
            self._at += 1
        if _in_word(self._peek()):
            raise self._unknown_word(start)
        if word in ("NaN", "Infinity"):
            raise _Broken(f"Non-standard token '{word}': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow")

    def _unknown_word(self, start: int) -> _Broken:
        while _in_word(self._peek()) and self._at - start < _TOKEN:
            self._at += 1
        more = "..." if self._at - start == _TOKEN else ""
        return _Broken(f"Unrecognized token '{self._text[start : self._at]}{more}': was expecting {_WANTED}")

    def _must_go_on(self) -> None:
        self._skip_space()
        if not self._peek():
            raise _Broken(f"Unexpected end-of-input within/between {self._kind} entries")

    def _skip_space(self) -> None:
        while (character := self._peek()) and character in _SPACE:
            self._at += 1
        if character == "/":
            raise _unexpected(character, _COMMENT)
        if character and character < " ":
            text = "only regular white space (\\r, \\n, \\t) is allowed between tokens"
            raise _Broken(f"Illegal character ({_described(character)}): {text}")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    @property
    def _kind(self) -> str:
        return self._open[-1].kind

    def _place(self) -> tuple[int, int]:
        """Line and column of the present character, from 1; columns count bytes."""
        before = self._text[: self._at]
        return before.count("\n") + 1, len(before[before.rfind("\n") + 1 :].encode(errors="replace")) + 1

    def _start(self) -> str:
        return location(self._source, self._open[-1].line, self._open[-1].column)


def location(source: bytes, line: int, column: int) -> str:
    """A place in a body, as messages name it: with the first 500 bytes of the body."""
    shown = source[:_SHOWN].decode(errors="replace")
    cut = f"[truncated {len(source) - _SHOWN} bytes]" if len(source) > _SHOWN else ""
    return f'[Source: (byte[])"{shown}"{cut}; line: {line}, column: {column}]'


def _in_word(character: str) -> bool:
    return (bool(character) and f"a{character}".isidentifier()) or character == "$"


def _unexpected(character: str, comment: str) -> _Broken:
    return _Broken(f"Unexpected character ({_described(character)}): {comment}")


def _described(character: str) -> str:
    code = ord(character)
    if code < 0x20 or 0x7F <= code < 0xA0:
        return f"(CTRL-CHAR, code {code})"
    return f"'{character}' (code {code}{f' / 0x{code:x}' if code > 255 else ''})"
