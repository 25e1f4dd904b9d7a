"""Asks a store which values it would show to everybody, before it is given one that nobody may see."""

from typing import Final

from bridge.errors import ANYTHING
from bridge.provider import Discloser, Document, ProviderError, Session, Unavailable
from bridge.sources.conformance import failed
from bridge.sources.select import MANIFEST_KEYS
from bridge.stores.slots import node_at

HINT: Final = "give the document a rule of its own (.sops.yaml), or name another one"


def check_hidden(session: Session, path: str, present: Document | None, wanted: Document) -> None:
    """Raise ProviderError where a value that is new in the document would stand there in clear."""
    if not isinstance(session, Discloser):
        return
    found: list[str] | ProviderError | Unavailable
    try:
        found = _shown(session, path, present, wanted)
    except (ProviderError, Unavailable):
        raise
    except ANYTHING as error:
        found = failed(error)
    if not isinstance(found, list):
        raise found
    if found:
        what = f"{', '.join(found)} would stand there in clear: the document's rule does not encrypt it"
        raise ProviderError(what, hint=HINT)


def _shown(session: Discloser, path: str, present: Document | None, wanted: Document) -> list[str]:
    """Name the places; what nobody touches is the very same node, and what a manifest says of its object no value."""
    return [
        ".".join(keys)
        for index, keys in session.in_clear(path, wanted)
        if keys[0] not in MANIFEST_KEYS and node_at(present, index, keys) is not node_at(wanted, index, keys)
    ]
