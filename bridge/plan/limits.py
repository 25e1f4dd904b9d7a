"""What Kubernetes would refuse in an object, found before any call.

Sources: pkg/apis/core/validation in the Kubernetes tree; the Secret and ConfigMap pages of its documentation.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from bridge.errors import Problem
from bridge.objects import Desired
from bridge.secret import SecretValue

MAX_BYTES: Final = 1_048_576  # MaxSecretSize: the sum of the decoded values
MAX_ANNOTATIONS: Final = 262_144  # TotalAnnotationSizeLimitB: names and values
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
JSON_KEYS: Final = frozenset({".dockercfg", ".dockerconfigjson"})


def over_limits(desired: Desired) -> Iterator[Problem]:
    """Yield what the API server would refuse; the values themselves are never named."""
    size = sum(len(entry.value.reveal()) for entry in desired.keys.values())
    if size > MAX_BYTES:
        yield Problem(str(desired.id), f"its values are {size} bytes, Kubernetes takes {MAX_BYTES}", "split it")
    size = sum(len(name.encode()) + len(text.encode()) for name, text in desired.annotations.items())
    if size > MAX_ANNOTATIONS:
        yield Problem(str(desired.id), f"its annotations are {size} bytes, Kubernetes takes {MAX_ANNOTATIONS}")
    for key in REQUIRED.get(desired.type or "", ()):
        yield from _required(desired, key)


def _required(desired: Desired, key: str) -> Iterator[Problem]:
    entry = desired.keys.get(key)
    where = f"{desired.id} key {key}"
    if entry is None:
        yield Problem(where, f"is required by the type {desired.type}")
    elif key in JSON_KEYS and not _is_json_object(entry.value):
        yield Problem(where, f"must be a JSON object, as the type {desired.type} wants it")


def _is_json_object(value: SecretValue) -> bool:
    try:
        return isinstance(json.loads(value.reveal()), dict)
    except ValueError:
        return False
