"""What `bridge diff` shows of SOPS files: values, recipients, rules, and old values that are back."""

import pytest
from pyrage import x25519

from bridge.review import outline_change
from tests.review.team import FILE, SECRET, VALUES, Team

OTHER = str(x25519.Identity.generate().to_public())


def values(data: dict, number: int = 0) -> dict:
    return {one["name"]: (one["what"], one["before"], one["after"]) for one in data["documents"][number]["values"]}


def recipients(entry: dict) -> list:
    return [(one["what"], one["kind"], one["id"], one["group"]) for one in entry["recipients"]]


def settings(entry: dict) -> dict:
    return {one["name"]: (one["before"], one["after"]) for one in entry["settings"]}


def test_value_that_is_set_is_a_changed_variable_and_key(team_of_release: Team) -> None:
    team = team_of_release
    team.start()
    team.git("checkout", "--quiet", "-b", "change")
    team.set("OPENAI", "CANARY-new")
    team.commit()
    data = team.diff("--git", "main...change")
    assert data["result"] == "changed"
    assert values(data) == {"OPENAI": ("changed", "encrypted", "encrypted")}
    assert data["documents"][0]["notes"] == []
    (variable,) = data["variables"]
    assert (variable["name"], variable["reasons"]) == ("OPENAI", ["new ciphertext"])
    assert variable["used_by"] == ["Secret/agent key OPENAI"]
    (changed,) = data["objects"]
    assert [(key["name"], key["variables"], key["text"]) for key in changed["keys"]] == [("OPENAI", ["OPENAI"], False)]
    assert data["unknown"] == [
        "a value with a new ciphertext may be the same value: without a key, the two cannot be compared",
        "the MACs of the files are not verified: only a run with the key finds a manipulated file",
    ]


def test_value_set_to_what_it_was_is_new_ciphertext_and_report_says_so(team: Team) -> None:
    team.start()
    team.rotate()
    data = team.diff()
    assert set(values(data)) == set(VALUES)
    assert data["documents"][0]["notes"] == [outline_change.NEW_KEY]
    assert "may be the same value" in data["unknown"][0]


def test_ciphertext_from_history_is_flagged_with_its_commit(team_of_release: Team) -> None:
    team = team_of_release
    old = team.start()
    stolen = team.sops.line(FILE, "OPENAI")
    team.set("OPENAI", "CANARY-second")
    team.commit()
    team.set("OPENAI", "CANARY-third")
    team.commit()
    team.sops.edit(FILE, team.sops.line(FILE, "OPENAI"), stolen)
    data = team.diff()
    (value,) = data["documents"][0]["values"]
    assert value["name"] == "OPENAI"
    assert value["replayed_from"][:10] == old
    assert data["variables"][0]["replayed_from"] == value["replayed_from"]
    assert data["documents"][0]["notes"] == [outline_change.SAME_MAC]
    assert f"! OPENAI  an older ciphertext, from commit {old}: an old value is back" in team.text()
    assert "**Old values are back**" in team.run("diff", "staging", "--output", "markdown").out


def test_reverted_commit_is_older_and_all_that_it_brings_back_is_flagged(team: Team) -> None:
    old = team.start()
    before = (team.top / FILE).read_bytes()
    team.set("OPENAI", "CANARY-second")
    team.set("CARTESIA", "CANARY-second")
    team.commit()
    (team.top / FILE).write_bytes(before)
    data = team.diff()
    replays = {one["name"]: one["replayed_from"][:10] for one in data["documents"][0]["values"]}
    assert replays == {"OPENAI": old, "CARTESIA": old}


def test_file_that_is_older_than_before_is_noted(team: Team) -> None:
    team.start()
    before = (team.top / FILE).read_text()
    year = team.sops.line(FILE, "lastmodified").partition('"')[2][:4]
    (team.top / FILE).write_text(before.replace(f'"{year}-', '"2001-'))
    assert outline_change.OLDER in team.diff()["documents"][0]["notes"]


