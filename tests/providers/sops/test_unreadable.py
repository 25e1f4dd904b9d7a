"""Files that are refused before a key is needed: broken, not encrypted, too large, too deep."""

import json
import os
import re

import pytest

from bridge.provider import Denied, NotFound, ProviderError
from bridge_providers.sops import files, store_yaml, tree

INVALID = "it is not a valid Go regular expression, or it is too large"

NOT_ENCRYPTED = "is not encrypted with sops (it has no `sops` metadata)"
META = """\
sops:
  age: [{recipient: age1x, enc: x}]
  lastmodified: "2024-01-01T00:00:00Z"
  mac: ENC[x]
  version: 3.13.2
"""
NO_KEYS = "it has no keys in its sops metadata, so nobody can decrypt it"
TOO_LARGE = "line 1: a whole number is above 9223372036854775807, which sops does not support"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "a: CANARY\n"),
        ("a.yaml", ""),
        ("a.yaml", "# only a comment\n"),
        ("a.json", '{"a": "CANARY"}'),
        ("a.env", "A=CANARY\n"),
        ("a.env", ""),
        ("a.bin", '{"data": "CANARY"}'),
    ],
)
def test_file_that_is_not_encrypted(folder, name, content):
    folder.write(name, content)
    with pytest.raises(ProviderError) as caught:
        folder.read(name)
    (problem,) = caught.value.problems
    assert (problem.what, problem.hint) == (NOT_ENCRYPTED, "encrypt it with `sops -e -i FILE`")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "a: x\nb: [CANARY\nc: y\n", "line 3 is not valid YAML"),
        ("a.yaml", "a: 'CANARY\n", "line 2 is not valid YAML"),
        ("a.yaml", b"a: CANARY\xff\n", "is not valid YAML: a character is not allowed, or is not UTF-8"),
        ("a.yaml", b"a: CANARY\x01\n", "is not valid YAML: a character is not allowed, or is not UTF-8"),
        ("a.yaml", b"a: CANARY\xed\xa0\x80\n", "is not valid YAML: a character is not allowed, or is not UTF-8"),
        ("a.yaml", "[CANARY]\n", "document 1 is not a mapping"),
        ("a.yaml", "a: x\n---\nCANARY\n", "document 2 is not a mapping"),
        ("a.yaml", "a: x\na: CANARY\n", "line 2: duplicate key a"),
        ("a.yaml", "a: x\n---\nb: {c: x,\n c: CANARY}\n", "line 4: duplicate key c"),
        ("a.yaml", "1: CANARY\n", "line 1: a key is not text"),
        ("a.yaml", "~: CANARY\n", "line 1: a key is not text"),
        ("a.yaml", "2024-01-01: CANARY\n", "line 1: a key is not text"),
        ("a.yaml", "!!binary /w==: CANARY\n", "line 1: a key is not text"),
        ("a.yaml", "? [x]\n: CANARY\n", "line 1: a key is not text"),
        ("a.yaml", "a: &x y\n*x : CANARY\n", "line 2: a key is not text"),
        ("a.yaml", "a: CANARY\nb: *x\n", "line 2: an alias has no anchor before it, or is inside its own anchor"),
        ("a.yaml", "a: &x [CANARY, *x]\n", "line 1: an alias has no anchor before it, or is inside its own anchor"),
        ("a.yaml", "a: &x 1\n---\nb: *x\n", "line 3: an alias has no anchor before it, or is inside its own anchor"),
        ("a.yaml", "a: 9223372036854775808\n", TOO_LARGE),
        ("a.yaml", "a: !!binary CANARY!\n", "line 1: a !!binary value is not base64"),
        ("a.json", '{"a":\n"CANARY",}', "line 2 is not valid JSON"),
        ("a.json", '{"a": "CANARY"} {}', "line 1 is not valid JSON"),
        ("a.json", b'{"a": "CANARY\xff"}', "is not valid UTF-8"),
        ("a.json", '["CANARY"]', "is not a JSON object"),
        ("a.json", '{"a": "CANARY\\ud800"}', "contains text that is not valid Unicode"),
        ("a.json", '{"a\\ud800": "CANARY"}', "contains text that is not valid Unicode"),
        ("a.json", '{"a": NaN}', "is not valid JSON: it contains NaN or Infinity"),
        ("a.json", '{"a": 1e999}', "contains a number that is too large"),
        ("a.json", '{"a": ' + "9" * 5000 + "}", "contains a number that is too large"),
        ("a.json", '{"a": {"b": "CANARY", "b": 1}}', "duplicate key b in one object"),
        ("a.env", "A=x\nCANARY\n", "line 2 has no `=`"),
        ("a.env", "A=x\n\r\n", "line 2 has no `=`"),
        ("a.env", b"A\xff=CANARY\n", "line 1: the name is not valid UTF-8"),
        ("a.env", "A=x\nA=CANARY\n", "line 2: duplicate name"),
        ("a.env", "A=x\nsops_mac__map_x=CANARY\nsops_mac=x\n", "its `sops_` lines are inconsistent"),
        ("a.env", "sops_mac=x\nsops_mac__map_x=CANARY\n", "its `sops_` lines are inconsistent"),
        ("a.env", "sops_age__list_1__map_enc=CANARY\n", "its `sops_` lines are inconsistent"),
        ("a.env", "sops_age__list_0=x\nsops_age__map_x=CANARY\n", "its `sops_` lines are inconsistent"),
        ("a.bin", "CANARY", "line 1 is not valid JSON"),
    ],
)  # fmt: skip
def test_broken_file_is_named_by_line_and_never_quoted(folder, name, content, message):
    folder.write(name, content)
    assert folder.refusal(name) == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"2024-01-01T00:00:00Z"', "yesterday", "its `lastmodified` is not a time"),
        ('"2024-01-01T00:00:00Z"', "0000-01-01T00:00:00Z", "its `lastmodified` is not a time"),
        ("  mac", "  MAC: x\n  Mac", "duplicate `mac` (the names differ only in case)"),
        ("mac: ENC[x]", "mac: [x]", "its `mac` is not a string"),
        ("  mac", "  mac_only_encrypted: perhaps\n  mac", "its `mac_only_encrypted` is not true or false"),
        ("age: [{recipient: age1x, enc: x}]", "age: x", "its `age` is not a list of keys"),
        ("age: [{recipient: age1x, enc: x}]", "age: [x]", "its `age` is not a list of keys"),
        ("age: [{recipient: age1x, enc: x}]", "age: []", NO_KEYS),
        ("  mac", "  kms: [{arn: x, context: y}]\n  mac", "the `context` of a kms key is not a mapping"),
        ("  mac", "  kms: [{arn: x, context: [y]}]\n  mac", "the `context` of a kms key is not a mapping"),
        ("  mac", "  encrypted_regex: a\n  encrypted_suffix: b\n  mac",
         "it has more than one rule for what is encrypted: encrypted_suffix, encrypted_regex"),
        ("  mac", "  encrypted_regex: '('\n  mac", f"its `encrypted_regex` cannot be used: {INVALID}"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_followed(folder, old, new, message):
    assert old in META
    folder.write("a.yaml", "a: CANARY\n" + META.replace(old, new))
    assert folder.refusal("a.yaml") == message


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (["data", "API_KEY"], "data.API_KEY"),
        (["list", 0, 1, "x y"], "list[0][1].x y"),
        (["a\nb"], "'a\\nb'"),
        (["a\x1b[31m"], "'a\\x1b[31m'"),
        ([""], "''"),
        (["é" * 100], "é" * 80 + "…"),
    ],
)
def test_place_is_named_on_one_line(path, name):
    assert tree.name(path) == name


