"""Files changed after encryption: each change is refused by name, also those that sops itself accepts."""

import re

import pytest

from tests.providers.sops.record import KEYS, WRITTEN

MISMATCH = "its MAC does not match: a value was changed, moved, added or removed after encryption"
UNREADABLE = "its MAC does not decrypt: `mac` or `lastmodified` was changed after encryption"
MOVED = "does not decrypt: it was changed or moved after encryption"
PLAIN = "is not encrypted, but the file's rules say it should be"
DAMAGED = "is damaged: it is not a valid encrypted value"

CONTENT = """\
first: CANARY-1
second: CANARY-2
port: "5432"
list: [CANARY-3, CANARY-4]
nested: {deep: CANARY-5}
clear_unencrypted: visible
also_unencrypted: seen
"""


@pytest.fixture
def file(folder):
    """What sops 3.13.2 made of CONTENT: most changes are found without sops."""
    folder.environ["SOPS_AGE_KEY"] = KEYS["age"]
    folder.write("a.yaml", (WRITTEN / "tampering.yaml").read_text())
    return folder


@pytest.fixture
def fresh(sops):
    sops.encrypt("a.yaml", CONTENT)
    return sops


def lines(file, name="a.yaml"):
    return (file.path / name).read_text().splitlines(keepends=True)


def swap(file, one, other):
    file.edit("a.yaml", one, "@@")
    file.edit("a.yaml", other, one)
    file.edit("a.yaml", "@@", other)


def test_untouched_it_reads(file):
    assert file.values("a.yaml")[0]["first"] == ("text", b"CANARY-1")


def test_swapped_values(file):
    swap(file, file.value("a.yaml", "first"), file.value("a.yaml", "second"))
    assert file.refusal("a.yaml") == f"key first {MOVED}"


def test_swapped_list_items(file):
    one, other = (line.strip("- \n") for line in lines(file) if line.strip().startswith("- ENC["))
    swap(file, one, other)
    assert file.refusal("a.yaml") == MISMATCH


def test_value_moved_below_another_key(file):
    file.edit("a.yaml", "    deep:", "    deeper:")
    assert file.refusal("a.yaml") == f"key nested.deeper {MOVED}"


def test_removed_key(file):
    file.edit("a.yaml", file.line("a.yaml", "second") + "\n", "")
    assert file.refusal("a.yaml") == MISMATCH


def test_plaintext_value_in_encrypted_area(file):
    file.edit("a.yaml", "nested:", "added: CANARY-6\nnested:")
    assert file.refusal("a.yaml") == f"key added {PLAIN}"


@pytest.mark.parametrize("value", ["5", "true", "1.5", "2024-01-01", "!!binary /w=="])
def test_plaintext_value_of_any_type_in_encrypted_area(file, value):
    file.edit("a.yaml", "nested:", f"nested:\n    added: {value}")
    assert file.refusal("a.yaml") == f"key nested.added {PLAIN}"


def test_edited_unencrypted_value(file):
    file.edit("a.yaml", "visible", "changed")
    assert file.refusal("a.yaml") == MISMATCH


def test_value_replaced_by_empty_one(file):
    file.edit("a.yaml", file.value("a.yaml", "first"), '""')
    assert file.refusal("a.yaml") == MISMATCH


def test_changed_time(file):
    stamp = file.line("a.yaml", "lastmodified").split('"')[1]
    file.edit("a.yaml", stamp, "2020-01-01T00:00:00Z")
    assert file.refusal("a.yaml") == UNREADABLE


def test_no_mac(file):
    file.edit("a.yaml", file.line("a.yaml", "mac") + "\n", "")
    assert file.refusal("a.yaml") == "has no MAC (`mac` in its sops metadata), so it may have been changed"


@pytest.mark.parametrize("mac", ['""', "~"])
def test_empty_mac(file, mac):
    file.edit("a.yaml", file.value("a.yaml", "mac"), mac)
    assert file.refusal("a.yaml") == "has no MAC (`mac` in its sops metadata), so it may have been changed"


def test_altered_mac(file):
    mac = file.value("a.yaml", "mac")
    file.edit("a.yaml", mac, mac.replace("data:" + mac[20], "data:" + ("A" if mac[20] != "A" else "B")))
    assert file.refusal("a.yaml") == UNREADABLE


def test_plaintext_mac(file):
    file.edit("a.yaml", file.value("a.yaml", "mac"), "AB" * 64)
    assert file.refusal("a.yaml") == UNREADABLE


def test_mac_of_another_time(fresh):
    old, stamp = fresh.value("a.yaml", "mac"), fresh.line("a.yaml", "lastmodified")
    fresh.edit("a.yaml", "visible", "changed")
    assert fresh.sops("set", "a.yaml", '["second"]', '"x"').returncode != 0
    fresh.edit("a.yaml", "changed", "visible")
    assert fresh.sops("set", "a.yaml", '["second"]', '"CANARY-7"').returncode == 0
    fresh.edit("a.yaml", fresh.value("a.yaml", "mac"), old)
    fresh.edit("a.yaml", fresh.line("a.yaml", "lastmodified"), stamp)
    assert fresh.refusal("a.yaml") == MISMATCH


