"""`bridge rollback` of a SOPS file: from a real git repository, read by the real sops; and of one in a bucket."""

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.desk import Desk, Result
from tests.providers.runs.test_sops_runs import PATCH, Sops, flat, sops  # noqa: F401 - `sops` is a fixture
from tests.team import VALUES

if TYPE_CHECKING:
    from tests.servers.s3 import ObjectStorage

FILE = "staging.sops.yaml"
SOURCE = f"sops:{FILE}"
WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def desk(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    offline_desk.canaries |= {"CANARY-bad", "CANARY-more", "CANARY-theirs"}
    offline_desk.environment(sources=[SOURCE])
    return offline_desk


def git(desk: Desk, *arguments: str) -> str:
    command = ["git", "-C", desk.folder, *arguments]
    return subprocess.run(command, env=os.environ | WHO, check=True, capture_output=True, text=True).stdout.strip()


def commit(desk: Desk) -> str:
    if not (desk.folder / ".git").exists():
        git(desk, "init", "--quiet", "--initial-branch=main")
    git(desk, "add", FILE)
    git(desk, "commit", "--quiet", "--message", "change")
    return git(desk, "rev-parse", "--short", "HEAD")


def back(desk: Desk, to: str, *more: str, source: str = SOURCE) -> Result:
    return desk.run("rollback", "staging", "--source", source, "--to", to, "--yes", *more)


def decrypted(program: Sops, name: str = FILE) -> dict[str, str]:
    command = [program.binary, "decrypt", "--output-type", "json", str(program.desk.folder / name)]
    done = subprocess.run(command, env=program.environ, check=True, capture_output=True)
    return json.loads(done.stdout)


def openai(desk: Desk) -> str:
    return desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"]


@pytest.fixture
def commits(desk: Desk, sops: Sops) -> list[str]:  # noqa: F811
    """Two states of the file, and a cluster that has the second."""
    sops.encrypt(FILE, flat("yaml"))
    first = commit(desk)
    sops.set(FILE, "OPENAI_API_KEY", "CANARY-bad")
    sops.set(FILE, "MORE", "CANARY-more")
    second = commit(desk)
    assert desk.run("sync", "staging").status == 0
    return [first, second]


def test_file_of_earlier_commit_becomes_newest(desk: Desk, sops: Sops, commits: list[str]) -> None:  # noqa: F811
    before = (desk.folder / FILE).read_text().splitlines()
    result = back(desk, "HEAD~1")
    assert (result.err, result.status) == ("", 0)
    lines = result.out.splitlines()
    assert lines[1:3] == [
        "    ~ OPENAI_API_KEY  changes",
        "    - MORE  is removed: the revision does not have it",
    ]
    assert decrypted(sops) == VALUES
    assert openai(desk) == VALUES["OPENAI_API_KEY"]
    after = (desk.folder / FILE).read_text().splitlines()
    kept = [line for line in before if line.startswith(("LIVEKIT", "CARTESIA", "DEEPGRAM", "    age", "        - rec"))]
    assert kept == [line for line in after if line in kept]
    versions = desk.target.versions()
    again = desk.run("sync", "staging", "--output", "json")
    assert (again.status, again.err, again.data["result"], desk.target.versions()) == (0, "", "unchanged", versions)


def test_same_again_changes_no_byte(desk: Desk, commits: list[str]) -> None:
    assert back(desk, commits[0]).status == 0
    content = (desk.folder / FILE).read_bytes()
    again = back(desk, commits[0], "--output", "json")
    assert (again.status, again.data["result"], again.data["rollback"]["needed"]) == (0, "unchanged", False)
    assert (desk.folder / FILE).read_bytes() == content


def test_what_is_in_no_commit_is_reported_before(desk: Desk, sops: Sops, commits: list[str]) -> None:  # noqa: F811
    sops.set(FILE, "OPENAI_API_KEY", "CANARY-theirs")
    content = (desk.folder / FILE).read_bytes()
    result = back(desk, commits[0], "--dry-run")
    assert result.lines[0] == (
        f"bridge: warning: {SOURCE}: its current content is not in git's last commit, "
        "and would be lost if it is replaced"
    )
    assert (desk.folder / FILE).read_bytes() == content


def test_file_that_someone_deleted_comes_back(desk: Desk, sops: Sops, commits: list[str]) -> None:  # noqa: F811
    rule = {"age": str(sops.identity.to_public())}
    desk.write(".sops.yaml", {"creation_rules": [rule]})
    (desk.folder / FILE).unlink()
    result = back(desk, commits[1], "--output", "json")
    assert (result.err, result.status) == ("", 0)
    assert result.data["rollback"]["before"] is None
    assert decrypted(sops) == VALUES | {"OPENAI_API_KEY": "CANARY-bad", "MORE": "CANARY-more"}


def test_manifests_are_named_by_object_and_key(desk: Desk, sops: Sops) -> None:  # noqa: F811
    rule = ("--encrypted-regex", "^(data|stringData)$")
    sops.encrypt(FILE, PATCH, *rule)
    first = commit(desk)
    shrunk = PATCH.replace("  DEEPGRAM_API_KEY: CANARY-deepgram\n", "").replace("CANARY-openai", "CANARY-bad")
    template = (desk.folder / "base/secrets.yml").read_text()
    desk.write("base/secrets.yml", template.replace("${DEEPGRAM_API_KEY}", "${DEEPGRAM_API_KEY:-none}"))
    sops.encrypt(FILE, shrunk, *rule)
    second = commit(desk)
    assert desk.run("sync", "staging").status == 0
    result = back(desk, first, "--output", "json")
    assert (result.err, result.status) == ("", 0)
    assert result.data["rollback"]["changed"] == ["Secret/agent-secrets key OPENAI_API_KEY"]
    assert result.data["rollback"]["added"] == ["Secret/agent-secrets key DEEPGRAM_API_KEY"]
    content = (desk.folder / FILE).read_bytes()
    shrinking = back(desk, second)
    assert shrinking.status == 1, shrinking.err
    assert any("DEEPGRAM_API_KEY" in line for line in shrinking.lines)
    assert (desk.folder / FILE).read_bytes() == content
    assert back(desk, second, "--allow-shrink").status == 0
    assert openai(desk) == "CANARY-bad"


def test_value_that_todays_rule_leaves_in_clear_is_not_brought_back(desk: Desk, sops: Sops) -> None:  # noqa: F811
    sops.encrypt(FILE, flat("yaml"))
    first = commit(desk)
    everything_else = "^(LIVEKIT|CARTESIA|DEEPGRAM)"
    text = flat("yaml").replace("CANARY-openai", "open")
    sops.encrypt(FILE, text, "--encrypted-regex", everything_else)
    commit(desk)
    content = (desk.folder / FILE).read_bytes()
    result = back(desk, first, "--dry-run")  # told before anybody is asked
    assert result.status == 1
    assert "OPENAI_API_KEY would not be encrypted by" in result.lines[0]
    assert (desk.folder / FILE).read_bytes() == content
    # What stands in clear as it did is no reason.
    sops.encrypt(FILE, text.replace("CANARY-cartesia", "CANARY-bad"), "--encrypted-regex", everything_else)
    assert back(desk, "HEAD").status == 0
    assert desk.target.data("Secret", "agent-secrets")["CARTESIA_API_KEY"] == "CANARY-cartesia"


def test_file_whose_comments_say_what_is_encrypted_is_not_written(desk: Desk, sops: Sops) -> None:  # noqa: F811
    sops.encrypt(FILE, flat("yaml"), "--unencrypted-comment-regex", "public")
    first = commit(desk)
    sops.encrypt(FILE, flat("yaml").replace("CANARY-openai", "CANARY-bad"), "--unencrypted-comment-regex", "public")
    commit(desk)
    content = (desk.folder / FILE).read_bytes()
    result = back(desk, first, "--dry-run")  # told before anybody is asked
    assert result.status == 1
    assert "files whose comments say what is encrypted (`unencrypted_comment_regex`)" in result.lines[0]
    assert f"`sops edit {desk.folder / FILE}`" in result.err
    assert (desk.folder / FILE).read_bytes() == content


def test_revision_that_is_missing(desk: Desk, commits: list[str]) -> None:
    content = (desk.folder / FILE).read_bytes()
    result = back(desk, "v9")
    assert (result.status, result.lines[0]) == (1, f"bridge: error: {SOURCE}@v9: git has no commit v9")
    assert (desk.folder / FILE).read_bytes() == content


def test_file_in_bucket_is_shown_and_not_written(
    desk: Desk,
    sops: Sops,  # noqa: F811
    storage: "ObjectStorage",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in storage.environ().items():
        monkeypatch.setenv(name, value)
    client = storage.client()
    client.create_bucket(Bucket="voice")
    client.put_bucket_versioning(Bucket="voice", VersioningConfiguration={"Status": "Enabled"})
    source = f"sops:s3://voice/{FILE}"
    desk.environment(sources=[source], providers={"sops": {"s3": "scaleway"}})
    versions = []
    for text in (flat("yaml"), flat("yaml").replace("CANARY-openai", "CANARY-bad")):
        body = sops.encrypt(FILE, text).read_bytes()
        versions.append(client.put_object(Bucket="voice", Key=FILE, Body=body)["VersionId"])
    assert desk.run("sync", "staging").status == 0
    result = back(desk, versions[0], "--dry-run", source=source)
    assert (result.status, result.lines[0].rpartition(": ")[2]) == (1, "a file in object storage is not written")
    assert "`sops rotate` moves its time on" in result.lines[1]
    assert openai(desk) == "CANARY-bad"
    # What the hint says is right: the next sync takes what was made so.
    old = client.get_object(Bucket="voice", Key=FILE, VersionId=versions[0])["Body"].read()
    (desk.folder / FILE).write_bytes(old)
    command = [sops.binary, "rotate", "--in-place", str(desk.folder / FILE)]
    subprocess.run(command, env=sops.environ, check=True, capture_output=True)
    client.put_object(Bucket="voice", Key=FILE, Body=(desk.folder / FILE).read_bytes())
    assert desk.run("sync", "staging").status == 0
    assert openai(desk) == VALUES["OPENAI_API_KEY"]
