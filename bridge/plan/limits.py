"""What Kubernetes would refuse in an object, found before any call.

Sources: pkg/apis/core/validation in the Kubernetes tree; the Secret and ConfigMap pages of its documentation.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NoReturn

from bridge.errors import Problem
from bridge.objects import JSON_KEYS, PEM_KEYS, Desired, ObjectId
from bridge.secret import SecretValue

MAX_BYTES: Final = 1_048_576  # MaxSecretSize: the sum of the decoded values
MAX_ANNOTATIONS: Final = 262_144  # TotalAnnotationSizeLimitB: names and values
REQUIRED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "kubernetes.io/tls": (("tls.crt",), ("tls.key",)),
    "kubernetes.io/dockercfg": ((".dockercfg",),),
    "kubernetes.io/dockerconfigjson": ((".dockerconfigjson",),),
    "kubernetes.io/ssh-auth": (("ssh-privatekey",),),
    "kubernetes.io/basic-auth": (("username", "password"),),
}
"""Of each group of keys, a Secret of the type needs one."""
TLS: Final = "kubernetes.io/tls"
_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----[ \t]*\r?\n")
# At the beginning only: in JSON, which may hold a key too, `\n` is right.
_ESCAPED_PEM: Final = re.compile(rb"\s*-----BEGIN [A-Z0-9 ]+-----(?:\\r)?\\n")


def over_limits(desired: Desired) -> Iterator[Problem]:
    """Yield what the API server would refuse; the values themselves are never named."""
    size = sum(len(entry.value.reveal()) for entry in desired.keys.values())
    if size > MAX_BYTES:
        yield Problem(str(desired.id), f"its values are {size} bytes, Kubernetes takes {MAX_BYTES}", "split it")
    size = sum(len(name.encode()) + len(text.encode()) for name, text in desired.annotations.items())
    if size > MAX_ANNOTATIONS:
        yield Problem(str(desired.id), f"its annotations are {size} bytes, Kubernetes takes {MAX_ANNOTATIONS}")
    yield from lacking_keys(desired.id, desired.type, desired.keys)
    yield from malformed_values(desired, desired.keys)


def malformed_values(desired: Desired, judged: Collection[str]) -> Iterator[Problem]:
    """Yield each of the `judged` keys whose value is not what the Secret's type is for."""
    if JSON_KEYS.get(desired.type or "") in judged:
        yield from malformed_json(desired)
    for key in PEM_KEYS.get(desired.type or "", ()):
        entry = desired.keys.get(key) if key in judged else None
        if entry and not entry.value.is_empty():  # which is a warning
            yield from _malformed_pem(f"{desired.id} key {key}", entry.value, desired.type)


def _malformed_pem(where: str, value: SecretValue, type_: str | None) -> Iterator[Problem]:
    if _PEM.search(value.reveal()):
        return
    if is_escaped_pem(value):
        hint = "put real line ends there: in an env file, a value in double quotes has them for `\\n`"
        yield Problem(where, rf"its line ends are written out as \n, and the type {type_} wants PEM", hint)
    elif type_ == TLS:  # an ssh key may have another form
        yield Problem(where, f"must be PEM text, as the type {type_} wants it")


def malformed_json(desired: Desired) -> Iterator[Problem]:
    """Yield the key that a Secret's type wants to be a JSON object, where it is none."""
    key = JSON_KEYS.get(desired.type or "", "")
    if key in desired.keys and not _is_json_object(desired.keys[key].value):
        yield Problem(f"{desired.id} key {key}", f"must be a JSON object, as the type {desired.type} wants it")


def is_escaped_pem(value: SecretValue) -> bool:
    r"""Return whether a PEM block has the two characters `\n` in place of its line ends."""
    return _ESCAPED_PEM.match(value.reveal()) is not None


def lacking_keys(id_: ObjectId, type_: str | None, keys: Collection[str]) -> Iterator[Problem]:
    """Yield the keys that a Secret's type requires and that are not there."""
    for group in REQUIRED.get(type_ or "", ()):
        if not any(key in keys for key in group):
            yield Problem(f"{id_} key {' or '.join(group)}", f"is required by the type {type_}")


def _is_json_object(value: SecretValue) -> bool:
    """Say whether Kubernetes, which is Go, would read an object: UTF-8 only, no byte order mark, no NaN."""
    try:
        return isinstance(json.loads(value.reveal().decode(), parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(_name: str) -> NoReturn:
    raise ValueError
