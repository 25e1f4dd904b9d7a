"""What Kubernetes would refuse, found before any call."""

import pytest

from bridge.objects import Desired, Entry, Layer, ObjectId, Origin
from bridge.plan.limits import over_limits
from bridge.secret import SecretValue

DOCKER = "kubernetes.io/dockerconfigjson"
TLS = "kubernetes.io/tls"
SSH = "kubernetes.io/ssh-auth"
PEM = b"-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\n-----END PRIVATE KEY-----\n"
ESCAPED = PEM.replace(b"\n", rb"\n")


def problems(type_: str, **keys: bytes) -> list[str]:
    entries = {key: Entry(SecretValue(value), Origin(Layer.SOURCE, "x")) for key, value in keys.items()}
    return [str(one) for one in over_limits(Desired(ObjectId("Secret", "x"), entries, type_))]


@pytest.mark.parametrize("value", [b"{}", b'{"auths": {"r": {"auth": "CANARY"}}}'])
def test_docker_configuration(value):
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
        f"Secret/x key .dockerconfigjson: must be a JSON object, as type {DOCKER} requires"
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
def test_keys_that_type_requires(type_, keys, lacking):
    assert problems(type_, **dict.fromkeys(keys, PEM)) == [
        f"Secret/x key {key}: is required by type {type_}" for key in lacking
    ]


@pytest.mark.parametrize("key", [PEM, PEM.replace(b"\n", b"\r\n"), b"Bag Attributes\n" + PEM, b""])
def test_tls_key_that_is_pem_or_is_empty(key):
    assert problems(TLS, **{"tls.crt": PEM, "tls.key": key}) == []


@pytest.mark.parametrize("type_key", [(TLS, "tls.key"), (TLS, "tls.crt"), (SSH, "ssh-privatekey")])
@pytest.mark.parametrize("value", [ESCAPED, PEM.replace(b"\n", rb"\r\n"), b"\n" + ESCAPED])
def test_written_out_line_ends_are_refused(type_key, value):
    type_, key = type_key
    keys = {"tls.crt": PEM, "tls.key": PEM} if type_ == TLS else {}
    assert problems(type_, **keys | {key: value}) == [
        rf"Secret/x key {key}: has literal \n instead of line breaks, but type {type_} requires PEM"
    ]


@pytest.mark.parametrize("value", [b"CANARY", PEM.replace(b"\n", b" "), b"LS0tLS1CRUdJTg=="])
def test_tls_key_that_is_no_pem_is_refused(value):
    assert problems(TLS, **{"tls.crt": PEM, "tls.key": value}) == [
        f"Secret/x key tls.key: must be PEM text, as type {TLS} requires"
    ]
    assert problems(SSH, **{"ssh-privatekey": value}) == []  # PuTTY has a form of its own
    assert problems("Opaque", **{"tls.key": value}) == []


def test_what_to_do_is_said() -> None:
    entries = {"tls.crt": b"x" * 2_000_000, "tls.key": ESCAPED}
    keys = {key: Entry(SecretValue(value), Origin(Layer.SOURCE, "x")) for key, value in entries.items()}
    hints = [one.hint for one in over_limits(Desired(ObjectId("Secret", "x"), keys, TLS))]
    lines = "use real line breaks; in an env file, put the value in double quotes, which expand `\\n`"
    assert hints == ["split the object", "", lines]


def test_values_of_object_have_exactly_kubernetes_limit() -> None:
    assert problems("Opaque", a=b"x" * 1_000_000, b=b"y" * 48_576) == []
    assert problems("Opaque", a=b"x" * 1_000_000, b=b"y" * 48_577) == [
        "Secret/x: its values have 1048577 bytes; Kubernetes allows 1048576"
    ]


@pytest.mark.parametrize(("length", "size"), [(262_142, None), (262_143, 262_145)])
def test_annotations_have_exactly_kubernetes_limit_in_bytes_with_their_names(length: int, size: int | None) -> None:
    desired = Desired(ObjectId("ConfigMap", "x"), {}, annotations={"é": "x" * length})
    told = [] if size is None else [f"ConfigMap/x: its annotations have {size} bytes; Kubernetes allows 262144"]
    assert [str(one) for one in over_limits(desired)] == told
