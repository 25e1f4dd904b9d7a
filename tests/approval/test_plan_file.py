"""The file of an approved plan: what is written, what is read, and what is refused."""

import json
import os
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.plan.approved import ApprovedPlan, EnvironmentRecord, ObjectRecord, SourceRecord, moment
from bridge.plan.approved_file import ApprovedPlanError, decode, encode
from bridge.plan.change_times import FORMAT
from bridge.report import plan_file
from tests.approval.approvals import USUAL, approvable, content, edited, file_of, planned, sha256, sync
from tests.desk import Desk
from tests.pages import page
from tests.team import VALUES

NEW = "bridge: hint: make a new plan with `bridge plan staging --out FILE`"
HUGE = b'{"schema": "bridge/approved-plan/v1", "x": "' + b"x" * plan_file.LIMIT + b'"}'


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    approvable(offline_desk)
    return offline_desk


def text_of(desk: Desk) -> str:
    return file_of(desk).read_text()


WRONG: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "empty": (lambda _: "", "is not valid JSON (line 1)"),
    "no JSON": (lambda _: "CANARY-x", "is not valid JSON (line 1)"),
    "truncated": (lambda text: text[: len(text) // 2], "is not valid JSON (line "),
    "no text": (lambda _: b"\xff\x00", "is not valid UTF-8"),
    "a list": (lambda _: "[]", "is not a plan of `bridge plan --out FILE`"),
    "something else": (
        lambda _: '{"a": "CANARY-x"}',
        "is not a plan of `bridge plan --out FILE`",
    ),
    "a report": (
        lambda _: '{"schema": "bridge/report/v1"}',
        "has a schema of another version of bridge",
    ),
    "newer schema": (
        lambda text: text.replace("approved-plan/v1", "approved-plan/v2"),
        "has a schema of another version of bridge",
    ),
    "time without zero": (
        lambda text: text.replace('"created": "20', '"created": "2'),
        "invalid entry in created",
    ),
    "no environment": (
        lambda text: text[: text.index('"environments"')] + '"environments": {}' + text[text.index(',\n "expires"') :],
        "has no environments",
    ),
    "duplicate key": (
        lambda text: text.replace('"expires"', '"created": "2026-01-01T00:00:00Z", "expires"'),
        "contains a key twice in one object",
    ),
    "unknown field": (
        lambda text: text.replace('"created"', '"CANARY-x": 1, "created"'),
        ("the plan must be an object with schema, created, expires, flags, environments and nothing else"),
    ),
    "unknown flag": (
        lambda text: text.replace('"flags": []', '"flags": ["--CANARY-x"]'),
        "invalid entry in flags",
    ),
    "another name of an object": (
        lambda text: text.replace("Secret/agent-secrets", "Secret/CANARY x"),
        "invalid entry in environments.objects",
    ),
    "deep": (lambda _: "[" * 100_000, "is nested too deeply"),
    "huge": (lambda _: HUGE, "is larger than 16 MiB"),
}


@pytest.mark.parametrize("name", WRONG)
def test_file_that_is_no_plan_is_refused(desk: Desk, name: str) -> None:
    change, message = WRONG[name]
    planned(desk)
    desk.canaries.add("CANARY-x")
    wrong = change(text_of(desk))
    file_of(desk).write_bytes(wrong if isinstance(wrong, bytes) else wrong.encode())
    result = sync(desk)
    assert (result.status, len(result.lines)) == (2, 2)
    assert result.lines[0].startswith(f"bridge: error: {file_of(desk)}: {message}")
    assert result.lines[1].startswith("bridge: hint: ")
    assert desk.target.versions() == {}


def moved(desk: Desk, *, created: timedelta, expires: timedelta) -> None:
    now = datetime.now(UTC)
    times = {"created": (now + created).strftime(FORMAT), "expires": (now + expires).strftime(FORMAT)}
    edited(desk, lambda plan: plan.update(times))


def test_expired_plan_is_refused(desk: Desk) -> None:
    planned(desk)
    moved(desk, created=timedelta(hours=-2), expires=timedelta(hours=-1))
    result = sync(desk)
    assert result.status == 1
    assert result.lines[0] == f"bridge: error: {file_of(desk)}: the plan expired at {content(desk)['expires']}"
    assert desk.target.versions() == {}


def test_plan_from_future_is_refused(desk: Desk) -> None:
    planned(desk)
    moved(desk, created=timedelta(hours=1), expires=timedelta(hours=2))
    result = sync(desk)
    assert result.status == 1
    assert f"the plan was made at {content(desk)['created']}, which is in the future" in result.lines[0]
    assert desk.target.versions() == {}


def test_clocks_that_differ_a_little_do_not_matter(desk: Desk) -> None:
    planned(desk)
    moved(desk, created=timedelta(minutes=3), expires=timedelta(hours=2))
    assert sync(desk).status == 0


def test_plan_that_is_valid_for_too_long_is_refused(desk: Desk) -> None:
    planned(desk)
    moved(desk, created=timedelta(), expires=timedelta(days=31))
    result = sync(desk)
    assert result.status == 2
    assert "expires must be later than created, by 30 days at most" in result.lines[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [((), 24 * 3600), (("--expires", "90m"), 5400), (("--expires", "2h"), 7200), (("--expires", "30d"), 30 * 86_400)],
)
def test_plan_is_valid_for_a_day_or_as_long_as_given(desk: Desk, given: tuple[str, ...], expected: int) -> None:
    plan = planned(desk, *given)
    created, expires = (moment(plan[name]) for name in ("created", "expires"))
    assert (expires - created).total_seconds() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "--expires", "1h"), "--expires can only be used with --out"),
        (("plan", "--out", "x", "--expires", "31d"), "argument --expires: must be a duration such as 30m, 24h or 7d"),
        (("plan", "--out", "x", "--expires", "0m"), "argument --expires: must be a duration such as 30m, 24h or 7d"),
        (("plan", "--out", ""), "argument --out: must not be empty"),
        (("sync", "--plan-sha256", "0" * 64), "--plan-sha256 can only be used with --plan"),
        (("sync", "--plan", "x", "--plan-sha256", "0" * 63), "argument --plan-sha256: must be a SHA-256 hash"),
    ],
)
def test_mistake_in_command_line_is_named(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    result = desk.run(*arguments)
    assert (result.status, message in result.err) == (2, True)


def test_plan_of_another_environment_is_refused(desk: Desk) -> None:
    planned(desk)
    (desk.folder / "staging.yaml").unlink()
    desk.environment("production", **USUAL)
    result = desk.run("sync", "production", "--plan", str(file_of(desk)))
    assert result.status == 1
    assert result.lines[0] == f"bridge: error: {file_of(desk)}: the plan is not for the environment production"
    assert desk.target.versions() == {}


def test_file_of_another_hash_is_refused(desk: Desk) -> None:
    planned(desk)
    result = sync(desk, "--plan-sha256", "0" * 64)
    assert result.status == 1
    found = sha256(file_of(desk))
    assert result.lines[0] == f"bridge: error: {file_of(desk)}: its SHA-256 is {found}, not the approved one"
    assert desk.target.versions() == {}


def test_missing_file_is_named(desk: Desk) -> None:
    result = sync(desk)
    assert result.status == 2
    assert result.lines[0] == f"bridge: error: {file_of(desk)}: cannot be read: no such file or directory"


def test_folder_is_no_plan(desk: Desk) -> None:
    file_of(desk).mkdir()
    read, written = sync(desk), desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert (read.status, read.lines[0]) == (2, f"bridge: error: {file_of(desk)}: cannot be read: is a directory")
    assert (written.status, written.lines[0]) == (1, f"bridge: error: {file_of(desk)}: is not a regular file")


def test_pipe_is_no_plan(desk: Desk) -> None:
    os.mkfifo(file_of(desk))
    read, written = sync(desk), desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert (read.status, written.status) == (2, 1)
    for result in (read, written):
        assert result.lines[0] == f"bridge: error: {file_of(desk)}: is not a regular file"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_file_that_others_can_change_needs_its_hash(desk: Desk, mode: int) -> None:
    planned(desk)
    file_of(desk).chmod(mode)
    result = sync(desk)
    assert (result.status, "can be changed by other users" in result.lines[0]) == (1, True)
    assert result.lines[1].startswith("bridge: hint: pass its approved hash with --plan-sha256, or run `chmod go-w ")
    assert desk.target.versions() == {}
    assert sync(desk, "--plan-sha256", sha256(file_of(desk))).status == 0


def test_file_of_another_user_needs_its_hash(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(desk)
    owner = os.geteuid()
    if owner == 0:
        os.chown(file_of(desk), 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    result = sync(desk)
    assert (result.status, "belongs to another user" in result.lines[0]) == (1, True)
    assert sync(desk, "--plan-sha256", sha256(file_of(desk))).status == 0


def test_link_needs_hash(desk: Desk) -> None:
    planned(desk)
    real = file_of(desk).rename(file_of(desk).with_name("real.json"))
    file_of(desk).symlink_to(real)
    result = sync(desk)
    assert (result.status, "is a symbolic link" in result.lines[0]) == (2, True)
    assert sync(desk, "--plan-sha256", sha256(real)).status == 0


def test_plan_replaces_plan_and_empty_file(desk: Desk) -> None:
    file_of(desk).touch(mode=0o666)
    first = planned(desk)
    assert file_of(desk).stat().st_mode & 0o777 == 0o600
    desk.values(OPENAI_API_KEY="CANARY-rotated")
    assert planned(desk)["environments"] != first["environments"]


def test_plan_of_other_version_is_replaced(desk: Desk) -> None:
    file_of(desk).write_text('{"schema": "bridge/approved-plan/v2", "more": 1}')
    assert planned(desk)["schema"] == "bridge/approved-plan/v1"


@pytest.mark.parametrize("text", ["a value\n", "{}", '{"schema": "bridge/report/v1"}', '{"schema": 1}', "[]"])
def test_file_that_is_no_plan_is_not_overwritten(desk: Desk, text: str) -> None:
    file_of(desk).write_text(text)
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert result.lines == [
        f"bridge: error: {file_of(desk)}: exists and is not a plan",
        "bridge: hint: choose another file for --out",
    ]
    assert text_of(desk) == text


def test_link_is_not_written_through(desk: Desk) -> None:
    file_of(desk).symlink_to(desk.folder / "values.json")
    before = (desk.folder / "values.json").read_text()
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert (result.status, "is a symbolic link" in result.lines[0]) == (1, True)
    assert (desk.folder / "values.json").read_text() == before


def test_folder_that_is_missing_is_named(desk: Desk) -> None:
    path = desk.folder / "absent" / "plan.json"
    result = desk.run("plan", "staging", "--out", str(path))
    assert result.status == 1
    assert result.lines == [
        f"bridge: error: {path}: cannot be written: its folder does not exist",
        f"bridge: hint: `mkdir -p {path.parent}`",
    ]


def test_failed_write_leaves_earlier_plan(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(desk)
    before, names = text_of(desk), sorted(file_of(desk).parent.iterdir())
    desk.values(OPENAI_API_KEY="CANARY-rotated")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert f"bridge: error: {file_of(desk)}: cannot be written: no space left on device" in result.lines
    assert (text_of(desk), sorted(file_of(desk).parent.iterdir())) == (before, names)


def test_refused_plan_is_not_written(desk: Desk) -> None:
    desk.target.create("Secret", "agent-secrets", {"stringData": {"OPENAI_API_KEY": "theirs"}})
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert (file_of(desk).exists(), "plan file" in result.out) == (False, False)


def test_exit_code_of_plan_with_changes_stays(desk: Desk) -> None:
    result = desk.run("plan", "staging", "--out", str(file_of(desk)), "--exit-code")
    assert (result.status, file_of(desk).exists()) == (4, True)


def test_value_from_env_file_has_no_revision(desk: Desk) -> None:
    desk.environment(sources=["jsonfile:values.json"])
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert result.lines[:3] == [
        (
            "bridge: error: ConfigMap/shared-config key LIVEKIT_URL (also DOMAIN): "
            "comes from .env.k8s.staging, which has no revision, so a plan cannot be approved"
        ),
        (
            "bridge: error: ConfigMap/agent-config key ENV_MODE: "
            "comes from .env.k8s.staging, which has no revision, so a plan cannot be approved"
        ),
        "bridge: hint: move the value to a source that keeps revisions",
    ]
    assert not file_of(desk).exists()


def test_value_from_environment_has_no_revision(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    approvable(desk, env_file="environment")
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert result.lines[0] == (
        "bridge: error: ConfigMap/shared-config key LOG_LEVEL: "
        "comes from the process's environment, which has no revision, so a plan cannot be approved"
    )


def test_unchanged_value_from_env_file_needs_no_revision(desk: Desk) -> None:
    approvable(desk, env_file=".env.k8s.staging")
    desk.env_file(LOG_LEVEL="debug")
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-rotated")
    planned(desk)
    desk.env_file(LOG_LEVEL="error")
    result = sync(desk)
    assert result.status == 1
    assert result.lines[0] == "bridge: error: ConfigMap/shared-config: would be updated, which is not in the plan"
    desk.env_file(LOG_LEVEL="debug")
    assert sync(desk).status == 0


def test_env_file_is_not_in_plan(desk: Desk) -> None:
    approvable(desk, env_file=".env.k8s.staging")
    desk.env_file(LOG_LEVEL="info")
    assert desk.run("sync", "staging").status == 0
    planned(desk)
    assert ".env" not in json.dumps(content(desk)["environments"]["staging"]["files"])
    assert sha256(desk.folder / ".env.k8s.staging") not in text_of(desk)


def test_commands_of_help_page_plan_and_sync(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder.parent)
    plan, approved = (shlex.split(line, comments=True) for line in page("pipelines").block("approve").splitlines())
    assert (plan[0], approved[0]) == ("bridge", "bridge")
    shown = desk.run(*plan[1:])
    assert (shown.status, f"SHA-256 {sha256(file_of(desk))}" in shown.out) == (0, True)
    result = desk.run(*(sha256(file_of(desk)) if word == "SHA256" else word for word in approved[1:]))
    assert (result.status, result.err) == (0, "")
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_help_page_names_every_part_of_plan(desk: Desk) -> None:
    """Each field of the file is in the table, in the words that people use for it."""
    rows = " ".join(row[0] for row in page("pipelines").section("Approve a plan").rows)
    words = {
        "id": "`id`",
        "namespace": "the namespace",
        "namespace_uid": "its uid",
        "server": "API server's address",
        "files": "SHA-256 of the environment file",
        "sources": "each source",
        "objects": "each change",
    }
    assert planned(desk)["environments"]["staging"].keys() == words.keys()
    assert [word for word in words.values() if word not in rows] == []
    assert all(
        flag in rows for flag in ("--allow-shrink", "--allow-fallback", "--allow-older", "--prune", "--recreate")
    )


def test_plan_in_folder_of_another_checkout_is_the_same(desk: Desk, tmp_path: Path) -> None:
    """A plan that was made on one machine is for every checkout of the same files."""
    planned(desk)
    other = tmp_path / "elsewhere" / "config"
    other.parent.mkdir()
    desk.folder.rename(other)
    desk.folder.symlink_to(other)
    assert sync(desk).status == 0


def record() -> dict[str, Any]:
    source = SourceRecord({"path": "a"}, ("https://vault.internal",), "3", 3, "kv", "0" * 64)
    change = ObjectRecord("0a-1", "update", {"key A": "change", "type": "change"})
    one = EnvironmentRecord("x", "voice", "0a-1", "https://a:6443", {"a.yaml": "0" * 64}, {"s:a": source}, {})
    one = one._replace(objects={"Secret/a": change})
    plan = ApprovedPlan("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", ("--prune",), {"staging": one})
    return json.loads(encode(plan))


@pytest.mark.parametrize(
    ("path", "bad", "where"),
    [
        ("id", "A b", ".id"),
        ("namespace", "A b", ".namespace"),
        ("namespace_uid", "a/b", ".namespace_uid"),
        ("namespace_uid", "a" * 65, ".namespace_uid"),
        ("server", "https://user@a", ".server"),
        ("server", "a", ".server"),
        ("files", {"a.yaml": "0" * 63}, ".files"),
        ("files", {"a\n": "0" * 64}, ".files"),
        ("files", {"a" * 2001: "0" * 64}, ".files"),
        ("files", [], ".files"),
        ("sources s:a location", {"path": 1}, ".sources"),
        ("sources s:a addresses", [1], ".sources"),
        ("sources s:a revision", None, ".sources"),
        ("sources s:a order", "3", ".sources"),
        ("sources s:a order", 1.5, ".sources"),
        ("sources s:a series", 1, ".sources"),
        ("sources s:a sha256", "0", ".sources"),
        ("objects Secret/a uid", "a b", ".objects"),
        ("objects Secret/a action", "destroy", ".objects"),
        ("objects Secret/a fields", {"key a b": "change"}, ".objects"),
        ("objects Secret/a fields", {"label -": "change"}, ".objects"),
        ("objects Secret/a fields", {"data": "change"}, ".objects"),
        ("objects Secret/a fields", {"key A": "CANARY"}, ".objects"),
        ("objects Secret/a fields", {"key A": "change, "}, ".objects"),
    ],
)
def test_invalid_entry_is_named_by_its_place(path: str, bad: object, where: str) -> None:
    document = record()
    assert json.loads(encode(decode(json.dumps(document).encode()))) == document
    *parents, last = ["environments", "staging", *path.split()]
    node = document
    for name in parents:
        node = node[name]
    node[last] = bad
    with pytest.raises(ApprovedPlanError, match=rf"^invalid entry in environments{re.escape(where)}$"):
        decode(json.dumps(document).encode())


def test_object_with_wrong_fields_is_named_by_its_place() -> None:
    document = record()
    del document["environments"]["staging"]["sources"]["s:a"]["series"]
    names = "location, addresses, revision, order, series, sha256"
    with pytest.raises(ApprovedPlanError, match=f"^environments.sources must be an object with {names} and nothing"):
        decode(json.dumps(document).encode())


def test_list_that_is_none_is_named_by_its_place() -> None:
    document = record() | {"flags": "--prune"}
    with pytest.raises(ApprovedPlanError, match=r"^flags must be a list$"):
        decode(json.dumps(document).encode())


def test_hash_of_document_is_in_plan_and_must_be_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge_jsonfile import JsonFileSession  # noqa: PLC0415

    read, hashes = JsonFileSession.read, ["ab" * 32]
    monkeypatch.setattr(JsonFileSession, "read", lambda self, *words: read(self, *words)._replace(sha256=hashes[-1]))
    planned(desk)
    (source,) = content(desk)["environments"]["staging"]["sources"].values()
    assert source["sha256"] == "ab" * 32
    hashes.append("cd" * 32)
    assert sync(desk).status == 1
    assert desk.target.versions() == {}
    hashes.append("ab" * 32)
    assert sync(desk).status == 0
