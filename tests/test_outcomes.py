"""The record of outcomes counts each test once, under the cluster it ran on, and keeps what other runs wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.outcomes import rows

TESTS = """
import pytest

@pytest.mark.parametrize("where", ["simulator", "real"])
def test_on_both(where): assert where == "simulator"

@pytest.mark.controlplane
def test_on_a_real_one(): pass

@pytest.mark.e2e
def test_in_containers(): pytest.skip("no root")

def test_alone(): pass
"""
CONFIG = "[pytest]\nmarkers =\n  controlplane\n  e2e\n"


def test_a_run_is_recorded_by_module_and_cluster_beside_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(CONFIG)
    file = tmp_path / "outcomes.json"
    earlier = {"passed": 9, "failed": 0, "skipped": 0}
    file.write_text(json.dumps({"test_it.py": {"none": {}, "other": earlier}}))
    environment = {**os.environ, "MGW_TEST_OUTCOMES": str(file), "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.outcomes", "-p", "no:cacheprovider", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
    assert json.loads(file.read_text()) == {
        "test_it.py": {
            "simulator": {"passed": 1, "failed": 0, "skipped": 0},
            "kwok": {"passed": 1, "failed": 1, "skipped": 0},
            "containers": {"passed": 0, "failed": 0, "skipped": 1},
            "none": {"passed": 1, "failed": 0, "skipped": 0},
            "other": earlier,
        }
    }


def test_rows_are_suites_that_need_a_cluster() -> None:
    one, two = {"passed": 1, "failed": 0, "skipped": 0}, {"passed": 2, "failed": 1, "skipped": 0}
    table = rows(
        {
            "tests/contract/test_a.py": {"kwok": one},
            "tests/contract/test_b.py": {"kwok": two, "none": one},
            "tests/system/test_c.py": {"simulator": one},
            "tests/events/test_d.py": {"none": one},
        }
    )
    assert {suite: set(clusters) for suite, clusters in table.items()} == {
        "tests/contract": {"kwok"},
        "tests/system/test_c.py": {"simulator"},
    }
    assert (table["tests/contract"]["kwok"]["passed"], table["tests/contract"]["kwok"]["failed"]) == (3, 1)
