"""TLS in front of a server that has none, so that a pod finds it as it finds its API server."""

import asyncio
from pathlib import Path
from typing import Final

from tests.servers.pki import Authority
from tests.servers.relay import CHUNK, Relay, Stream


class Front(Relay):
    """Passes every byte on; `port` is on loopback, and `authority` has signed its certificate."""

    def __init__(self, upstream: str, folder: Path) -> None:
        self.authority: Final = Authority(folder)
        super().__init__(upstream, self.authority.serving())

    async def relay(self, client: Stream, server: Stream) -> None:
        """Pass the bytes on at once."""
        await asyncio.gather(_pump(client[0], server[1]), _pump(server[0], client[1]))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
