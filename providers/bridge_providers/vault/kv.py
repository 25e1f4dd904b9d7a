"""KV engines: which version one has, what a document's answer means, and how one is written.

The answers are those of https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 (and kv-v1).
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from bridge.provider import (
    Denied,
    Document,
    JsonError,
    Kind,
    Node,
    NotFound,
    Problem,
    ProviderError,
    Revision,
    SecretValue,
    dump_json,
)
from bridge_providers.vault import answers
from bridge_providers.vault.answers import Reply, Step, part, text

if TYPE_CHECKING:
    from bridge_providers.vault.client import Client

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
UNVERSIONED: Final = Revision("unversioned")
"""The revision of every document of a version 1 engine: it keeps none, and no time either."""


FLOAT_DIGITS: Final = 15
"""So many significant digits survive a float64, whatever they are (IEEE 754)."""


class Engine(NamedTuple):
    """A KV engine: where it is mounted, and its version, 1 or 2."""

    mount: str
    version: int


def ask_mount(client: "Client", path: str) -> Reply:
    """Ask which engine a path belongs to, as `vault kv` does; every token that may read there may ask."""
    return client.adapter.get(f"/v1/sys/internal/ui/mounts/{quote(path)}")  # type: ignore[no-any-return]


def engine_of(reply: Reply) -> Engine | None:
    """Return the engine that the server names, None where it will not say; ProviderError for another kind."""
    mount, kind = text(reply.body, "data", "path").strip("/"), text(reply.body, "data", "type")
    if not reply.is_ok:
        error = answers.failure(reply)
        if isinstance(error, (Denied, NotFound)):
            return None
        # Temporary, above all: a guess could turn that into a document that is not there.
        raise error
    if not mount:
        return None
    if kind not in {"kv", "generic"}:  # the latter is what version 1 was called before 0.8
        what = f"{mount} is an engine of type {kind}, and only KV engines are read"
        raise ProviderError(what, hint="reading there would issue a credential with a lease, one for each run")
    return Engine(mount, 2 if text(reply.body, "data", "options", "version") == "2" else 1)


def reading(engine: Engine, path: str) -> Step:
    """Return the step of reading a document, and what a policy needs for it."""
    return _step("reading", _place(engine, path), "read")


def writing(engine: Engine, path: str) -> Step:
    """Return the step of writing a document, and what a policy needs for it."""
    return _step("writing", _place(engine, path), "create", "update")


def _place(engine: Engine, path: str) -> str:
    return f"{engine.mount}/data/{path}" if engine.version == 2 else f"{engine.mount}/{path}"


def _step(verb: str, place: str, *capabilities: str) -> Step:
    return Step(f"{verb} {place}", answers.grant(place, *capabilities))


def get(client: "Client", engine: Engine, path: str, version: int | None) -> Reply:
    """Ask for a document."""
    if engine.version == 1:
        return client.secrets.kv.v1.read_secret(path, engine.mount)  # type: ignore[no-any-return]
    return client.secrets.kv.v2.read_secret_version(  # type: ignore[no-any-return]
        path, version, engine.mount, raise_on_deleted_version=True
    )


def document(reply: Reply, engine: Engine, version: int | None, warnings: tuple[Problem, ...] = ()) -> Document:
    """Make a document of an answer; raises NotFound and what `answers.failure` knows."""
    if reply.status == 404:
        raise _missing(reply, engine, version)
    if not reply.is_ok:
        raise answers.failure(reply)
    metadata = part(reply.body, "data", "metadata") if engine.version == 2 else None
    content = part(reply.body, "data", "data") if engine.version == 2 else part(reply.body, "data")
    if not isinstance(content, Mapping):
        raise _gone(metadata) or answers.foreign(reply, hint="check the address and kv_version")
    if engine.version == 1:
        return Document((content,), UNVERSIONED, warnings)
    return Document((content,), revision_of(reply, metadata), (*warnings, *_rounded(content)))


def _rounded(content: Mapping[str, Node]) -> Iterator[Problem]:
    """Warn of numbers that version 2 may have changed: it keeps each as a float64, whatever was written."""
    for name, child in content.items():
        if any(len(_digits(leaf)) > FLOAT_DIGITS for leaf in _numbers(child)):
            what = f"field {name} holds a number with more digits than Vault's KV version 2 keeps; it may be rounded"
            yield Problem("", what, "store it as text", warning=True)


def _numbers(node: Node) -> Iterator[SecretValue]:
    if isinstance(node, SecretValue):
        if node.kind is Kind.NUMBER:
            yield node
        return
    for child in node.values() if isinstance(node, Mapping) else node:
        yield from _numbers(child)


def _is_kept(number: SecretValue) -> bool:
    """Say whether a number comes back as it is: as Go writes a float64."""
    text_of = number.reveal().decode()
    value = float(text_of)
    return text_of == (str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value))


def _digits(number: SecretValue) -> bytes:
    """Return a number's significant digits."""
    mantissa = number.reveal().lower().partition(b"e")[0]
    return mantissa.replace(b".", b"").lstrip(b"-0").rstrip(b"0")


