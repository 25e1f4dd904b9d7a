"""The first write of an environment into a cluster: bound, allowed by a flag or a person, or refused."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config.environment import load_environment
from bridge.testing.apiserver import EmbeddedCluster
from tests.cluster_identity.test_which_cluster import elsewhere  # noqa: F401 - a fixture
from tests.desk import Desk, Result
from tests.importing.moving import environ
from tests.importing.test_moving_stores import manager, secret_manager  # noqa: F401 - the first is a fixture
from tests.servers.scaleway import SecretManager
from tests.team import VALUES
from tests.terminal import Terminal, answer

KUBECONFIG = {"kubeconfig": "kubeconfig"}
APP = "scaleway:/voice/staging/app"
STORE = "bridge-voice-agent-staging"


def uid_of(desk: Desk) -> str:
    path = f"/api/v1/namespaces/{desk.target.namespace}"
    return str(desk.target.client.request("GET", path).body["metadata"]["uid"])


def where(desk: Desk) -> str:
    source = f"context {context(desk)} of {desk.folder / 'kubeconfig'}"
    return f"namespace {desk.target.namespace} on {desk.target.client.url} ({source})"


def context(desk: Desk) -> str:
    return str(json.loads((desk.folder / "kubeconfig").read_text())["current-context"])


def requests(desk: Desk) -> list[tuple[str, str]]:
    assert desk.target.embedded
    return desk.target.embedded.requests


def writes(desk: Desk) -> list[tuple[str, str]]:
    """Return what was sent to the embedded cluster that may change something."""
    return [one for one in requests(desk) if one[0] != "GET" and "dryRun=All" not in one[1]]


def question(desk: Desk) -> str:
    return f"First write of staging to {where(desk)}. Is this the right cluster? [y/N] "


def planned(desk: Desk) -> str:
    """Return what `bridge plan` says now."""
    return desk.run("plan", "staging").out


def offered(desk: Desk) -> str:
    uid = uid_of(desk)
    return f"Bind staging to this namespace: write `cluster.namespace_uid: {uid}` into staging.yaml? [y/N] "


def bound(desk: Desk) -> tuple[str, ...]:
    return load_environment(desk.folder, "staging").cluster.namespace_uid


def unknown(desk: Desk) -> str:
    return f"{where(desk)}: nothing shows that staging was written to it before"


def refused(desk: Desk, result: Result) -> None:
    """Expect the refusal of a first write, before anything was sent that changes something."""
    assert result.status == 1
    assert f"bridge: error: {unknown(desk)}" in result.lines
    setting = f"`namespace_uid: {uid_of(desk)}` under `cluster:` in staging.yaml"
    assert f"bridge: hint: if this is the right cluster, add {setting}, or pass --first" in result.lines
    assert desk.target.versions() == {}


@pytest.fixture
def unbound(desk: Desk) -> Desk:
    desk.environment(cluster=KUBECONFIG)
    return desk


@pytest.fixture
def offline(offline_desk: Desk) -> Desk:
    offline_desk.environment(cluster=KUBECONFIG)
    requests(offline_desk).clear()
    return offline_desk


def test_first_write_that_nobody_can_be_asked_about_is_refused(unbound: Desk) -> None:
    refused(unbound, unbound.run("sync", "staging"))
    told = unbound.run("sync", "staging", "--output", "json")
    assert (told.data["result"], len(told.data["errors"])) == ("failed", 1)
    assert unbound.run("plan", "staging").status == 0


def test_refused_first_write_has_sent_nothing_that_changes_something(offline: Desk) -> None:
    assert offline.run("sync", "staging").status == 1
    assert writes(offline) == []


def test_flag_allows_it_and_next_run_is_no_first_one(unbound: Desk) -> None:
    result = unbound.run("sync", "staging", "--first", "--output", "json")
    assert (result.status, result.err, result.data["result"]) == (0, "", "written")
    assert result.data["cluster"]["binding"] is None
    unbound.values(OPENAI_API_KEY="CANARY-new")
    again = unbound.run("sync", "staging")
    assert (again.status, again.err) == (0, "")
    assert unbound.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-new"


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("key", ["namespace_uid", "server"])
def test_binding_allows_it_and_is_reported(desk: Desk, key: str, *, as_list: bool) -> None:
    value: Any = {"namespace_uid": uid_of(desk), "server": f"{desk.target.client.url}/"}[key]
    other = {"namespace_uid": "3f6c", "server": "https://blue.example"}[key]
    desk.environment(cluster=KUBECONFIG | {key: [other, value] if as_list else value})
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, result.err) == (0, "")
    assert result.data["cluster"]["binding"] == key


def test_flag_costs_no_request(offline: Desk) -> None:
    assert offline.run("sync", "staging", "--first").status == 0
    asked = [method for method, _ in requests(offline)]
    for kind, name in (("Secret", "shared-secrets"), ("Secret", "agent-secrets"), ("ConfigMap", STORE)):
        offline.target.delete(kind, name)
    for name in ("shared-config", "agent-config", "front-config"):
        offline.target.delete("ConfigMap", name)
    requests(offline).clear()
    offline.environment()  # bound to the server
    assert offline.run("sync", "staging").status == 0
    # The Lease is there by now, and Events are updated.
    assert sorted(method for method, _ in requests(offline)) == sorted(asked)


def test_unchanged_run_asks_for_nothing_more(offline: Desk) -> None:
    offline.run("sync", "staging", "--first")
    requests(offline).clear()
    assert "nothing to do" in offline.run("sync", "staging").out
    assert len(requests(offline)) == 6  # the state, and five objects


def test_terminal_is_asked_and_may_bind(unbound: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = answer(monkeypatch, "y", "y")
    before = (unbound.folder / "staging.yaml").read_text()
    shown = planned(unbound)
    result = unbound.run("sync", "staging", "--output", "json")
    uid = uid_of(unbound)
    told = f"bridge: staging.yaml: cluster.namespace_uid is now {uid}\n"
    assert "    + OPENAI_API_KEY    new  from plain:values.json\n" in shown
    assert result.err == shown + question(unbound) + offered(unbound) + told
    assert (result.status, result.data["result"], result.data["cluster"]["binding"]) == (0, "written", "namespace_uid")
    assert (bound(unbound), terminal.unread) == ((uid,), "")
    assert (unbound.folder / "staging.yaml").read_text() == before.replace(
        '"kubeconfig": "kubeconfig"', f'"kubeconfig": "kubeconfig", "namespace_uid": "{uid}"'
    )


def test_terminal_that_does_not_bind_still_writes_and_is_not_asked_again(
    unbound: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (unbound.folder / "staging.yaml").read_text()
    answer(monkeypatch, "yes", "")
    shown = planned(unbound)
    result = unbound.run("sync", "staging")
    assert (result.status, result.err) == (0, shown + question(unbound) + offered(unbound))
    assert (unbound.folder / "staging.yaml").read_text() == before
    unbound.values(OPENAI_API_KEY="CANARY-new")
    terminal = answer(monkeypatch, "never asked")
    assert (unbound.run("sync", "staging").err, terminal.tell()) == ("", 0)


def test_terminal_that_says_no_stops_run(offline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = answer(monkeypatch, "n", "never asked")
    shown = planned(offline)
    result = offline.run("sync", "staging")
    assert (result.status, result.out) == (1, "")
    assert result.err == f"{shown}{question(offline)}bridge: error: not confirmed; nothing was done\n"
    assert (writes(offline), terminal.unread) == ([], "never asked\n")


def test_warnings_of_plan_come_before_question_and_only_once(offline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    offline.environment(cluster=KUBECONFIG, secrets_from="any")
    offline.values(OPENAI_API_KEY=None)
    offline.env_file(OPENAI_API_KEY="CANARY-openai")
    warning = offline.run("plan", "staging").err
    answer(monkeypatch, "y", "n")
    result = offline.run("sync", "staging")
    assert (result.status, "bridge: warning: " in warning, result.err.count(warning)) == (0, True, 1)
    assert result.err.index(warning) < result.err.index(question(offline))


def test_file_that_cannot_be_edited_stops_run(offline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.loads((offline.folder / "staging.yaml").read_text())
    del content["cluster"]
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in content.items())
    offline.write("staging.yaml", f"{text}...\n")  # what comes behind the end would be another document
    answer(monkeypatch, "y", "y")
    result = offline.run("sync", "staging", "--kubeconfig", str(offline.folder / "kubeconfig"))
    assert result.status == 1
    assert "staging.yaml: cannot be edited without changing other parts of it" in result.err
    assert f"add `namespace_uid: {uid_of(offline)}` under `cluster:` by hand" in result.err
    assert writes(offline) == []


def test_plan_that_is_refused_asks_nothing(offline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    offline.target.create("Secret", "agent-secrets", {"stringData": {"OPENAI_API_KEY": "CANARY-theirs"}})
    offline.canaries.add("CANARY-theirs")
    terminal = answer(monkeypatch, "y")
    result = offline.run("sync", "staging")
    assert (result.status, "take it over with `bridge adopt staging`" in result.err) == (1, True)
    assert terminal.tell() == 0


def test_pty_shows_questions_and_takes_answers(offline: Desk, tmp_path: Path, third_party: Path) -> None:
    shown = planned(offline)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["python", "-m", "bridge", "sync", "staging", "--config", str(offline.folder)],
        env=environ(tmp_path, third_party, PATH=f"{Path(os.sys.executable).parent}{os.pathsep}{os.defpath}"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, b"y\ny\n")
    out, err = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, err.startswith(shown + question(offline) + offered(offline))) == (0, True), err
    assert "5 created, 0 unchanged" in out
    assert bound(offline) == (uid_of(offline),)


@pytest.fixture
def pipe(offline: Desk) -> Iterator[str]:
    """The kubeconfig as a shell's `<(command)` names it: a pipe that gives its content once."""
    reader, writer = os.pipe()
    os.write(writer, offline.kubeconfig.read_bytes())
    os.close(writer)
    offline.environment(cluster=None)
    yield f"/dev/fd/{reader}"
    os.close(reader)


