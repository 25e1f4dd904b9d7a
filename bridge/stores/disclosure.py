"""Asks a store which values it would store unencrypted, before it is given a secret value."""

from typing import Final

from bridge.errors import ANYTHING
from bridge.provider import Discloser, Document, ProviderError, Session, Unavailable
from bridge.sources.conformance import failed
from bridge.sources.select import MANIFEST_KEYS
from bridge.stores.slots import node_at

HINT: Final = "add a rule for the document to .sops.yaml, or use another document"


def check_hidden(session: Session, path: str, present: Document | None, wanted: Document) -> None:
    """Raise ProviderError if a new value would be stored unencrypted in the document."""
    if not isinstance(session, Discloser):
        return
    exposed: list[str] | ProviderError | Unavailable
    try:
        exposed = _shown(session, path, present, wanted)
    except (ProviderError, Unavailable):
        raise
    except ANYTHING as error:
        exposed = failed(error)
    if not isinstance(exposed, list):
        raise exposed
    if exposed:
        what = f"{', '.join(exposed)} would not be encrypted by the document's rule"
        raise ProviderError(what, hint=HINT)


def _shown(session: Discloser, path: str, present: Document | None, wanted: Document) -> list[str]:
    """Name the fields. Unchanged fields are the very same nodes; an object's own manifest fields hold no values."""
    return [
        ".".join(keys)
        for index, keys in session.in_clear(path, wanted)
        if keys[0] not in MANIFEST_KEYS and node_at(present, index, keys) is not node_at(wanted, index, keys)
    ]