def lease_of(reply: Reply) -> str:
    """Return the lease that an answer brought along; KV engines issue none."""
    return text(reply.body, "lease_id")


def revision_of(reply: Reply, metadata: Node | None) -> Revision:
    """Return a version's number, ordered by when it was made: numbers begin again once a document was removed."""
    number, made = text(metadata, "version"), nanoseconds(text(metadata, "created_time"))
    if not number or made is None:
        raise answers.foreign(reply, " (a version without number or time)")
    return Revision(number, made)


def nanoseconds(moment: str) -> int | None:
    """Return an RFC 3339 time as nanoseconds since 1970, all digits kept; None for anything else."""
    match = _TIME.fullmatch(moment)
    if match is None:
        return None
    seconds = dt.datetime.fromisoformat(match[1] + match[3]) - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * 10**9 + int((match[2] or "").ljust(9, "0"))


def _missing(reply: Reply, engine: Engine, version: int | None) -> Exception:
    """Tell apart why a document is not there: gone, never there, or no engine that would know."""
    gone = _gone(part(reply.body, "data", "metadata"))
    if gone is not None:
        return gone
    error = answers.failure(reply)
    if not isinstance(error, NotFound):
        return error
    if reply.errors:
        return NotFound(f"no engine of that kind is mounted at {engine.mount}")
    if version is not None:
        return NotFound(f"there is no version {version} of it, or no such document at all")
    if part(reply.body, "warnings"):
        hint = f"{engine.mount} may be an engine of the other version: give kv_version, or let it be asked"
        return NotFound("no such document", hint=hint)
    return NotFound("no such document")


def _gone(metadata: Node | None) -> NotFound | None:
    """Return the error for a version whose metadata is all that is left, or None where there is none."""
    if not isinstance(metadata, Mapping):
        return None
    number = text(metadata, "version")
    if text(metadata, "destroyed") == "true":
        return NotFound(f"version {number} is destroyed", hint="write the document anew")
    moment = text(metadata, "deletion_time")
    return NotFound(f"version {number} was deleted at {moment}", hint="`vault kv undelete` brings it back")


def ask_capabilities(client: "Client", engine: Engine, path: str) -> Reply:
    """Ask what the token may do with a document; the `default` policy lets every token ask that of itself."""
    asked = {"paths": [_place(engine, path)]}
    return client.adapter.post("/v1/sys/capabilities-self", json=asked)  # type: ignore[no-any-return]


def may_write(reply: Reply, *, is_new: bool) -> bool:
    """Return whether the capabilities in an answer admit the first version (`is_new`), or another one."""
    listed = part(reply.body, "data", "capabilities") or part(reply.body, "capabilities")
    leaves = listed if isinstance(listed, Sequence) else ()
    found = {leaf.reveal() for leaf in leaves if isinstance(leaf, SecretValue)}
    # What cannot be read is no refusal: the write itself will tell.
    return not found or not found.isdisjoint({b"root", b"create" if is_new else b"update"})


def check_numbers(content: Mapping[str, Node]) -> None:
    """Raise ProviderError for a number that version 2 would write in another way."""
    for name, child in content.items():
        if not all(map(_is_kept, _numbers(child))):
            what = f"field {name} holds a number that Vault's KV version 2 would not keep as it is written"
            raise ProviderError(what, hint="store it as text")


def put(client: "Client", engine: Engine, path: str, content: Mapping[str, Node], expected: int) -> Reply:
    """Write a version where the current one is `expected`, or (0) none is."""
    check_numbers(content)
    # Not hvac's own method: it would write the numbers anew.
    body = b'{"options":{"cas":%d},"data":%s}' % (expected, _written(content))
    headers = {"Content-Type": "application/json"}
    url = f"/v1/{quote(engine.mount)}/data/{quote(path)}"
    return client.adapter.post(url, data=body, headers=headers)  # type: ignore[no-any-return]


def _written(content: Mapping[str, Node]) -> bytes:
    try:
        return dump_json(content).encode()
    except JsonError as error:
        raise ProviderError(str(error), hint=error.hint) from None


def is_conflict(reply: Reply) -> bool:
    """Say whether the current version was not the expected one."""
    return reply.status == 400 and "check-and-set" in reply.errors


def same(one: Node, other: Node) -> bool:
    """Compare two trees, leaf by leaf, their kinds too."""
    if isinstance(one, SecretValue) or isinstance(other, SecretValue):
        both = isinstance(one, SecretValue) and isinstance(other, SecretValue)
        return both and one.kind is other.kind and one.same_as(other)  # type: ignore[union-attr, arg-type]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(child, other[name]) for name, child in one.items())
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one) == len(other) and all(map(same, one, other))
    return False
