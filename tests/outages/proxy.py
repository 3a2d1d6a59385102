"""Between a gateway and its API server: slow, full, silent or cut, as a test says. Plain HTTP towards the gateway."""

import asyncio
import contextlib
import ssl
import threading
from collections import Counter
from types import TracebackType

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from tests.controlplane.cluster import ControlPlane

__all__ = ["Proxy"]

_STARTED_S = 10
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Proxy:
    """Its settings may be changed at any time, and hold for what comes after.

    `delay_s` passes before a request goes on; while `refusing`, every request is answered 429 as the API server's priority
    and fairness does, with `retry_after_s`; while `silent`, nothing more is passed on, in either direction.
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self.delay_s = 0.0
        self.refusing = False
        self.retry_after_s = 1
        self.refused: Counter[str] = Counter()  # by method and last part of the path
        self._upstream = control_plane.url
        self._tls = ssl.create_default_context(cafile=str(control_plane.ca))
        self._loud: asyncio.Event | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self.url = ""

    def __enter__(self) -> "Proxy":
        self._thread.start()
        assert self._ready.wait(_STARTED_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_STARTED_S)
        self._loop.close()

    def silence(self, silent: bool = True) -> None:
        """Nothing is said any more, and no connection is closed; or all goes on."""
        assert self._loud
        self._loop.call_soon_threadsafe(self._loud.clear if silent else self._loud.set)

    async def _serve(self) -> None:
        self._end, self._loud = asyncio.Event(), asyncio.Event()
        self._loud.set()
        connector = TCPConnector(ssl=self._tls, limit=0)
        async with ClientSession(
            connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False
        ) as self._session:
            application = web.Application(client_max_size=2**24)
            application.router.add_route("*", "/{path:.*}", self._pass)
            runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._end.wait()
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.delay_s)
        assert self._loud
        await self._loud.wait()
        if self.refusing:
            self.refused[f"{request.method} {request.path.rpartition('/')[2]}"] += 1
            headers = {"Retry-After": str(self.retry_after_s), "Content-Type": "text/plain; charset=utf-8"}
            return web.Response(status=429, headers=headers, body=b"Too many requests, please try again later.\n")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        target = self._upstream + request.raw_path
        try:
            async with self._session.request(
                request.method, target, headers=headers, data=await request.read()
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await self._loud.wait()
                    await response.write(chunk)
        except ClientError:
            return web.Response(status=502)
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
        return response