class TestBounds:
    def test_file_that_is_too_large(self, folder):
        folder.write("a.yaml", b"#" * (files.LIMIT + 1))
        assert folder.refusal("a.yaml") == "is larger than 10 MiB"

    def test_file_of_largest_size_is_read(self, folder):
        folder.write("a.yaml", b"#" * files.LIMIT)
        assert folder.refusal("a.yaml") == NOT_ENCRYPTED

    @pytest.mark.parametrize("content", ["a: " + "[" * 500, "{a: " * 500, "- " * 500])
    def test_yaml_that_is_too_deep(self, folder, content):
        folder.write("a.yaml", content)
        assert folder.refusal("a.yaml") == "is nested more than 100 levels deep"

    @pytest.mark.parametrize("content", ["a: " + "[" * 2_000_000, "{a: " * 2_000_000, "- " * 2_000_000])
    def test_yaml_of_any_depth_is_refused(self, folder, content):
        """Libyaml before 0.2.6 takes hours for that many open brackets; later ones may refuse them before we do."""
        folder.write("a.yaml", content)
        assert folder.refusal("a.yaml") in {"is nested more than 100 levels deep", "line 1 is not valid YAML"}

    @pytest.mark.parametrize("depth", [101, 500, 100_000])
    def test_json_that_is_too_deep(self, folder, depth):
        folder.write("a.json", '{"a": ' + "[" * depth + "]" * depth + "}")
        assert folder.refusal("a.json") == "is nested more than 100 levels deep"

    @pytest.mark.parametrize("name", ["a.yaml", "a.json"])
    def test_deepest_that_is_read(self, folder, name):
        folder.write(name, '{"a": ' + "[" * 99 + "]" * 99 + "}")
        assert folder.refusal(name) == NOT_ENCRYPTED

    def test_too_many_directives_because_each_is_compared_with_all(self, folder):
        lines = [f"%TAG !{number}! a\n" for number in range(101)]
        folder.write("a.yaml", "".join(lines) + "--- {a: CANARY}")
        assert folder.refusal("a.yaml") == "has more than 100 %TAG directives"
        folder.write("a.yaml", "".join(lines[1:]) + "--- {a: b}")
        assert folder.refusal("a.yaml") == NOT_ENCRYPTED

    @pytest.mark.slow
    def test_too_many_values(self, folder):
        count = tree.MAX_VALUES
        for name, content in {
            "a.yaml": "a: [" + "x," * count + "]",
            "b.yaml": "---\n" * (count + 1),
            "a.json": json.dumps({"a": [0] * count}),
            "a.env": "".join(f"A{number}=\n" for number in range(count + 1)),
        }.items():
            folder.write(name, content)
            assert folder.refusal(name) == "contains more than 100000 values"

    def test_aliases_that_multiply(self, folder):
        levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
        folder.write("a.yaml", "l0: &l0 [x]\n" + levels)
        assert folder.refusal("a.yaml") == "contains more than 100000 values"

    def test_alias_counts_for_what_it_stands_for(self, folder):
        folder.write("a.yaml", "a: &a {x: [1, 2]}\nb: [*a, *a]\n")
        (document,) = store_yaml.documents((folder.path / "a.yaml").read_bytes())
        assert document["b"] == [document["a"], document["a"]]


