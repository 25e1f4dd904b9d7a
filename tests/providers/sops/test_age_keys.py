"""The other age keys: post-quantum, ssh, and those behind a passphrase, with the real sops and the real age."""

import base64
import json
import os
import pty
import select
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pyrage import encrypt, x25519

from bridge.provider import Denied, OptionError
from bridge_providers.sops import Sops, age_file, hybrid
from bridge_providers.sops.passphrase import MAX_WORK_FACTOR
from tests.providers.sops import sealing
from tests.providers.sops.folder import everything_told_by
from tests.waiting import LIMIT

SECRET = "CANARY-passphrase"
KEYGEN = shutil.which("ssh-keygen") or ""
needs_hybrid = pytest.mark.skipif(not hybrid.is_supported(), reason=hybrid.TOO_OLD)


@pytest.fixture
def post_quantum(age_binaries):
    """A hybrid identity and its recipient, made by age itself."""
    lines = subprocess.run([age_binaries[1], "-pq"], capture_output=True, text=True, check=True).stdout.splitlines()
    return lines[2], lines[1].removeprefix("# public key: ")


def ssh_pair(key):
    """Return a private key's file and its recipient."""
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), public


def locked(content, secret=SECRET, factor=4):
    """Encrypt an identity file as `age -p` does, with less work."""
    salt = b"s" * 16
    key = Scrypt(b"age-encryption.org/v1/scrypt" + salt, 32, 2**factor, 8, 1).derive(secret.encode())
    body = ChaCha20Poly1305(key).encrypt(bytes(12), b"f" * 16, None)
    return sealing.seal(
        content, b"f" * 16, age_file.HeaderStanza("scrypt", (age_file.encoded(salt), str(factor)), body)
    )


SSH = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


def denied(folder, provider=None, name="a.yaml"):
    """Return what and hint of the refusal, which tell nothing."""
    with pytest.raises(Denied) as caught:
        folder.read(name, provider)
    told = everything_told_by(caught.value)
    assert "CANARY" not in told
    assert "PRIVATE KEY" not in told
    problem = caught.value.problems[0]
    return problem.what, problem.hint


@needs_hybrid
def test_file_for_post_quantum_key(sops, post_quantum):
    identity, recipient = post_quantum
    sops.environ = {"SOPS_AGE_KEY": identity}
    sops.encrypt("a.yaml", "a: CANARY\n", age=recipient)
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    sops.store("a.yaml", [{"a": "CANARY-2"}], sops.read("a.yaml").revision)
    assert sops.decrypted("a.yaml") == "a: CANARY-2\n"


@needs_hybrid
@pytest.mark.parametrize("ours", [0, 1])
def test_post_quantum_and_other_recipients_side_by_side(sops, post_quantum, ours):
    identity, recipient = post_quantum
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{sops.recipient},{recipient}")
    sops.environ = {"SOPS_AGE_KEY": (str(sops.key), identity)[ours]}
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]


@needs_hybrid
def test_new_file_for_post_quantum_key_is_read_by_sops_and_by_age(sops, post_quantum, age_binaries):
    identity, recipient = post_quantum
    sops.environ = {"SOPS_AGE_KEY": identity}
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": recipient}]}))
    sops.store("a.yaml", [{"a": "CANARY"}])
    assert sops.decrypted("a.yaml") == "a: CANARY\n"
    keys = sops.write("keys.txt", identity + "\n")
    sealed = sealing.hybrid_wrap(b"CANARY", recipient)
    done = subprocess.run(
        [age_binaries[0], "-d", "-i", keys], input=sealed.encode(), capture_output=True, check=True, timeout=60
    )
    assert done.stdout == b"CANARY"


@needs_hybrid
def test_recipient_is_what_age_says(post_quantum):
    identity, recipient = post_quantum
    assert hybrid.identity(identity).recipient() == recipient
    assert hybrid.identity(identity[:-1] + ("q" if identity[-1] != "Q" else "p").upper()) is None


@needs_hybrid
def test_header_with_stanzas_of_both_kinds_opens_with_post_quantum_key(post_quantum, monkeypatch):
    identity, recipient = post_quantum
    monkeypatch.setattr(sealing.os, "urandom", lambda size: b"k" * size)
    stanza = age_file.parse(sealing.hybrid_wrap(b"x", recipient).encode()).stanzas[0]
    other = age_file.parse(encrypt(b"x", [x25519.Identity.generate().to_public()])).stanzas[0]
    both = age_file.HeaderStanza(
        other.kind,
        (f"{other.arguments[0]}\n{age_file.encoded(other.body)}\n-> {stanza.kind} {stanza.arguments[0]}",),
        stanza.body,
    )
    sealed = sealing.seal(b"CANARY", b"k" * 16, both)
    assert [one.kind for one in age_file.parse(sealed.encode()).stanzas] == ["X25519", "mlkem768x25519"]
    assert hybrid.identity(identity).open(sealed) == b"CANARY"


