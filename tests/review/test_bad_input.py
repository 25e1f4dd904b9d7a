"""What `bridge diff` does with what cannot be compared: a clear error or a line in the report; nothing is lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.review.compare import SHALLOW
from tests.review.team import CONFIG, FILE, WHO, Team


def failure(team: Team, *words: str) -> tuple[int, str, str]:
    """Return the status, the error and the hint of a run that has no report."""
    result = team.run("diff", "staging", *words)
    assert result.out == ""
    error, *hints = result.err.splitlines()
    hint = hints[0].removeprefix("bridge: hint: ") if hints else ""
    return result.status, error.removeprefix("bridge: error: ").replace(str(team.top), "TOP"), hint


def clone(team: Team, *options: str) -> None:
    """Replace the repository with a clone of it."""
    place = team.top.with_name(f"{team.top.name}-clone")
    team.git("config", "uploadpack.allowFilter", "true")
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere"} | WHO
    subprocess.run(["git", "clone", "-q", *options, f"file://{team.top}", place], env=environ, check=True)
    team.top = place


def test_no_repository(team: Team) -> None:
    shutil.rmtree(team.top / ".git")
    team.environment()
    error = "TOP/config: cannot read its history: not in a git repository"
    assert failure(team) == (1, error, "run it in a clone of the repository")


def test_repository_without_commits(team: Team) -> None:
    team.environment()
    assert failure(team) == (2, "--git: the repository has no commits yet", "commit the environment first")


def test_no_main_branch(team: Team) -> None:
    team.start()
    team.git("branch", "--move", "main", "develop")
    status, error, hint = failure(team)
    assert (status, error) == (2, "--git: found no main branch (origin/HEAD, main or master)")
    assert "bridge diff staging --git origin/develop..." in hint
    team.environment(namespace="other")
    assert team.diff("--git", "develop...")["summary"]["settings"] == 1


@pytest.mark.parametrize(
    "text", ["nope", "nope...HEAD", "HEAD..nope", "-x", "--output=x", "a\nb", "HEAD:config", "x y"]
)
def test_unknown_revision(team: Team, text: str) -> None:
    team.start()
    status, error, hint = failure(team, f"--git={text}")
    assert status == 2
    assert error.startswith("--git: git has no commit '")
    assert hint == "`git log --all` lists commits"


def test_revision_of_a_shallow_clone(team: Team) -> None:
    first = team.start()
    team.set("OPENAI", "CANARY-2")
    team.commit()
    team.set("OPENAI", "CANARY-3")
    team.commit()
    clone(team, "--depth=2")
    hint = "in a shallow clone, run `git fetch --unshallow` first"
    assert failure(team, "--git", first) == (2, f"--git: git has no commit '{first}'", hint)
    data = team.diff("--git", "HEAD~1..HEAD")
    assert [one["name"] for one in data["variables"]] == ["OPENAI"]
    assert SHALLOW in data["unknown"]


def test_commits_without_common_ancestor(team: Team) -> None:
    team.start()
    team.git("checkout", "--quiet", "--orphan", "other")
    team.environment(namespace="other")
    team.commit()
    hint = "compare them directly, as in `--git A..B`"
    assert failure(team) == (2, "--git: the two commits have no common ancestor here", hint)
    assert team.diff("--git", "main..other")["summary"]["settings"] == 1


def test_unknown_environment(team: Team) -> None:
    team.start()
    result = team.run("diff", "stagin")
    assert result.status == 2
    assert "no environment 'stagin' in" in result.err
    assert "did you mean staging?" in result.err
    for name in ("../config/staging", "staging.sops", "/etc/passwd"):
        assert team.run("diff", name).status == 2


def test_environment_without_name(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.start()
    assert team.run("diff").status == 2
    monkeypatch.setenv("K8_ENV", "staging")
    assert team.run("diff").status == 0


def test_environment_that_only_one_side_has(team: Team) -> None:
    team.write("README.md", "x")
    team.commit()
    team.git("checkout", "--quiet", "-b", "change")
    team.start()
    for words, what in (((), "added"), (("--git", "change..main"), "removed")):
        data = team.diff(*words)
        assert {one["what"] for one in data["settings"]} == {what}
        assert {(one["kind"], one["what"]) for one in data["objects"]} == {("Secret", what), ("ConfigMap", what)}
        assert {one["name"]: one["what"] for one in data["variables"]} == dict.fromkeys(
            ["OPENAI", "CARTESIA", "URL"], what
        )
        assert [one["what"] for one in data["documents"]] == [what]
        assert data["errors"] == []


def test_folder_that_only_a_commit_has(team: Team) -> None:
    team.start()
    shutil.rmtree(team.top / "config")
    assert {one["what"] for one in team.diff()["settings"]} == {"removed"}


@pytest.mark.parametrize(
    ("name", "content", "unknown"),
    [
        ("config/staging.yaml", "id: [CANARY", "the environment's file cannot be read on one side"),
        ("config/staging.yaml", "id: CANARY\ntemplates: CANARY\n", "the environment's file cannot be read on one side"),
        ("config/staging.yaml", b"\xff\xfe", "the environment's file cannot be read on one side"),
        ("config/secrets.yaml", "kind: CANARY", "the templates cannot be read on one side"),
        ("config/secrets.yaml", None, "the templates cannot be read on one side"),
        (FILE, "OPENAI: CANARY", "sops:staging.sops.yaml cannot be read on one side"),
        (FILE, "<<<<<<< a\n=======\n>>>>>>> b\n", "sops:staging.sops.yaml cannot be read on one side"),
        (".sops.yaml", "creation_rules: CANARY", ""),
    ],
)
def test_file_that_does_not_parse_on_one_side(team: Team, name: str, content: str | None, unknown: str) -> None:
    team.start()
    if content is None:
        (team.top / name).unlink()
    else:
        team.write(name, content)
    config = json.loads(json.dumps(CONFIG)) | {"data": {"LOG_LEVEL": "debug"}}
    team.write("config/public.yaml", config)
    data = team.diff()
    assert data["errors"]
    assert all(one["where"].startswith("after: ") for one in data["errors"])
    assert any(one.startswith(unknown) for one in data["unknown"]) or not unknown
    is_config_known = "templates" not in unknown and "environment" not in unknown
    assert bool(data["objects"]) == is_config_known  # what can be compared is
    result = team.run("diff", "staging")
    assert "bridge: warning: after: " in result.err
    team.commit()
    data = team.diff("--git", "HEAD..HEAD~1")
    assert all(one["where"].startswith("before: ") for one in data["errors"])
    team.diff("--git", "HEAD..HEAD~1", "--exit-code", status=4)


def test_file_that_is_no_longer_encrypted_is_not_said_to_differ_only_in_its_layout(team: Team) -> None:
    team.start()
    team.write(FILE, "OPENAI: CANARY")
    (document,) = team.diff()["documents"]
    assert document["notes"] == ["its values are not compared: it cannot be read on one side"]
    text = team.text()
    assert "note: its values are not compared: it cannot be read on one side" in text
    assert "layout" not in text


def test_file_that_parses_on_no_side_is_incomplete_and_not_unchanged(team: Team) -> None:
    team.start()
    team.write("config/staging.yaml", "id: [CANARY")
    team.commit()
    data = team.diff()
    assert (data["result"], data["summary"]["settings"]) == ("incomplete", 0)
    assert team.text().splitlines()[-1] == "nothing can be compared"
    team.diff("--exit-code", status=4)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("target", ["/etc/hostname", "../../outside.yaml", "../.git/config"])
def test_link_out_of_the_repository_is_not_followed(team: Team, target: str, committed: bool) -> None:
    team.start()
    outside = team.top.parent / "outside.yaml"
    outside.write_text(json.dumps(CONFIG | {"data": {"STOLEN": "CANARY"}}))
    file = team.top / "config" / "public.yaml"
    file.unlink()
    file.symlink_to(target)
    words: tuple[str, ...] = ()
    if committed:
        team.commit()
        words = ("--git", "HEAD~1..HEAD")
    data = team.diff(*words)
    assert data["objects"] == []
    # In a commit there is no .git.
    what = "no such file" if committed and ".git" in target else "a link leads out of the repository, or in a circle"
    assert [one["what"] for one in data["errors"]] == [what]


def test_link_inside_the_repository_is_followed(team: Team) -> None:
    team.start()
    (team.top / "shared").mkdir()
    (team.top / "config" / "public.yaml").rename(team.top / "shared" / "public.yaml")
    (team.top / "config" / "public.yaml").symlink_to("../shared/public.yaml")
    assert team.diff()["result"] == "unchanged"
    team.commit()
    assert team.diff()["result"] == "unchanged"
    team.write("shared/public.yaml", CONFIG | {"data": {"LOG_LEVEL": "debug"}})
    assert [one["name"] for one in team.diff()["objects"]] == ["agent"]


def test_partial_clone_is_not_taken_for_one_without_the_file(team: Team) -> None:
    team.start()
    team.set("OPENAI", "CANARY-2")
    team.commit()
    clone(team, "--filter=blob:none")
    status, error, hint = failure(team, "--git", "HEAD~1")
    assert status in {1, 2}
    assert "lacks" in error
    assert hint


def test_documents_outside_of_the_repository(team: Team) -> None:
    team.start()
    team.environment(sources=["sops:staging.sops.yaml", "sops:../../elsewhere.sops.yaml"])
    unknown = "sops:../../elsewhere.sops.yaml is not a file in this repository, so its values are not compared"
    assert unknown in team.diff()["unknown"]


def test_pinned_document_is_that_of_its_commit(team: Team) -> None:
    first = team.start()
    team.set("OPENAI", "CANARY-2")
    second = team.commit()
    team.environment(sources=[f"sops:staging.sops.yaml@{first}"])
    team.commit()
    team.environment(sources=[f"sops:staging.sops.yaml@{second}"])
    assert [one["name"] for one in team.diff()["variables"]] == ["OPENAI", "CARTESIA"]
    team.environment(sources=["sops:staging.sops.yaml@none"])
    assert any("git has no commit 'none'" in one["what"] for one in team.diff()["errors"])


def test_fork_sees_the_report_without_key_cluster_or_network(
    team: Team, tmp_path_factory: pytest.TempPathFactory
) -> None:
    team.start()
    team.set("OPENAI", "CANARY-2")
    program = Path(sys.executable).with_name("bridge")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home")), "K8_ENV": "staging"}
    environ |= {"https_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
    done = subprocess.run(
        [program, "diff", "--output", "json"], cwd=team.top, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    data: dict[str, Any] = json.loads(done.stdout)
    assert [one["name"] for one in data["variables"]] == ["OPENAI"]
    assert "CANARY" not in done.stdout


def test_repository_cannot_start_a_program(team: Team, tmp_path_factory: pytest.TempPathFactory) -> None:
    team.start()
    team.set("OPENAI", "CANARY-2")
    mark = tmp_path_factory.mktemp("mark") / "ran"
    command = f"touch {mark}"
    for name in (
        "core.fsmonitor",
        "diff.external",
        "core.pager",
        "core.sshCommand",
        "diff.x.textconv",
        "filter.x.smudge",
    ):
        team.git("config", name, command)
    team.write(".gitattributes", "* diff=x filter=x\n")
    assert [one["name"] for one in team.diff()["variables"]] == ["OPENAI"]
    assert not mark.exists()
