"""Tells which comments stand before which names of a dotenv file, as sops's dotenv store counts them."""

from typing import Final

from bridge_providers.sops.store_dotenv import PREFIX, entry
from bridge_providers.sops.tree import Comments, Place

_COMMENT: Final = "#"


def comments(data: bytes) -> Comments:
    """Return the comments of a file that the store has read: each counts for the next name, over empty lines too."""
    found: dict[Place, tuple[str, ...]] = {}
    waiting: list[str] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.startswith(_COMMENT.encode()):
            waiting.append(line.decode(errors="surrogateescape").removeprefix(_COMMENT))
        elif line:
            name, _ = entry(line, number)
            if not name.startswith(PREFIX):  # the metadata is taken out first
                if waiting:
                    found[0, name] = tuple(waiting)
                waiting = []
    return found
