"""What may not change, and what no object may hold: asserted of the embedded cluster and of a real kube-apiserver."""

import pytest

from tests.servers.client import APPLY
from tests.testing.subject import (
    Subject,
    b64,
    config_map,
    copy,
    fields,
    owned,
    owners,
    refusal,
    secret,
    values,
)

KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


@pytest.mark.parametrize(("given", "shown"), [(None, "Opaque"), ("x/z", "x/z")])
def test_type_left_out_or_changed_is_refused(subject: Subject, given: str | None, shown: str) -> None:
    subject.apply(secret(A="1") | {"type": "x/y"})
    body = secret(A="1")
    del body["type"]
    reply = subject.apply(body | ({"type": given} if given else {}))
    message = f'Secret "s" is invalid: type: Invalid value: "{shown}": field is immutable'
    assert refusal(reply) == (422, "Invalid", message)


def test_type_opaque_may_be_left_out(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    body = secret(A="1")
    del body["type"]
    reply = subject.apply(body)
    assert (reply.status, reply.body["type"]) == (200, "Opaque")
    assert owners(reply) == {"bridge/x Apply": owned("A", type_=False)}


@pytest.mark.parametrize("body", [secret(A="1"), config_map("s", A="1")])
def test_immutable_object_keeps_its_data(subject: Subject, body: dict) -> None:
    frozen = body | {"immutable": True}
    first = subject.apply(frozen)
    assert (first.status, subject.apply(frozen).body) == (201, first.body)
    changed = subject.apply(frozen | {"data": {"A": "OTk="}})
    assert fields(changed) == ["data"]
    assert changed.body["message"].endswith("data: Forbidden: field is immutable when `immutable` is set")
    assert fields(subject.apply(body)) == ["immutable"]
    assert fields(subject.apply(body | {"immutable": False})) == ["immutable"]
    labelled = copy(frozen)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert subject.apply(labelled).status == 200


@pytest.mark.parametrize("value", ["!!CANARY", "YQ"])
def test_bad_base64_in_apply_is_a_500(subject: Subject, value: str) -> None:
    reply = subject.apply(secret() | {"data": {"A": value}})
    message = (
        "failed to convert new object (/s; /v1, Kind=Secret) to proper version: unable to convert unstructured "
        "object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 0"
    )
    assert refusal(reply) == (500, None, message)
    assert subject.get("s").status == 404


@pytest.mark.parametrize("value", [1, True, {"x": "CANARY"}, ["CANARY"]])
@pytest.mark.parametrize("body", [secret(), config_map("s")])
def test_value_that_is_no_text_is_a_500_in_apply(subject: Subject, body: dict, value: object) -> None:
    reply = subject.apply(body | {"data": {"A": value}})
    start = f"failed to create typed patch object (/s; /v1, Kind={body['kind']}): .data.A: expected string, got "
    status, reason, message = refusal(reply)
    assert (status, reason) == (500, None)
    assert message.startswith(start)
    assert ("CANARY" in message) == ("CANARY" in str(value))


@pytest.mark.parametrize(
    "more",
    [
        {"unknown": "x"},
        {"data": ["x"]},
        {"data": "x"},
        {"immutable": "yes"},
        {"type": 5},
        {"metadata": {"name": "s", "x": "y"}},
    ],
)
def test_field_that_schema_does_not_have_is_a_500_in_apply(subject: Subject, more: dict) -> None:
    reply = subject.apply(secret() | more, name="s")
    assert refusal(reply)[:2] == (500, None)
    assert reply.body["message"].startswith("failed to create typed patch object (/s; /v1, Kind=Secret): ")


@pytest.mark.parametrize("value", ["!!CANARY", 5])
def test_bad_value_in_create_is_a_400(subject: Subject, value: object) -> None:
    reply = subject.create(secret() | {"data": {"A": value}})
    status, reason, message = refusal(reply)
    assert (status, reason) == (400, "BadRequest")
    assert message.startswith('Secret in version "v1" cannot be handled as a Secret: ')


def test_bad_value_in_patch_is_a_422_that_shows_object(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    reply = subject.merge("s", {"data": {"A": "!!CANARY"}})
    assert fields(reply) == ["patch"]
    assert "CANARY" in reply.body["message"]


def test_null_value_is_stored_as_empty_one(subject: Subject) -> None:
    reply = subject.apply(secret() | {"data": {"A": None, "B": b64("1")}})
    assert values(reply) == {"A": "", "B": "1"}
    assert owners(reply) == {"bridge/x Apply": owned("A", "B")}


def test_null_data_claims_map_and_loses_our_keys(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    subject.merge("s", {"data": {"B": b64("theirs")}})
    reply = subject.apply(secret() | {"data": None})
    assert values(reply) == {"B": "theirs"}
    assert owners(reply)["bridge/x Apply"] == {"f:data": {}, "f:type": {}}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("A/B", KEY_RULE),
        ("", KEY_RULE),
        ("é", KEY_RULE),
        (".", "must not be '.'"),
        ("..", "must not be '..'"),
        ("..x", "must not start with '..'"),
        ("k" * 254, "must be no more than 253 characters"),
    ],
)
@pytest.mark.parametrize("body", [secret(), config_map("s")])
def test_bad_key_is_invalid(subject: Subject, body: dict, key: str, why: str) -> None:
    reply = subject.apply(body | {"data": {key: "eA=="}})
    message = f'{body["kind"]} "s" is invalid: data[{key}]: Invalid value: "{key}": {why}'
    assert refusal(reply) == (422, "Invalid", message)


def test_data_of_exactly_one_mebibyte_fits(subject: Subject) -> None:
    assert subject.apply(secret(A="x" * (2**20 - 1), B="x")).status == 201
    reply = subject.apply(secret("t", A="x" * 2**20, B="x"))
    message = 'Secret "t" is invalid: data: Too long: may not be more than 1048576 bytes'
    assert refusal(reply) == (422, "Invalid", message)
    binary = {"binaryData": {"B": "AA=="}}
    assert subject.apply(config_map(A="x" * (2**20 - 1)) | binary).status == 201
    assert fields(subject.apply(config_map("d", A="x" * 2**20) | binary)) == ["[]"]


def test_key_in_data_and_in_binary_data_is_invalid(subject: Subject) -> None:
    reply = subject.apply(config_map(A="x") | {"binaryData": {"A": "AA=="}})
    message = 'ConfigMap "c" is invalid: data[A]: Invalid value: "A": duplicate of key present in binaryData'
    assert refusal(reply) == (422, "Invalid", message)


@pytest.mark.parametrize(
    ("type_", "wanted"),
    [
        ("kubernetes.io/tls", ["data[tls.crt]", "data[tls.key]"]),
        ("kubernetes.io/basic-auth", ["data[username]", "data[password]"]),
        ("kubernetes.io/ssh-auth", ["data[ssh-privatekey]"]),
        ("kubernetes.io/dockerconfigjson", ["data[.dockerconfigjson]"]),
        ("kubernetes.io/service-account-token", ["metadata.annotations[kubernetes.io/service-account.name]"]),
    ],
)
def test_type_requires_its_keys(subject: Subject, type_: str, wanted: list[str]) -> None:
    assert fields(subject.apply(secret(A="x") | {"type": type_})) == wanted


def test_docker_config_must_be_json_and_is_not_shown(subject: Subject) -> None:
    body = secret(**{".dockerconfigjson": "CANARY"}) | {"type": "kubernetes.io/dockerconfigjson"}
    reply = subject.apply(body)
    assert fields(reply) == ["data[.dockerconfigjson]"]
    assert "CANARY" not in str(reply.body)


def test_bad_labels_and_annotations_are_invalid(subject: Subject) -> None:
    labels = {"labels": {"a b": "x", "/x": "x", "k": "a/b", "long": "z" * 64}}
    assert fields(subject.apply(secret(meta=labels))) == ["metadata.labels"] * 4
    notes = {"annotations": {"b c": "1", "big": "x" * 2**18}}
    assert fields(subject.apply(secret(meta=notes))) == ["metadata.annotations"] * 2


@pytest.mark.parametrize("name", ["Upper", "under_score", "-x", "x" * 254])
def test_bad_name_is_invalid(subject: Subject, name: str) -> None:
    assert fields(subject.apply(secret(name, A="1"))) == ["metadata.name"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (secret("other"), "the name of the object (other) does not match the name on the URL (s)"),
        (
            secret(meta={"namespace": "default"}),
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
def test_object_that_is_not_one_of_url_is_refused(subject: Subject, body: dict, message: str) -> None:
    assert refusal(subject.apply(body, name="s")) == (400, "BadRequest", message)


def test_kind_that_is_not_one_of_url_is_refused(subject: Subject) -> None:
    path = subject.path("s", query="fieldManager=bridge/x")
    reply = subject.request("PATCH", path, config_map("s"), APPLY)
    assert refusal(reply) == (400, "BadRequest", "invalid object type: /v1, Kind=ConfigMap")
