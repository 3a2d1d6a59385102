from typing import Any

from translators.kubernetes.platform import Platform
from translators.kubernetes.volumes import volumes


def made(*wanted: dict[str, Any], **settings: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    app = {"id": "/a", "container": {"volumes": list(wanted)}, "secrets": {"key": {"source": "tls/key"}}}
    found = volumes(app, Platform(**settings))
    return found.volumes[1:], found.mounts[1:]


def test_every_task_has_a_sandbox() -> None:
    found = volumes({"id": "/a"}, Platform())
    assert found.volumes == [{"name": "sandbox", "emptyDir": {}}]
    assert found.mounts == [{"name": "sandbox", "mountPath": "/mnt/mesos/sandbox"}]


def test_absolute_host_paths_are_directories_of_the_node() -> None:
    found = made({"containerPath": "/data", "hostPath": "/srv", "mode": "RO"})
    assert found == (
        [{"name": "v0", "hostPath": {"path": "/srv", "type": ""}}],
        [{"name": "v0", "mountPath": "/data", "readOnly": True}],
    )


def test_relative_host_paths_are_directories_of_the_sandbox() -> None:
    found = made({"containerPath": "/data", "hostPath": "cache", "mode": "RW"})
    assert found == ([], [{"name": "sandbox", "mountPath": "/data", "subPath": "cache"}])


def test_secrets_are_single_files_and_relative_paths_are_in_the_sandbox() -> None:
    found = made({"containerPath": "etc/key.pem", "secret": "key"}, secrets={"tls/key": "tls/pem"})
    assert found == (
        [{"name": "v0", "secret": {"secretName": "tls", "items": [{"key": "pem", "path": "key.pem"}]}}],
        [{"name": "v0", "mountPath": "/mnt/mesos/sandbox/etc/key.pem", "subPath": "key.pem"}],
    )


def test_volumes_that_were_let_pass_live_as_long_as_the_pod() -> None:
    found = made({"containerPath": "data", "persistent": {"size": 10}, "mode": "RW"})
    assert found == ([{"name": "v0", "emptyDir": {}}], [{"name": "v0", "mountPath": "/mnt/mesos/sandbox/data"}])