@pytest.mark.parametrize("command", ["sync", "adopt"])
@pytest.mark.parametrize("by", ["flag", "KUBECONFIG"])
def test_kubeconfig_from_pipe_is_read_once(
    offline: Desk, pipe: str, monkeypatch: pytest.MonkeyPatch, *, command: str, by: str
) -> None:
    if command == "adopt":
        theirs(offline)
    if by == "KUBECONFIG":
        monkeypatch.setenv("KUBECONFIG", pipe)
    answer(monkeypatch, "y", "n", "y")
    result = offline.run(command, "staging", *(["--kubeconfig", pipe] if by == "flag" else []))
    assert (result.status, "error" in result.err) == (0, False)
    assert writes(offline)


# A cluster that is another one after the answer


def switched(desk: Desk, cluster: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch, *answers: str) -> Terminal:
    """Let the kubeconfig lead to another cluster from when the first question is answered."""
    terminal = answer(monkeypatch, *answers)
    given = terminal.readline

    def readline() -> str:
        cluster.write_kubeconfig(desk.kubeconfig)
        return given()

    monkeypatch.setattr(terminal, "readline", readline)
    return terminal


def changing(cluster: EmbeddedCluster) -> list[tuple[str, str]]:
    return [one for one in cluster.requests if one[0] != "GET" and "dryRun=All" not in one[1]]


