"""Where identities are found, and what is said where none matches."""

import json
import os
import threading

import pytest
from pyrage import encrypt, x25519

from bridge.provider import Denied, OptionError, ProviderError
from bridge_providers.sops import Sops, identities

OTHER = x25519.Identity.generate()


@pytest.fixture
def file(sops):
    sops.encrypt("a.yaml", "a: CANARY\n")
    return sops


def keys(name, folder, *lines):
    return folder.write(name, "".join(f"{line}\n" for line in lines))


def hint(folder, provider=None):
    with pytest.raises(Denied) as caught:
        folder.read("a.yaml", provider)
    assert str(folder.key) not in repr(caught.value.problems)
    return caught.value.problems[0].hint


@pytest.mark.parametrize(
    "environ",
    [
        {"SOPS_AGE_KEY": "{key}"},
        {"SOPS_AGE_KEY": "# comment\n{other} {key}\n"},
        {"SOPS_AGE_KEY_FILE": "{folder}/keys.txt"},
        {"XDG_CONFIG_HOME": "{folder}/xdg"},
        {"HOME": "{folder}/home"},
        {"SOPS_AGE_KEY": "{other}", "SOPS_AGE_KEY_FILE": "{folder}/none", "HOME": "{folder}/home"},
        {"SOPS_AGE_KEY": "broken", "HOME": "{folder}/home"},
        {"SOPS_AGE_KEY": "", "HOME": "{folder}/home"},
    ],
)
def test_places_where_sops_looks_are_merged(file, environ, monkeypatch):
    monkeypatch.setattr(identities.sys, "platform", "linux")
    for name in ("keys.txt", "xdg/sops/age/keys.txt", "home/.config/sops/age/keys.txt"):
        keys(name, file, "# created: today", "# public key: age1x", "", OTHER, file.key)
    file.environ = {name: value.format(key=file.key, other=OTHER, folder=file.path) for name, value in environ.items()}
    assert file.values("a.yaml") == [{"a": ("text", b"CANARY")}]


def test_macos_has_its_own_folder(file, monkeypatch):
    monkeypatch.setattr(identities.sys, "platform", "darwin")
    keys("home/Library/Application Support/sops/age/keys.txt", file, file.key)
    file.environ = {"HOME": f"{file.path}/home"}
    assert file.values("a.yaml") == [{"a": ("text", b"CANARY")}]


def test_process_s_own_environment_does_not_count(file, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY", str(file.key))
    file.environ = {}
    assert file.refusal("a.yaml", Denied) == f"no age key matched its recipients {file.recipient}"


def test_section_may_name_one_more_file(file):
    keys("more/keys.txt", file, file.key)
    file.environ = {}
    document = file.read("a.yaml", Sops(age_key_file="more/keys.txt"))
    assert document.revision.order


@pytest.mark.parametrize("value", ["", 5, ["x"]])
def test_section_is_checked_when_it_is_built(value):
    with pytest.raises(OptionError) as caught:
        Sops(age_key_file=value)
    assert (caught.value.field, caught.value.what) == ("age_key_file", "must be a file name")


def test_no_key_lists_recipients_and_places(file):
    file.environ = {"HOME": f"{file.path}/home", "SOPS_AGE_KEY": str(OTHER), "SOPS_AGE_KEY_CMD": "x"}
    assert file.refusal("a.yaml", Denied) == f"no age key matched its recipients {file.recipient}"
    assert hint(file, Sops(age_key_file="none.txt")) == (
        f"looked for keys in age_key_file {file.path}/none.txt: no such file; SOPS_AGE_KEY: 1 key; "
        f"SOPS_AGE_KEY_FILE: not set; {file.path}/home/.config/sops/age/keys.txt: no such file; "
        "SOPS_AGE_KEY_CMD: only the sops program runs it"
    )


def test_broken_key_file_is_named_with_its_line_and_never_key(file):
    typo = str(file.key)[:-1]
    path = keys("keys.txt", file, "# x", typo, "CANARY", "", OTHER)
    file.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    message = f"SOPS_AGE_KEY_FILE {path}: 1 key, line 2 is not an age identity, line 3 is not an age identity"
    assert message in hint(file)
    assert typo not in hint(file)
    file.refusal("a.yaml", Denied)


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (
            ["AGE-PLUGIN-YUBIKEY-1CANARY"],
            "0 keys, line 1 is an age plugin's identity, which only the sops program can use",
        ),
        (["AGE-SECRET-KEY-PQ-1CANARY"], "0 keys, line 1 is not an age identity"),
        (["-----BEGIN AGE ENCRYPTED FILE-----", "CANARY"], "is encrypted, but not to a passphrase"),
        (["age-encryption.org/v1", "CANARY"], "is encrypted, but not to a passphrase"),
        (["-----BEGIN OPENSSH PRIVATE KEY-----", "CANARY"], "0 keys, line 1 is an ssh key, not used"),
    ],
)
@pytest.mark.parametrize("place", ["SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"])
def test_identities_of_other_kinds_are_named_and_skipped(file, lines, note, place):
    path = keys("keys.txt", file, *lines)
    file.environ = {place: path.read_text() if place == "SOPS_AGE_KEY" else str(path)}
    assert f": {note};" in hint(file) + ";"
    file.refusal("a.yaml", Denied)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_key_file_that_is_no_file(file, kind):
    (file.path / "keys.txt").mkdir() if kind == "folder" else os.mkfifo(file.path / "keys.txt")
    file.environ = {"SOPS_AGE_KEY_FILE": f"{file.path}/keys.txt"}
    assert f"SOPS_AGE_KEY_FILE {file.path}/keys.txt: is not a regular file" in hint(file)


