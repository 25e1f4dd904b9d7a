"""Validate objects that could be decoded (k8s.io/kubernetes, pkg/apis/core/validation)."""

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bridge.testing.kinds import Kind, Object
from bridge.testing.status import Cause

MAX_DATA: Final = 1024 * 1024
MAX_ANNOTATIONS: Final = 256 * 1024
_KEY = "[-._a-zA-Z0-9]+"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_ALNUM = "and must start and end with an alphanumeric character"
KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY}')"
)
SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    f"{_ALNUM} (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    f"{_ALNUM} (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
NAME_RULE: Final = (
    f"name part must consist of alphanumeric characters, '-', '_' or '.', {_ALNUM} "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
VALUE_RULE: Final = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ALNUM} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_QUALIFIED})?')"
)
FROZEN: Final = "Forbidden: field is immutable when `immutable` is set"
# Types that require certain keys; pkg/apis/core/types.go.
REQUIRED_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
JSON_TYPES: Final = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
ACCOUNT: Final = "kubernetes.io/service-account.name"


def created(kind: Kind, new: Object) -> list[Cause]:
    """Return the problems of a new object."""
    return [*_metadata(kind, new["metadata"]), *_content(kind, new)]


def updated(kind: Kind, old: Object, new: Object) -> list[Cause]:
    """Return the problems of an object that replaces another."""
    causes = [*_metadata(kind, new["metadata"]), *_frozen(kind, old, new), *_content(kind, new)]
    uid = new["metadata"]["uid"]
    if uid != old["metadata"]["uid"]:
        # The real server reports this twice: once for the object's metadata, once for the kind's.
        causes[:0] = [_invalid("metadata.uid", uid, "field is immutable")] * 2
    return causes


def _metadata(kind: Kind, meta: Mapping[str, Any]) -> Iterator[Cause]:
    name = meta.get("name", "")
    rule, pattern = (SUBDOMAIN_RULE, _SUBDOMAIN) if kind.namespaced else (LABEL_RULE, _LABEL)
    if not name:
        yield Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
    elif len(name) > (253 if kind.namespaced else 63):
        yield _invalid("metadata.name", name, f"must be no more than {253 if kind.namespaced else 63} bytes")
    elif not re.fullmatch(pattern, name):
        yield _invalid("metadata.name", name, rule)
    for key, value in sorted(meta.get("labels", {}).items()):
        yield from (_invalid("metadata.labels", key, message) for message in _name_problems(key))
        yield from (_invalid("metadata.labels", value, message) for message in _value_problems(value))
    notes = meta.get("annotations", {})
    for key in sorted(notes):
        yield from (_invalid("metadata.annotations", key, message) for message in _name_problems(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in notes.items()) > MAX_ANNOTATIONS:
        yield _too_long("metadata.annotations", MAX_ANNOTATIONS)


def _content(kind: Kind, new: Object) -> Iterator[Cause]:
    match kind.resource.kind:
        case "Secret":
            yield from _secret(new)
        case "ConfigMap":
            yield from _config_map(new)
        case "Lease":
            yield from _lease(new.get("spec", {}))
        case _:
            pass


def _secret(new: Object) -> Iterator[Cause]:
    data = {key: base64.b64decode(value) for key, value in new.get("data", {}).items()}
    yield from _keys("data", data)
    if sum(map(len, data.values())) > MAX_DATA:
        yield _too_long("data", MAX_DATA)
    yield from _typed_keys(new["type"], data)
    notes = new["metadata"].get("annotations", {})
    if new["type"] == "kubernetes.io/service-account-token" and not notes.get(ACCOUNT):
        yield Cause("FieldValueRequired", "Required value", f"metadata.annotations[{ACCOUNT}]")


def _typed_keys(type_: str, data: Mapping[str, bytes]) -> Iterator[Cause]:
    required = REQUIRED_KEYS.get(type_, ())
    if type_ == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        required = ("username", "password")
    for key in required:
        if key not in data:
            yield Cause("FieldValueRequired", "Required value", f"data[{key}]")
        elif type_ in JSON_TYPES and not _is_json(data[key]):
            yield _invalid(f"data[{key}]", "<secret contents redacted>", "invalid JSON")


def _config_map(new: Object) -> Iterator[Cause]:
    data = {key: value.encode() for key, value in new.get("data", {}).items()}
    binary = {key: base64.b64decode(value) for key, value in new.get("binaryData", {}).items()}
    yield from _keys("data", data)
    for key in sorted(data.keys() & binary.keys()):
        yield _invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys("binaryData", binary)
    if sum(map(len, [*data.values(), *binary.values()])) > MAX_DATA:
        yield _too_long("[]", MAX_DATA)


def _lease(spec: Mapping[str, Any]) -> Iterator[Cause]:
    if spec.get("leaseDurationSeconds", 1) <= 0:
        yield _number("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
    if spec.get("leaseTransitions", 0) < 0:
        yield _number("spec.leaseTransitions", spec["leaseTransitions"], "must be greater than or equal to 0")


def _frozen(kind: Kind, old: Object, new: Object) -> Iterator[Cause]:
    if kind.resource.kind == "Secret" and old["type"] != new["type"]:
        yield _invalid("type", new["type"], "field is immutable")
    if old.get("immutable"):
        if not new.get("immutable"):
            yield Cause("FieldValueForbidden", FROZEN, "immutable")
        for section in ("data", "binaryData"):
            if old.get(section) != new.get(section):
                yield Cause("FieldValueForbidden", FROZEN, section)


def _keys(section: str, data: Mapping[str, bytes]) -> Iterator[Cause]:
    for key in sorted(data):
        yield from (_invalid(f"{section}[{key}]", key, message) for message in _key_problems(key))


def _key_problems(key: str) -> Iterator[str]:
    if len(key) > 253:
        yield "must be no more than 253 characters"
    if not re.fullmatch(_KEY, key):
        yield KEY_RULE
    if key in {".", ".."}:
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"


def _name_problems(key: str) -> Iterator[str]:
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash and not re.fullmatch(_SUBDOMAIN, prefix):
        yield f"prefix part {SUBDOMAIN_RULE}"
    if not name:
        yield "name part must be non-empty"
    elif len(name) > 63:
        yield "name part must be no more than 63 bytes"
    if not re.fullmatch(_QUALIFIED, name):
        yield NAME_RULE


def _value_problems(value: str) -> Iterator[str]:
    if len(value) > 63:
        yield "must be no more than 63 bytes"
    if not re.fullmatch(f"({_QUALIFIED})?", value):
        yield VALUE_RULE


def _is_json(value: bytes) -> bool:
    """Whether Go reads a value as JSON: it refuses a number beyond the range of a float64."""
    try:
        json.loads(value, parse_float=_number_of, parse_int=_number_of)
    except ValueError:
        return False
    return True


def _number_of(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("out of range")
    return number


def _invalid(field: str, value: str, message: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {message}", field)


def _number(field: str, value: int, message: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {message}", field)


def _too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)