@needs_hybrid
def test_changed_post_quantum_data_key_is_damaged(sops, post_quantum):
    identity, recipient = post_quantum
    sealed = sealing.hybrid_wrap(b"k" * 32, recipient)
    parts = age_file.parse(sealed.encode())
    key = hybrid.identity(identity)
    assert key.open(sealed) == b"k" * 32
    lines = sealed.splitlines()
    lines[-2] = lines[-2][::-1]
    assert key.open("\n".join(lines)) is None
    assert age_file.unseal(parts, b"k" * 16) is None
    sops.encrypt("a.yaml", "a: CANARY\n", age=recipient)
    sops.environ = {"SOPS_AGE_KEY": identity}
    text = (sops.path / "a.yaml").read_text().splitlines(keepends=True)
    middle = next(index for index, line in enumerate(text) if "END AGE" in line) - 2
    body = text[middle].strip()
    text[middle] = text[middle].replace(body, body[::-1])
    sops.write("a.yaml", "".join(text))
    assert sops.refusal("a.yaml") == f"the data key for {recipient[:70]} is damaged"


def test_cryptography_that_is_too_old_is_said(sops, monkeypatch):
    monkeypatch.setattr(hybrid, "is_supported", lambda: False)
    sops.encrypt("a.yaml", "a: CANARY\n")
    sops.environ = {"SOPS_AGE_KEY": hybrid.bech32_encode(hybrid.IDENTITY, b"s" * 32).upper()}
    assert f"line 1 is a post-quantum identity: {hybrid.TOO_OLD}" in denied(sops)[1]


@pytest.mark.parametrize("size", [0, 1, 31, 32, 1216])
def test_bech32_keeps_bytes_of_any_length(size):
    data = bytes(index * 7 % 256 for index in range(size))
    text = hybrid.bech32_encode("age1pq", data)
    assert hybrid.bech32_decode(text, "age1pq") == hybrid.bech32_decode(text.upper(), "age1pq") == data
    for wrong in (text[:-1], text.replace(text[-1], "b"), "A" + text[1:], "x" + text, text + "q"):
        assert hybrid.bech32_decode(wrong, "age1pq") is None


@pytest.mark.parametrize("name", SSH)
def test_file_for_ssh_key(sops, name):
    private, public = ssh_pair(SSH[name])
    path = sops.write("key", private)
    sops.environ = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    sops.encrypt("a.yaml", "a: CANARY\n", age=public)
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    sops.store("a.yaml", [{"a": "CANARY-2"}], sops.read("a.yaml").revision)
    assert sops.decrypted("a.yaml") == "a: CANARY-2\n"
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": public}]}))
    sops.store("b.yaml", [{"a": "CANARY-3"}])
    assert sops.decrypted("b.yaml") == "a: CANARY-3\n"


@pytest.mark.parametrize("name", SSH)
def test_ssh_keys_of_home_folder_are_used(sops, name):
    private, public = ssh_pair(SSH[name])
    sops.encrypt("a.yaml", "a: CANARY\n", age=public)
    sops.write(f"home/.ssh/id_{name}", private)
    sops.environ = {"HOME": str(sops.path / "home")}
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]


def test_ssh_keys_are_not_looked_at_where_no_recipient_is_one(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=str(x25519.Identity.generate().to_public()))
    sops.environ = {"HOME": str(sops.path / "home")}
    assert ".ssh" not in denied(sops)[1]


@pytest.mark.parametrize("right", [True, False])
def test_encrypted_ssh_key_of_older_format(sops, right):
    _, public = ssh_pair(SSH["rsa"])
    sops.encrypt("a.yaml", "a: CANARY\n", age=public)
    locked = SSH["rsa"].private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(SECRET.encode())
    )
    path = sops.write("key", locked)
    sops.environ = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    assert "neither age_passphrase_file nor age_passphrase_fd is set" in denied(sops)[1]
    sops.write("passphrase", (SECRET if right else "CANARY-wrong") + "\n")
    provider = Sops(age_passphrase_file="passphrase")
    if right:
        assert sops.read("a.yaml", provider).revision.order
    else:
        assert (
            f"{path}: is not encrypted with the passphrase in age_passphrase_file passphrase"
            in (denied(sops, provider)[1])
        )


