"""Read and write documents on a Vault server during one run."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from bridge.provider import (
    Conflict,
    Context,
    Denied,
    Document,
    Node,
    Problem,
    ProviderError,
    Revision,
    StoredVersion,
)
from bridge_providers.vault import answers, kv, methods, origin, paths, settings
from bridge_providers.vault.answers import Reply, Step
from bridge_providers.vault.credentials import VaultCredentials
from bridge_providers.vault.identity import Identity
from bridge_providers.vault.kv import Engine
from bridge_providers.vault.paths import Place

if TYPE_CHECKING:
    from bridge_providers.vault import Vault
    from bridge_providers.vault.client import Client, Connection

UNVERIFIED: Final = Problem(
    "",
    "VAULT_SKIP_VERIFY is set: any server at this address can take the token and supply the values",
    "unset it, and set ca_cert or VAULT_CACERT to the server's CA",
    warning=True,
)
OWN: Final = "cubbyhole"
"""An engine that every token has."""
CLOSING: Final = 1.5  # seconds for the requests that revoke tokens


class VaultSession:
    """Reads and writes documents with one login. `retries` and `timeout` come from Vault's own variables.

    Once connected, `notes` holds warnings about the connection. Once closed, `warnings` names the tokens that could not
    be revoked.
    """

    def __init__(self, options: "Vault", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self.retries: Final = settings.retries(context.environ)
        self.timeout: Final = settings.timeout(context.environ)
        self._lock: Final = threading.Lock()
        self._asking: Final = threading.Lock()
        self._closed = False
        self._connection: Connection | None = None
        self._identity: Identity | None = None
        self.notes: tuple[Problem, ...] = ()
        self.warnings: tuple[Problem, ...] = ()
        self._engines: dict[str, Engine] = {}

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return the latest version of a document, or the version with this number."""
        version = paths.version_of(revision)
        place = paths.split(path, self._options.mount)
        engine = self._engine(place)
        place = _within(place, engine)
        if engine.version == 1 and version is not None:
            raise ProviderError("a KV engine of version 1 keeps no revisions", hint="remove the @ and the number")
        return self._get(engine, place, version)

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Replace a document if `expect` is its latest version (None if it has none), and read it back."""
        engine, place = self._writable(path)
        content = _only_mapping(document)
        reply = self._put(engine, place, content, expect)
        if kv.is_conflict(reply):
            raise Conflict("another client changed it in the meantime", hint="read it again, then decide")
        if not reply.is_ok:
            raise answers.failure(reply)
        written = kv.revision_of(reply, answers.part(reply.body, "data"))
        stored = self._get(engine, place, int(written.id))
        if not kv.same(_only_mapping(stored), content):
            raise ProviderError(
                f"version {written.id} was written, but reads back differently",
                hint="compare it with the value you set",
            )
        return written

    def rehearse(self, path: str, document: Document, *, expect: Revision | None) -> None:
        """Raise what `write` would raise for the document's shape and numbers, and for missing permissions.

        If the token may not ask for its own capabilities, only the write itself shows whether it may write.
        """
        engine, place = self._writable(path)
        kv.check_numbers(_only_mapping(document))
        step = kv.writing(engine, place.path)
        reply = self.ask(lambda client: kv.ask_capabilities(client, engine, place.path), step)
        if reply.is_ok and not kv.may_write(reply, is_new=expect is None):
            raise Denied(f"{self._named(step).what} failed: {answers.DENIED}", hint=step.hint)

    def versions(self, path: str) -> Iterable[StoredVersion]:
        """Return the versions of a document, newest first; none in an engine that keeps none."""
        place = paths.split(path, self._options.mount)
        engine = self._engine(place)
        if engine.version == 1:
            return ()
        place = _within(place, engine)
        step = kv.listing(engine, place.path)
        return kv.versions(self.ask(lambda client: kv.get_metadata(client, engine, place.path), step), engine)

    def _writable(self, path: str) -> tuple[Engine, Place]:
        place = paths.split(path, self._options.mount)
        engine = self._engine(place)
        if engine.version == 1:
            raise ProviderError("cannot write to a KV engine of version 1: it has no check-and-set")
        return engine, _within(place, engine)

    def close(self) -> None:
        """Revoke the tokens that were issued to this session."""
        # Take no lock: a read that hangs may hold it.
        self._closed = True
        identity, connection = self._identity, self._connection
        if identity is not None and connection is not None:
            connection.allow(CLOSING)
            identity.close()
            connection.close()
            self.warnings = tuple(dict.fromkeys(identity.left))

    def _get(self, engine: Engine, place: Place, version: int | None) -> Document:
        reply = self.ask(lambda client: kv.get(client, engine, place.path, version), kv.reading(engine, place.path))
        lease = kv.lease_of(reply)
        if lease:
            is_revoked = self._start().client().sys.revoke_lease(lease).is_ok
            fate = "was revoked at once" if is_revoked else "could not be revoked and will expire"
            raise ProviderError(f"it is a credential with a lease, which {fate}", hint="use a path in a KV engine")
        return kv.document(reply, engine, version, self.notes)

    def _put(self, engine: Engine, place: Place, content: Mapping[str, Node], expect: Revision | None) -> Reply:
        def put(expected: int) -> Reply:
            step = kv.writing(engine, place.path)
            return self.ask(lambda client: kv.put(client, engine, place.path, content, expected), step)

        if expect is not None:
            return put(paths.version_of(expect.id) or 0)
        reply = put(0)
        if not kv.is_conflict(reply):
            return reply
        # If the latest version is deleted, readers get 404, but check-and-set still counts that version.
        current = self.ask(lambda client: kv.get(client, engine, place.path, None), kv.reading(engine, place.path))
        latest = answers.text(current.body, "data", "metadata", "version")
        return put(int(latest)) if current.status == 404 and latest else reply

    def ask(self, ask: "Callable[[Client], Reply]", step: Step) -> Reply:
        """Send a request; if the token is refused, log in again and send it once more."""
        client, reply = self._asked(ask, step)
        if reply.is_ambiguous:
            # Every valid token may ask about this mount, whatever its policies.
            about_mount = kv.ask_mount(client, OWN)
            return reply._replace(is_token_unknown=about_mount.is_ambiguous)
        return reply

    def _asked(self, ask: "Callable[[Client], Reply]", step: Step) -> "tuple[Client, Reply]":
        identity = self._start()
        client = identity.client()
        reply = ask(client)
        renewed = identity.after_refusal(client) if reply.refuses_us else None
        if renewed is not None:
            client, reply = renewed, ask(renewed)
        return client, reply._replace(step=self._named(step))

    def _named(self, step: Step) -> Step:
        """Add the server and our identity to the step's description."""
        identity = self._start()
        return step._replace(what=f"{identity.address}: {step.what} as {identity.who}")

    def _start(self) -> Identity:
        """Load hvac and the settings on first use."""
        with self._lock:
            if self._identity is None:
                from bridge_providers.vault.client import Connection  # noqa: PLC0415 - hvac takes 0.2 s

                loaded = settings.load(self._options, self._context)
                self._check_certificate(loaded)
                self._connection = Connection(loaded, self._context.deadline)
                unverified = None if loaded.verify else UNVERIFIED
                self.notes = tuple(one for one in (unverified, paths.in_clear(loaded.address)) if one)
                identity = Identity(
                    self._connection,
                    methods.parse(self._options.auth),
                    VaultCredentials(self._options, self._context, has_certificate=loaded.client_cert is not None),
                    namespace=loaded.namespace,
                    auth_namespace=loaded.auth_namespace,
                )
                self._identity = identity
                if self._closed:  # `close` ran before the identity existed
                    identity.close()
            return self._identity

    def _check_certificate(self, loaded: settings.Settings) -> None:
        """Raise Denied if the trust file does not list the server for our client certificate."""
        if loaded.client_cert is None:
            return
        problem = origin.untrusted_certificate(loaded.client_cert, loaded.address, self._options, self._context)
        if problem:
            raise Denied(problem.what, hint=problem.hint)

    def _engine(self, place: Place) -> Engine:
        """Return a document's engine: from the section if that is safe, else from the server, once for each engine."""
        version = self._options.kv_version
        # No other engine issues credentials below data/, so version 2 needs no check of the engine's type.
        if place.mount and version == 2:
            return Engine(place.mount, 2)
        path = f"{place.mount}/" if place.mount else place.path
        with self._asking:
            known = next((one for mount, one in self._engines.items() if path.startswith(f"{mount}/")), None)
            if known is None:
                _, reply = self._asked(
                    lambda client: kv.ask_mount(client, path.rstrip("/")), Step(f"finding the engine of {path}")
                )
                known = kv.engine_of(reply)
                if known is not None:
                    known = Engine(known.mount, version or known.version)
                    self._engines[known.mount] = known
        # If the token may not ask, the read itself shows the reason.
        return known or Engine(place.mount or place.path.partition("/")[0], version or 2)


def _within(place: Place, engine: Engine) -> Place:
    """Return a document's place within its engine."""
    if place.mount != engine.mount:
        whole = f"{place.mount}/{place.path}" if place.mount else place.path
        if whole == engine.mount:
            raise ProviderError("the path names only a mount")
        place = Place(engine.mount, whole.removeprefix(f"{engine.mount}/"), in_full=True)
    return place._replace(path=paths.without_infix(place)) if engine.version == 2 else place


def _only_mapping(document: Document) -> Mapping[str, Node]:
    if isinstance(document.content, tuple) and len(document.content) == 1:
        return document.content[0]
    raise ProviderError("the document to write must be a single mapping")
