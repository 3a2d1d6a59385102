"""What a real Marathon answered is answered here: the quick scenarios are replayed, each on a server that starts empty."""

import pytest

from tests.golden.replay import replay
from tests.processes import mgw_dev

pytestmark = [pytest.mark.timeout(180), pytest.mark.clients]


@pytest.mark.parametrize(
    ("scenario", "share"),
    [
        ("01-system", 0.83),
        ("03-apps-basic", 0.9),
        ("05-filters", 1.0),
        ("07-groups", 0.95),
        ("26-versions-idempotence", 0.96),
    ],
)
def test_recorded_answers_come_out_equal(scenario: str, share: float) -> None:
    with mgw_dev() as base:
        results = list(replay(base, scenario))
    different = [(r.name, r.differences) for r in results if r.differences]
    assert len(results) >= 28
    assert len(results) - len(different) >= share * len(results), different
