"""KV engines: find the version, turn an answer into a document, and write a document.

The answers are specified in https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 (and kv-v1).
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from bridge.named_tuple import NamedTuple
from bridge.provider import (
    UNVERSIONED,
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
    StoredVersion,
    dump_json,
)
from bridge_providers.vault import answers
from bridge_providers.vault.answers import Reply, Step, part, text

if TYPE_CHECKING:
    from bridge_providers.vault.client import Client

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FLOAT_DIGITS: Final = 15
"""A float64 keeps any number of up to this many significant digits (IEEE 754)."""


class Engine(NamedTuple):
    """A KV engine: its mount and its version (1 or 2)."""

    mount: str
    version: int


def ask_mount(client: "Client", path: str) -> Reply:
    """Ask which engine a path belongs to, as `vault kv` does; any token that may read the path may ask this."""
    return client.adapter.get(f"/v1/sys/internal/ui/mounts/{quote(path)}")  # type: ignore[no-any-return]


def engine_of(reply: Reply) -> Engine | None:
    """Return the engine that the server names, or None if it does not say; ProviderError if it is no KV engine."""
    mount, kind = text(reply.body, "data", "path").strip("/"), text(reply.body, "data", "type")
    if not reply.is_ok:
        error = answers.failure(reply)
        if isinstance(error, (Denied, NotFound)):
            return None
        # Raise it, above all a temporary failure: a guessed engine could report a document as missing.
        raise error
    if not mount:
        return None
    if kind not in {"kv", "generic"}:  # before 0.8, version 1 was called "generic"
        # Reading from a dynamic engine would issue a credential with a lease in each run.
        raise ProviderError(f"{mount} is an engine of type {kind}", hint="use a path in a KV engine")
    return Engine(mount, 2 if text(reply.body, "data", "options", "version") == "2" else 1)


def reading(engine: Engine, path: str) -> Step:
    """Return the step for reading a document, with the policy that it needs."""
    return _step("reading", _place(engine, path), "read")


def writing(engine: Engine, path: str) -> Step:
    """Return the step for writing a document, with the policy that it needs."""
    return _step("writing", _place(engine, path), "create", "update")


def listing(engine: Engine, path: str) -> Step:
    """Return the step for listing a document's versions, with the policy that it needs."""
    return _step("listing the versions of", f"{engine.mount}/metadata/{path}", "read")


def get_metadata(client: "Client", engine: Engine, path: str) -> Reply:
    """Request what version 2 knows about a document's versions, without a value."""
    return client.secrets.kv.v2.read_secret_metadata(path, engine.mount)  # type: ignore[no-any-return]


def versions(reply: Reply, engine: Engine) -> tuple[StoredVersion, ...]:
    """Return the versions in an answer, newest first; raise NotFound or the error from `answers.failure`."""
    if reply.status == 404:
        raise _missing(reply, engine, None)
    if not reply.is_ok:
        raise answers.failure(reply)
    listed = part(reply.body, "data", "versions")
    if not isinstance(listed, Mapping):
        raise answers.foreign(reply, " (it lists no versions)")
    numbers = sorted((name for name in listed if name.isascii() and name.isdecimal()), key=int, reverse=True)
    return tuple(StoredVersion(name, _moment(listed[name], "created_time"), _state(listed[name])) for name in numbers)


def _moment(version: Node, name: str) -> str:
    moment = text(version, name)
    return moment if _TIME.fullmatch(moment) else ""


def _state(version: Node) -> str:
    if text(version, "destroyed") == "true":
        return "destroyed"
    return "deleted" if _moment(version, "deletion_time") else ""


def _place(engine: Engine, path: str) -> str:
    return f"{engine.mount}/data/{path}" if engine.version == 2 else f"{engine.mount}/{path}"


def _step(verb: str, place: str, *capabilities: str) -> Step:
    return Step(f"{verb} {place}", answers.grant(place, *capabilities))


def get(client: "Client", engine: Engine, path: str, version: int | None) -> Reply:
    """Request a document."""
    if engine.version == 1:
        return client.secrets.kv.v1.read_secret(path, engine.mount)  # type: ignore[no-any-return]
    return client.secrets.kv.v2.read_secret_version(  # type: ignore[no-any-return]
        path, version, engine.mount, raise_on_deleted_version=True
    )


def document(reply: Reply, engine: Engine, version: int | None, warnings: tuple[Problem, ...] = ()) -> Document:
    """Turn an answer into a document; raise NotFound or the error from `answers.failure`."""
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
    revision = revision_of(reply, metadata)
    return Document((content,), revision, (*warnings, *_rounded(content)), time=text(metadata, "created_time"))


def _rounded(content: Mapping[str, Node]) -> Iterator[Problem]:
    """Warn about numbers that version 2 may have changed, because it stores every number as a float64."""
    for name, child in content.items():
        if any(len(_digits(leaf)) > FLOAT_DIGITS for leaf in _numbers(child)):
            message = f"field {name}: the number has more digits than KV version 2 keeps and may be rounded"
            yield Problem("", message, "store it as a string", warning=True)


def _numbers(node: Node) -> Iterator[SecretValue]:
    if isinstance(node, SecretValue):
        if node.kind is Kind.NUMBER:
            yield node
        return
    for child in node.values() if isinstance(node, Mapping) else node:
        yield from _numbers(child)


