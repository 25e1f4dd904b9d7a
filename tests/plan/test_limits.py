"""What Kubernetes would refuse, found before any call."""

import pytest

from bridge.objects import Desired, Entry, Layer, ObjectId, Origin
from bridge.plan.limits import over_limits
from bridge.secret import SecretValue

DOCKER = "kubernetes.io/dockerconfigjson"


def problems(type_: str, **keys: bytes) -> list[str]:
    entries = {key: Entry(SecretValue(value), Origin(Layer.SOURCE, "x")) for key, value in keys.items()}
    return [str(one) for one in over_limits(Desired(ObjectId("Secret", "x"), entries, type_))]


@pytest.mark.parametrize("value", [b"{}", b'{"auths": {"r": {"auth": "CANARY"}}}'])
def test_a_docker_configuration(value):
    assert problems(DOCKER, **{".dockerconfigjson": value}) == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"null",
        b"CANARY",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": NaN}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"a": "\xff"}',
    ],
)
def test_what_is_no_docker_configuration(value):
    assert problems(DOCKER, **{".dockerconfigjson": value}) == [
        f"Secret/x key .dockerconfigjson: must be a JSON object, as the type {DOCKER} wants it"
    ]


@pytest.mark.parametrize(
    ("type_", "keys", "lacking"),
    [
        ("kubernetes.io/tls", ["tls.crt"], ["tls.key"]),
        ("kubernetes.io/tls", [], ["tls.crt", "tls.key"]),
        ("kubernetes.io/ssh-auth", ["other"], ["ssh-privatekey"]),
        (DOCKER, [], [".dockerconfigjson"]),
        ("kubernetes.io/dockercfg", [".dockerconfigjson"], [".dockercfg"]),
        ("kubernetes.io/basic-auth", ["other"], ["username or password"]),
        ("kubernetes.io/basic-auth", ["username"], []),
        ("kubernetes.io/basic-auth", ["password"], []),
        ("Opaque", [], []),
        ("example.com/other", [], []),
    ],
)
def test_keys_that_a_type_requires(type_, keys, lacking):
    assert problems(type_, **dict.fromkeys(keys, b"x")) == [
        f"Secret/x key {key}: is required by the type {type_}" for key in lacking
    ]