def test_mac_only_encrypted_dropped(sops):
    sops.encrypt("a.yaml", CONTENT, mac_only_encrypted=True)
    sops.edit("a.yaml", sops.line("a.yaml", "mac_only_encrypted") + "\n", "")
    assert sops.refusal("a.yaml") == MISMATCH


def test_mac_only_encrypted_added(file):
    file.edit("a.yaml", "    unencrypted_suffix", "    mac_only_encrypted: true\n    unencrypted_suffix")
    assert file.refusal("a.yaml") == MISMATCH


def test_rule_added(file):
    file.edit("a.yaml", "    unencrypted_suffix", "    unencrypted_regex: .*\n    unencrypted_suffix")
    assert file.refusal("a.yaml") == (
        "it has more than one rule for what is encrypted: unencrypted_suffix, unencrypted_regex"
    )


def test_rule_replaced_so_that_nothing_is_decrypted(file):
    file.edit("a.yaml", "    unencrypted_suffix: _unencrypted", "    unencrypted_regex: .*")
    assert file.refusal("a.yaml") == MISMATCH


def test_rule_replaced_so_that_more_is_decrypted(file):
    file.edit("a.yaml", "    unencrypted_suffix: _unencrypted", "    unencrypted_suffix: _other")
    assert file.refusal("a.yaml") == f"key clear_unencrypted {PLAIN}"


def test_two_sops_blocks(file):
    text = (file.path / "a.yaml").read_text()
    file.write("a.yaml", text + text[text.index("sops:") :])
    assert re.fullmatch(r"line \d+: duplicate key sops", file.refusal("a.yaml"))


@pytest.mark.parametrize("block", ["sops: x", "sops: [x]", "sops: 1"])
def test_sops_block_that_is_no_mapping(file, block):
    text = (file.path / "a.yaml").read_text()
    file.write("a.yaml", text[: text.index("sops:")] + block + "\n")
    assert file.refusal("a.yaml") == "its `sops` entry is not a mapping"


def test_several_documents_are_reported_apart(sops):
    sops.encrypt("a.yaml", "a: {k: CANARY-1}\n---\na: {k: CANARY-2}\n")
    text = (sops.path / "a.yaml").read_text()
    sops.write("a.yaml", text[::-1].replace("ENC["[::-1], "X"[::-1], 3)[::-1])
    sops.edit("a.yaml", "mac: X", "mac: ENC[", count=2)
    assert sops.refusal("a.yaml") == f"key a.k (document 2) {PLAIN}"


def test_byte_shifted_between_unencrypted_neighbours_is_what_no_mac_shows(fresh):
    fresh.edit(
        "a.yaml",
        "clear_unencrypted: visible\nalso_unencrypted: seen",
        "clear_unencrypted: visibles\nalso_unencrypted: een",
    )
    assert fresh.sops("decrypt", "a.yaml").returncode == 0
    assert fresh.values("a.yaml")[0]["also_unencrypted"] == ("text", b"een")


class TestSopsAcceptsButBridgeDoesNot:
    """Each change leaves the MAC whole; `sops decrypt` still prints the file."""

    @pytest.fixture
    def file(self, fresh):
        return fresh

    @pytest.fixture(autouse=True)
    def sops_accepts(self, file):
        yield
        assert file.sops("decrypt", "a.yaml").returncode == 0

    @pytest.mark.parametrize("junk", ["junk", " ", "\\r"])
    def test_junk_behind_value(self, file, junk):
        value = file.value("a.yaml", "first")
        file.edit("a.yaml", value, f'"{value}{junk}"')
        assert file.refusal("a.yaml") == f"key first {DAMAGED}"

    @pytest.mark.parametrize("part", ["data", "iv", "tag"])
    def test_base64_that_is_not_canonical(self, file, part):
        # Every part here ends in `=`, so the last letter has bits that do not count.
        value = file.value("a.yaml", "first")
        letter = re.search(rf"{part}:[^=]*([^=])=", value)
        assert letter
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        other = letters[letters.index(letter[1]) + 1]
        file.edit("a.yaml", value, value[: letter.start(1)] + other + value[letter.end(1) :])
        assert file.refusal("a.yaml") == "key first is damaged: its base64 is not canonical"

    def test_line_end_inside_base64(self, file):
        value = file.value("a.yaml", "first")
        file.edit("a.yaml", value, '"' + value.replace("data:", "data:\\r") + '"')
        assert file.refusal("a.yaml") == f"key first {DAMAGED}"

    def test_list_item_made_comment(self, file):
        value = next(line.strip("- \n") for line in lines(file) if line.strip().startswith("- ENC["))
        file.edit("a.yaml", value, value.replace("type:str", "type:comment"))
        assert file.refusal("a.yaml").startswith("its MAC does not match: a value was changed")
        assert file.sops("decrypt", "--output-type", "json", "a.yaml").returncode == 0  # without the item

    def test_value_made_comment(self, file):
        value = file.value("a.yaml", "first")
        file.edit("a.yaml", value, value.replace("type:str", "type:comment"))
        assert file.refusal("a.yaml") == "key first has the type `comment`, which sops does not write for a value"

    def test_flipped_type_is_what_no_mac_shows(self, file):
        value = file.value("a.yaml", "port")
        file.edit("a.yaml", value, value.replace("type:str", "type:int"))
        assert file.values("a.yaml")[0]["port"] == ("number", b"5432")

    def test_duplicate_key_in_later_document(self, file):
        file.encrypt("a.yaml", "a: CANARY\n---\nb: CANARY-1\n")
        line = next(line for line in lines(file) if line.startswith("b:"))
        file.edit("a.yaml", line, line + 'b: ""\n')
        assert re.fullmatch(r"line \d+: duplicate key b", file.refusal("a.yaml"))