def _is_kept(number: SecretValue) -> bool:
    """Return whether a number comes back unchanged: it is written as Go writes a float64."""
    text_of = number.reveal().decode()
    value = float(text_of)
    return text_of == (str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value))


def _digits(number: SecretValue) -> bytes:
    """Return a number's significant digits."""
    mantissa = number.reveal().lower().partition(b"e")[0]
    return mantissa.replace(b".", b"").lstrip(b"-0").rstrip(b"0")


def lease_of(reply: Reply) -> str:
    """Return the answer's lease ID; KV engines issue none."""
    return text(reply.body, "lease_id")


def revision_of(reply: Reply, metadata: Node | None) -> Revision:
    """Return a version's number, ordered by creation time: numbers restart if a document is removed and recreated."""
    number, created = text(metadata, "version"), nanoseconds(text(metadata, "created_time"))
    if not number or created is None:
        raise answers.foreign(reply, " (the version has no number or time)")
    return Revision(number, created)


def nanoseconds(moment: str) -> int | None:
    """Return an RFC 3339 time as nanoseconds since 1970, with all its digits, or None if it is anything else."""
    match = _TIME.fullmatch(moment)
    if match is None:
        return None
    seconds = dt.datetime.fromisoformat(match[1] + match[3]) - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * 10**9 + int((match[2] or "").ljust(9, "0"))


def _missing(reply: Reply, engine: Engine, version: int | None) -> Exception:
    """Return the error for a missing document: deleted, never written, or no such engine."""
    gone = _gone(part(reply.body, "data", "metadata"))
    if gone is not None:
        return gone
    error = answers.failure(reply)
    if not isinstance(error, NotFound):
        return error
    if reply.errors:
        return NotFound(f"no KV engine of this version is mounted at {engine.mount}")
    if version is not None:
        return NotFound(f"the document or its version {version} does not exist")
    if part(reply.body, "warnings"):
        hint = f"set or remove kv_version: {engine.mount} may be an engine of the other version"
        return NotFound("the document does not exist", hint=hint)
    return NotFound("the document does not exist")


def _gone(metadata: Node | None) -> NotFound | None:
    """Return the error for a version of which only the metadata remain, or None if there are no metadata."""
    if not isinstance(metadata, Mapping):
        return None
    number = text(metadata, "version")
    if text(metadata, "destroyed") == "true":
        return NotFound(f"version {number} is destroyed", hint="write the document again")
    moment = text(metadata, "deletion_time")
    return NotFound(f"version {number} was deleted at {moment}", hint="restore it with `vault kv undelete`")


def ask_capabilities(client: "Client", engine: Engine, path: str) -> Reply:
    """Ask what the token may do with a document; the `default` policy lets every token ask about itself."""
    body = {"paths": [_place(engine, path)]}
    return client.adapter.post("/v1/sys/capabilities-self", json=body)  # type: ignore[no-any-return]


def may_write(reply: Reply, *, is_new: bool) -> bool:
    """Return whether the capabilities in an answer allow the first version (`is_new`) or a further version."""
    listed = part(reply.body, "data", "capabilities") or part(reply.body, "capabilities")
    leaves = listed if isinstance(listed, Sequence) else ()
    capabilities = {leaf.reveal() for leaf in leaves if isinstance(leaf, SecretValue)}
    # An answer that cannot be parsed is not a refusal; the write itself will show.
    return not capabilities or not capabilities.isdisjoint({b"root", b"create" if is_new else b"update"})


def check_numbers(content: Mapping[str, Node]) -> None:
    """Raise ProviderError for a number that version 2 would change."""
    for name, child in content.items():
        if not all(map(_is_kept, _numbers(child))):
            message = f"field {name}: KV version 2 would change how this number is written"
            raise ProviderError(message, hint="store it as a string")


def put(client: "Client", engine: Engine, path: str, content: Mapping[str, Node], expected: int) -> Reply:
    """Write a version if the current version is `expected`; 0 means that none exists."""
    check_numbers(content)
    # Do not use hvac's own method: it would reformat the numbers.
    body = b'{"options":{"cas":%d},"data":%s}' % (expected, _encoded(content))
    headers = {"Content-Type": "application/json"}
    url = f"/v1/{quote(engine.mount)}/data/{quote(path)}"
    return client.adapter.post(url, data=body, headers=headers)  # type: ignore[no-any-return]


def _encoded(content: Mapping[str, Node]) -> bytes:
    try:
        return dump_json(content).encode()
    except JsonError as error:
        raise ProviderError(str(error), hint=error.hint) from None


def is_conflict(reply: Reply) -> bool:
    """Return whether the current version was not the expected one."""
    return reply.status == 400 and "check-and-set" in reply.errors


def same(left: Node, right: Node) -> bool:
    """Return whether two trees have equal leaves of the same kinds."""
    if isinstance(left, SecretValue) or isinstance(right, SecretValue):
        both = isinstance(left, SecretValue) and isinstance(right, SecretValue)
        return both and left.kind is right.kind and left.same_as(right)  # type: ignore[union-attr, arg-type]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(child, right[name]) for name, child in left.items())
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return len(left) == len(right) and all(map(same, left, right))
    return False
