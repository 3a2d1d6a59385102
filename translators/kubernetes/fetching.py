"""`fetch`: an init container that brings artifacts into the sandbox before the app starts.

It runs once per pod, not once per task: a container that restarts in place finds what was fetched. The environment variable
`FETCH` lists the artifacts as JSON; the command does the same with nothing but a shell, wget and the archivers, and the
first failure fails the container.
"""

import json
from collections.abc import Mapping
from posixpath import basename, dirname
from shlex import quote
from typing import Any
from urllib.parse import unquote, urlsplit

from translators.kubernetes.escape import literal
from translators.kubernetes.platform import SANDBOX, Platform
from translators.kubernetes.resources import FETCH_REQUESTS
from translators.kubernetes.volumes import SANDBOX_VOLUME

__all__ = ["FETCH_CONTAINER", "fetch_container"]

FETCH_CONTAINER = "fetch"

_UNPACK = {
    (".tgz", ".tar.gz"): "tar -xzf {0} -C {1}",
    (".tbz2", ".tar.bz2"): "tar -xjf {0} -C {1}",
    (".txz", ".tar.xz"): "tar -xJf {0} -C {1}",
    (".tar",): "tar -xf {0} -C {1}",
    (".zip",): "unzip -o {0} -d {1}",
    (".gz",): "gunzip -c {0} > {2}",
}


def fetch_container(app: Mapping[str, Any], platform: Platform) -> dict[str, Any] | None:
    """The init container, None for an app that fetches nothing."""
    items = app.get("fetch") or ()
    if not items:
        return None
    script = "\n".join(["set -e", f"cd {SANDBOX}", *(_commands(item) for item in items)])
    return {
        "name": FETCH_CONTAINER,
        "image": platform.fetcher_image,
        "command": ["/bin/sh", "-c", literal(script)],
        "env": [{"name": "FETCH", "value": literal(json.dumps([_wanted(item) for item in items]))}],
        "resources": {"requests": dict(FETCH_REQUESTS)},
        "terminationMessagePolicy": "FallbackToLogsOnError",  # so that the failure says which artifact, and why
        "volumeMounts": [{"name": SANDBOX_VOLUME, "mountPath": SANDBOX}],
    }


def _wanted(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item[key] for key in ("uri", "extract", "executable", "destPath") if key in item}


def _commands(item: Mapping[str, Any]) -> str:
    uri = str(item["uri"])
    target = item.get("destPath") or basename(unquote(urlsplit(uri).path)) or "index.html"
    directory = dirname(target) or "."
    lines = [] if directory == "." else [f"mkdir -p {quote(directory)}"]
    lines.append(f"echo {quote(f'Fetching {target}')}")  # its name and not its address, which may have a password
    lines.append(_download(uri, target))
    if item.get("executable"):
        lines.append(f"chmod +x {quote(target)}")
    elif item.get("extract", True):
        lines += _unpack(target, directory)
    return "\n".join(lines)


def _download(uri: str, target: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        return f"cp {quote(unquote(parts.path))} {quote(target)}"
    return f"wget -O {quote(target)} {quote(uri)}"


def _unpack(target: str, directory: str) -> list[str]:
    for suffixes, command in _UNPACK.items():
        if target.endswith(suffixes):
            return [command.format(quote(target), quote(directory), quote(target.removesuffix(".gz")))]
    return []
