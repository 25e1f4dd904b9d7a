"""`bridge adopt --rebind`: a namespace that was made anew, and the uid in the environment's file."""

import pytest

from bridge.config.environment import load_environment
from tests.cluster_identity.test_first_write import KUBECONFIG, uid_of, where, writes
from tests.desk import Desk
from tests.terminal import answer

OLD = "3f6c2c3e-0000-4000-8000-000000000000"


def bound(desk: Desk) -> tuple[str, ...]:
    return load_environment(desk.folder, "staging").cluster.namespace_uid


def bind(desk: Desk, *uids: str) -> None:
    value = {"namespace_uid": list(uids) if len(uids) > 1 else uids[0]} if uids else {}
    desk.environment(cluster=KUBECONFIG | value)


def question(desk: Desk, more: str = "") -> str:
    return f"Bind staging to namespace_uid {uid_of(desk)} of {where(desk)}{more}? [y/N] "


def test_namespace_that_was_made_anew_is_refused_with_command_that_binds_it(desk: Desk) -> None:
    bind(desk, OLD)
    hint = "check the cluster; if the namespace was recreated, run `bridge adopt staging --rebind`"
    for command in ("plan", "sync", "status", "adopt", "restart"):
        result = desk.run(command, "staging")
        assert (result.status, result.lines) == (
            1,
            [
                f"bridge: error: {where(desk)}: its uid is not in cluster.namespace_uid",
                f"bridge: hint: {hint}",
            ],
        )
    assert desk.target.versions() == {}


def test_rebind_replaces_uid_after_asking(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bind(desk, OLD)
    terminal = answer(monkeypatch, "y")
    result = desk.run("adopt", "staging", "--rebind")
    uid = uid_of(desk)
    told = f"bridge: staging.yaml: cluster.namespace_uid is now {uid}\n"
    assert (result.status, result.err) == (0, question(desk, f", replacing {OLD}") + told)
    assert (bound(desk), terminal.unread) == ((uid,), "")
    assert desk.run("sync", "staging").status == 0


def test_rebind_that_is_not_confirmed_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bind(desk, OLD)
    answer(monkeypatch, "n")
    assert desk.run("adopt", "staging", "--rebind").status == 1
    assert bound(desk) == (OLD,)


def test_rebind_without_terminal_needs_yes(desk: Desk) -> None:
    bind(desk, OLD)
    result = desk.run("adopt", "staging", "--rebind")
    assert (result.status, "confirm with --yes" in result.err, bound(desk)) == (1, True, (OLD,))
    result = desk.run("adopt", "staging", "--rebind", "--yes")
    uid = uid_of(desk)
    binding = f"bridge: binding staging to namespace_uid {uid} of {where(desk)}, replacing {OLD}, because of --yes"
    assert result.lines == [binding, f"bridge: staging.yaml: cluster.namespace_uid is now {uid}"]
    assert (result.status, bound(desk)) == (0, (uid,))


def test_rebind_extends_list(desk: Desk) -> None:
    bind(desk, OLD, "blue")
    assert desk.run("adopt", "staging", "--rebind", "--yes").status == 0
    assert bound(desk) == (uid_of(desk), OLD, "blue")


def test_rebind_binds_environment_that_was_not_bound(desk: Desk) -> None:
    bind(desk)
    assert desk.run("adopt", "staging", "--rebind", "--yes").status == 0
    assert bound(desk) == (uid_of(desk),)


def test_rebind_to_same_namespace_asks_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bind(desk, uid_of(desk))
    terminal = answer(monkeypatch, "never asked")
    result = desk.run("adopt", "staging", "--rebind")
    assert (result.status, result.err, terminal.tell()) == (0, "", 0)


def test_rebind_dry_run_only_tells(desk: Desk) -> None:
    bind(desk, OLD)
    result = desk.run("adopt", "staging", "--rebind", "--dry-run")
    assert result.status == 0
    assert f"bridge: staging.yaml: would be bound to namespace_uid {uid_of(desk)} of {where(desk)}" in result.lines
    assert bound(desk) == (OLD,)


def test_rebind_still_compares_server(offline_desk: Desk) -> None:
    cluster = {"kubeconfig": "kubeconfig", "namespace_uid": OLD, "server": "https://elsewhere.example"}
    offline_desk.environment(cluster=cluster)
    result = offline_desk.run("adopt", "staging", "--rebind", "--yes")
    assert result.status == 1
    assert "which `cluster.server` does not list" in result.lines[0]
    assert (bound(offline_desk), writes(offline_desk)) == ((OLD,), [])
