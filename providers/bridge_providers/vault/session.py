"""One run's work with a Vault server."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
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
)
from bridge_providers.vault import answers, kv, methods, origin, paths, settings
from bridge_providers.vault.answers import Reply, Step
from bridge_providers.vault.credentials import Credentials
from bridge_providers.vault.identity import Identity
from bridge_providers.vault.kv import Engine
from bridge_providers.vault.paths import Place

if TYPE_CHECKING:
    from bridge_providers.vault import Vault
    from bridge_providers.vault.client import Client, Connection

UNVERIFIED: Final = Problem(
    "",
    "VAULT_SKIP_VERIFY is set: whoever answers at the server's address gets the token and gives the values",
    "unset it, and name the server's authority with ca_cert or VAULT_CACERT",
    warning=True,
)
OWN: Final = "cubbyhole"
"""An engine that every token has."""
CLOSING: Final = 1.5  # seconds for the requests that revoke tokens


class VaultSession:
    """Reads and writes documents, logged in once. `retries` and `timeout` are what Vault's own variables say.

    `notes` are what every reader should know of the connection, once there is one, and `warnings`, once the session is
    closed, what it could not give back.
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
        """Return a document: its latest version, or the one with this number."""
        version = paths.version_of(revision)
        place = paths.split(path, self._options.mount)
        engine = self._engine(place)
        place = _within(place, engine)
        if engine.version == 1 and version is not None:
            raise ProviderError("a KV engine of version 1 keeps no revisions", hint="leave the @ and the number out")
        return self._get(engine, place, version)

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Replace a document where `expect` is its latest version (None: where it has none), and read it back."""
        engine, place = self._writable(path)
        content = _only_mapping(document)
        reply = self._put(engine, place, content, expect)
        if kv.is_conflict(reply):
            raise Conflict("it was changed meanwhile", hint="read it again, then decide")
        if not reply.is_ok:
            raise answers.failure(reply)
        written = kv.revision_of(reply, answers.part(reply.body, "data"))
        found = self._get(engine, place, int(written.id))
        if not kv.same(_only_mapping(found), content):
            raise ProviderError(f"version {written.id} was written, but reads differently", hint="look at it in Vault")
        return written

    def rehearse(self, path: str, document: Document, *, expect: Revision | None) -> None:
        """Raise what `write` would raise: for the document's shape and numbers, and for what the token may not do.

        A token that may not ask for its own capabilities is told by the write itself.
        """
        engine, place = self._writable(path)
        kv.check_numbers(_only_mapping(document))
        step = kv.writing(engine, place.path)
        reply = self.ask(lambda client: kv.ask_capabilities(client, engine, place.path), step)
        if reply.is_ok and not kv.may_write(reply, is_new=expect is None):
            raise Denied(f"{self._named(step).what} is refused: {answers.DENIED}", hint=step.hint)

    def _writable(self, path: str) -> tuple[Engine, Place]:
        place = paths.split(path, self._options.mount)
        engine = self._engine(place)
        if engine.version == 1:
            raise ProviderError("a KV engine of version 1 is not written: it has no check-and-set")
        return engine, _within(place, engine)

    def close(self) -> None:
        """Revoke the tokens that this session was issued."""
        # Without a lock: a read may hold it, stuck.
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
            done = self._start().client().sys.revoke_lease(lease).is_ok
            fate = "was revoked at once" if done else "could not be revoked and ends by itself"
            what = f"it is no document but a credential with a lease, which {fate}"
            raise ProviderError(what, hint="only KV engines are read")
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
        # A document whose latest version is deleted does not exist for its readers, but counts for check-and-set.
        found = self.ask(lambda client: kv.get(client, engine, place.path, None), kv.reading(engine, place.path))
        latest = answers.text(found.body, "data", "metadata", "version")
        return put(int(latest)) if found.status == 404 and latest else reply

    def ask(self, ask: "Callable[[Client], Reply]", step: Step) -> Reply:
        """Send a request, and once more after a new login where the token is refused."""
        client, reply = self._asked(ask, step)
        if reply.is_ambiguous:
            # The question about a mount is for every token that is valid, whatever its policies are.
            whose = kv.ask_mount(client, OWN)
            return replace(reply, is_of_nobody=whose.is_ambiguous)
        return reply

    def _asked(self, ask: "Callable[[Client], Reply]", step: Step) -> "tuple[Client, Reply]":
        identity = self._start()
        client = identity.client()
        reply = ask(client)
        other = identity.after_refusal(client) if reply.refuses_us else None
        if other is not None:
            client, reply = other, ask(other)
        return client, replace(reply, step=self._named(step))

    def _named(self, step: Step) -> Step:
        """Name the server, and who we are there."""
        identity = self._start()
        return step._replace(what=f"{identity.address}: {step.what} as {identity.who}")

    def _start(self) -> Identity:
        """Load hvac and the settings, when first needed."""
        with self._lock:
            if self._identity is None:
                from bridge_providers.vault.client import Connection  # noqa: PLC0415 # hvac takes 0.2 s

                found = settings.load(self._options, self._context)
                self._check_certificate(found)
                self._connection = Connection(found, self._context.deadline)
                unverified = None if found.verify else UNVERIFIED
                self.notes = tuple(one for one in (unverified, paths.in_clear(found.address)) if one)
                identity = Identity(
                    self._connection,
                    methods.parse(self._options.auth),
                    Credentials(self._options, self._context, has_certificate=found.client_cert is not None),
                    namespace=found.namespace,
                    auth_namespace=found.auth_namespace,
                )
                self._identity = identity
                if self._closed:  # and `close` may have come too early to see it
                    identity.close()
            return self._identity

    def _check_certificate(self, found: settings.Settings) -> None:
        """Refuse to show our certificate to a server that the trust file does not list for it."""
        if found.client_cert is None:
            return
        problem = origin.untrusted_certificate(found.client_cert, found.address, self._options, self._context)
        if problem:
            raise Denied(problem.what, hint=problem.hint)

    def _engine(self, place: Place) -> Engine:
        """Return the engine of a document: from the section where that is safe, else from the server, once for each."""
        version = self._options.kv_version
        # Below data/ no other kind of engine issues anything, so version 2 needs no look at the kind.
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
        # A token that may not ask will be told by the read itself why.
        return known or Engine(place.mount or place.path.partition("/")[0], version or 2)


def _within(place: Place, engine: Engine) -> Place:
    """Return where a document is within its engine."""
    if place.mount != engine.mount:
        whole = f"{place.mount}/{place.path}" if place.mount else place.path
        if whole == engine.mount:
            raise ProviderError("the path names a mount alone")
        place = Place(engine.mount, whole.removeprefix(f"{engine.mount}/"), in_full=True)
    return place._replace(path=paths.without_infix(place)) if engine.version == 2 else place


def _only_mapping(document: Document) -> Mapping[str, Node]:
    if isinstance(document.content, tuple) and len(document.content) == 1:
        return document.content[0]
    raise ProviderError("only a document that is one mapping can be written")
