"""What serving promises from its first moment on."""

import asyncio
import socket
from pathlib import Path

import yaml

from gateway.serve import serve
from gateway.settings import load


async def test_who_connects_on_reading_the_address_is_not_refused(tmp_path: Path) -> None:
    named = {
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **named}))
    connected = asyncio.Event()

    async def connect(url: str) -> None:
        port = int(url.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()  # before the loop can do anything else
        connected.set()

    settings, _ = load({"kubeconfig": str(kubeconfig), "http_port": "0"}, {}, None)
    serving = asyncio.create_task(serve(settings, ready=connect))
    done, _ = await asyncio.wait(
        [serving, asyncio.create_task(connected.wait())], timeout=20, return_when="FIRST_COMPLETED"
    )
    assert serving not in done, serving.exception()
    assert connected.is_set()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
