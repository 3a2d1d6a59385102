"""What the `fetch` init container does: brings the artifacts of an app into its sandbox, as the Mesos fetcher would.

Its environment variable `FETCH` is a JSON list of `{uri, extract, executable, destPath}`. Archives are unpacked beside
themselves; an executable is never unpacked. The first artifact that cannot be had fails the container.
"""

import asyncio
import gzip
import json
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

__all__ = ["FetchFailed", "fetch"]

TARS = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
TIMEOUT_S = 60.0


class FetchFailed(Exception):
    """An artifact could not be fetched or unpacked; the message says which and why."""


async def fetch(text: str, directory: Path) -> None:
    """Fetches everything that the JSON text asks for.

    Raises:
        FetchFailed: at the first artifact that fails.
    """
    for item in _items(text):
        uri = str(item["uri"])
        try:
            target = _target(directory, uri, item.get("destPath"))
            await _download(uri, target)
            await asyncio.to_thread(_finish, target, item)
        except (OSError, ValueError, EOFError, httpx.HTTPError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise FetchFailed(f"Failed to fetch '{uri}': {error or type(error).__name__}") from error


def _items(text: str) -> list[dict[str, Any]]:
    try:
        return [{**item, "uri": item["uri"]} for item in json.loads(text or "[]")]
    except (ValueError, TypeError, KeyError) as error:
        raise FetchFailed(f"FETCH is not a list of artifacts: {error}") from error


def _target(directory: Path, uri: str, wanted: str | None) -> Path:
    name = wanted or PurePosixPath(unquote(urlsplit(uri).path)).name
    if not name:
        raise ValueError("the URI names no file")
    target = (directory / name).resolve()
    if not target.is_relative_to(directory.resolve()):
        raise ValueError(f"destination '{name}' is outside the sandbox")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


async def _download(uri: str, target: Path) -> None:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        await _download_http(uri, target)
    elif parts.scheme in ("", "file"):
        await asyncio.to_thread(shutil.copyfile, unquote(parts.path), target)
    else:
        raise ValueError(f"URI scheme '{parts.scheme}' is not supported")


async def _download_http(uri: str, target: Path) -> None:
    async with (
        httpx.AsyncClient(follow_redirects=True, timeout=TIMEOUT_S) as client,
        client.stream("GET", uri) as answer,
    ):
        answer.raise_for_status()
        with target.open("wb") as file:
            async for chunk in answer.aiter_bytes():
                file.write(chunk)


def _finish(target: Path, item: dict[str, Any]) -> None:
    if item.get("executable"):
        target.chmod(target.stat().st_mode | 0o111)
    elif item.get("extract", True):
        _extract(target)


def _extract(archive: Path) -> None:
    name, directory = archive.name, archive.parent
    if name.endswith(TARS):
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    elif name.endswith(".zip"):
        _unzip(archive, directory)
    elif name.endswith(".gz"):
        with gzip.open(archive) as packed, (directory / name.removesuffix(".gz")).open("wb") as plain:
            shutil.copyfileobj(packed, plain)


def _unzip(archive: Path, directory: Path) -> None:
    """Unpacks with the files' modes, which the standard library drops."""
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            path = Path(packed.extract(member, directory))
            if (mode := member.external_attr >> 16 & 0o777) and not member.is_dir():
                path.chmod(mode)
