"""A server at a distance: a proxy on loopback that lets every byte travel for half a round trip."""

import asyncio
from typing import Final

from tests.servers.relay import CHUNK, Relay, Stream


class Distance(Relay):
    """Leads to a server that is one `round_trip` (seconds) away; `url` is the address that clients are given.

    TCP's handshake pays too: the kernel accepts a connection at once, so what is sent on it in its first round trip
    leaves only after that, as if `connect` had waited. TLS's handshake and HTTP pay because their bytes travel.
    The bandwidth is not limited.
    """

    def __init__(self, server: str, round_trip: float) -> None:
        super().__init__(server)
        self._round_trip: Final = round_trip

    @property
    def url(self) -> str:
        """The server's URL, with this address."""
        return self.server._replace(netloc=f"127.0.0.1:{self.port}").geturl()

    async def relay(self, client: Stream, server: Stream) -> None:
        """Let the bytes travel in both directions."""
        connected = self.loop.time() + self._round_trip
        try:
            await asyncio.gather(
                self._carry(client[0], server[1], connected), self._carry(server[0], client[1], connected)
            )
        finally:
            client[1].close()
            server[1].close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, connected: float) -> None:
        """Pass bytes on, each half a round trip after it came, until `source` ends."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.ensure_future(self._deliver(travelling, sink))
        try:
            while True:
                chunk = await source.read(CHUNK)
                arrival = max(self.loop.time(), connected) + self._round_trip / 2
                travelling.put_nowait((arrival, chunk))
                if not chunk:
                    break
            await arriving
        finally:
            arriving.cancel()

    async def _deliver(self, travelling: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        while True:
            arrival, chunk = await travelling.get()
            await asyncio.sleep(arrival - self.loop.time())
            if not chunk:
                sink.write_eof()
                return
            sink.write(chunk)
