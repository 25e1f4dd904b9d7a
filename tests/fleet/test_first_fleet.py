"""`sync --all` in a cluster that knows nothing of some environments: all questions come before the first write."""

import io
import json
from pathlib import Path

import pytest

from bridge.config.environment import load_environment
from bridge.run.fleet import Fleet, Member
from bridge.testing.apiserver import EmbeddedCluster
from tests.cluster_identity.test_first_write import KUBECONFIG, changing, requests, switched, uid_of, writes
from tests.cluster_identity.test_which_cluster import elsewhere  # noqa: F401 - a fixture
from tests.desk import Desk
from tests.fleet.test_fleet import fleet, give, member, results, token
from tests.terminal import Terminal, answer


def known(desk: Desk, *names: str) -> None:
    """Let environments be written, and then be bound to nothing."""
    for name in names:
        member(desk, name)
        assert desk.run("sync", name).status == 0
        member(desk, name, cluster=KUBECONFIG)
        give(desk, name, "2")


def source(desk: Desk) -> str:
    return f"context embedded of {desk.folder / 'kubeconfig'}"


def question(desk: Desk, what: str) -> str:
    return f"First write of {what} to {desk.target.client.url} ({source(desk)}). Is this the right cluster? [y/N] "


def offered(files: str, count: int) -> str:
    return f"Bind these {count} environments: write `cluster.namespace_uid` into {files}? [y/N] "


def bound(desk: Desk, name: str) -> tuple[str, ...]:
    return load_environment(desk.folder, name).cluster.namespace_uid


def test_without_terminal_those_are_refused_and_all_others_go_on(offline_desk: Desk) -> None:
    names = fleet(offline_desk, 4, cluster=KUBECONFIG)
    known(offline_desk, names[1])
    member(offline_desk, names[3], cluster=KUBECONFIG | {"namespace_uid": uid_of(offline_desk)})
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert result.status == 1
    assert results(result) == dict(zip(names, ["failed", "written", "failed", "written"], strict=True))
    assert [token(offline_desk, name) is None for name in names] == [True, False, True, False]
    where = f"namespace voice on {offline_desk.target.client.url} ({source(offline_desk)})"
    assert f"bridge: error: env-00: {where}: nothing shows that env-00 was written to it before" in result.lines
    assert offline_desk.run("sync", "--all", "--first").status == 0
    assert all(token(offline_desk, name) for name in names)


