"""A server at a distance: a proxy on loopback that lets every byte travel for half a round trip."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, Self
from urllib.parse import urlsplit

CHUNK: Final = 2**16


class Distance:
    """Leads to a server that is one `round_trip` (seconds) away; `url` is the address that clients are given.

    TCP's handshake pays too: the kernel accepts a connection at once, so what is sent on it in its first round trip
    leaves only after that, as if `connect` had waited. TLS's handshake and HTTP pay because their bytes travel.
    The bandwidth is not limited.
    """

    def __init__(self, server: str, round_trip: float) -> None:
        self._server: Final = urlsplit(server)
        self._round_trip: Final = round_trip
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: Final[set[asyncio.Task[Any]]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._listener = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        port = self._listener.sockets[0].getsockname()[1]
        self.url: str = self._server._replace(netloc=f"127.0.0.1:{port}").geturl()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        connected = self._loop.time() + self._round_trip
        try:
            far_reader, far_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
            await asyncio.gather(self._carry(reader, far_writer, connected), self._carry(far_reader, writer, connected))
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, connected: float) -> None:
        """Pass bytes on, each half a round trip after it came, until `source` ends."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.ensure_future(self._deliver(travelling, sink))
        try:
            while True:
                chunk = await source.read(CHUNK)
                arrival = max(self._loop.time(), connected) + self._round_trip / 2
                travelling.put_nowait((arrival, chunk))
                if not chunk:
                    break
            await arriving
        finally:
            arriving.cancel()

    async def _deliver(self, travelling: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        while True:
            arrival, chunk = await travelling.get()
            await asyncio.sleep(arrival - self._loop.time())
            if not chunk:
                sink.write_eof()
                return
            sink.write(chunk)
