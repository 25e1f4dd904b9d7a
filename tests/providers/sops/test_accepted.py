"""Changes that `sops decrypt` lets pass: what bridge refuses of them, what it warns of, and what no reader can see."""

import re

import pytest

CONTENT = """\
[s]
first = CANARY-1
second = CANARY-2
clear_unencrypted = visible
"""
YAML = 'first: CANARY-1\nport: "5432"\nflag: "True"\nnested: {deep: CANARY-5}\nclear_unencrypted: visible\n'
DAMAGED = "is damaged: it is not a valid encrypted value"


@pytest.fixture
def ini(sops):
    """An ini file; at the end of each test the real sops still reads it."""
    sops.encrypt("a.ini", CONTENT)
    yield sops
    assert sops.sops("decrypt", "a.ini").returncode == 0


@pytest.fixture
def yaml(sops):
    """The same in YAML."""
    sops.encrypt("a.yaml", YAML)
    yield sops
    assert sops.sops("decrypt", "a.yaml").returncode == 0


class TestIni:
    @pytest.mark.parametrize("junk", ["junk", "\\"])
    def test_junk_behind_value_is_refused(self, ini, junk):
        value = ini.value("a.ini", "first")
        ini.edit("a.ini", value, f"`{value}{junk}`")
        assert ini.refusal("a.ini") == f"key s.first {DAMAGED}"

    def test_junk_behind_closing_quote_and_header(self, ini):
        value = ini.value("a.ini", "first")
        ini.edit("a.ini", value, f"`{value}` junk")
        assert ini.refusal("a.ini") == "line 2 has text after its end, which sops would drop"
        ini.edit("a.ini", "` junk", "`")
        ini.edit("a.ini", "[s]", "[s] junk")
        assert ini.refusal("a.ini") == "line 1 has text after its end, which sops would drop"

    def test_name_that_stands_twice_also_in_later_section_of_that_name(self, ini):
        ini.edit("a.ini", "first ", "first = \nfirst ")
        assert ini.refusal("a.ini") == "line 3: duplicate name in a section"
        ini.edit("a.ini", "first = \n", "")
        ini.edit("a.ini", "[sops]", "[s]\nfirst = \n[sops]")
        assert re.fullmatch(r"line \d+: duplicate name in a section", ini.refusal("a.ini"))

    def test_base64_that_is_not_canonical(self, ini):
        value = ini.value("a.ini", "first")
        letter = re.search(r"iv:[^=]*([^=])=", value)
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        other = letters[letters.index(letter[1]) + 1]
        ini.edit("a.ini", value, value[: letter.start(1)] + other + value[letter.end(1) :])
        assert ini.refusal("a.ini") == "key s.first is damaged: its base64 is not canonical"

    def test_value_made_comment_s(self, ini):
        value = ini.value("a.ini", "first")
        ini.edit("a.ini", value, value.replace("type:str", "type:comment"))
        assert ini.refusal("a.ini") == "key s.first has the type `comment`, which sops does not write for a value"

    def test_renamed_unencrypted_name_empty_value_and_empty_section_are_what_no_mac_shows(self, ini):
        ini.edit("a.ini", "clear_unencrypted", "other_unencrypted")
        ini.edit("a.ini", "[sops]", "added =\n[empty]\n[sops]")
        (found,) = ini.values("a.ini")
        assert found["s"]["other_unencrypted"] == ("text", b"visible")
        assert (found["s"]["added"], found["empty"]) == (("text", b""), {})

    def test_type_flipped_where_text_fits_gives_no_text(self, ini):
        ini.encrypt("a.ini", "[s]\nport = 5432\n")
        value = ini.value("a.ini", "port")
        ini.edit("a.ini", value, value.replace("type:str", "type:int"))
        assert ini.values("a.ini") == [{"s": {"port": ("number", b"5432")}}]