class TestPaths:
    def test_missing_file(self, folder):
        assert folder.refusal("a.yaml", NotFound) == "no such file"
        folder.write("a.yaml", "")
        assert folder.refusal("a.yaml/b.yaml", NotFound) == "no such file"

    def test_folder(self, folder):
        (folder.path / "a.yaml").mkdir()
        assert folder.refusal("a.yaml") == "is not a regular file"

    def test_fifo_does_not_block(self, folder):
        os.mkfifo(folder.path / "a.yaml")
        assert folder.refusal("a.yaml") == "is not a regular file"

    def test_device(self, folder):
        assert folder.refusal("/dev/zero") == "is not a regular file"

    def test_link_to_itself(self, folder):
        (folder.path / "a.yaml").symlink_to("a.yaml")
        assert re.fullmatch("cannot open the file: Too many levels of symbolic links", folder.refusal("a.yaml"))

    def test_file_that_may_not_be_read(self, folder, monkeypatch):
        def refuse(*_):
            raise PermissionError

        monkeypatch.setattr(files.os, "open", refuse)  # root, who may run the tests, may read everything
        assert folder.refusal("a.yaml", Denied) == "cannot read the file: permission denied"

    def test_zero_byte(self, folder):
        assert folder.refusal("a\0.yaml") == "the path contains a zero byte"

    def test_link_inside_folder_is_how_kubernetes_mounts_files(self, folder):
        folder.write("..2024/a.yaml", "a: x")
        (folder.path / "..data").symlink_to("..2024")
        (folder.path / "a.yaml").symlink_to("..data/a.yaml")
        assert folder.refusal("a.yaml") == NOT_ENCRYPTED

    def test_folder_that_is_itself_link(self, folder):
        folder.write("real/a.yaml", "a: x")
        (folder.path / "link").symlink_to("real")
        folder.path = folder.path / "link"
        assert folder.refusal("a.yaml") == NOT_ENCRYPTED

    @pytest.mark.parametrize("path", ["a.yaml", "sub/a.yaml", "up/../a.yaml"])
    def test_link_that_leads_out(self, folder, path):
        folder.write("outside/a.yaml", "a: x")
        (folder.path / "base/up").mkdir(parents=True)
        (folder.path / "base/a.yaml").symlink_to("../outside/a.yaml")
        (folder.path / "base/sub").symlink_to("../outside")
        folder.path = folder.path / "base"
        assert folder.refusal(path) == f"a link leads out of {folder.path}"

    def test_dots_lead_where_they_say_and_links_not_beyond(self, folder):
        folder.write("top/apps/a.yaml", "a: x")
        folder.write("away/b.yaml", "a: x")
        (folder.path / "top/base").mkdir()
        (folder.path / "top/apps/b.yaml").symlink_to(folder.path / "away/b.yaml")
        folder.path = folder.path / "top/base"
        assert folder.refusal("../apps/a.yaml") == NOT_ENCRYPTED
        assert folder.refusal("../apps/b.yaml") == f"a link leads out of {folder.path.parent}"

    def test_absolute_path_has_no_wall(self, folder):
        folder.write("outside/a.yaml", "a: x")
        link = folder.path / "link.yaml"
        link.symlink_to("outside/a.yaml")
        folder.path = folder.path / "base"
        assert folder.refusal(str(link)) == NOT_ENCRYPTED
