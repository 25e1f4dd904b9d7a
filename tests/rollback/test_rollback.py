"""`bridge rollback` with the real Vault and the fake Secret Manager: what is shown, refused, written, and repaired."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk, Result
from tests.importing.moving import environ, start
from tests.importing.test_import import Terminal
from tests.importing.test_moving_stores import Store, manager, store, stored  # noqa: F401 - two are fixtures
from tests.providers.vault.wire import Request, document, errors
from tests.servers.scaleway import SecretManager
from tests.team import VALUES
from tests.waiting import until

NEWER = VALUES | {"OPENAI_API_KEY": "CANARY-bad", "LOG_LEVEL": "debug"}
APP = "scaleway:/voice/staging/app"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries |= {"CANARY-bad", "CANARY-theirs", "CANARY-gone"}
    return offline_desk


@pytest.fixture
def synced(desk: Desk, store: Store) -> Store:  # noqa: F811
    """Two versions in Vault, and a cluster that has the second."""
    store.server.put("app", VALUES | {"DOMAIN": "old.example.com"}, store.mount)
    store.server.put("app", NEWER, store.mount)
    assert desk.run("sync", "staging").status == 0
    return store


def back(desk: Desk, to: str = "1", *more: str, source: str = "vault:app") -> Result:
    return desk.run("rollback", "staging", "--source", source, "--to", to, "--yes", *more)


def openai(desk: Desk) -> str:
    return desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"]


def test_earlier_version_becomes_newest_and_cluster_follows(desk: Desk, synced: Store) -> None:
    result = back(desk, "1", "--allow-fallback")
    assert (result.err, result.status) == ("", 0)
    assert synced.version == 3
    assert synced.values == VALUES | {"DOMAIN": "old.example.com"}
    assert openai(desk) == VALUES["OPENAI_API_KEY"]
    lines = result.out.splitlines()
    assert lines[:4] == [
        "vault:app: now at revision 2, with the content of 1",
        "    ~ OPENAI_API_KEY  changes",
        "    + DOMAIN  is restored",
        "    - LOG_LEVEL  is removed: the revision does not have it",
    ]
    assert "  vault:app @ 1" in lines
    assert "vault:app: written, revision 2 -> 3, with the content of 1" in lines
    assert " updated" in lines[-1]


def test_objects_tell_of_it(desk: Desk, synced: Store) -> None:
    assert back(desk, "1", "--allow-fallback").status == 0
    name = "bridge-voice-agent-staging.secret.agent-secrets.synced"
    event = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}/events/{name}").body
    assert (event["count"], event["message"]) == (2, "bridge updated it: changed at the source: OPENAI_API_KEY")


def test_next_run_of_anybody_agrees(desk: Desk, synced: Store) -> None:
    assert back(desk, "1", "--allow-fallback").status == 0
    before = desk.target.versions()
    again = desk.run("sync", "staging", "--output", "json")
    assert (again.status, again.err, again.data["result"]) == (0, "", "unchanged")
    assert again.data["sources"] == {"vault:app": "3"}
    assert desk.target.versions() == before


def test_second_rollback_writes_no_second_version(desk: Desk, synced: Store) -> None:
    assert back(desk, "1", "--allow-fallback").status == 0
    before = desk.target.versions()
    for to in ("1", "3"):
        again = back(desk, to, "--output", "json")
        assert (again.status, again.err, again.data["result"]) == (0, "", "unchanged")
    assert back(desk).out.startswith("vault:app: unchanged, revision 3 has the same content as 1\n")
    assert (synced.version, desk.target.versions()) == (3, before)


def test_dry_run_and_no_write_nothing(desk: Desk, synced: Store) -> None:
    before = desk.target.versions()
    planned = back(desk, "1", "--dry-run", "--allow-fallback", "--output", "json")
    assert (planned.status, planned.data["result"]) == (0, "planned")
    assert planned.data["rollback"] == {
        "source": "vault:app",
        "to": "1",
        "needed": True,
        "before": "2",
        "after": None,
        "changed": ["OPENAI_API_KEY"],
        "added": ["DOMAIN"],
        "removed": ["LOG_LEVEL"],
    }
    keys = [key for one in planned.data["objects"] for key in one["keys"]]
    assert {key["name"] for key in keys if key["what"] != "keep"} == {"OPENAI_API_KEY", "LOG_LEVEL"}
    arguments = ("--source", "vault:app", "--to", "1", "--allow-fallback")
    asked = desk.run("rollback", "staging", *arguments)
    assert (asked.status, asked.lines[-2]) == (
        1,
        "bridge: error: stdin is not a terminal, so bridge cannot ask; nothing was done",
    )
    assert (synced.version, desk.target.versions()) == (2, before)


def test_warning_stands_above_question_and_nowhere_else(desk: Desk, synced: Store) -> None:
    synced.server.put("app", NEWER | {"CARTESIA_API_KEY": ""}, synced.mount)
    synced.server.put("app", NEWER, synced.mount)
    result = back(desk, "3", "--allow-shrink")
    assert (result.status, result.err.count("is empty")) == (0, 1), result.err


def test_what_sync_would_refuse_is_refused_before_store_is_written(desk: Desk, synced: Store) -> None:
    before = desk.target.versions()
    result = back(desk)
    assert result.status == 1
    assert any("LOG_LEVEL" in line and "template" in line for line in result.lines), result.err
    assert "refused; nothing was written" in result.out
    desk.write("base/secrets.yml", (desk.folder / "base/secrets.yml").read_text() + "  MORE: ${MORE}\n")
    synced.server.put("app", NEWER | {"MORE": "CANARY-gone"}, synced.mount)
    lost = back(desk, "1", "--allow-fallback", "--allow-shrink")
    assert (lost.status, "${MORE} has no value" in lost.lines[0]) == (1, True)
    assert (synced.version, desk.target.versions()) == (3, before)


@pytest.mark.parametrize(
    ("to", "what"),
    [
        ("9", "vault:app@9: the document or its version 9 does not exist"),
        ("2", "vault:app@2: version 2 was deleted at "),
        ("3", "vault:app@3: version 3 is destroyed"),
        ("latest", "vault:app@latest: the revision is not a version number"),
    ],
)
def test_version_that_cannot_be_had(desk: Desk, synced: Store, to: str, what: str) -> None:
    for _ in range(2):
        synced.server.put("app", NEWER, synced.mount)
    synced.server.do("POST", f"{synced.mount}/delete/app", {"versions": [2]})
    synced.server.do("PUT", f"{synced.mount}/destroy/app", {"versions": [3]})
    result = back(desk, to)
    assert (result.status, result.lines[0][: len(what) + 15]) == (1, f"bridge: error: {what}")
    assert synced.version == 4


def test_document_whose_newest_version_is_deleted_comes_back(desk: Desk, synced: Store) -> None:
    synced.server.do("DELETE", f"{synced.mount}/data/app")
    result = back(desk, "1", "--allow-fallback", "--output", "json")
    assert (result.err, result.status) == ("", 0)
    assert (result.data["rollback"]["before"], result.data["rollback"]["after"]) == (None, "3")
    assert set(result.data["rollback"]["added"]) == {*VALUES, "DOMAIN"}
    assert openai(desk) == VALUES["OPENAI_API_KEY"]


def test_someone_elses_write_in_between_is_not_lost(desk: Desk, synced: Store) -> None:
    before = desk.target.versions()
    theirs = NEWER | {"CARTESIA_API_KEY": "CANARY-theirs"}
    synced.before_write(lambda: synced.server.put("app", theirs, synced.mount))
    result = back(desk, "1", "--allow-fallback")
    assert (result.status, result.lines) == (
        1,
        [
            "bridge: error: vault:app: the document has changed in the meantime; nothing was written",
            "bridge: hint: run the command again; it starts from the current state",
        ],
    )
    assert (synced.values, desk.target.versions()) == (theirs, before)


def test_sync_that_fails_after_store_was_written_is_completed_by_next(desk: Desk, synced: Store) -> None:
    def answer(request: Request) -> Any:
        written = any(one.method == "POST" and "/data/" in one.path for one in synced.relay.requests)
        reads = sum(one.method == "GET" and one.path.endswith("/data/app") for one in synced.relay.requests)
        return errors(503, "sealed") if written and reads > seen + 3 else None

    seen = sum(one.method == "GET" and one.path.endswith("/data/app") for one in synced.relay.requests)
    synced.relay.answer = answer
    result = back(desk, "1", "--allow-fallback", "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped"), result.err
    assert result.lines[-2:] == [
        "bridge: error: vault:app: revision 3 was written, but the cluster is not synced yet",
        "bridge: hint: run `bridge sync staging` or the same command again to complete it",
    ]
    assert openai(desk) == "CANARY-bad"
    synced.relay.answer = lambda _: None
    again = back(desk, "1", "--allow-fallback", "--output", "json")
    assert (again.status, again.data["result"], synced.version) == (0, "written", 3)
    assert openai(desk) == VALUES["OPENAI_API_KEY"]


def test_store_that_shows_older_revision_once_more_is_not_believed(desk: Desk, synced: Store) -> None:
    def answer(request: Request) -> Any:
        posts = [index for index, one in enumerate(synced.relay.requests) if one.method == "POST"]
        later = synced.relay.requests[posts[-1] :] if posts else []
        return document(NEWER, version=2) if sum(one.path.endswith("/data/app") for one in later) > 2 else None

    synced.relay.requests.clear()
    synced.relay.answer = answer
    result = back(desk, "1", "--allow-fallback", "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped"), result.err
    assert result.lines[0] == "bridge: error: vault:app: the store temporarily returns the older revision 2"
    assert openai(desk) == "CANARY-bad"


def test_run_that_is_killed_after_store_was_written_is_completed_by_sync(
    desk: Desk, synced: Store, third_party: Path, tmp_path: Path
) -> None:
    arguments = ("rollback", "staging", "--source", "vault:app", "--to", "1", "--allow-fallback", "--yes")
    seen: list[bytes] = []

    def answer(request: Request) -> None:
        if not any(one.method == "POST" and "/data/" in one.path for one in synced.relay.requests):
            return
        if request.method == "GET" and request.path.endswith("/data/app") and not seen:
            process_files = [Path(f"/proc/{process.pid}/{name}") for name in ("cmdline", "environ")]
            seen.extend(file.read_bytes() for file in process_files)
            seen.extend(path.read_bytes() for path in (tmp_path / "tmp").rglob("*") if path.is_file())
            os.kill(process.pid, signal.SIGKILL)

    synced.relay.requests.clear()
    synced.relay.answer = answer
    process = start(desk, environ(tmp_path, third_party, VAULT_TOKEN=synced.token), *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert b"CANARY" not in b"".join(seen) + out.encode() + err.encode()
    until(lambda: synced.version >= 3)
    assert openai(desk) == "CANARY-bad"
    assert desk.run("sync", "staging", "--allow-fallback").status == 0
    assert openai(desk) == VALUES["OPENAI_API_KEY"]
    assert (back(desk).status, synced.version) == (0, 3)


def test_interrupt_after_store_was_written_says_where_it_stands(
    desk: Desk, synced: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.run.apply._write_in_turn", interrupted)
    result = back(desk, "1", "--allow-fallback", "--output", "json")
    assert (result.status, result.data["result"], result.data["rollback"]["after"]) == (130, "interrupted", "3")
    assert "revision 3 was written, but the cluster is not synced yet" in result.lines[0]


def test_which_document_is_meant(desk: Desk, synced: Store) -> None:
    section = {"address": synced.relay.address, "mount": synced.mount, "kv_version": 2}
    cases = [
        ("vault:app#OPENAI_API_KEY", 2, "--source: must name a document without a field or revision"),
        ("vault:app@1", 2, "--source: must name a document without a field or revision"),
        ("vault:other", 2, "--source: vault:other is not a document of staging.yaml"),
        ("nothing", 2, "--source: not a reference"),
    ]
    for source, status, what in cases:
        result = back(desk, source=source)
        assert (result.status, result.lines[0]) == (status, f"bridge: error: {what}")
    desk.environment(sources=["vault:app@2"], providers={"vault": section})
    result = back(desk)
    what = "is pinned to revision 2 in staging.yaml, so a rollback would have no effect"
    hint = "change the revision there, then run `bridge sync staging`"
    assert (result.status, result.lines) == (1, [f"bridge: error: vault:app@2: {what}", f"bridge: hint: {hint}"])
    assert synced.version == 2


def test_variables_own_document_is_one_too(desk: Desk, synced: Store) -> None:
    section = {"address": synced.relay.address, "mount": synced.mount, "kv_version": 2}
    variables = {"OPENAI_API_KEY": "vault:app#OPENAI_API_KEY"}
    desk.values()
    desk.environment(variables=variables, providers={"vault": section})
    assert desk.run("sync", "staging", "--allow-fallback").status == 0
    assert back(desk).status == 0
    assert openai(desk) == VALUES["OPENAI_API_KEY"]


def test_store_that_only_reads_or_keeps_no_revisions_is_refused(desk: Desk) -> None:
    desk.environment(sources=["plain:values.json"])
    result = back(desk, source="plain:values.json")
    assert (result.status, result.lines[0]) == (
        1,
        "bridge: error: plain:values.json: the provider plain is read-only",
    )
    desk.environment(sources=["shelf:values.json"])
    result = back(desk, source="shelf:values.json")
    assert (result.status, result.lines[0]) == (
        1,
        "bridge: error: shelf:values.json@1: it was changed since that revision",
    )


# Scaleway


def test_question_names_store_and_cluster(
    desk: Desk,
    manager: SecretManager,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager.put("/voice/staging/app", VALUES)
    manager.put("/voice/staging/app", NEWER)
    assert desk.run("sync", "staging").status == 0
    where = f"namespace voice of context embedded ({desk.cluster['server']})"
    asked = ("rollback", "staging", "--source", APP, "--allow-fallback", "--to")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert f"Write revision 1 to {APP} as its newest revision, and sync {where}? [y/N] " in desk.run(*asked, "1").err
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-theirs")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    result = desk.run(*asked, "2")
    assert f"{APP} already has this content. Sync {where}? [y/N] " in result.err
    shown = desk.run(*asked, "1", "--dry-run", "--output", "json").data["cluster"]
    assert {name: shown[name] for name in ("server", "context")} == desk.cluster
    assert desk.cluster_line in result.out.splitlines()


def test_earlier_revision_of_secret_manager_in_both_forms(desk: Desk, manager: SecretManager) -> None:  # noqa: F811
    old = VALUES | {"DOMAIN": "old.example.com"}
    id_ = manager.put("/voice/staging/app", old)
    manager.put("/voice/staging/app", NEWER)
    assert desk.run("sync", "staging").status == 0
    for to, newest in ((f"1/{id_[:8]}", 3), ("2", 4), ("1", 5)):
        result = back(desk, to, "--allow-fallback", "--output", "json", source=APP)
        assert (result.err, result.status) == ("", 0)
        assert result.data["rollback"]["after"] == f"{newest}/{id_[:8]}"
        assert desk.run("sync", "staging", "--output", "json").data["result"] == "unchanged"
    assert stored(manager) == [old, NEWER, old, NEWER, old]
    assert openai(desk) == VALUES["OPENAI_API_KEY"]
    for to, what in (
        ("9", "it has no revision 9; the newest is 5"),
        ("1/00000000", "this revision belongs to an earlier secret with the same name"),
        ("x", "the revision is invalid"),
    ):
        assert back(desk, to, source=APP).lines[0] == f"bridge: error: {APP}@{to}: {what}"
    manager.store.secrets[id_].versions[1]["status"] = "disabled"
    assert back(desk, "2", source=APP).lines[0] == f"bridge: error: {APP}@2: revision 2 is disabled"
    assert len(stored(manager)) == 5
