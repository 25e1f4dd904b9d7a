import pytest

from bridge.draft.secret_looking import equals_secret, holds_secret, looks_secret, named_like_a_secret
from bridge.secret import SecretValue


@pytest.mark.parametrize(
    "name", ["API_KEY", "SCW_SECRET_KEY", "token", "db-password", "PRIVATE", "apiKey", "tls.cert", "PASSPHRASE"]
)
def test_name_with_word_for_secret(name):
    assert named_like_a_secret(name)


@pytest.mark.parametrize("name", ["MONKEY", "TOKENIZER", "LIVEKIT_URL", "K8_ENV", "AUTHOR", "KEYBOARD", "PINNED"])
def test_name_that_only_holds_such_letters(name):
    assert not named_like_a_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN PRIVATE KEY-----\nx",
        "AGE-SECRET-KEY-1J4L",
        "postgres://user:hunter2@db/x",
        "sk-abc",
        "ghp_abc",
        "hvs.abc",
        "AKIAIOSFODNN7EXAMPLE",
        "SCWABCDEFGH123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
        "5d1b3a52-7a0e-4b4a-9f57-0c0f3b1f2a11",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "key is Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5",
        "ENC[AES256_GCM,data:x]",
        "vault:v1:abc",
    ],
)
def test_value_in_form_of_credential_or_drawn_by_chance(value):
    assert looks_secret(SecretValue.of(value))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "true",
        "wss://livekit.staging.example.com:443/path?x=1",
        "https://user@example.com",
        "registry.example.com/voice-agent/agent-worker-v2",
        "a long sentence with words, and 12 numbers",
        "2026-11-25T00:00:00Z",
        "12345678901234567890123",
        "the-quick-brown-fox-jumps",
        '{"a": [1, 2, 3], "b": "c"}',
    ],
)
def test_value_that_configuration_is_made_of(value):
    assert not looks_secret(SecretValue.of(value))


SECRETS = [SecretValue.of(one) for one in ("secret", "longer-secret", "postgres", "True", "5432", "")]


@pytest.mark.parametrize(
    ("value", "held"),
    [
        ("longer-secret", True),
        ("a-longer-secret-x", True),
        ("x:bG9uZ2VyLXNlY3JldA", True),
        ("secret", False),
        ("postgres", False),
        ("postgres://db", False),
        ("True", False),
        ("", False),
    ],
)
def test_secret_is_found_in_value_unless_it_is_short_or_common(value, held):
    assert holds_secret(SecretValue.of(value), SECRETS) is held


@pytest.mark.parametrize(
    ("value", "equal"),
    [("secret", True), ("secret\n", True), ("my secret", False), ("postgres", False), ("True", False), ("5432", False)],
)
def test_short_value_equals_secret_unless_it_is_plain_word_or_number(value, equal):
    assert equals_secret(SecretValue.of(value), SECRETS) is equal
