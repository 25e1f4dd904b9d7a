"""`bridge offboard`: what a recipient could ever read; histories that three releases of sops have made."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from tests.review.team import FILE, VALUES, Team

LEFT = x25519.Identity.generate()
LEAVER = str(LEFT.to_public())


def begun(team: Team) -> str:
    """Start with a file that the leaver can read."""
    team.start()
    team.encrypt(VALUES, age=f"{team.sops.recipient},{LEAVER}")
    return team.commit()


def remove(team: Team) -> str:
    """Let the leaver go as many teams do: `updatekeys` alone keeps the data key."""
    team.write(".sops.yaml", {"creation_rules": [{"age": team.sops.recipient}]})
    team.run_sops("updatekeys", "--yes", FILE)
    return team.commit()


def report(team: Team, *words: str, who: str = LEAVER, status: int = 1) -> dict[str, Any]:
    results = [team.run("offboard", "staging", who, "--output", form, *words) for form in ("text", "json")]
    assert [one.status for one in results] == [status] * 2, results[-1].err
    return results[-1].data


def verdicts(data: dict[str, Any]) -> dict[str, str]:
    return {one["value"]: one["verdict"] for one in (*data["open"], *data["closed"])}


def with_key(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY", str(team.sops.key))


def test_recipient_leaves_step_by_step(team_of_release: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team = team_of_release
    begun(team)
    data = report(team)
    assert verdicts(data) == dict.fromkeys(VALUES, "still a recipient")
    assert data["first"] == [".sops.yaml"]
    assert data["commands"][:2] == [f"sops updatekeys {team.top / FILE}", f"sops rotate -i {team.top / FILE}"]
    assert data["commands"][2:] == [
        "bridge set staging OPENAI",
        "bridge set staging CARTESIA",
        f"sops edit {team.top / FILE}",  # nothing uses UNUSED, so `bridge set` does not know it
    ]
    remove(team)
    team.set("OPENAI", "CANARY-after")
    team.commit()
    data = report(team)
    assert verdicts(data) == dict.fromkeys(VALUES, "same data key")  # also the value that was set afterwards
    assert data["commands"][0] == f"sops rotate -i {team.top / FILE}"
    team.rotate()
    team.commit()
    assert verdicts(report(team)) == dict.fromkeys(VALUES, "unknown")
    with_key(team, monkeypatch)
    data = report(team, "--with-keys")
    assert verdicts(data) == dict.fromkeys(VALUES, "same value")
    assert all("the value itself was not changed" in one["reason"] for one in data["open"])
    assert not any(line.startswith("sops rotate") for line in data["commands"])
    team.set("OPENAI", "CANARY-new")
    team.commit()
    data = report(team, "--with-keys")
    assert verdicts(data) == dict.fromkeys(VALUES, "same value") | {"OPENAI": "different"}
    assert [one["value"] for one in data["closed"]] == ["OPENAI"]
    for name in ("CARTESIA", "UNUSED"):
        team.set(name, f"CANARY-{name}-new")
    data = report(team, "--with-keys", status=0)  # also before that is committed
    assert verdicts(data) == dict.fromkeys(VALUES, "different")
    assert data["commands"] == []
    assert verdicts(report(team)) == dict.fromkeys(VALUES, "unknown")


def test_single_value_is_counted_in_the_singular(team: Team) -> None:
    team.start({"OPENAI": VALUES["OPENAI"]})
    assert "1 value could be read; 1 open, 0 replaced" in team.run("offboard", "staging", team.sops.recipient).out
    team.encrypt({"OPENAI": VALUES["OPENAI"]}, age=LEAVER)
    team.commit()
    result = team.run("offboard", "staging", team.sops.recipient)
    assert "warning: 1 value counted as open: nothing proves without a key" in result.err


def test_old_value_that_is_set_again_is_open(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(team)
    remove(team)
    team.rotate()
    for value in ("CANARY-new", VALUES["OPENAI"]):
        team.set("OPENAI", value)
        team.commit()
    with_key(team, monkeypatch)
    assert verdicts(report(team, "--with-keys"))["OPENAI"] == "same value"


def test_value_that_was_readable_only_under_the_old_data_key(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that was set after the removal, but before the rotation, was readable too."""
    begun(team)
    remove(team)
    team.set("OPENAI", "CANARY-between")
    between = team.commit()
    team.rotate()
    team.commit()
    with_key(team, monkeypatch)
    data = report(team, "--with-keys")
    one = next(one for one in data["open"] if one["value"] == "OPENAI")
    assert one["verdict"] == "same value"
    assert one["readable"]["commit"].startswith(between)