def encrypted_by_ssh_keygen(folder, private, *options):
    """Let ssh-keygen encrypt a private key in OpenSSH's own format."""
    if not KEYGEN:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("ssh-keygen is missing: apt-get install openssh-client")
    path = folder.write("locked", private)
    path.chmod(0o600)
    subprocess.run([KEYGEN, "-p", "-q", "-P", "", "-N", SECRET, *options, "-f", path], check=True, timeout=60)
    return path


@pytest.mark.parametrize("name", SSH)
def test_key_that_ssh_keygen_encrypted(sops, name):
    private, public = ssh_pair(SSH[name])
    path = encrypted_by_ssh_keygen(sops, private)
    assert path.read_bytes() != private
    sops.encrypt("a.yaml", "a: CANARY\n", age=public)
    sops.environ = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    assert "is encrypted, but neither age_passphrase_file nor age_passphrase_fd is set" in denied(sops)[1]
    provider = Sops(age_passphrase_file="passphrase")
    sops.write("passphrase", "CANARY-wrong")
    hint = denied(sops, provider)[1]
    assert f"{path}: is not encrypted with the passphrase in age_passphrase_file passphrase" in hint
    sops.write("passphrase", SECRET)
    sops.store("a.yaml", [{"a": "CANARY-2"}], sops.read("a.yaml", provider).revision, provider)
    sops.environ["SOPS_AGE_SSH_PRIVATE_KEY_FILE"] = str(sops.write("key", private))  # sops would ask for the passphrase
    assert sops.decrypted("a.yaml") == "a: CANARY-2\n"


def test_key_under_cipher_that_is_not_read_is_said(sops):
    private, public = ssh_pair(SSH["ed25519"])
    path = encrypted_by_ssh_keygen(sops, private, "-Z", "chacha20-poly1305@openssh.com")
    sops.encrypt("a.yaml", "a: CANARY\n", age=public)
    sops.write("passphrase", SECRET)
    sops.environ = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    assert "is encrypted with an unsupported cipher" in denied(sops, Sops(age_passphrase_file="passphrase"))[1]


def test_ssh_keys_of_other_types_and_what_is_no_key_are_named(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=ssh_pair(SSH["ed25519"])[1])
    path = sops.write("key", ssh_pair(ec.generate_private_key(ec.SECP256R1()))[0])
    sops.environ = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    assert "an ssh key of type ecdsa-sha2-nistp256; age only supports ssh-ed25519 and ssh-rsa" in denied(sops)[1]
    for content in (
        "CANARY",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY\n-----END",
        "-----BEGIN RSA PRIVATE KEY-----",
    ):
        sops.write("key", content)
        hint = denied(sops)[1]
        assert any(
            words in hint for words in ("not an OpenSSH private key", "damaged ssh key", "not a readable ssh key")
        )


def test_ssh_keys_and_passphrases_with_wrong_encoding_are_named(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=ssh_pair(SSH["ed25519"])[1])
    private = ssh_pair(SSH["ed25519"])[0].decode()
    path = sops.write("key", private.encode("utf-16"))
    sops.environ = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    assert f"{path}: is UTF-16; save it as UTF-8" in denied(sops)[1]
    sops.write("key", f"\ufeff{private}")
    assert f"{path}: begins with a byte order mark (BOM); save it without one" in denied(sops)[1]
    sops.write("keys.age", locked(f"{sops.key}\n".encode()))
    sops.environ = {"SOPS_AGE_KEY_FILE": str(sops.path / "keys.age")}
    sops.write("passphrase", SECRET.encode("utf-16"))
    hint = denied(sops, Sops(age_passphrase_file="passphrase"))[1]
    assert "age_passphrase_file passphrase is UTF-16; save it as UTF-8" in hint


@pytest.mark.parametrize("armored", [True, False])
def test_identity_file_behind_passphrase(sops, armored):
    sops.encrypt("a.yaml", "a: CANARY\n")
    content = f"# created\n{sops.key}\n".encode()
    sealed = locked(content)
    path = sops.write("keys.age", sealed if armored else base64.b64decode("".join(sealed.splitlines()[1:-1])))
    sops.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    sops.write("passphrase", f"{SECRET}\n")
    assert sops.read("a.yaml", Sops(age_passphrase_file="passphrase")).revision.order
    hint = denied(sops)[1]
    assert f"{path}: is encrypted, but neither age_passphrase_file nor age_passphrase_fd is set" in hint
    sops.write("passphrase", "CANARY-wrong")
    hint = denied(sops, Sops(age_passphrase_file="passphrase"))[1]
    assert "is damaged, or is not encrypted with the passphrase in age_passphrase_file passphrase" in hint
    sops.write("passphrase", "\n")
    assert (
        "age_passphrase_file passphrase contains no passphrase"
        in denied(sops, Sops(age_passphrase_file="passphrase"))[1]
    )
    assert "age_passphrase_file none: no such file" in denied(sops, Sops(age_passphrase_file="none"))[1]


