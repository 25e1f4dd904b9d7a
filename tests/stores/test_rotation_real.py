"""A rotation with the real Vault, the real API server and the real controllers."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.test_rights import allow
from tests.desk import Desk, Target
from tests.importing.moving import environ, start
from tests.importing.test_moving_stores import Store, store  # noqa: F401 - a fixture
from tests.providers.vault.wire import Request
from tests.restart.test_restart import WAIT, Team, team  # noqa: F401 - a fixture
from tests.servers.apiserver import LIMITED, RealCluster
from tests.servers.kwok import Kwok
from tests.stores.rotating import FIRST, NAME, PREVIOUS, TEMPLATE, live, rotate
from tests.team import VALUES
from tests.waiting import until

if TYPE_CHECKING:
    from subprocess import Popen


@pytest.fixture
def target(real_target: Target, controllers: Kwok) -> Target:
    return real_target


@pytest.fixture
def running(desk: Desk, team: Team, store: Store) -> Store:  # noqa: F811
    """A store with the first value, and pods that run with it."""
    desk.write("base/secrets.yml", TEMPLATE)
    store.server.put("app", VALUES, store.mount)
    assert desk.run("sync", "staging").status == 0
    team.deploy()
    team.finished()
    return store


def values(store: Store) -> tuple[str, str | None]:  # noqa: F811
    found = store.values
    return found[NAME], found.get(PREVIOUS)


def test_key_is_rotated_without_downtime(desk: Desk, running: Store, team: Team) -> None:  # noqa: F811
    before = team.pods()
    result = rotate(desk, "--sync", "--restart", *WAIT, read=lambda: running.values)
    assert (result.status, running.version) == (0, 2), result.err
    new, previous = values(running)
    assert (previous, live(desk)) == (FIRST, (new, FIRST))
    assert not before & team.pods()
    again = rotate(desk, "--sync", "--restart", *WAIT, read=lambda: running.values)
    assert (again.status, running.version, values(running)[1]) == (0, 3, new)


def test_rotation_that_was_only_synced_is_finished_by_restart(
    desk: Desk,
    running: Store,
    team: Team,  # noqa: F811
) -> None:
    before = team.pods()
    assert rotate(desk, "--sync", read=lambda: running.values).status == 0
    begun = values(running)
    refused = rotate(desk, "--sync", read=lambda: running.values)
    assert (refused.status, values(running), live(desk)) == (1, begun, begun)
    what = f"{NAME}: an earlier rotation is not finished: Deployment/agent; nothing was written"
    assert refused.lines[0] == f"bridge: error: {what}"
    finished = rotate(desk, "--sync", "--restart", *WAIT, "--output", "json", read=lambda: running.values)
    assert (finished.status, values(running)) == (0, begun), finished.err
    assert (finished.data["result"], finished.data["set"]["unfinished"]["workloads"]) == (
        "restarted",
        ["Deployment/agent"],
    )
    assert not before & team.pods()


def test_rotation_that_is_killed_after_store_was_written_is_finished(
    desk: Desk,
    running: Store,
    team: Team,  # noqa: F811
    third_party: Path,
    tmp_path: Path,
) -> None:
    def answer(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("/data/app") and running.version == 2:
            processes[0].send_signal(signal.SIGKILL)

    running.relay.answer = answer
    line = ("set", "staging", NAME, "--generate", "hex:32", "--keep-previous", PREVIOUS, "--sync", "--restart", "--yes")
    processes: list[Popen[str]] = []
    processes.append(start(desk, environ(tmp_path, third_party, VAULT_TOKEN=running.token), *line))
    until(lambda: processes[0].poll() is not None)
    out, err = processes[0].communicate()
    running.relay.answer = lambda _: None
    begun = values(running)
    assert (processes[0].returncode, running.version, begun[1]) == (-signal.SIGKILL, 2, FIRST)
    assert (begun[0] in out + err, live(desk)) == (False, (FIRST, ""))
    finished = rotate(desk, "--sync", "--restart", *WAIT, read=lambda: running.values)
    assert (finished.status, running.version, live(desk)) == (0, 2, begun), finished.err
    assert "unchanged, an earlier rotation is not finished" in finished.out


def test_user_who_may_not_list_workloads_is_refused(
    desk: Desk,
    running: Store,
    real_cluster: RealCluster,
) -> None:
    real_cluster.kubeconfig(desk.folder / "kubeconfig", token=real_cluster.token_user(LIMITED))
    allow(desk, "get", "patch", "create")
    result = rotate(desk, read=lambda: running.values)
    assert (result.status, running.version) == (1, 1)
    assert result.lines[0].startswith(f"bridge: error: deployments in namespace {desk.target.namespace}: ")
