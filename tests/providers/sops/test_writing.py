"""Files that bridge makes or changes, read by the real sops."""

import difflib
import json

import pytest

from bridge.provider import Conflict, Revision, Writer
from bridge_providers.sops import Sops

TREE = {
    "text": "CANARY-1",
    "nested": {"list": [1, 2.5, True, None, "", {"deep": "CANARY-2", "none": []}, [["x"], []]], "empty": {}},
    "clear_unencrypted": {"yes": "yes", "port": 5432, "on": False, "nothing": None, "lines": "a\n b\n"},
    "multi": "line 1\nline 2\n",
    "é: ".strip(": "): "\N{ROCKET}\0\t\u2028",
}


@pytest.fixture
def desk(sops):
    """A folder whose `.sops.yaml` names its key."""
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient}]}))
    return sops


def changed_lines(before: str, after: str) -> list[str]:
    """Return the first word of each line that went or came."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]
    return [line[:2] + line[2:].split("ENC[")[0].strip() for line in lines]


def test_a_session_is_a_writer(folder):
    assert isinstance(Sops().open(folder.context()), Writer)


def test_sops_reads_a_new_yaml_file(desk):
    revision = desk.store("a.yaml", [TREE])
    assert desk.read("a.yaml").revision == revision
    printed = desk.sops("decrypt", "--output-type", "json", "a.yaml").stdout
    assert json.loads(printed) == TREE
    assert list(json.loads(printed)) == list(TREE)


def test_sops_reads_a_new_json_file(desk):
    desk.store("a.json", [TREE])
    assert json.loads(desk.decrypted("a.json")) == TREE


def test_sops_reads_a_new_dotenv_file(desk):
    desk.store("a.env", [{"A": "a=b", "B": 'l1\nl2 "q"', "E": "", "c_unencrypted": "plain"}])
    assert desk.decrypted("a.env") == 'A=a=b\nB=l1\\nl2 "q"\nE=\nc_unencrypted=plain\n'


@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe", b"text\n"])
def test_sops_reads_a_new_binary_file(desk, content):
    desk.store("a.bin", content)
    assert desk.sops("decrypt", "a.bin").stdout == content


def test_sops_reads_all_documents_of_a_new_file(desk):
    desk.store("a.yaml", [{"a": "x"}, {}, {"b": "z"}])
    assert desk.decrypted("a.yaml") == "a: x\n---\n{}\n---\nb: z\n"


def test_a_new_file_is_laid_out_as_sops_does(desk):
    desk.store("a.yaml", [TREE])
    ours = (desk.path / "a.yaml").read_text()
    assert desk.sops("set", "a.yaml", '["text"]', '"changed"').returncode == 0
    assert set(changed_lines(ours, (desk.path / "a.yaml").read_text())) <= {
        *("- text:", "+ text:", "- mac:", "+ mac:"),
        *(f"{sign} lastmodified: {ours.split('lastmodified: ')[1][:22]}" for sign in "-+"),
    }


def test_only_changed_values_change_in_the_text(desk):
    desk.encrypt("a.yaml", "# about a\na: x # inline\nb:\n  c: [1, 2]\n\n  d: old\n# last\ne_unencrypted: 5\n")
    before = (desk.path / "a.yaml").read_text()
    comments = [line for line in desk.decrypted("a.yaml").splitlines() if "#" in line]
    new = {"a": "x", "b": {"c": [1, 3], "d": "new", "f": {"g": "added"}}, "e_unencrypted": 6, "h": "added"}
    desk.store("a.yaml", [new], desk.read("a.yaml").revision)
    after = (desk.path / "a.yaml").read_text()
    stamp = [line for line in changed_lines(before, after) if "lastmodified" not in line]
    assert sorted(stamp) == sorted(
        [
            "- -",
            "+ -",
            "- d:",
            "+ d:",
            "+ f:",
            "+ g:",
            "- e_unencrypted: 5",
            "+ e_unencrypted: 6",
            "+ h:",
            "- mac:",
            "+ mac:",
        ]
    )
    assert json.loads(desk.sops("decrypt", "--output-type", "json", "a.yaml").stdout) == new
    assert [line for line in desk.decrypted("a.yaml").splitlines() if "#" in line] == comments


def test_another_revision_is_a_conflict(desk):
    first = desk.store("a.yaml", [{"a": "CANARY"}])
    second = desk.store("a.yaml", [{"a": "CANARY-2"}], first)
    assert desk.unwritable("a.yaml", [{"a": "CANARY-3"}], first, Conflict) == "it was changed meanwhile"
    assert desk.unwritable("a.yaml", [{"a": "CANARY-3"}], None, Conflict) == "it is there already"
    assert desk.unwritable("b.yaml", [{"a": "CANARY-3"}], second, Conflict) == "it is not there any more"
    assert desk.unwritable("a.yaml", [{"a": "CANARY-3"}], Revision("x"), Conflict) == "it was changed meanwhile"
