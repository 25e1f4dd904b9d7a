"""What is fuzzed beside the stores: whatever else reads bytes that somebody else may have written.

Each target says whether bytes are what it reads. An error of its own is an answer; all else is a bug.
"""

import functools
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pyrage import x25519

from bridge.config import dotenv, placeholder, reference, template_object, yamlfile
from bridge.config.problems import Findings
from bridge.errors import BridgeError
from bridge.provider import Context, SecretValue
from bridge_providers.sops import (
    Sops,
    age,
    age_file,
    check,
    creation,
    flat,
    hybrid,
    keys,
    metadata,
    s3,
    ssh_keys,
    store_json,
)
from bridge_providers.sops.tree import Tree
from tests.fuzz import parsers


class Target(NamedTuple):
    """A parser: returns whether bytes are what it reads, which the last of its seeds is. It gets `runs` inputs.

    That many cost a store ten seconds of one processor at most, any other target three.
    """

    check: Callable[[bytes], bool]
    seeds: tuple[bytes, ...]
    runs: int = 50_000


def _by_text(check: Callable[[str], object], *errors: type[Exception]) -> Callable[[bytes], bool]:
    """Make a target of what reads a text, and refuses one with these errors or by None."""

    def run(data: bytes) -> bool:
        try:
            return check(data.decode()) is not None
        except (UnicodeDecodeError, *errors):
            return False
        except BridgeError as error:
            return parsers.refused(error)

    return run


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-"))


def _file(name: str, data: bytes) -> Path:
    """Write a file anew: some file systems wait for the disk when a file is truncated instead."""
    path = _folder() / name
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def _age(data: bytes) -> bool:
    try:
        parts = age_file.parse(data)
    except age_file.Malformed:
        return False
    assert age_file.unseal(parts, bytes(16)) is None
    return True


_IDENTITY: Final = x25519.Identity.from_str(hybrid.bech32_encode("age-secret-key-", bytes(range(32))).upper())
_RECIPIENT: Final = str(_IDENTITY.to_public()).encode()
# A data key of 32 zero bytes for an age key; made anew it would differ each time, and so would what is found from it.
_ENC: Final = b"""\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBrYjhlc0Fqbm10UWlDdmZp
d0ZmTGRzai9JL2c1QTJXY0hpT21VS3Ewc1RNCjRCd3NUak9xdlN0cUZKQjVVMkdw
dHJSS1FSQ0NYMEZRSnY0NDdLNmRjbDAKLT4gKlY5Oy1ncmVhc2UKOU14M0hvWVhF
Yi9DMDI3Um5wQ0NHMEd5U0hndWMveDdaQUM0d0EKLS0tIEVwMi80NDZNUHNCRmtu
S3I5OFRKWWZtTm4yZjJQVWV3aTl6RWhzaStIQ28KtQ9KWo9Bj4TSfwo2Y2iXB8hG
pY5cf+Fe26URW8Hm0eTeTYIzqEdL/Nay1B96lyg7gXMNPa/S1TZHtnYy/24afg==
-----END AGE ENCRYPTED FILE-----
"""


def _data_key(text: str) -> bool:
    """Open a data key as a file has it, with a native identity and a post-quantum one."""
    opened = age._decrypted(text, [_IDENTITY])
    if hybrid.is_supported():
        opened = opened or hybrid.identity(hybrid.bech32_encode(hybrid.IDENTITY, bytes(32)).upper()).open(text)
    return True if opened is None else len(opened) < 2**16


def _keys(data: bytes) -> bool:
    """Look for a key of a file's metadata, with none but one age identity, and nobody to ask."""
    environ = {"SOPS_AGE_KEY": str(_IDENTITY)}
    try:
        keyring = keys.Keyring(Sops(), Context(_folder(), environ, time.monotonic() + 60))
        return len(keyring.data_key(metadata.read(store_json.load(data).metadata))) > 0
    except BridgeError as error:
        return parsers.refused(error)


def _checked(data: bytes) -> bool:
    """Check a file without a key, beside a `.sops.yaml` that asks for other ones."""
    _file("a.yaml", data)
    _file(".sops.yaml", b"creation_rules: [{age: x, encrypted_regex: ^a}]")
    found = [*check.problems("a.yaml", Context(_folder(), {}, time.monotonic() + 60))]
    parsers.refused(BridgeError(*found))
    return any(one.warning for one in found)


def _bech32(text: str) -> bool:
    data = hybrid.bech32_decode(text, "age")
    assert data is None or hybrid.bech32_encode("age", data) == text.lower()
    return data is not None


def _flat(text: str) -> int:
    """Rebuild metadata: no value is lost."""
    pairs = dict(line.partition("=")[::2] for line in text.split("\n"))
    block = flat.nested({name: SecretValue(value.encode()) for name, value in pairs.items()}, "names")
    assert _leaves(block) == len(pairs)
    return len(block)


def _leaves(node: Tree) -> int:
    if isinstance(node, SecretValue):
        return 1
    return sum(map(_leaves, node.values() if isinstance(node, dict) else node))


