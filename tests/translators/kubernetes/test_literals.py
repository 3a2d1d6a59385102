import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.kubernetes.literals import NotFinite, literals


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("rack-1", ("rack-1",)),
        ("rack-[12]", ("rack-1", "rack-2")),
        ("a|b|a", ("a", "b")),
        ("(a|b)-(x|y)", ("a-x", "a-y", "b-x", "b-y")),
        ("(?:dev|prod)?1", ("dev1", "prod1", "1")),
        (r"10\.0\.0\.[1-3]", ("10.0.0.1", "10.0.0.2", "10.0.0.3")),
        ("10.0.0.1", ("10.0.0.1",)),
        ("^node-1$", ("node-1",)),
        ("ab{2}", ("abb",)),
        ("", ("",)),
    ],
)
def test_expressions_that_spell_out_their_values_are_listed(expression: str, words: tuple[str, ...]) -> None:
    assert literals(expression) == words


@pytest.mark.parametrize(
    "expression",
    ["127.*", "a+", "[^a]", r"\d", "(a", "a)", "[a", "a{2,}", "*", "[a-z]{4}", "(?i)a", "a\\", "a**", "[z-a]"],
)
def test_anything_else_is_not_finite(expression: str) -> None:
    with pytest.raises(NotFinite):
        literals(expression)


WORD = st.text(alphabet="abc123-", min_size=1, max_size=4)
CLASS = st.sampled_from(["[ab]", "[0-9]", "[a-c1]"])
ATOM = st.one_of(
    WORD, CLASS, WORD.map(lambda word: f"({word})?"), st.tuples(WORD, WORD).map(lambda p: f"({p[0]}|{p[1]})")
)


@given(st.lists(ATOM, min_size=1, max_size=3).map("".join))
def test_every_listed_value_is_matched_by_the_expression(expression: str) -> None:
    try:
        words = literals(expression)
    except NotFinite:
        return
    assert all(re.fullmatch(expression, word) for word in words)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(expression: str) -> None:
    with contextlib.suppress(NotFinite):
        assert 0 < len(literals(expression)) <= 256
