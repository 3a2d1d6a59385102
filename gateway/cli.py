"""The command `mgw`.

    mgw serve      the gateway, on any cluster
    mgw simulator  only the embedded cluster; kubectl and the gateway can use it
    mgw dev        both in one process: a Marathon on a laptop
    mgw manifests  what a cluster needs: CRDs, RBAC, Deployment of the gateway

A mistake in a flag, a file or an address ends the command with one line on stderr and status 2.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
import yaml

from gateway import settings as settings_module
from gateway.clock import SystemClock
from gateway.manifests import manifests
from gateway.serve import serve
from gateway.settings import MARATHON_FLAGS_WITHOUT_EFFECT, Settings, SettingsError, load
from gateway.simulator.cluster import Simulator
from translators.kubernetes.crds import crds

__all__ = ["main"]

_TRY_NEXT = """
  The Marathon API    {url}   (also under /marathon and /service/marathon)
  The Kubernetes API  {cluster}   ({nodes} nodes, embedded; export KUBECONFIG={kubeconfig})
  The tasks' files    {files}

  Try:  curl -X POST -H 'Content-Type: application/json' {url}/v2/apps \\
          -d '{{"id":"/web","cmd":"python3 -m http.server $PORT0","instances":2}}'
        curl {url}/v2/tasks
        curl -H 'Accept: text/event-stream' {url}/v2/events
  Stop with Ctrl-C.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SettingsError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
    except KeyboardInterrupt:
        return 130


def _fail(message: str) -> int:
    print(f"mgw: {message}", file=sys.stderr)
    return 2


if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    _Commands = object

# The command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mgw", description="Marathon's REST API and event stream in front of Kubernetes.", allow_abbrev=False
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add(commands, "serve", _serve, "run the gateway on a cluster", settings=True)
    _add(
        commands,
        "dev",
        _dev,
        "run the gateway and an embedded cluster: a Marathon on a laptop",
        settings=True,
        cluster=True,
    )
    simulator = _add(commands, "simulator", _simulator, "run only the embedded cluster", cluster=True)
    simulator.add_argument(
        "--listen", default="127.0.0.1:8001", metavar="HOST:PORT", help="where to listen (default: %(default)s)"
    )
    _add(commands, "manifests", _manifests, "print what a cluster needs, as YAML for kubectl apply -f -", settings=True)
    return parser


def _add(commands: _Commands, name: str, run: object, text: str, *, settings: bool = False, cluster: bool = False) -> argparse.ArgumentParser:  # fmt: skip
    parser = commands.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
    parser.set_defaults(run=run)
    if cluster:
        parser.add_argument(
            "--nodes", type=_nodes, default=3, metavar="N", help="how many nodes the embedded cluster has (default: 3)"
        )
        parser.add_argument(
            "--state", type=Path, metavar="DIR", help="keep the embedded cluster in this directory (default: in memory)"
        )
        parser.add_argument(
            "--write-kubeconfig",
            type=Path,
            metavar="FILE",
            help="where to write the kubeconfig of the embedded cluster",
        )
    if settings:
        parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings (also MGW_CONFIG)")
        parser.add_argument("--listen", metavar="HOST:PORT", help="where to listen: http_address and http_port in one")
        group = parser.add_argument_group(
            "settings", "as flags (with _ or -), MGW_* or MARATHON_* variables, or in the file"
        )
        for setting in settings_module.settings():
            shown = f" (default: {setting.default})" if setting.default not in ("", None, (), {}) else ""
            group.add_argument(*_spellings(setting.name), dest=f"set_{setting.name}", metavar="VALUE", help=(setting.description + shown).replace("%", "%%"))  # fmt: skip
        for name in MARATHON_FLAGS_WITHOUT_EFFECT:
            parser.add_argument(*_spellings(name), dest=f"set_{name}", nargs="?", const="", help=argparse.SUPPRESS)
    return parser


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))


def _nodes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 200:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of nodes from 1 to 200")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"--listen {text} is not HOST:PORT, for example 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def _settings(options: argparse.Namespace) -> Settings:
    flags = {
        key.removeprefix("set_"): value
        for key, value in vars(options).items()
        if key.startswith("set_") and value is not None
    }
    if options.listen:
        host, port = _address(options.listen)
        flags |= {"http_address": host, "http_port": str(port)}
    file = options.config or (Path(os.environ["MGW_CONFIG"]) if os.environ.get("MGW_CONFIG") else None)
    loaded, warnings = load(flags, os.environ, file)
    logging.basicConfig(
        level=loaded.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("aiohttp", "kubernetes_asyncio", "asyncio", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for warning in warnings:
        logging.getLogger("mgw").warning("%s", warning)
    return loaded


# The commands


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options)
    uvloop.run(serve(settings, ready=_say_serving))
    return 0


def _dev(options: argparse.Namespace) -> int:
    settings = _settings(options)
    uvloop.run(_run_dev(options, settings))
    return 0


def _simulator(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    uvloop.run(_run_simulator(options))
    return 0


def _manifests(options: argparse.Namespace) -> int:
    print(yaml.safe_dump_all(manifests(_settings(options)), sort_keys=False), end="")
    return 0


async def _say_serving(url: str) -> None:
    print(f"marathon-gateway serves the Marathon API at {url}", flush=True)


async def _run_dev(options: argparse.Namespace, settings: Settings) -> None:
    async with _embedded(options, "127.0.0.1", 0) as (url, kubeconfig, files):

        async def say(address: str) -> None:
            text = _TRY_NEXT.format(url=address, cluster=url, nodes=options.nodes, kubeconfig=kubeconfig, files=files)
            print(f"marathon-gateway runs on an embedded cluster.{text}", flush=True)

        unsupported = settings.unsupported if "unsupported" in settings.model_fields_set else "warn"
        embedded = {
            "kubeconfig": kubeconfig,
            "networks": settings.networks or {"*": ""},
            "unsupported": unsupported,  # decision 5: a laptop is for trying things
        }
        await serve(settings.model_copy(update=embedded), ready=say)


async def _run_simulator(options: argparse.Namespace) -> None:
    host, port = _address(options.listen)
    async with _embedded(options, host, port) as (url, kubeconfig, _files):
        print(
            f"The embedded cluster ({options.nodes} nodes) serves the Kubernetes API at {url}; kubeconfig: {kubeconfig}",
            flush=True,
        )
        await _until_signalled()


async def _until_signalled() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


@contextlib.asynccontextmanager
async def _embedded(options: argparse.Namespace, host: str, port: int) -> AsyncIterator[tuple[str, Path, Path]]:
    """The embedded cluster with our custom resources installed; yields its URL, its kubeconfig and the sandboxes' root."""
    with tempfile.TemporaryDirectory(prefix="mgw-") as scratch:
        files = (options.state or Path(scratch)) / "pods"
        kubeconfig = options.write_kubeconfig or Path(scratch) / "kubeconfig"
        simulator = Simulator(SystemClock(), state=options.state, nodes=options.nodes, root=files, crds=crds())
        async with simulator.serving(host, port) as url:
            simulator.write_kubeconfig(kubeconfig, url)
            yield url, kubeconfig, files