def _rule(data: bytes) -> bool:
    path = _file(".sops.yaml", data)
    found = 0
    for read in (creation.rule_for, creation.find_rule):
        try:
            found += read(path.parent / "a.yaml") is not None
        except BridgeError as error:
            parsers.refused(error)
    return found > 0


def _env_file(data: bytes) -> bool:
    path = _file("env", data)
    try:
        return len(dotenv.load_env_file(path, "env").values) >= 0
    except BridgeError as error:
        return parsers.refused(error)


def _manifest(text: str) -> bool:
    findings = Findings("file")
    yamlfile.parse_yaml_documents(text, Findings("file"), foreign=True)
    for document in yamlfile.parse_yaml_documents(text, findings):
        template_object.read_manifest(document, None, findings)
    if findings:
        findings.fail()
    return True


def _placeholders(text: str) -> bool:
    parts = placeholder.parse_text(text)
    assert placeholder.has_placeholder(text) == any(not isinstance(part, str) for part in parts)
    return True


def _reference(text: str) -> bool:
    found = reference.parse_reference(text, "file")
    assert '"' in str(found) or reference.parse_reference(str(found), "file") == found
    return True


_RULES: Final = b"""\
creation_rules:
  - path_regex: \\.env$
    age: >-
      age1lwh4vpyjdgvzhgwhy8all4f80vwnmuuxth9cpy4mu6eutxlc7vtse4htj4
    encrypted_regex: ^(data|stringData)$
  - key_groups:
      - {age: [x], pgp: [AAAAAAAAAAAAAAAA], kms: [{arn: x, role: y, context: {a: b}}]}
      - {hc_vault: ["https://vault/v1/transit/keys/k"], merge: [{age: [y]}]}
    shamir_threshold: 2
stores: {yaml: {indent: 2}, json: {indent: 2}}
"""
_FILE: Final = b"""\
{"sops": {"lastmodified": "2024-01-01T00:00:00Z", "mac": "x", "version": "3.9.0", "shamir_threshold": 2, "key_groups": [
{"age": [{"recipient": "age1x", "enc": "y"}], "pgp": [{"fp": "AA", "enc": "y"}], "azure_kv": [{"name": "x"}]},
{"kms": [{"arn": "arn:aws:kms:eu-west-3:1:key/x", "context": {"a": "b"}, "enc": "eQ=="}]},
{"hc_vault": [{"vault_address": "https://x", "engine_path": "a", "key_name": "b", "enc": "vault:v1:x"}]}]}}
"""
_OPENED: Final = (
    b'{"sops": {"lastmodified": "2024-01-01T00:00:00Z", "age": [{"enc": %b}]}}' % json.dumps(_ENC.decode()).encode()
)
_SSH: Final = b"""\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACAEp6DKLbl0JyVkvrpE/VVvM0c1IwQhtp1mlt05QUY6owAAAAA=
-----END OPENSSH PRIVATE KEY-----
"""
_MANIFEST: Final = b"""\
apiVersion: v1
kind: Secret
metadata: {name: a, labels: {x: y}}
type: Opaque
data: {B: aGk=}
stringData: {A: "${A:-x}"}
"""

TARGETS: Final[Mapping[str, Target]] = {
    **{
        store: Target(functools.partial(parsers.check, store), parsers.SEEDS[store], runs)
        for store, runs in parsers.STORES.items()
    },
    "rule": Target(_rule, (_RULES,), 8_000),
    "age": Target(_age, (_ENC, b"age-encryption.org/v1\n-> X25519 a b\nAAAA\n--- AAAA\nx")),
    "data-key": Target(_by_text(_data_key), (_ENC,), 5_000),
    "keys": Target(_keys, (_FILE, _OPENED), 40_000),
    "check": Target(
        _checked,
        (
            b"# c\na: ENC[x]\n" + _FILE,
            b"b: x\nsops: {age: [{recipient: x}], mac: x, lastmodified: 2024-01-01T00:00:00Z}\n",
        ),
        5_000,
    ),
    "bech32": Target(_by_text(_bech32), (_RECIPIENT,)),
    "flat": Target(_by_text(_flat), (b"age__list_0__map_enc=x\nkey_groups__list_1__map_age__list_0=y", b"a__map_b=c")),
    "ssh": Target(_by_text(lambda text: ssh_keys._nature(text.encode())), (b"-----BEGIN RSA PRIVATE KEY-----\n", _SSH)),
    "s3": Target(_by_text(s3.parse), (b"s3://bucket/a/b",)),
    "env-file": Target(_env_file, (b"A=x\nexport B='y z'\n# c\nC=\"l\\n\"\n",), 5_000),
    "manifest": Target(_by_text(_manifest), (b"a: &x [1]\nb: *x\n---\n", _MANIFEST)),
    "placeholder": Target(_by_text(_placeholders, placeholder.PlaceholderError), (b"$${A} ${A:-b} ${B|json} ${C:?d}",)),
    "reference": Target(_by_text(_reference), (b'sops:a.yaml@"x"#a.b', b"vault:a/b@3#c.d")),
}
"""By the name that run.py takes."""