def test_any_of_several_recipients_opens_file(sops):
    others = [str(x25519.Identity.generate().to_public()) for _ in range(2)]
    sops.encrypt("a.yaml", "a: CANARY\n", age=",".join([others[0], sops.recipient, others[1]]))
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    sops.environ = {"SOPS_AGE_KEY": str(OTHER)}
    assert sops.refusal("a.yaml", Denied) == (
        f"no age key matched its recipients {others[0]}, {sops.recipient}, {others[1]}"
    )


def test_many_recipients_are_not_all_listed(sops):
    others = [str(x25519.Identity.generate().to_public()) for _ in range(12)]
    sops.encrypt("a.yaml", "a: CANARY\n", age=",".join(others))
    assert sops.refusal("a.yaml", Denied) == f"no age key matched its recipients {', '.join(others[:10])} and 2 more"


def test_keys_of_other_types_are_named(file):
    file.edit(
        "a.yaml",
        "    age:",
        "    gcp_kms:\n        - {arn: x, enc: x}\n    AZURE_kv: {name: x, enc: x}\n    hckms: []\n    age:",
    )
    assert file.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    file.environ = {}
    assert file.refusal("a.yaml", Denied) == (
        f"no age key matched its recipients {file.recipient}; "
        "only the sops program can open its gcp_kms and azure_kv keys"
    )


def test_file_without_keys_that_are_used(file):
    text = (file.path / "a.yaml").read_text()
    begin, end = text.index("    age:"), text.index("    lastmodified")
    file.write("a.yaml", text[:begin] + "    hckms: [{key_id: x, enc: x}]\n" + text[end:])
    assert file.refusal("a.yaml", Denied) == "only the sops program can open its hckms keys"


def test_one_key_group_is_like_none(sops):
    sops.encrypt("b.yaml", "a: CANARY\n", key_groups=[{"age": [sops.recipient]}])
    assert sops.values("b.yaml") == [{"a": ("text", b"CANARY")}]
    text = (sops.path / "b.yaml").read_text()
    begin, end = text.index("    age:"), text.index("    lastmodified")
    nested = "".join("        " + line for line in text[begin:end].splitlines(keepends=True))
    sops.write("b.yaml", text[:begin] + "    key_groups:\n        -\n" + nested + text[end:])
    assert sops.values("b.yaml") == [{"a": ("text", b"CANARY")}]


def test_damaged_data_key_of_ours(file):
    line = (file.path / "a.yaml").read_text().splitlines()[4].strip()
    file.edit("a.yaml", line, line[::-1])
    assert file.refusal("a.yaml") == f"the data key for {file.recipient} is damaged"


def test_data_key_of_wrong_size(file):
    text = (file.path / "a.yaml").read_text()
    begin, end = text.index("enc: |"), text.index("          recipient:")
    short = encrypt(b"k" * 16, [file.key.to_public()], armored=True).decode()
    file.write("a.yaml", text[:begin] + f"enc: {json.dumps(short)}\n" + text[end:])
    assert file.refusal("a.yaml") == "its age key contains 16 bytes instead of 32"


def test_data_key_of_another_file(file):
    file.encrypt("b.yaml", "a: CANARY\n")
    texts = [(file.path / name).read_text() for name in ("a.yaml", "b.yaml")]
    blocks = [text[text.index("        - enc:") : text.index("    lastmodified")] for text in texts]
    file.edit("a.yaml", blocks[0], blocks[1])
    assert file.refusal("a.yaml") == "key a does not decrypt: it was changed or moved after encryption"


def test_keys_are_read_once_whichever_thread_comes_first(file):
    path = keys("keys.txt", file, file.key)
    file.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    session = Sops().open(file.context())
    assert session.read("a.yaml").revision.order
    path.unlink()
    found = []
    threads = [threading.Thread(target=lambda: found.append(session.read("a.yaml"))) for _ in range(Sops.concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == len(threads)
    session.close()
    with pytest.raises(ProviderError):
        session.read("a.yaml")


def test_keyring_shows_no_key(folder):
    keyring = identities.load(folder.environ, None)
    assert len(keyring.native) == 1
    assert str(folder.key) not in repr(keyring)


def test_key_file_in_utf16_is_named(file):
    for encoding in ("utf-16", "utf-16-be"):
        path = file.write("keys.txt", f"# created\r\n{file.key}\r\n".encode(encoding))
        file.environ = {"SOPS_AGE_KEY_FILE": str(path)}
        assert f"SOPS_AGE_KEY_FILE {path}: is UTF-16; save it as UTF-8" in hint(file)
        assert "age_key_file" in hint(file, Sops(age_key_file="keys.txt"))
        assert f"age_key_file {path}: is UTF-16; save it as UTF-8" in hint(file, Sops(age_key_file="keys.txt"))


def test_byte_order_mark_before_key_is_named(file):
    path = file.write("keys.txt", f"\ufeff{file.key}\n")
    file.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    what = "0 keys, line 1 follows a byte order mark (BOM); save the file without one"
    assert f"SOPS_AGE_KEY_FILE {path}: {what}" in hint(file)
    file.environ = {"SOPS_AGE_KEY": f"\ufeff{file.key}"}
    assert f"SOPS_AGE_KEY: {what}" in hint(file)
    file.write("keys.txt", f"\ufeff# created\n{file.key}\n")
    file.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    assert file.read("a.yaml").revision.order  # the key itself is as it should be