def test_type_bytes_in_new_file(file):
    value = file.value("a.yaml", "first")
    file.edit("a.yaml", value, value.replace("type:str", "type:bytes"))
    assert file.refusal("a.yaml") == "key first has the type `bytes`, which sops does not write for a value"


def test_type_bytes_in_old_file_is_read(file):
    value = file.value("a.yaml", "first")
    file.edit("a.yaml", value, value.replace("type:str", "type:bytes"))
    file.edit("a.yaml", "version: 3", "version: 1")
    assert file.values("a.yaml")[0]["first"] == ("bytes", b"CANARY-1")


def test_type_that_text_does_not_fit(file):
    value = file.value("a.yaml", "first")
    for kind in ("int", "float", "bool", "time"):
        file.edit("a.yaml", value, value.replace("type:str", f"type:{kind}"))
        assert file.refusal("a.yaml") == f"key first does not contain what its type `{kind}` says"
        file.edit("a.yaml", value.replace("type:str", f"type:{kind}"), value)


def test_unknown_type(file):
    value = file.value("a.yaml", "first")
    file.edit("a.yaml", value, value.replace("type:str", "type:secret"))
    assert file.refusal("a.yaml") == "key first has the type `secret`, which sops does not write for a value"


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.env"])
def test_colon_in_key(sops, name):
    content = {"a.yaml": '"x:y": CANARY\n', "a.json": '{"x:y": "CANARY"}', "a.env": "x:y=CANARY\n"}[name]
    sops.encrypt(name, content)
    assert sops.sops("decrypt", name).returncode == 0
    assert sops.refusal(name) == ("key x:y contains a colon, so sops's encryption cannot tell it from a nested key")


def test_duplicate_key_in_json(sops):
    sops.encrypt("a.json", '{"a": {"b": "CANARY", "c": 1}}')
    sops.edit("a.json", '"c":', '"b": "", "c":')
    assert sops.sops("decrypt", "a.json").returncode == 0
    assert sops.refusal("a.json") == "duplicate key b in one object"


def test_duplicate_name_in_dotenv(sops):
    sops.encrypt("a.env", "A=CANARY\n")
    sops.edit("a.env", "A=", "A=\nA=")
    assert sops.sops("decrypt", "a.env").returncode == 0
    assert sops.refusal("a.env") == "line 2: duplicate name"


def test_reserved_name_in_dotenv(sops):
    sops.encrypt("a.env", "A=CANARY\n")
    sops.edit("a.env", "A=", "sops_added=CANARY-2\nA=")
    assert sops.sops("decrypt", "a.env").returncode == 0
    assert sops.refusal("a.env") == "the name sops_added begins with `sops_`, which is reserved"


def test_binary_file_with_more_than_its_value(sops):
    sops.encrypt("a.bin", "CANARY")
    sops.edit("a.bin", '"data":', '"more": null, "data":')
    assert sops.sops("decrypt", "a.bin").returncode == 0
    assert sops.refusal("a.bin") == ("is not a valid sops binary file: it must contain only `data` and `sops`")


@pytest.mark.parametrize("value", ["-0.0", "5", "true", "null", '["CANARY"]', "{}"])
def test_binary_file_whose_value_is_not_text(sops, value):
    sops.encrypt("a.bin", "CANARY")
    sops.edit("a.bin", f'"{sops.value("a.bin", "data")}"', value)
    assert sops.sops("decrypt", "a.bin").returncode != 0
    assert sops.refusal("a.bin") == "is not a valid sops binary file: `data` is not text"


def test_binary_file_in_clear_is_refused_by_its_rule(sops):
    sops.encrypt("a.bin", "CANARY")
    value = sops.value("a.bin", "data")
    sops.edit("a.bin", value, "CANARY")
    assert sops.refusal("a.bin") == f"key data {PLAIN}"
