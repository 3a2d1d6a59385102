import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from translators.kubernetes.fetching import fetch_container
from translators.kubernetes.platform import SANDBOX, Platform


def script(*items: dict[str, Any]) -> str:
    made = fetch_container({"fetch": list(items)}, Platform())
    assert made is not None
    text: str = made["command"][2]
    return text.replace("$$", "$")


def run(sandbox: Path, *items: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Runs the container's command with a directory of the test as sandbox."""
    sandbox.mkdir(exist_ok=True)
    text = script(*items).replace(SANDBOX, str(sandbox))
    return subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=False, timeout=30)


def archive(path: Path, mode: str) -> str:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        info = tarfile.TarInfo("inside")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    return f"file://{path}"


def test_an_app_that_fetches_nothing_has_no_init_container() -> None:
    assert fetch_container({"fetch": []}, Platform()) is None


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tgz", "w:gz"), ("a.tar.gz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tar", "w")]
)
def test_archives_are_unpacked_by_their_extension(tmp_path: Path, name: str, mode: str) -> None:
    done = run(tmp_path / "box", {"uri": archive(tmp_path / name, mode), "extract": True})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "box" / "inside").read_text() == "hello"


def test_what_shall_not_be_unpacked_is_not(tmp_path: Path) -> None:
    uri = archive(tmp_path / "a.tgz", "w:gz")
    run(tmp_path / "box", {"uri": uri, "extract": False, "destPath": "d/it's here.tgz"})
    assert [p.name for p in (tmp_path / "box" / "d").iterdir()] == ["it's here.tgz"]


def test_an_executable_is_made_executable(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    run(tmp_path / "box", {"uri": f"file://{tmp_path}/tool", "executable": True})
    assert (tmp_path / "box" / "tool").stat().st_mode & 0o111


def test_what_is_missing_fails_the_container(tmp_path: Path) -> None:
    assert run(tmp_path / "box", {"uri": "file:///no/such/file"}).returncode != 0


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    name = "$(touch pwned);`touch pwned`"
    done = run(tmp_path / "box", {"uri": f"file://{tmp_path}/x", "destPath": name, "extract": False})
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (tmp_path / "box").iterdir()] == [name]


def test_the_list_is_also_in_the_environment() -> None:
    item = {"uri": "http://h/a?x=$1", "extract": True, "executable": False, "cache": True, "destPath": "a"}
    made = fetch_container({"fetch": [item]}, Platform())
    assert made is not None
    wanted = {key: value for key, value in item.items() if key != "cache"}
    assert json.loads(made["env"][0]["value"].replace("$$", "$")) == [wanted]


def test_downloads_use_wget_with_a_quoted_address() -> None:
    assert "wget -O a 'http://h/a?x=1&y=2'" in script({"uri": "http://h/a?x=1&y=2"})


def test_zip_archives_are_unpacked_in_their_directory() -> None:
    assert "unzip -o d/a.zip -d d" in script({"uri": "http://h/a.zip", "destPath": "d/a.zip"})
