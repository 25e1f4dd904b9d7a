"""Finds what Kubernetes would refuse in an object before any request is made.

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
"""A Secret of the type needs one key from each group."""
TLS: Final = "kubernetes.io/tls"
_PEM: Final = rb"-----BEGIN [A-Z0-9 ]+-----[ \t]*\r?\n"
# At the start only: `\n` is correct within JSON, which may also contain a key.
_ESCAPED_PEM: Final = re.compile(rb"\s*-----BEGIN [A-Z0-9 ]+-----(?:\\r)?\\n")


def over_limits(desired: Desired) -> Iterator[Problem]:
    """Yield what the API server would refuse; the values themselves are never shown."""
    size = sum(len(entry.value.reveal()) for entry in desired.keys.values())
    if size > MAX_BYTES:
        yield Problem(
            str(desired.id), f"its values have {size} bytes; Kubernetes allows {MAX_BYTES}", "split the object"
        )
    size = sum(len(name.encode()) + len(text.encode()) for name, text in desired.annotations.items())
    if size > MAX_ANNOTATIONS:
        yield Problem(str(desired.id), f"its annotations have {size} bytes; Kubernetes allows {MAX_ANNOTATIONS}")
    yield from lacking_keys(desired.id, desired.type, desired.keys)
    yield from malformed_values(desired, desired.keys)


def malformed_values(desired: Desired, judged: Collection[str]) -> Iterator[Problem]:
    """Yield each of the `judged` keys with a value that does not fit the Secret's type."""
    if JSON_KEYS.get(desired.type or "") in judged:
        yield from malformed_json(desired)
    for key in PEM_KEYS.get(desired.type or "", ()):
        entry = desired.keys.get(key) if key in judged else None
        if entry and not entry.value.is_empty():  # an empty value is a warning
            yield from _malformed_pem(f"{desired.id} key {key}", entry.value, desired.type)


def _malformed_pem(where: str, value: SecretValue, type_: str | None) -> Iterator[Problem]:
    if re.search(_PEM, value.reveal()):
        return
    if is_escaped_pem(value):
        hint = "use real line breaks; in an env file, put the value in double quotes, which expand `\\n`"
        yield Problem(where, rf"has literal \n instead of line breaks, but type {type_} requires PEM", hint)
    elif type_ == TLS:  # an SSH key may have another format
        yield Problem(where, f"must be PEM text, as type {type_} requires")


def malformed_json(desired: Desired) -> Iterator[Problem]:
    """Yield the key that must be a JSON object for the Secret's type but is not."""
    key = JSON_KEYS.get(desired.type or "", "")
    if key in desired.keys and not _is_json_object(desired.keys[key].value):
        yield Problem(f"{desired.id} key {key}", f"must be a JSON object, as type {desired.type} requires")


def is_escaped_pem(value: SecretValue) -> bool:
    r"""Whether a PEM block has the two characters `\n` instead of its line breaks."""
    return _ESCAPED_PEM.match(value.reveal()) is not None


def lacking_keys(id_: ObjectId, type_: str | None, keys: Collection[str]) -> Iterator[Problem]:
    """Yield the missing keys that a Secret's type requires."""
    for group in REQUIRED.get(type_ or "", ()):
        if not any(key in keys for key in group):
            yield Problem(f"{id_} key {' or '.join(group)}", f"is required by type {type_}")


def _is_json_object(value: SecretValue) -> bool:
    """Whether Kubernetes, which is written in Go, would read an object: UTF-8 only, no byte order mark, no NaN."""
    try:
        return isinstance(json.loads(value.reveal().decode(), parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(_name: str) -> NoReturn:
    raise ValueError