class TestYaml:
    def test_nested_name_made_one_with_colon(self, yaml):
        yaml.edit("a.yaml", "nested:\n    deep:", '"nested:deep":')
        assert yaml.refusal("a.yaml").startswith("key nested:deep contains a colon")

    def test_edit_that_mac_over_encrypted_values_alone_does_not_cover_is_warned_of(self, yaml):
        yaml.encrypt("a.yaml", YAML, mac_only_encrypted=True)
        yaml.edit("a.yaml", "visible", "changed")
        document = yaml.read("a.yaml")
        assert document.content[0]["clear_unencrypted"].reveal() == b"changed"
        (warning,) = document.warnings
        assert warning.what.startswith("its MAC covers only encrypted values (`mac_only_encrypted`)")

    @pytest.mark.parametrize(
        ("key", "kind", "leaf"),
        [
            ("port", "int", ("number", b"5432")),
            ("port", "float", ("number", b"5432")),
            ("flag", "bool", ("boolean", b"true")),
        ],
    )
    def test_flipped_type_is_what_no_mac_shows(self, yaml, key, kind, leaf):
        value = yaml.value("a.yaml", key)
        yaml.edit("a.yaml", value, value.replace("type:str", f"type:{kind}"))
        assert yaml.values("a.yaml")[0][key] == leaf

    @pytest.mark.parametrize(
        ("added", "node"), [('""', ("text", b"")), ("null", ("null", b"")), ("{}", {}), ("[]", [])]
    )
    def test_added_value_without_content_is_what_no_mac_shows(self, yaml, added, node):
        yaml.edit("a.yaml", "first:", f"added: {added}\nfirst:")
        assert yaml.values("a.yaml")[0]["added"] == node

    def test_empty_value_taken_away_or_renamed_is_what_no_mac_shows(self, yaml):
        yaml.encrypt("a.yaml", "first: CANARY-1\ngone: ''\nold: ''\n")
        yaml.edit("a.yaml", 'gone: ""\n', "")
        yaml.edit("a.yaml", "old:", "new:")
        assert yaml.values("a.yaml") == [{"first": ("text", b"CANARY-1"), "new": ("text", b"")}]

    def test_value_put_into_list_is_what_no_mac_shows(self, yaml):
        value = yaml.value("a.yaml", "first")
        yaml.edit("a.yaml", value, f"[[ '{value}' ]]")
        assert yaml.values("a.yaml")[0]["first"] == [[("text", b"CANARY-1")]]

    def test_renamed_unencrypted_key_is_what_no_mac_shows(self, yaml):
        yaml.edit("a.yaml", "clear_unencrypted", "other_unencrypted")
        assert yaml.values("a.yaml")[0]["other_unencrypted"] == ("text", b"visible")

    def test_comment_in_clear_in_encrypted_area_is_no_value(self, yaml):
        yaml.edit("a.yaml", "first:", "# planted\nfirst:")
        assert yaml.values("a.yaml")[0]["first"] == ("text", b"CANARY-1")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Z"\n', '.75Z"\n'),
        ('Z"\n', '+00:00"\n'),
        ('Z"\n', '-00:00"\n'),
        ('lastmodified: "', 'lastmodified: "0'),
        ("lastmodified:", "LastModified:"),
        ("    mac:", "    MAC:"),
        ("    mac:", "    kms: []\n    gcp_kms: []\n    azure_kv: []\n    hc_vault: []\n    pgp: []\n    mac:"),
        ("    mac:", "    key_groups: []\n    shamir_threshold: '0'\n    mac:"),
        ("    mac:", "    shamir_threshold: 0\n    mac:"),
        ("    mac:", "    mac_only_encrypted: 'false'\n    mac:"),
        ("    mac:", "    mac_only_encrypted: 0\n    mac:"),
        ("    mac:", "    mac_only_encrypted: perhaps\n    mac:"),
        ("    version: 3.13.2", "    version: 3.9.0"),
        ("    unencrypted_suffix: _unencrypted\n", ""),
        ("    unencrypted_suffix: _unencrypted\n", "    unencrypted_suffix: ''\n    encrypted_regex: ''\n"),
        ("    mac:", "    unknown: x\n    mac:"),
    ],
)
def test_metadata_in_any_layout_that_sops_reads_is_read_and_no_other(sops, old, new):
    sops.encrypt("a.yaml", "a: CANARY\nb_unencrypted: x\n")
    sops.edit("a.yaml", old, new)
    accepted = sops.sops("decrypt", "a.yaml").returncode == 0
    if accepted:
        assert sops.values("a.yaml") == [{"a": ("text", b"CANARY"), "b_unencrypted": ("text", b"x")}]
    else:
        assert sops.refusal("a.yaml")


def test_time_without_quotes(sops):
    sops.encrypt("a.yaml", "a: CANARY\n")
    stamp = sops.line("a.yaml", "lastmodified").split('"')[1]
    sops.edit("a.yaml", f'"{stamp}"', stamp)
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