def test_identity_file_that_age_itself_encrypted(sops, age_binaries):
    sops.encrypt("a.yaml", "a: CANARY\n")
    plain = sops.write("keys.txt", f"{sops.key}\n")
    sealed = sops.path / "keys.age"
    ours, terminal = pty.openpty()
    command = [age_binaries[0], "-p", "-o", sealed, plain]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as program:
        for _ in range(2):
            said = b""
            while not said.endswith(b": "):  # the prompt
                assert select.select([ours], [], [], LIMIT)[0]
                said += os.read(ours, 1024)
            os.write(ours, f"{SECRET}\n".encode())
        assert program.wait(60) == 0
    os.close(terminal)
    os.close(ours)
    sops.environ = {"SOPS_AGE_KEY_FILE": str(sealed)}
    sops.write("passphrase", SECRET)
    assert sops.read("a.yaml", Sops(age_passphrase_file="passphrase")).revision.order


def test_passphrase_from_pipe_serves_every_read(sops):
    sops.encrypt("a.yaml", "a: CANARY\n")
    sops.environ = {"SOPS_AGE_KEY": locked(str(sops.key).encode())}
    reading, writing = os.pipe()
    os.write(writing, SECRET.encode())
    os.close(writing)
    try:
        for _ in range(2):
            assert sops.read("a.yaml", Sops(age_passphrase_fd=reading)).revision.order
    finally:
        os.close(reading)
    assert "age_passphrase_fd 999: cannot be read" in denied(sops, Sops(age_passphrase_fd=999))[1]


def test_passphrase_is_not_tried_where_plain_key_opens(sops):
    sops.encrypt("a.yaml", "a: CANARY\n")
    path = sops.write("keys.age", locked(b"x"))
    sops.environ["SOPS_AGE_KEY_FILE"] = str(path)
    assert sops.read("a.yaml", Sops(age_passphrase_file="none")).revision.order


@pytest.mark.parametrize("factor", [str(MAX_WORK_FACTOR + 1), "99", "999", "x"])
def test_work_factor_that_would_stop_machine_is_refused_at_once(sops, factor):
    sops.encrypt("a.yaml", "a: CANARY\n")
    body = "A" * 43
    path = sops.write("keys.age", f"age-encryption.org/v1\n-> scrypt {'A' * 22} {factor}\n{body}\n--- {body}\nCANARY")
    sops.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    hint = denied(sops, Sops(age_passphrase_file="passphrase"))[1]
    assert f"is encrypted with a work factor above {MAX_WORK_FACTOR}" in hint


@pytest.mark.parametrize(
    ("section", "field", "what"),
    [
        ({"age_passphrase_file": ""}, "age_passphrase_file", "must be a file name"),
        ({"age_passphrase_fd": True}, "age_passphrase_fd", "must be the number of a file descriptor"),
        ({"age_passphrase_fd": "3"}, "age_passphrase_fd", "must be the number of a file descriptor"),
        (
            {"age_passphrase_fd": 3, "age_passphrase_file": "x"},
            "age_passphrase_fd",
            "cannot be combined with age_passphrase_file",
        ),
    ],
)
def test_section_is_checked_when_it_is_built(section, field, what):
    with pytest.raises(OptionError) as caught:
        Sops(**section)
    assert (caught.value.field, caught.value.what) == (field, what)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"age-encryption.org/v1\n-> X25519 a\n!!\n--- AAAA\n",
        b"age-encryption.org/v1\nX25519\n\n--- AAAA\n",
        b"age-encryption.org/v1\n-> X25519 a\n" + b"A" * 64 + b"\n--- AAAA\n",
        b"age-encryption.org/v1\n-> \xff\nAAAA\n--- AAAA\n",
        b"age-encryption.org/v1\n-> x\nAAAA\n--- A\n",
        age_file.BEGIN + b"\n!\n" + age_file.END,
        age_file.BEGIN + b"\nAAAA",
    ],
)
def test_what_is_no_age_file(data):
    with pytest.raises(age_file.Malformed):
        age_file.parse(data)
