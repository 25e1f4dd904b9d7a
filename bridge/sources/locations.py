"""Finds out what selects a document in its store, for an approved plan."""

from collections.abc import Mapping

from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError
from bridge.provider import Context, Locator, Provider
from bridge.sources.conformance import failed
from bridge.sources.reader import at_reference


def location(provider: Provider, reference: Reference, context: Context) -> Mapping[str, str]:
    """Return what selects a document, as its provider says, else only its path; BridgeError if the provider fails."""
    if not isinstance(provider, Locator):
        return {"path": reference.path}
    try:
        return {str(part): str(text) for part, text in provider.location(reference.path, context).items()}
    except BridgeError as error:
        failure = error
    except ANYTHING as error:  # a provider's exception may contain anything
        failure = failed(error)
    raise at_reference(reference, failure)