def test_yes_is_for_cluster_that_was_named(
    offline: Desk,
    elsewhere: EmbeddedCluster,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = planned(offline) + question(offline) + offered(offline)
    switched(offline, elsewhere, monkeypatch, "y", "n")
    result = offline.run("sync", "staging")
    assert (result.status, result.err.startswith(asked)) == (1, True)
    assert f"bridge: error: namespace {offline.target.namespace} on {elsewhere.url} " in result.err
    assert (changing(elsewhere), writes(offline)) == ([], [])


def made_anew_after_the_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let the namespace be another one from when the first question is answered."""
    terminal = answer(monkeypatch, *answers)
    given, path = terminal.readline, f"/api/v1/namespaces/{desk.target.namespace}"
    metadata = {"name": desk.target.namespace, "uid": "made-anew", "resourceVersion": "1"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    made_anew = ("answer", 200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def readline() -> str:
        assert desk.target.embedded
        desk.target.embedded.intercept = lambda _, asked: made_anew if asked == path else None
        return given()

    monkeypatch.setattr(terminal, "readline", readline)


def test_yes_is_for_namespace_as_it_was(offline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made_anew_after_the_answer(offline, monkeypatch, "y", "n")
    result = offline.run("sync", "staging")
    assert (result.status, unknown(offline) in result.err, writes(offline)) == (1, True, [])


def test_rollback_writes_only_to_cluster_that_was_named(
    offline: Desk,
    elsewhere: EmbeddedCluster,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offline.environment(sources=[APP], cluster=KUBECONFIG)
    offline.canaries.add("CANARY-bad")
    with secret_manager(monkeypatch) as store:
        offline.canaries.add(store.key)
        store.put("/voice/staging/app", VALUES)
        store.put("/voice/staging/app", VALUES | {"OPENAI_API_KEY": "CANARY-bad"})
        switched(offline, elsewhere, monkeypatch, "y", "n", "y")
        result = offline.run("rollback", "staging", "--source", APP, "--to", "1", "--allow-fallback")
    assert (result.status, f"bridge: error: namespace voice on {elsewhere.url} " in result.err) == (5, True)
    assert (changing(elsewhere), writes(offline)) == ([], [])


# What shows an earlier write


def test_environment_that_was_written_before_needs_no_binding(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    desk.environment(cluster=KUBECONFIG)
    desk.values(OPENAI_API_KEY="CANARY-new")
    assert desk.run("sync", "staging").status == 0
    desk.target.delete("ConfigMap", STORE)
    desk.values(OPENAI_API_KEY="CANARY-newer")
    assert desk.run("sync", "staging").status == 0


def test_copy_of_state_from_another_cluster_shows_nothing(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    for kind, name in [one.split("/") for one in desk.target.versions()]:
        if name != STORE:
            desk.target.delete(kind, name)
    desk.environment(cluster=KUBECONFIG)
    result = desk.run("sync", "staging")
    assert (result.status, unknown(desk) in result.err) == (1, True)
    assert set(desk.target.versions()) == {f"ConfigMap/{STORE}"}
    assert desk.run("sync", "staging", "--first").status == 0


def test_uid_that_may_not_be_read_leaves_server_to_bind_to(offline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offline.target.embedded
    body = json.dumps({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}).encode()
    path = f"/api/v1/namespaces/{offline.target.namespace}"
    forbidden = ("answer", 403, {"Content-Type": "application/json"}, body)
    offline.target.embedded.intercept = lambda _, asked: forbidden if asked == path else None
    url = offline.target.client.url
    result = offline.run("sync", "staging")
    setting = f"`server: {url}` under `cluster:` in staging.yaml"
    hint = f"bridge: hint: if this is the right cluster, add {setting}, or pass --first"
    assert (result.status, result.lines[-1]) == (1, hint)
    terminal = answer(monkeypatch, "y", "never asked")
    assert offline.run("sync", "staging").status == 0
    assert terminal.unread == "never asked\n"


# The other commands that write


def test_adopt_is_first_write_too(unbound: Desk) -> None:
    theirs(unbound)
    before = unbound.target.versions()
    for flags in (["--yes"], ["--yes", "--output", "json"]):
        result = unbound.run("adopt", "staging", *flags)
        assert result.status == 1
        assert f"bridge: error: {unknown(unbound)}" in result.lines
    assert result.data["result"] == "refused"
    assert unbound.target.versions() == before
    assert unbound.run("adopt", "staging", "--dry-run").status == 0
    assert unbound.run("adopt", "staging", "--yes", "--first").status == 0
    assert unbound.target.owners("Secret", "agent-secrets", "OPENAI_API_KEY") == {(f"bridge/{STORE[7:]}", "Apply")}
    assert unbound.run("sync", "staging").status == 0  # known by now


def theirs(desk: Desk) -> None:
    data = {"stringData": {"OPENAI_API_KEY": VALUES["OPENAI_API_KEY"]}}
    desk.target.create("Secret", "agent-secrets", data, "kubectl-create")


def test_adopt_asks_at_terminal_whether_it_is_right_cluster(unbound: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs(unbound)
    terminal = answer(monkeypatch, "y", "y", "y")
    result = unbound.run("adopt", "staging")
    assert (result.status, terminal.unread) == (0, "")
    assert result.err.startswith(question(unbound) + offered(unbound))
    assert bound(unbound) == (uid_of(unbound),)
    assert "taken over" in result.out


def test_adopt_does_nothing_in_cluster_that_is_not_right_one(unbound: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs(unbound)
    before = unbound.target.versions()
    answer(monkeypatch, "n", "y", "y")
    assert unbound.run("adopt", "staging").status == 1
    assert (unbound.target.versions(), bound(unbound)) == (before, ())


def test_adopt_offers_to_bind_environment_that_is_known_but_unbound(
    offline: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline.run("sync", "staging", "--first")
    answer(monkeypatch, "y")
    result = offline.run("adopt", "staging")
    assert (result.status, result.err.startswith(offered(offline))) == (0, True)
    assert bound(offline) == (uid_of(offline),)
    terminal = answer(monkeypatch, "never asked")
    assert (offline.run("adopt", "staging").err, terminal.tell()) == ("", 0)


def test_rollback_is_refused_before_store_is_written(
    unbound: Desk,
    manager: SecretManager,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id_ = manager.put("/voice/staging/app", VALUES)
    manager.put("/voice/staging/app", VALUES | {"OPENAI_API_KEY": "CANARY-bad"})
    unbound.canaries.add("CANARY-bad")
    content = json.loads((unbound.folder / "staging.yaml").read_text())
    unbound.environment(**content | {"cluster": KUBECONFIG})
    command = ["rollback", "staging", "--source", APP, "--to", "1", "--allow-fallback"]
    result = unbound.run(*command, "--yes")
    assert (result.status, unknown(unbound) in result.err) == (1, True)
    assert (unbound.target.versions(), len(manager.store.secrets[id_].versions)) == ({}, 2)
    terminal = answer(monkeypatch, "y", "y", "y")
    assert unbound.run(*command, "--yes").err == result.err  # --yes agrees to what is done, and not to where
    assert terminal.tell() == 0
    for form in ("json", "text"):  # what is asked about comes before the question, wherever the report goes
        answer(monkeypatch, "n")
        result = unbound.run(*command, "--output", form)
        assert result.err.endswith(f"{question(unbound)}bridge: error: not confirmed; nothing was done\n")
        shown = result.err if form == "json" else result.out
        assert shown.startswith(f"{APP}: now at revision 2/{id_[:8]}, with the content of 1\n")
        assert "\n+ Secret/agent-secrets  to create\n" in shown
    answer(monkeypatch, "y", "y", "y")
    result = unbound.run(*command)
    assert (result.status, len(manager.store.secrets[id_].versions)) == (0, 3)
    assert question(unbound) + offered(unbound) in result.err
    assert bound(unbound) == (uid_of(unbound),)
    assert unbound.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    unbound.environment(**content | {"cluster": KUBECONFIG})
    assert unbound.run(*command[:-2], "2", "--allow-fallback", "--yes").status == 0  # known by now


def test_rollback_takes_flag(unbound: Desk, manager: SecretManager) -> None:  # noqa: F811
    manager.put("/voice/staging/app", VALUES)
    manager.put("/voice/staging/app", VALUES | {"OPENAI_API_KEY": "CANARY-bad"})
    unbound.canaries.add("CANARY-bad")
    content = json.loads((unbound.folder / "staging.yaml").read_text())
    unbound.environment(**content | {"cluster": KUBECONFIG})
    command = ["rollback", "staging", "--source", APP, "--to", "1", "--allow-fallback", "--yes"]
    assert unbound.run(*command, "--first").status == 0
