"""Every program in bench/ runs to its end and prints figures; what they are is nobody's business on a busy machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import binaries as built

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = {path.stem for path in (REPOSITORY / "bench").glob("*.py") if "arguments = parser(" in path.read_text()}
ON_CLUSTERS = sorted(PROGRAMS - {"list_apps"})
FIGURE = re.compile(r"^(\w+)  .*\d x", re.M)


def run(program: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"bench.{program}", *flags]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False)


def figures(program: str, *flags: str) -> list[str]:
    done = run(program, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(FIGURE.findall(done.stdout)) == {program}
    return done.stdout.splitlines()


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_each_says_how_it_measures_and_the_page_has_its_figures(program: str) -> None:
    assert len(ast.get_docstring(ast.parse((REPOSITORY / "bench" / f"{program}.py").read_text())) or "") > 500
    assert f"`python -m bench.{program}`" in (REPOSITORY / "docs" / "benchmarks.md").read_text()


def test_the_list_is_measured_without_a_cluster() -> None:
    assert len(figures("list_apps", "--quick")) == 3


@pytest.mark.parametrize("program", ON_CLUSTERS)
def test_each_runs_on_the_embedded_cluster(program: str) -> None:
    assert all("simulator" in line for line in figures(program, "--quick", "--on", "simulator"))


@pytest.mark.parametrize("program", ["api_calls", "change_lag"])  # the two ways in which they start one
def test_they_run_on_a_real_control_plane(program: str, binaries: Path) -> None:
    assert binaries == built.find()
    assert all("kwok" in line for line in figures(program, "--quick", "--on", "kwok"))
