"""Broken bodies are answered in the words of the parser that a Marathon has."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.marathon import read_json
from translators.marathon.errors import MalformedJson

WANTED = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

# Recorded from a real Marathon 1.11.24.
RECORDED = [
    (b"", 'No content to map due to end-of-input\n at [Source: (byte[])""; line: 1, column: 0]'),
    (b"   ", 'No content to map due to end-of-input\n at [Source: (byte[])"   "; line: 1, column: 0]'),
    (b"hello", f"Unrecognized token 'hello': was expecting {WANTED}"),
    (
        b'{"id":"/x"',
        "Unexpected end-of-input: expected close marker for Object "
        '(start marker at [Source: (byte[])"{"id":"/x""; line: 1, column: 1])',
    ),
    (b'{"id":"/x",}', "Unexpected character ('}' (code 125)): was expecting double-quote to start field name"),
    (b'{"id":"/x"} x', f"Unrecognized token 'x': was expecting {WANTED}"),
    (b"{'id':'/x'}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
    (
        b'{/*c*/"id":"/x"}',
        "Unexpected character ('/' (code 47)): maybe a (non-standard) comment? "
        "(not recognized as one since Feature 'ALLOW_COMMENTS' not enabled for parser)",
    ),
    (b'{"a":NaN}', "Non-standard token 'NaN': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow"),
    (b'{"a":Infinity}', "Non-standard token 'Infinity': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow"),
    (b'{"a":"\xff\xfe"}', "Invalid UTF-8 start byte 0xff"),
    (b'{"a":01}', "Invalid numeric value: Leading zeroes not allowed"),
    (
        b'{"a":"a\tb"}',
        "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using backslash to be included in string value",
    ),
    (rb'{"a":"\q"}', "Unrecognized character escape 'q' (code 113)"),
    (
        b"\x1f\x7f",
        "Illegal character ((CTRL-CHAR, code 31)): only regular white space (\\r, \\n, \\t) is allowed between tokens",
    ),
    (
        b"[" * 2000,
        "Unexpected end-of-input: expected close marker for Array "
        f'(start marker at [Source: (byte[])"{"[" * 500}"[truncated 1500 bytes]; line: 1, column: 2000])',
    ),
]

# Not recorded: from the parser's documentation of its errors.
DERIVED = [
    (b'{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value"),
    (b'{"a":1 "b":2}', "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries"),
    (b"[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries"),
    (
        b'{"a":[1}',
        "Unexpected close marker '}': expected ']' (for Array starting at "
        '[Source: (byte[])"{"a":[1}"; line: 1, column: 6])',
    ),
    (b'{"a":}', "Unexpected character ('}' (code 125)): expected a value"),
    (b'{"a"', "Unexpected end-of-input within/between Object entries"),
    (b'{"a', "Unexpected end-of-input: was expecting closing '\"' for name"),
    (b'{"a":"b', "Unexpected end-of-input in VALUE_STRING"),
    (b'{"a":-}', "Unexpected character ('}' (code 125)) in numeric value: expected digit (0-9) to follow minus sign, "
     "for valid numeric value"),
    (b'{"a":1.}', "Unexpected character ('}' (code 125)) in numeric value: Decimal point not followed by a digit"),
    (b'{"a":True}', f"Unrecognized token 'True': was expecting {WANTED}"),
    (b'{"a":nul}', f"Unrecognized token 'nul': was expecting {WANTED}"),
    (b'{"a":#}', f"Unexpected character ('#' (code 35)): expected a valid value {WANTED}"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "details"), RECORDED + DERIVED)
def test_a_broken_body_is_answered_in_the_parsers_words(body: bytes, details: str) -> None:
    with pytest.raises(MalformedJson) as raised:
        read_json(body)
    assert raised.value.details == details


@pytest.mark.parametrize("rest", ["", "  \n", '{"id":"/x2"}', " [1", ' "open', " 7", " null"])
def test_one_good_token_after_the_value_is_ignored(rest: str) -> None:
    assert read_json(f'{{"a":1}}{rest}'.encode()) == {"a": 1}


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:-+.eE0123456789truefalsn\\u/ \n\tNI', max_size=40))
def test_what_is_no_json_is_always_told_and_what_is_json_never_refused(body: bytes | str) -> None:
    raw = body.encode() if isinstance(body, str) else body
    try:
        wanted = json.loads(raw.decode("ascii"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        with contextlib.suppress(MalformedJson):  # whatever it is: no other error
            read_json(raw)
    else:
        assert read_json(raw) == wanted


def _no_number(name: str) -> None:
    raise ValueError(name)
