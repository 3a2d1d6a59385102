"""The generated pages say what the code says, and every difference to Marathon has a reason."""

import json

from tests.pages import REASONS, REPLAY, _reason, pages


def test_the_generated_pages_are_current() -> None:
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not current: run scripts/docs"


def test_every_difference_to_the_recordings_has_a_reason() -> None:
    results = json.loads(REPLAY.read_text(encoding="utf-8"))
    missing = [
        f"{scenario}: {name}"
        for scenario, row in results.items()
        for name in row["different"]
        if not _reason(scenario, name)
    ]
    assert missing == []
    assert all(reason.endswith(".") for _, _, reason in REASONS)
