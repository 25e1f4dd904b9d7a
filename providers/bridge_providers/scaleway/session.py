"""Read and write secrets during one run: check before the first access, access, and build the document."""

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.provider import (
    Context,
    Denied,
    Document,
    NotFound,
    Problem,
    ProviderError,
    Revision,
    StoredVersion,
    Unavailable,
)
from bridge_providers.scaleway import content, metadata, paths
from bridge_providers.scaleway.api import SecretManager
from bridge_providers.scaleway.paths import Place, Requested, Scope
from bridge_providers.scaleway.settings import settings

if TYPE_CHECKING:
    from bridge_providers.scaleway import Scaleway


class ScalewaySession:
    """Reads and writes secrets from any number of threads. Settings are loaded once, on first use."""

    def __init__(self, options: "Scaleway", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._apis: Final[dict[Scope, SecretManager]] = {}

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return a secret's content: its fields if it is a JSON object, else one value."""
        (scope, place), wanted = paths.parse(path), paths.parse_revision(revision)
        api = self._open(scope)
        # A path that an earlier run applied has already passed this check.
        warnings = () if self._is_known(path) else tuple(metadata.guard(api, place, wanted.revision))
        answer = _accessed(api, place, wanted)
        if not isinstance(answer, Mapping):
            raise answer
        document = _document(answer, place, wanted, warnings)
        return document._replace(time=_created(api, place, answer)) if self._context.dated else document

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Add a revision after `expect`, or create the secret if that is None; older revisions stay."""
        from bridge_providers.scaleway.writing import write  # noqa: PLC0415 - most runs only read

        scope, place = paths.parse(path)
        return write(self._open(scope), place, document, expect)

    def versions(self, path: str) -> Iterable[StoredVersion]:
        """Return the revisions of a secret, newest first; no value is read."""
        scope, place = paths.parse(path)
        return metadata.listed(self._open(scope), place)

    def close(self) -> None:
        """Close the connections."""
        for api in list(self._apis.values()):
            api.close()

    def _open(self, scope: Scope) -> SecretManager:
        with self._lock:
            if scope not in self._apis:
                overrides = {name: text for name, text in scope._asdict().items() if text}
                options = type(self._options)(**(self._options._asdict() | overrides))
                self._apis[scope] = SecretManager(settings(options, self._context), self._context.deadline)
            return self._apis[scope]

    def _is_known(self, path: str) -> bool:
        with self._lock:
            return path in self._context.known()


def _accessed(api: SecretManager, place: Place, wanted: Requested) -> Mapping[str, Any] | ProviderError | Unavailable:
    """Return the access answer, or the error that explains its failure."""
    try:
        return api.access(place, wanted.revision)
    except Denied as error:
        return error
    except ProviderError as error:
        failure = error
    return metadata.explained(api, place, wanted.revision, failure)


def _created(api: SecretManager, place: Place, answer: Mapping[str, Any]) -> str:
    """Return when a revision was created, or an empty text if the API does not say: reading needs less permission."""
    try:
        created = api.version(answer["secret_id"], str(answer["revision"]), place).get("created_at")
    except (ProviderError, Unavailable):
        return ""
    return created if isinstance(created, str) else ""


def _document(answer: Mapping[str, Any], place: Place, wanted: Requested, warnings: tuple[Problem, ...]) -> Document:
    secret, number, kind = answer.get("secret_id"), answer.get("revision"), answer.get("type")
    if not (isinstance(secret, str) and paths.is_uuid(secret) and type(number) is int and number > 0):
        raise ProviderError("the API's answer does not name its secret and revision")
    if place.id not in {"", secret.lower()} or (wanted.revision.isdecimal() and int(wanted.revision) != number):
        raise ProviderError("the API returned a different secret or revision than requested")
    if not secret.startswith(wanted.secret):
        hint = "use a revision of the current secret: it was deleted and recreated, so its revisions restart at 1"
        raise NotFound("this revision belongs to an earlier secret with the same name", hint=hint)
    value = content.decode(answer.get("data"), answer.get("data_crc32"))
    shape = content.read(value, kind if isinstance(kind, str) else "")
    revision = Revision(paths.shown_revision(number, secret), number, secret.lower())
    return Document(shape, revision, warnings, value if kind == "opaque" and shape is not value else None)
