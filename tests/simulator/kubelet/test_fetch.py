"""The `fetch` init container brings artifacts into the sandbox of the app, as the Mesos fetcher would."""

import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from gateway.simulator.kubelet.fetch import FetchFailed, fetch
from tests.simulator.helpers import SHELL, eventually, pod
from tests.simulator.kubelet.conftest import Machine


def archive(path: Path, text: str = "inside\n") -> Path:
    member = path.parent / "member.txt"
    member.write_text(text)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.write(member, "bin/member.txt")
    else:
        with tarfile.open(path, "w:gz") as packed:
            packed.add(member, "bin/member.txt")
    return path


def items(*entries: dict[str, object]) -> str:
    return json.dumps(entries)


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.gz", "a.zip"])
async def test_archives_are_unpacked_unless_told_otherwise(tmp_path: Path, name: str) -> None:
    source = archive(tmp_path / name)
    for kept, extract in (("one", True), ("two", False)):
        (tmp_path / kept).mkdir()
        await fetch(items({"uri": f"file://{source}", "extract": extract}), tmp_path / kept)
        assert (tmp_path / kept / name).exists()
        assert (tmp_path / kept / "bin/member.txt").exists() == extract


async def test_an_executable_may_be_executed_and_is_not_unpacked(tmp_path: Path) -> None:
    source = archive(tmp_path / "tool.zip")
    (tmp_path / "box").mkdir()
    await fetch(
        items({"uri": str(source), "extract": True, "executable": True, "destPath": "bin/tool"}), tmp_path / "box"
    )
    assert os.access(tmp_path / "box/bin/tool", os.X_OK)
    assert list((tmp_path / "box/bin").iterdir()) == [tmp_path / "box/bin/tool"]


@pytest.mark.parametrize(
    ("item", "cause"),
    [
        ({"uri": "file:///no/such/file"}, "No such file"),
        ({"uri": "hdfs://x/y"}, "URI scheme 'hdfs' is not supported"),
        ({"uri": "file:///etc/hostname", "destPath": "../../x"}, "outside the sandbox"),
        ({"uri": "http://127.0.0.1:9/x"}, "Failed to fetch 'http://127.0.0.1:9/x'"),
    ],
)
async def test_what_cannot_be_had_is_told(tmp_path: Path, item: dict[str, object], cause: str) -> None:
    with pytest.raises(FetchFailed, match=cause):
        await fetch(items(item), tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]", '[{"extract":true}]', "5"])
async def test_a_list_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(FetchFailed, match="FETCH is not a list of artifacts"):
        await fetch(text, tmp_path)


def fetching(uri: str, command: str) -> dict[str, object]:
    mounts = [{"name": "sandbox", "mountPath": "/mnt/mesos/sandbox"}]
    init = {
        "name": "fetch",
        "image": "fetcher",
        "env": [{"name": "FETCH", "value": items({"uri": uri, "extract": True})}],
        "volumeMounts": mounts,
    }
    app = {"name": "app", "command": [*SHELL, command], "volumeMounts": mounts}
    spec = {"initContainers": [init], "volumes": [{"name": "sandbox", "emptyDir": {}}], "restartPolicy": "Never"}
    return pod("fetch", containers=[app], **spec)


async def test_the_app_finds_its_artifacts_in_its_working_directory(machine: Machine) -> None:
    source = archive(machine.root / "conf.tgz")
    machine.add(fetching(f"file://{source}", "cat bin/member.txt"))
    await eventually(lambda: machine.status("fetch").get("phase") == "Succeeded")
    assert machine.output("fetch") == "inside\n"


async def test_a_failed_fetch_fails_the_init_container(machine: Machine) -> None:
    machine.add(fetching("file:///no/such/file", "true"))
    await eventually(lambda: machine.status("fetch").get("phase") == "Failed")
    ended = machine.container("fetch", group="initContainerStatuses")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (1, "Error")
    assert ended["message"].startswith("Failed to fetch 'file:///no/such/file'")
    assert machine.container("fetch")["state"]["waiting"]["reason"] == "PodInitializing"
