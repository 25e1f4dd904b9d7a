"""A relay on loopback in front of a server, in a thread of its own; what it does to the bytes is up to the subclass."""

import asyncio
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Final, Self
from urllib.parse import urlsplit

CHUNK: Final = 1 << 16

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay(ABC):
    """Accepts connections on `port`, with `tls` if given, and opens one to the server for each."""

    def __init__(self, server: str, tls: ssl.SSLContext | None = None) -> None:
        self.server: Final = urlsplit(server)
        self.loop: Final = asyncio.new_event_loop()
        self._tls: Final = tls
        self._thread: Final = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._tasks: Final[set[asyncio.Task[Any]]] = set()

    @abstractmethod
    async def relay(self, client: Stream, server: Stream) -> None:
        """Pass the bytes of one connection on, in both directions, and close what it ends."""

    def listening(self) -> socket.socket:
        """Make the socket where clients connect."""
        listener = socket.create_server(("127.0.0.1", 0))
        # Inherited by each connection. asyncio sets it only where it knows that the protocol is TCP, and without it a
        # second small write waits until the other side has acknowledged the first, up to 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener

    def connected(self) -> socket.socket:
        """Make a connection to the server."""
        return socket.create_connection((self.server.hostname, self.server.port))

    def __enter__(self) -> Self:
        self._thread.start()
        self._listener = self._do(asyncio.start_server(self._serve, sock=self.listening(), ssl=self._tls))
        self.port: int = self._listener.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _close(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            server = await asyncio.open_connection(sock=await asyncio.to_thread(self.connected))
            await self.relay((reader, writer), server)
        except (asyncio.CancelledError, OSError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)


class Passage(Relay):
    """Passes every byte on at once."""

    async def relay(self, client: Stream, server: Stream) -> None:
        """Pass the bytes on."""
        await asyncio.gather(_pump(client[0], server[1]), _pump(server[0], client[1]))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