def test_terminal_is_asked_once_for_all_of_server_and_never_for_what_is_known(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fleet(offline_desk, 6, cluster=KUBECONFIG)
    known(offline_desk, names[1])
    firsts = [name for name in names if name != names[1]]
    terminal = answer(monkeypatch, "y", "n", "never asked")
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert (result.status, set(results(result).values())) == (0, {"written"})
    some = "env-00, env-02, env-03 and 2 more"
    files = "env-00.yaml, env-02.yaml, env-03.yaml and 2 more"
    shown, asked, rest = result.err.partition(question(offline_desk, f"5 environments ({some})"))
    assert (bool(asked), rest, terminal.unread) == (True, offered(files, 5), "never asked\n")
    assert [f"+ Secret/{name}-keys  to create" in shown.splitlines() for name in names] == [
        name in firsts for name in names
    ]
    assert shown.endswith("\n5 environments, 5 planned\n")
    assert [token(offline_desk, name) for name in names] == [
        f"CANARY-{name}-TOKEN-{2 if name == names[1] else 1}" for name in names
    ]
    assert len(result.data["environments"]) == 6
    assert [bound(offline_desk, name) for name in names] == [()] * 6


def test_environments_of_first_write_are_bound_if_terminal_agrees(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fleet(offline_desk, 3, cluster=KUBECONFIG)
    known(offline_desk, names[1])
    answer(monkeypatch, "y", "y")
    result = offline_desk.run("sync", "--all", "--output", "json")
    uid = uid_of(offline_desk)
    assert (result.status, [bound(offline_desk, name) for name in names]) == (0, [(uid,), (), (uid,)])
    told = "".join(f"bridge: {name}.yaml: cluster.namespace_uid is now {uid}\n" for name in ("env-00", "env-02"))
    assert result.err.endswith(offered("env-00.yaml, env-02.yaml", 2) + told)
    bindings = [one["cluster"]["binding"] for one in result.data["environments"]]
    assert bindings == ["namespace_uid", None, "namespace_uid"]


def test_environment_whose_file_cannot_be_edited_is_left_out(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fleet(offline_desk, 2)
    for name in names:
        member(offline_desk, name, cluster=None)
    content = json.loads((offline_desk.folder / "env-00.yaml").read_text())
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in content.items())
    offline_desk.write("env-00.yaml", f"{text}...\n")  # what comes behind the end would be another document
    answer(monkeypatch, "y", "y")
    flag = ("--kubeconfig", str(offline_desk.kubeconfig))
    result = offline_desk.run("sync", "--all", "--output", "json", *flag)
    assert (result.status, results(result)) == (1, {"env-00": "failed", "env-01": "written"})
    assert "env-00.yaml: cannot be edited without changing other parts of it" in result.err
    assert (token(offline_desk, names[0]), bound(offline_desk, names[1])) == (None, (uid_of(offline_desk),))


def test_nothing_at_all_is_written_before_answer(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    names = fleet(offline_desk, 3, cluster=KUBECONFIG)
    known(offline_desk, names[0])
    assert offline_desk.target.embedded
    requests(offline_desk).clear()
    terminal = answer(monkeypatch, "n")
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(terminal, "readline", lambda: seen.extend(writes(offline_desk)) or "n\n")
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert seen == []
    changing = [path for _, path in writes(offline_desk)]
    assert changing
    assert not [path for path in changing if "env-01" in path or "env-02" in path]
    assert result.status == 1
    assert results(result) == {"env-00": "written", "env-01": "failed", "env-02": "failed"}
    assert "bridge: error: env-01, env-02: not confirmed; nothing was done\n" in result.err
    servers = {one["cluster"]["server"] for one in result.data["environments"]}
    assert servers == {offline_desk.target.client.url}


def test_what_is_wrong_with_one_is_reported_and_keeps_none_from_question(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fleet(offline_desk, 3, cluster=KUBECONFIG)
    offline_desk.write("env-00.json", {"TOKEN": "CANARY-env-00-TOKEN-1"})  # a value is missing
    offline_desk.write("env-01.yaml", "id: [")
    terminal = answer(monkeypatch, "y", "n", "never asked")
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert results(result) == {"env-00": "failed", "env-01": "failed", "env-02": "written"}
    assert (result.status, question(offline_desk, "1 environment (env-02)") in result.err) == (2, True)
    assert (terminal.unread, token(offline_desk, names[0])) == ("never asked\n", None)


def test_each_server_has_its_own_question(
    offline_desk: Desk,
    elsewhere: EmbeddedCluster,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = fleet(offline_desk, 3, cluster=KUBECONFIG)
    member(offline_desk, names[2], cluster={"kubeconfig": "../elsewhere"})
    answers = {offline_desk.target.client.url: "n\n", elsewhere.url: "y\n"}
    terminal = answer(monkeypatch)
    asked: list[str] = []
    monkeypatch.setattr("bridge.commands.fleet.ask", lambda text: asked.append(text) or _yes(text, answers))
    monkeypatch.setattr("bridge.commands.cluster_binding.ask", asked.append)
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert len(asked) == 3  # and one offers to bind the environment whose cluster is the right one
    assert results(result) == {"env-00": "failed", "env-01": "failed", "env-02": "written"}
    assert (token(offline_desk, names[0]), terminal.tell()) == (None, 0)


def test_yes_is_for_cluster_that_was_named(
    offline_desk: Desk,
    elsewhere: EmbeddedCluster,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = fleet(offline_desk, 2, cluster=KUBECONFIG)
    terminal = switched(offline_desk, elsewhere, monkeypatch, "y", "n", "never asked")
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert (result.status, results(result)) == (1, dict.fromkeys(names, "failed"))
    assert f"namespace voice on {elsewhere.url} " in result.err
    assert (changing(elsewhere), terminal.unread) == ([], "never asked\n")
    assert [token(offline_desk, name) for name in names] == [None, None]


def _yes(text: str, answers: dict[str, str]) -> bool:
    return next(given for url, given in answers.items() if url in text) == "y\n"


def test_one_environment_is_counted_as_one(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 1, cluster=KUBECONFIG)
    answer(monkeypatch, "y", "n")
    uid = uid_of(offline_desk)
    offer = f"Bind env-00 to this namespace: write `cluster.namespace_uid: {uid}` into env-00.yaml? [y/N] "
    asked = question(offline_desk, "1 environment (env-00)") + offer
    assert offline_desk.run("sync", "--all").err.endswith(asked)


def test_interrupt_at_question_has_written_nothing(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    names = fleet(offline_desk, 2, cluster=KUBECONFIG)
    known(offline_desk, names[0])
    monkeypatch.setattr(answer(monkeypatch), "readline", interrupted)
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert result.status == 130
    assert results(result) == dict.fromkeys(names, "not reached")
    assert [token(offline_desk, name) for name in names] == ["CANARY-env-00-TOKEN-1", None]


def test_member_that_does_not_end_before_question_is_not_asked_about(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(self: Fleet, member: Member, *rest: object) -> None:
        if member.name == "env-00":
            self._under_way[member.name] = member
        else:
            one(self, member, *rest)

    one = Fleet._one
    monkeypatch.setattr(Fleet, "_one", stuck)
    fleet(offline_desk, 2, cluster=KUBECONFIG)
    answer(monkeypatch, "y", "n")
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert question(offline_desk, "1 environment (env-01)") in result.err
    assert (result.status, results(result)) == (75, {"env-00": "interrupted", "env-01": "written"})


@pytest.mark.parametrize(("bound", "at_terminal"), [(False, False), (True, False), (True, True)])
def test_known_or_bound_environments_pay_nothing(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, *, bound: bool, at_terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal() if at_terminal else io.StringIO())
    names = fleet(offline_desk, 3)
    assert offline_desk.run("sync", "--all").status == 0
    for name in names:
        give(offline_desk, name, "2")
    requests(offline_desk).clear()
    assert offline_desk.run("sync", "--all").status == 0
    usual = sorted(requests(offline_desk))
    for name in names:
        give(offline_desk, name, "3")
        member(offline_desk, name, **({} if bound else {"cluster": KUBECONFIG}))
    requests(offline_desk).clear()
    assert offline_desk.run("sync", "--all").status == 0
    assert sorted(requests(offline_desk)) == usual


def test_plan_of_all_asks_nothing(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 2, cluster=KUBECONFIG)
    terminal = answer(monkeypatch, "never asked")
    assert (offline_desk.run("plan", "--all").status, terminal.tell()) == (0, 0)
    assert (offline_desk.run("sync", "--all", "--dry-run").status, terminal.tell()) == (0, 0)
