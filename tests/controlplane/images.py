"""Container images made without a registry and without a daemon: a docker archive of busybox, and of Python where asked.

Everything comes from the machine the tests run on: Debian's static busybox with all its applets, and for an image with Python
the interpreter that runs the tests, its shared libraries and as much of its standard library as the named modules need.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PYTHON_PATH", "python_files", "write_image"]

BUSYBOX = Path("/bin/busybox")
PYTHON_PATH = str(Path(sys.executable).resolve())
_DIRECTORIES = ("bin", "etc", "mnt", "proc", "root", "srv", "sys", "dev", "tmp", "var", "var/log")
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = b"root:x:0:\nnogroup:x:65534:\n"
_FOR_EVER = [str(BUSYBOX), "sleep", "2147483647"]


def write_image(
    target: Path, name: str, *, files: Mapping[str, Path | bytes] | None = None, links: Mapping[str, str] | None = None
) -> None:
    """Writes the archive of an image `name` (with its tag), to be imported by containerd.

    Its entrypoint sleeps, so that it can also be the image that holds a pod's network. `files` and `links` are more files and
    symbolic links of the image, by their absolute path.
    """
    layer = _layer(files or {}, links or {})
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Entrypoint": _FOR_EVER, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        _add(archive, config_name, config)
        _add(archive, "layer.tar", layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _layer(files: Mapping[str, Path | bytes], links: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as layer:
        for directory in _DIRECTORIES:
            _add_entry(layer, directory, tarfile.DIRTYPE, mode=0o1777 if directory == "tmp" else 0o755)
        _add(layer, "bin/busybox", BUSYBOX.read_bytes(), mode=0o755)
        for applet in _applets():
            _add_entry(layer, f"bin/{applet}", tarfile.SYMTYPE, link="busybox")
        _add(layer, "etc/passwd", _PASSWD)
        _add(layer, "etc/group", _GROUP)
        for path, content in files.items():
            _add_file(layer, path.lstrip("/"), content)
        for path, link in links.items():
            _add_entry(layer, path.lstrip("/"), tarfile.SYMTYPE, link=link)
    return made.getvalue()


def _applets() -> list[str]:
    listed = subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True, timeout=10)
    return [applet for applet in listed.stdout.split() if applet != "busybox"]


def _add_file(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    if isinstance(content, bytes):
        _add(tar, name, content, mode=0o755)
    else:
        # The time stays: Python takes a compiled module for current by the time of its source.
        _add(tar, name, content.read_bytes(), mode=0o755, time_s=int(content.stat().st_mtime))


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644, time_s: int = 0) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), mode, time_s
    tar.addfile(entry, io.BytesIO(data))


def _add_entry(tar: tarfile.TarFile, name: str, kind: bytes, *, mode: int = 0o777, link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, link
    tar.addfile(entry)


def python_files(*modules: str) -> dict[str, Path | bytes]:
    """The files for `PYTHON -m …` of these modules of the standard library, at the paths that they have here.

    PYTHON is `PYTHON_PATH`; a link to it can have any name.
    """
    interpreter = Path(PYTHON_PATH)
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "for module in list(sys.modules.values()):\n"
        "    for kind in ('__file__', '__cached__'):\n"
        "        if getattr(module, kind, None): print(getattr(module, kind))\n"
    )
    command = [str(interpreter), "-I", "-c", program, "runpy", "encodings.idna", "encodings.latin_1", *modules]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\n")
    found = {path for path in map(Path, filter(None, listed)) if path.is_file()}
    found.add(interpreter)
    linked = {library for path in found if path == interpreter or ".so" in path.suffixes for library in _linked(path)}
    files: dict[str, Path | bytes] = {str(path): path for path in sorted(found)}
    files.update({path: Path(path).resolve() for path in sorted(linked)})
    return files


def _linked(program: Path) -> set[str]:
    """The shared libraries of a program or library, by the paths under which the loader looks for them."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False, timeout=10)
    return set(re.findall(r"(/\S+) \(0x", done.stdout))
