"""The text of an approved plan: JSON with a schema, in which every name is checked before a message shows it."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar

from bridge.config.names import is_dns_label, is_dns_subdomain, is_label_name, is_object_key
from bridge.exact_json import JsonError, Node, parse_json
from bridge.http.servers import split
from bridge.plan.approved import (
    ACTIONS,
    ALTERATIONS,
    KINDS,
    LONGEST,
    ApprovedPlan,
    EnvironmentRecord,
    ObjectRecord,
    SourceRecord,
    moment,
)
from bridge.plan.change_times import FORMAT
from bridge.secret import Kind, SecretValue

SCHEMA: Final = "bridge/approved-plan/v1"
_LONGEST: Final = 2000  # characters of a text; a path may have a few hundred
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}")
_FLAG: Final = re.compile(r"--(?:allow-shrink|allow-fallback|allow-older|prune)")
_RECREATE: Final = "--recreate "
_FIXED: Final = frozenset({"type", "immutable"})

Item = TypeVar("Item")


class ApprovedPlanError(Exception):
    """A text is not an approved plan; `str()` is the reason, without anything of the text."""


def encode(plan: ApprovedPlan) -> bytes:
    """Format a plan, the same for equal plans, so that its hash can be compared."""
    environments = {name: _environment(record) for name, record in plan.environments.items()}
    document = {"schema": SCHEMA, **plan._asdict(), "environments": environments}
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _environment(record: EnvironmentRecord) -> dict[str, Any]:
    sources = {name: source._asdict() for name, source in record.sources.items()}
    objects = {name: change._asdict() for name, change in record.objects.items()}
    return {**record._asdict(), "sources": sources, "objects": objects}


def decode(data: bytes) -> ApprovedPlan:
    """Parse a plan; ApprovedPlanError if it is not complete and valid."""
    reason = ""
    try:
        document = parse_json(data)
    except JsonError as error:
        reason = str(error)
    if reason:
        raise ApprovedPlanError(reason)
    return _plan(document)


def is_plan(data: bytes) -> bool:
    """Whether a text is a plan, of whichever version, so that a newer one may replace it."""
    try:
        document = parse_json(data)
    except JsonError:
        return False
    schema = document.get("schema") if isinstance(document, Mapping) else None
    return isinstance(schema, SecretValue) and schema.reveal().startswith(b"bridge/approved-plan/")


def _plan(document: Node) -> ApprovedPlan:
    if not isinstance(document, Mapping) or "schema" not in document:
        _fail("is not a plan of `bridge plan --out FILE`")
    if _text(document["schema"], "schema") != SCHEMA:
        _fail("has a schema of another version of bridge")
    fields = _object(document, "the plan", ("schema", *ApprovedPlan._fields))
    created, expires = (_time(fields[name], name) for name in ("created", "expires"))
    if not timedelta() < moment(expires) - moment(created) <= LONGEST:
        _fail(f"expires must be later than created, by {LONGEST.days} days at most")
    flags = tuple(_matching(flag, "flags", _is_flag) for flag in _list(fields["flags"], "flags"))
    environments = _named(fields["environments"], "environments", _is_text, _environment_record)
    if not environments:
        _fail("has no environments")
    return ApprovedPlan(created, expires, flags, environments)


def _environment_record(node: Node, where: str) -> EnvironmentRecord:
    fields = _object(node, where, EnvironmentRecord._fields)
    return EnvironmentRecord(
        id=_matching(fields["id"], f"{where}.id", is_dns_label),
        namespace=_matching(fields["namespace"], f"{where}.namespace", is_dns_label),
        namespace_uid=_matching(fields["namespace_uid"], f"{where}.namespace_uid", _is_uid),
        server=_matching(fields["server"], f"{where}.server", _is_url),
        files=_named(fields["files"], f"{where}.files", _is_text, _sha256),
        sources=_named(fields["sources"], f"{where}.sources", _is_text, _source),
        objects=_named(fields["objects"], f"{where}.objects", _is_object, _change),
    )


def _source(node: Node, where: str) -> SourceRecord:
    fields = _object(node, where, SourceRecord._fields)
    sha256 = _text(fields["sha256"], where)
    return SourceRecord(
        location=_named(fields["location"], where, _is_text, _text),
        addresses=tuple(_text(one, where) for one in _list(fields["addresses"], where)),
        revision=_text(fields["revision"], where),
        order=_order(fields["order"], where),
        series=_text(fields["series"], where),
        sha256=_sha256(fields["sha256"], where) if sha256 else "",
    )


def _change(node: Node, where: str) -> ObjectRecord:
    fields = _object(node, where, ObjectRecord._fields)
    uid = None if _is_null(fields["uid"]) else _matching(fields["uid"], where, _is_uid)
    action = _matching(fields["action"], where, ACTIONS.__contains__)
    return ObjectRecord(uid, action, _named(fields["fields"], where, _is_field, _kind))


def _fail(what: str) -> NoReturn:
    raise ApprovedPlanError(what)


def _object(node: Node, where: str, names: tuple[str, ...]) -> Mapping[str, Node]:
    """Return an object with exactly these fields."""
    if not isinstance(node, Mapping) or node.keys() != {*names}:
        _fail(f"{where} must be an object with {', '.join(names)} and nothing else")
    return node


def _named(
    node: Node, where: str, is_name: Callable[[str], bool], item: Callable[[Node, str], Item]
) -> Mapping[str, Item]:
    """Return an object with any number of fields, whose names are checked."""
    if not isinstance(node, Mapping) or not all(map(is_name, node)):
        _fail(f"invalid entry in {where}")
    return {name: item(child, where) for name, child in node.items()}


def _list(node: Node, where: str) -> tuple[Node, ...]:
    if isinstance(node, (SecretValue, Mapping)):
        _fail(f"{where} must be a list")
    return tuple(node)


def _text(node: Node, where: str) -> str:
    if isinstance(node, SecretValue) and node.kind is Kind.TEXT and _is_text(text := node.reveal().decode()):
        return text
    _fail(f"invalid entry in {where}")


def _matching(node: Node, where: str, is_valid: Callable[[str], object]) -> str:
    text = _text(node, where)
    if not is_valid(text):
        _fail(f"invalid entry in {where}")
    return text


def _sha256(node: Node, where: str) -> str:
    return _matching(node, where, _SHA256.fullmatch)


def _kind(node: Node, where: str) -> str:
    return _matching(node, where, _is_kind)


def _order(node: Node, where: str) -> int | None:
    if _is_null(node):
        return None
    if isinstance(node, SecretValue) and node.kind is Kind.NUMBER and _NUMBER.fullmatch(text := node.reveal().decode()):
        return int(text)
    _fail(f"invalid entry in {where}")


def _time(node: Node, where: str) -> str:
    text = _text(node, where)
    is_time = False
    with suppress(ValueError):  # raised below, because the parser's error contains the text
        is_time = moment(text).strftime(FORMAT) == text
    if not is_time:
        _fail(f"invalid entry in {where}")
    return text


def _is_null(node: Node) -> bool:
    return isinstance(node, SecretValue) and node.kind is Kind.NULL


def _is_text(text: str) -> bool:
    return len(text) <= _LONGEST and text.isprintable()


def _is_uid(text: str) -> bool:
    return _UID.fullmatch(text) is not None


def _is_url(text: str) -> bool:
    parts = split(text)
    return parts is not None and "@" not in parts.netloc


def _is_flag(text: str) -> bool:
    if text.startswith(_RECREATE):
        return _is_object(text.removeprefix(_RECREATE))
    return _FLAG.fullmatch(text) is not None


def _is_object(text: str) -> bool:
    kind, _, name = text.partition("/")
    return kind in {"Secret", "ConfigMap"} and is_dns_subdomain(name)


def _is_field(text: str) -> bool:
    section, _, name = text.partition(" ")
    is_name = {"key": is_object_key, "label": is_label_name, "annotation": is_label_name}.get(section)
    return is_name(name) if is_name else text in _FIXED


def _is_kind(text: str) -> bool:
    what, separator, altered = text.partition(", ")
    return what in KINDS and (not separator or altered in ALTERATIONS)
