"""`bridge history`: when each value last changed and by whom, without a key; histories of three releases of sops."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.review.team import FILE, VALUES, WHO, Team


def changes(team: Team, *words: str) -> dict[str, tuple[str, str | None]]:
    """Return the last change of each value, with its commit."""
    data = report(team, *words)
    return {row["value"]: (row["change"], row["commit"] and row["commit"][:10]) for row in data["changes"]}


def report(team: Team, *words: str, status: int = 0) -> dict[str, Any]:
    results = [team.run("history", "staging", "--output", form, *words) for form in ("text", "json")]
    assert [one.status for one in results] == [status] * 2, results[-1].err
    return results[-1].data


def test_last_change_of_each_value_by_three_releases(team_of_release: Team) -> None:
    team = team_of_release
    first = team.start()
    assert changes(team) == dict.fromkeys(VALUES, ("added", first))
    team.set("OPENAI", "CANARY-2")
    assert changes(team)["OPENAI"] == ("changed", None)  # not committed yet
    second = team.commit()
    expected = dict.fromkeys(VALUES, ("added", first)) | {"OPENAI": ("changed", second)}
    assert changes(team) == expected
    team.rotate()
    third = team.commit()
    assert changes(team) == dict.fromkeys(VALUES, ("re-encrypted", third))
    team.set("OPENAI", "CANARY-3")
    fourth = team.commit()
    assert changes(team) == dict.fromkeys(VALUES, ("re-encrypted", third)) | {"OPENAI": ("changed", fourth)}


def test_row_names_author_time_and_file(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WHO, "GIT_AUTHOR_NAME", "Ada \x1b[31mLovelace")
    monkeypatch.setitem(WHO, "GIT_AUTHOR_DATE", "2026-01-02T03:04:05+0100")
    commit = team.start()
    row = next(one for one in report(team)["changes"] if one["value"] == "OPENAI")
    assert row["commit"].startswith(commit)
    assert (row["time"], row["email"], row["committed"]) == ("2026-01-02T02:04:05Z", "a@b.c", True)
    assert (row["variables"], row["document"]) == (["OPENAI"], "sops:staging.sops.yaml")
    assert row["file"].endswith(FILE)
    text = team.run("history", "staging").out
    assert "\x1b" not in text
    assert "Lovelace" in text
    assert commit in text


def test_all_changes_of_one_variable_newest_first(team: Team) -> None:
    first = team.start()
    team.set("OPENAI", "CANARY-2")
    second = team.commit()
    team.set("CARTESIA", "CANARY-3")
    team.commit()
    team.encrypt({name: value for name, value in VALUES.items() if name != "OPENAI"})
    removed = team.commit()
    rows = [(row["change"], row["commit"][:10]) for row in report(team, "OPENAI")["changes"]]
    assert rows == [("removed", removed), ("changed", second), ("added", first)]


def test_value_of_file_in_two_formats_and_places(team: Team) -> None:
    """A file that was renamed is followed; one that was written anew in another format is followed by its name."""
    first = team.start()
    team.git("mv", FILE, "config/secret.sops.yaml")
    team.environment(sources=["sops:secret.sops.yaml"])
    team.commit()
    assert changes(team) == dict.fromkeys(VALUES, ("added", first))
    (team.top / "config/secret.sops.yaml").unlink()
    team.encrypt(VALUES, "config/secret.sops.json")
    team.environment(sources=["sops:secret.sops.json"])
    other = team.commit()
    assert changes(team) == dict.fromkeys(VALUES, ("re-encrypted", other))
    rows = [(row["change"], row["commit"][:10]) for row in report(team, "OPENAI")["changes"]]
    assert rows == [("re-encrypted", other), ("added", first)]


def test_merge_and_conflict_are_not_the_change_of_a_value(team: Team) -> None:
    first = team.start()
    content = (team.top / FILE).read_bytes()
    team.git("checkout", "--quiet", "-b", "other")
    team.set("OPENAI", "CANARY-2")
    second = team.commit()
    theirs = (team.top / FILE).read_bytes()
    team.git("checkout", "--quiet", "main")
    team.git("merge", "--quiet", "--no-ff", "--no-edit", "other")
    (team.top / FILE).write_bytes(b"<<<<<<< HEAD\n" + content + b"=======\n" + theirs + b">>>>>>> other\n")
    team.commit()
    (team.top / FILE).write_bytes(theirs)
    team.commit()
    assert changes(team) == dict.fromkeys(VALUES, ("added", first)) | {"OPENAI": ("changed", second)}
    assert "1 of its versions cannot be read" in team.run("history", "staging").err


def test_file_that_was_in_plaintext_before(team: Team) -> None:
    team.environment()
    team.write("config/secrets.yaml", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent"}})
    team.write("config/public.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "agent"}})
    team.write(FILE, VALUES)
    clear = team.commit()
    team.encrypt(VALUES)
    commit = team.commit()
    assert changes(team) == dict.fromkeys(VALUES, ("encrypted", commit))
    assert f"was in plaintext in commit {clear}; anyone could read it" in team.run("history", "staging").err


def test_manifests_name_objects_and_their_variables(team: Team) -> None:
    team.start()
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "agent"},
        "stringData": {"OPENAI": "CANARY-1", "CARTESIA": "CANARY-2"},
    }
    team.encrypt(manifest, encrypted_regex="^stringData$")
    commit = team.commit()
    rows = report(team)["changes"]
    assert [(row["value"], row["variables"]) for row in rows] == [
        ("Secret/agent key OPENAI", ["OPENAI"]),
        ("Secret/agent key CARTESIA", ["CARTESIA"]),
    ]
    assert all(row["commit"].startswith(commit) for row in rows)
    assert [(row["value"], row["change"]) for row in report(team, "OPENAI")["changes"]] == [
        ("Secret/agent key OPENAI", "added"),
        ("OPENAI", "removed"),  # a field of the former file
        ("OPENAI", "added"),
    ]


def test_reference_of_a_variable_names_a_field(team: Team) -> None:
    team.start()
    team.environment(
        sources=["sops:staging.sops.yaml"],
        variables={"OPENAI": "sops:shared.sops.json#open.ai"},
        templates=["secrets.yaml"],
    )
    team.encrypt({"open": {"ai": "CANARY-x"}}, "config/shared.sops.json")
    team.commit()
    rows = {(row["document"], row["value"]): row["variables"] for row in report(team)["changes"]}
    assert rows["sops:shared.sops.json", "OPENAI"] == ["OPENAI"]
    assert rows["sops:staging.sops.yaml", "OPENAI"] == []  # the exception replaces it
    assert rows["sops:staging.sops.yaml", "CARTESIA"] == ["CARTESIA"]


# Bad input


def test_environment_without_files_in_git_points_to_its_stores(team: Team) -> None:
    team.start()
    team.environment(sources=["vault:app/staging"])
    result = team.run("history", "staging")
    assert (result.status, result.out) == (0, "")
    assert "has no encrypted file in git" in result.err
    assert "--stores" in result.err


def test_reference_to_a_fixed_revision_is_refused(team: Team) -> None:
    commit = team.start()
    team.environment(sources=[f"sops:staging.sops.yaml@{commit}"])
    result = team.run("history", "staging")
    assert result.status == 1
    assert "is fixed to a revision" in result.err


def test_name_that_no_file_has_ever_had(team: Team) -> None:
    team.start()
    result = team.run("history", "staging", "OPENAY")
    assert result.status == 2
    assert "no file in git has ever had a value of this name" in result.err
    assert "OPENAI" in result.err


def test_no_repository(team: Team) -> None:
    team.start()
    (team.top / ".git").rename(team.top / "git")
    result = team.run("history", "staging")
    assert result.status == 1
    assert "sops:staging.sops.yaml: cannot read its history: not in a git repository" in result.err


def test_repository_without_commits_and_file_that_is_not_committed(team: Team) -> None:
    team.environment()
    team.write("config/secrets.yaml", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent"}})
    team.write("config/public.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "agent"}})
    team.encrypt(VALUES)
    lines = team.run("history", "staging").lines
    assert lines[0].endswith("cannot read its history: the repository has no commits yet")
    assert lines[1] == "bridge: hint: commit the file first"
    team.git("commit", "--quiet", "--allow-empty", "--message", "x")
    assert changes(team) == dict.fromkeys(VALUES, ("added", None))
    assert "is not in the current commit, so it has no history" in team.run("history", "staging").err


def test_shallow_clone_is_refused_with_its_cure(team: Team, tmp_path: Path) -> None:
    team.start()
    team.git("commit", "--quiet", "--allow-empty", "--message", "x")
    clone = tmp_path / "clone"
    team.git("clone", "--quiet", "--depth=1", f"file://{team.top}", str(clone))
    team.top = clone
    result = team.run("history", "staging")
    assert result.status == 1
    assert "its history is incomplete: this is a shallow clone" in result.err
    assert "git fetch --unshallow" in result.err


def test_file_that_does_not_exist(team: Team) -> None:
    team.start()
    (team.top / FILE).unlink()
    result = team.run("history", "staging")
    assert result.status == 1
    assert "sops:staging.sops.yaml: no such file" in result.err


def test_clock_that_went_back_is_reported_and_order_is_of_git(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.start()
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setitem(WHO, f"GIT_{who}_DATE", "2001-01-01T00:00:00Z")
    team.set("OPENAI", "CANARY-2")
    commit = team.commit()
    assert changes(team)["OPENAI"] == ("changed", commit)
    result = team.run("history", "staging")
    assert "a commit is dated before one that it builds on" in result.err
    assert next(row["commit"][:10] for row in report(team, "OPENAI")["changes"]) == commit


def test_json_has_what_text_has(team: Team) -> None:
    team.start()
    data = report(team)
    assert json.dumps(data)
    assert data["environment"] == "staging"
    assert (data["stores"], data["cluster"]) == ([], None)