def test_key_that_opens_only_todays_file_leaves_old_values_unknown(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    newcomer = x25519.Identity.generate()
    begun(team)
    team.encrypt(dict.fromkeys(VALUES, "CANARY-other"), age=str(newcomer.to_public()))
    team.commit()
    monkeypatch.setenv("SOPS_AGE_KEY", str(newcomer))
    result = team.run("offboard", "staging", LEAVER, "--with-keys")
    assert result.status == 1
    assert "your keys do not open every version" in result.err
    assert verdicts(report(team, "--with-keys")) == dict.fromkeys(VALUES, "unknown")


def test_no_key_at_all_leaves_values_open(team: Team) -> None:
    begun(team)
    remove(team)
    team.rotate()
    team.commit()
    data = report(team, "--with-keys")
    assert verdicts(data) == dict.fromkeys(VALUES, "unknown")


def test_member_of_a_threshold_group_is_a_reader(team: Team) -> None:
    other = str(x25519.Identity.generate().to_public())
    team.start()
    groups = [{"age": [team.sops.recipient, LEAVER]}, {"age": [other]}]
    team.encrypt(VALUES, key_groups=groups, shamir_threshold=2)
    team.commit()
    assert verdicts(report(team)) == dict.fromkeys(VALUES, "still a recipient")
    team.sops.edit(FILE, LEAVER, other)  # sops itself would need the second group's key
    team.commit()
    assert verdicts(report(team)) == dict.fromkeys(VALUES, "same data key")


def test_value_that_never_was_readable_is_not_listed(team: Team) -> None:
    begun(team)
    team.environment(sources=["sops:staging.sops.yaml", "sops:other.sops.yaml"])
    team.encrypt({"URL": "CANARY-url"}, "config/other.sops.yaml")
    team.commit()
    assert "URL" not in verdicts(report(team))


def test_value_that_was_removed_is_mentioned(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(team)
    team.encrypt({"OPENAI": "CANARY-new"})
    team.commit()
    with_key(team, monkeypatch)
    data = report(team, "--with-keys", status=0)
    assert verdicts(data) == {"OPENAI": "different"}
    assert {one["value"] for one in data["removed"]} == {"CARTESIA", "UNUSED"}
    text = team.run("offboard", "staging", LEAVER, "--with-keys").out
    assert "removed from the files, to revoke if still valid: " in text


def test_file_that_was_in_plaintext_was_readable_by_anyone(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.start()
    team.encrypt(VALUES, age=f"{team.sops.recipient},{LEAVER}")
    team.environment(sources=["sops:staging.sops.yaml", "sops:other.sops.yaml"])
    team.write("config/other.sops.yaml", {"URL": "CANARY-url", "CARTESIA_2": "CANARY-old"})
    clear = team.commit()
    team.encrypt({"URL": "CANARY-url", "CARTESIA_2": "CANARY-new"}, "config/other.sops.yaml")
    team.commit()
    data = report(team)
    assert verdicts(data)["URL"] == "unknown"
    assert any(clear in one["what"] and "anyone could read it" in one["what"] for one in data["warnings"])
    with_key(team, monkeypatch)
    found = verdicts(report(team, "--with-keys"))
    assert (found["URL"], found["CARTESIA_2"]) == ("same value", "different")


def test_branch_is_only_looked_at_with_all_refs(team: Team) -> None:
    team.start()
    team.git("checkout", "--quiet", "-b", "other")
    team.encrypt(VALUES, age=f"{team.sops.recipient},{LEAVER}")
    team.commit()
    team.git("checkout", "--quiet", "main")
    result = team.run("offboard", "staging", LEAVER)
    assert result.status == 1
    assert "was ever encrypted to this recipient" in result.err
    data = report(team, "--all-refs")
    assert verdicts(data) == dict.fromkeys(VALUES, "unknown")
    assert "other clones" in data["scope"]


def test_removal_by_a_merge(team: Team) -> None:
    begun(team)
    team.git("checkout", "--quiet", "-b", "other")
    remove(team)
    theirs = json.loads(json.dumps(team.git("show", f"HEAD:{FILE}")))
    team.git("checkout", "--quiet", "main")
    team.git("merge", "--quiet", "--no-ff", "--no-edit", "other")
    assert theirs
    assert verdicts(report(team)) == dict.fromkeys(VALUES, "same data key")


def test_renamed_file_keeps_its_readers(team: Team) -> None:
    begun(team)
    remove(team)
    team.git("mv", FILE, "config/b.sops.yaml")
    team.environment(sources=["sops:b.sops.yaml"])
    team.commit()
    assert verdicts(report(team)) == dict.fromkeys(VALUES, "same data key")


# Recipients


def test_unknown_recipient_lists_those_that_are_known(team: Team) -> None:
    begun(team)
    result = team.run("offboard", "staging", "ssh-rsa AAAA")
    assert result.status == 1
    assert "no version of its files was ever encrypted to this recipient" in result.err
    assert LEAVER in result.err
    assert team.sops.recipient in result.err


@pytest.mark.parametrize(
    ("kind", "fields", "written"),
    [
        (
            "pgp",
            {"fp": "85D77543B3D624B63CEA9E6DBC17301B491B3F21"},
            "85d7 7543 b3d6 24b6 3cea 9e6d bc17 301b 491b 3f21",
        ),
        ("kms", {"arn": "arn:aws:kms:eu-west-1:1:key/x"}, "arn:aws:kms:eu-west-1:1:key/x+arn:aws:iam::1:role/r"),
        ("age", {"recipient": "ssh-ed25519 AAAA a@b"}, "ssh-ed25519 AAAA someone@else"),
        (
            "hc_vault",
            {"vault_address": "https://v.example", "engine_path": "transit", "key_name": "k"},
            "https://v.example/v1/transit/keys/k",
        ),
    ],
)
def test_recipient_of_every_kind_as_users_write_it(team: Team, kind: str, fields: dict[str, str], written: str) -> None:
    begun(team)
    file = team.top / "config/staging.sops.json"
    team.encrypt(VALUES, "config/staging.sops.json")
    content = json.loads(file.read_text())
    content["sops"].setdefault(kind, []).append({**fields, "enc": "x", "created_at": "2026-01-01T00:00:00Z"})
    file.write_text(json.dumps(content))
    team.environment(sources=["sops:staging.sops.json"])
    team.commit()
    assert verdicts(report(team, who=written)) == dict.fromkeys(VALUES, "still a recipient")


def test_shallow_clone_is_refused(team: Team, tmp_path: Path) -> None:
    begun(team)
    clone = tmp_path / "clone"
    team.git("clone", "--quiet", "--depth=1", f"file://{team.top}", str(clone))
    team.top = clone
    result = team.run("offboard", "staging", LEAVER)
    assert result.status == 1
    assert "git fetch --unshallow" in result.err


def test_environment_without_encrypted_files(team: Team) -> None:
    team.start()
    team.environment(sources=["vault:app/staging"])
    result = team.run("offboard", "staging", LEAVER)
    assert result.status == 1
    assert "has no encrypted file in git" in result.err