def test_replay_under_an_earlier_name_of_the_file_is_flagged(team: Team) -> None:
    team.environment(sources=["sops:old.sops.yaml"])
    old = team.start(name="config/old.sops.yaml")
    stolen = team.sops.line("config/old.sops.yaml", "OPENAI")
    team.set("OPENAI", "CANARY-second", "config/old.sops.yaml")
    team.commit()
    team.git("mv", "config/old.sops.yaml", FILE)
    team.environment()
    team.commit()
    team.sops.edit(FILE, team.sops.line(FILE, "OPENAI"), stolen)
    (value,) = team.diff()["documents"][0]["values"]
    assert value["replayed_from"][:10] == old


def test_new_value_and_own_earlier_commits_are_no_replay(team: Team) -> None:
    team.start()
    team.git("checkout", "--quiet", "-b", "change")
    team.set("OPENAI", "CANARY-second")
    team.commit()
    team.set("CARTESIA", "CANARY-second")
    team.commit()
    for words in ((), ("--git", "main...change"), ("--git", "main..change")):
        assert [one["replayed_from"] for one in team.diff(*words)["documents"][0]["values"]] == [None, None]


def test_value_that_is_no_longer_encrypted_is_told(team: Team) -> None:
    team.start()
    line = team.sops.line(FILE, "OPENAI")
    team.sops.edit(FILE, line, "OPENAI: CANARY-plain")
    data = team.diff()
    assert values(data) == {"OPENAI": ("changed", "encrypted", "in plaintext")}
    assert data["variables"][0]["reasons"] == ["no longer encrypted"]
    team.commit()
    team.sops.edit(FILE, "CANARY-plain", "CANARY-other")
    data = team.diff()
    assert values(data) == {"OPENAI": ("changed", "in plaintext", "in plaintext")}
    assert data["variables"][0]["reasons"] == ["another value in plaintext"]


def test_recipients_and_rules_of_file_and_of_new_files_are_compared(team_of_release: Team) -> None:
    team = team_of_release
    team.start()
    me = team.sops.recipient
    rule = {"age": f"{me},{OTHER}", "encrypted_regex": "^[A-Z]"}
    team.write(".sops.yaml", {"creation_rules": [rule]})
    team.run_sops("updatekeys", "--yes", FILE)
    (document,) = team.diff()["documents"]
    assert document["values"] == []
    assert recipients(document) == [("added", "age", OTHER, None)]
    assert settings(document) == {}
    assert document["new_files"]["file"] == ".sops.yaml"
    assert recipients(document["new_files"]) == [("added", "age", OTHER, None)]
    assert settings(document["new_files"]) == {
        "unencrypted_suffix": ("_unencrypted", None),
        "encrypted_regex": (None, "^[A-Z]"),
    }
    team.commit()
    team.write(".sops.yaml", {"creation_rules": [{"age": OTHER}]})
    team.commit()
    team.write(".sops.yaml", {"creation_rules": [{"age": me}]})
    team.run_sops("updatekeys", "--yes", FILE)
    (document,) = team.diff()["documents"]
    assert recipients(document) == [("removed", "age", OTHER, None)]
    assert document["notes"] == [outline_change.SAME_KEY]
    assert recipients(document["new_files"]) == [("added", "age", me, None), ("removed", "age", OTHER, None)]


def test_encryption_rule_of_file_is_compared(team: Team) -> None:
    team.start()
    team.encrypt(VALUES, encrypted_regex="^OPENAI$", mac_only_encrypted=True)
    document = team.diff()["documents"][0]
    assert settings(document) == {
        "unencrypted_suffix": ("_unencrypted", None),
        "encrypted_regex": (None, "^OPENAI$"),
        "mac_only_encrypted": (None, "true"),
    }
    assert {one["name"]: one["after"] for one in document["values"]} == {
        "OPENAI": "encrypted",
        "CARTESIA": "in plaintext",
        "UNUSED": "in plaintext",
    }


def test_members_of_threshold_groups_are_recipients(team: Team) -> None:
    team.start()
    groups = [{"age": [one]} for one in (team.sops.recipient, OTHER, team.sops.recipient)]
    team.encrypt(VALUES, key_groups=groups, shamir_threshold=2)
    document = team.diff()["documents"][0]
    assert recipients(document) == [("added", "age", OTHER, 2), ("added", "age", team.sops.recipient, 3)]
    assert settings(document) == {"shamir_threshold": (None, "2")}


