"""TLS in front of a server that has none, so that a pod finds it as it finds its API server."""

from pathlib import Path
from typing import Final

from tests.servers.pki import Authority
from tests.servers.relay import Passage


class Front(Passage):
    """Passes every byte on; `port` is on loopback, and `authority` has signed its certificate."""

    def __init__(self, upstream: str, folder: Path) -> None:
        self.authority: Final = Authority(folder)
        super().__init__(upstream, self.authority.serving())
