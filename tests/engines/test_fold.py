"""Readers see nothing of a change or all of it, in whatever order the two watches deliver."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.engines.kubernetes.fold import Touch, fold
from translators.kubernetes.objects import AppRecord, AppSpec, MarathonApp


def record(version: str) -> AppRecord:
    return AppRecord(definition="{}", version=version)


def stored(sequence: int, version: str) -> MarathonApp:
    return MarathonApp(spec=AppSpec(id="/a", sequence=sequence, record=record(version)))


def test_an_accepted_change_is_read_before_the_runner_has_stored_it() -> None:
    assert fold(None, [Touch(1, record("v1"), open=True)]) == record("v1")
    assert fold(stored(1, "v1").spec, [Touch(2, record("v2"), open=True)]) == record("v2")


def test_a_change_that_is_stored_or_overtaken_does_not_count_again() -> None:
    assert fold(stored(3, "v3").spec, [Touch(2, record("v2"), open=True), Touch(3, record("v3"), open=True)]) == record(
        "v3"
    )


def test_a_removal_counts_before_the_object_is_gone_and_after() -> None:
    removal = [Touch(2, None, open=True)]
    assert fold(stored(1, "v1").spec, removal) is None
    assert fold(None, removal) is None


def test_an_ended_change_never_brings_a_removed_app_back() -> None:
    assert fold(None, [Touch(1, record("v1"), open=False)]) is None
    assert fold(None, [Touch(1, record("v1"), open=False), Touch(2, None, open=False)]) is None


def test_an_app_made_again_after_a_removal_is_there() -> None:
    assert fold(stored(3, "v3").spec, [Touch(2, None, open=False)]) == record("v3")
    assert fold(stored(1, "v1").spec, [Touch(2, None, open=True), Touch(3, record("v3"), open=True)]) == record("v3")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8), st.integers(0, 8), st.randoms())
def test_the_order_of_arrival_never_matters(kinds: list[tuple[bool, bool]], seen: int, random: object) -> None:
    touches = [Touch(i + 1, record(f"v{i + 1}") if made else None, open=open_) for i, (made, open_) in enumerate(kinds)]
    app = stored(seen, f"v{seen}") if seen else None
    shuffled = list(touches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    spec = app.spec if app else None
    assert fold(spec, shuffled) == fold(spec, touches)