def test_nearest_rules_count_and_a_new_one_below_is_noticed(team: Team) -> None:
    team.start()
    team.write("config/.sops.yaml", {"creation_rules": [{"age": OTHER}]})
    new = team.diff()["documents"][0]["new_files"]
    assert new["file"] == "config/.sops.yaml"
    assert recipients(new) == [("added", "age", OTHER, None), ("removed", "age", team.sops.recipient, None)]


def test_renamed_document_is_compared_with_what_it_was(team: Team) -> None:
    team.start()
    team.git("mv", FILE, "config/new.sops.yaml")
    team.environment(sources=["sops:new.sops.yaml"])
    data = team.diff()
    (document,) = data["documents"]
    assert (document["reference"], document["renamed_from"]) == ("sops:new.sops.yaml", "sops:staging.sops.yaml")
    assert (document["values"], document["recipients"]) == ([], [])
    assert [one["reasons"] for one in data["variables"]] == [
        ["from sops:new.sops.yaml instead of sops:staging.sops.yaml"],
        ["from sops:new.sops.yaml instead of sops:staging.sops.yaml"],
    ]


def test_new_and_removed_documents_list_their_names_and_recipients(team: Team) -> None:
    team.start()
    team.encrypt({"EXTRA": "CANARY"}, "config/extra.sops.yaml")
    team.environment(sources=["sops:staging.sops.yaml", "sops:extra.sops.yaml"])
    (document,) = team.diff()["documents"]
    assert (document["reference"], document["what"]) == ("sops:extra.sops.yaml", "added")
    assert [(one["name"], one["what"]) for one in document["values"]] == [("EXTRA", "added")]
    assert recipients(document) == [("added", "age", team.sops.recipient, None)]
    team.commit()
    (team.top / FILE).unlink()
    (document,) = team.diff()["documents"]
    assert (document["reference"], document["what"]) == ("sops:staging.sops.yaml", "removed")
    assert {one["what"] for one in document["values"]} == {"removed"}


@pytest.mark.parametrize("name", ["a.json", "a.env", "a.ini", "a.bin"])
def test_every_format_is_compared(team: Team, name: str) -> None:
    contents = {
        "a.json": '{"OPENAI": "CANARY-1"}',
        "a.env": "OPENAI=CANARY-1\n",
        "a.ini": "[x]\nOPENAI = CANARY-1\n",
        "a.bin": "CANARY-1",
    }
    variables = {"CARTESIA": f"sops:{name}"} if name == "a.bin" else {}
    team.environment(sources=[] if variables else [f"sops:{name}"], variables=variables)
    team.write(
        "config/secrets.yaml",
        SECRET | {"stringData": {"A": "${CARTESIA}" if variables else "${OPENAI:-x}"}},
    )
    team.write("config/public.yaml", "")
    team.sops.encrypt(f"config/{name}", contents[name])
    team.commit()
    team.sops.encrypt(f"config/{name}", contents[name])
    data = team.diff()
    place = {"a.ini": "x.OPENAI", "a.bin": "the whole file"}.get(name, "OPENAI")
    assert values(data) == {place: ("changed", "encrypted", "encrypted")}
    changed = {"a.ini": [], "a.bin": ["CARTESIA"]}.get(name, ["OPENAI"])
    assert [one["name"] for one in data["variables"]] == changed


def test_manifest_in_a_document_changes_its_key(team: Team) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent"}, "stringData": {"OPENAI": "CANARY"}}
    team.environment()
    team.write("config/secrets.yaml", manifest | {"stringData": {"OPENAI": "${OPENAI}", "B": "b"}})
    team.write("config/public.yaml", "")
    team.encrypt(manifest, encrypted_regex="^(data|stringData)$")
    team.commit()
    team.run_sops("set", FILE, '["stringData"]["OPENAI"]', '"CANARY-new"')
    data = team.diff()
    assert values(data) == {"stringData.OPENAI": ("changed", "encrypted", "encrypted")}
    (key,) = data["objects"][0]["keys"]
    assert (key["name"], key["sources"]) == ("OPENAI", ["sops:staging.sops.yaml"])


def test_document_that_only_has_another_layout_is_listed(team: Team) -> None:
    team.start()
    text = (team.top / FILE).read_text()
    (team.top / FILE).write_text(f"# a comment\n{text}")
    (document,) = team.diff()["documents"]
    assert (document["what"], document["values"]) == ("changed", [])
    assert "only its name, metadata or layout differ" in team.text()
