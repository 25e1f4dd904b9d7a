"""Many environments whose values are in one real Vault: one login for all whose sections are equal."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.desk import Desk
from tests.fleet.test_fleet import fleet, results, token
from tests.providers.runs.test_vault_runs import Store, desk, store
from tests.providers.vault.wire import Request

__all__ = ["desk", "store"]  # fixtures

COUNT = 12


def documents(desk: Desk, store: Store) -> list[str]:
    """Give each environment a document of its own, all read by one role."""
    store.server.policy(store.mount, f'path "{store.mount}/data/*" {{ capabilities = ["read"] }}')
    names = fleet(desk, COUNT, providers={"vault": store.section})
    for name in names:
        values = {key: f"CANARY-{name}-{key}-vault" for key in ("TOKEN", "PASSWORD")}
        desk.canaries |= set(values.values())
        store.server.put(name, values, store.mount)
        rewrite(desk, store, name)
    store.relay.requests.clear()
    return names


def rewrite(desk: Desk, store: Store, name: str, **section: object) -> None:
    desk.environment(
        name,
        id=name,
        templates=[f"base/{name}.yml"],
        env_file=None,
        sources=[f"vault:{name}"],
        providers={"vault": store.section | section},
    )


def count(store: Store, end: str) -> int:
    return sum(one.endswith(end) for one in store.relay.asked())


def test_one_login_serves_all_environments_and_is_revoked_once(desk: Desk, store: Store) -> None:
    names = documents(desk, store)
    result = desk.run("sync", "--all")
    assert (result.status, result.err) == (0, "")
    assert [token(desk, name) for name in names] == [f"CANARY-{name}-TOKEN-vault" for name in names]
    reads = [f"GET {store.mount}/data/{name}" for name in names]
    asked = store.relay.asked()
    assert (asked[0], asked[-1]) == (f"POST auth/{store.login}/login", "POST auth/token/revoke-self")
    assert sorted(asked[1:-1]) == reads


def test_another_section_is_another_login(desk: Desk, store: Store) -> None:
    names = documents(desk, store)
    rewrite(desk, store, names[0], namespace=None, kv_version=None)
    rewrite(desk, store, names[1], auth=[{"method": "approle", "mount": store.login}])
    assert desk.run("plan", "--all").status == 0
    assert (count(store, "/login"), count(store, "/revoke-self")) == (3, 3)


def test_environment_that_may_not_read_its_document_is_refused_alone(desk: Desk, store: Store) -> None:
    names = documents(desk, store)
    policy = "\n".join(
        f'path "{store.mount}/data/{name}" {{ capabilities = ["read"] }}' for name in names if name != names[5]
    )
    store.server.policy(store.mount, policy)
    result = desk.run("sync", "--all", "--output", "json")
    assert result.status == 1
    assert [name for name, word in results(result).items() if word != "written"] == [names[5]]
    assert result.lines[0].startswith(
        f"bridge: error: {names[5]}: vault:{names[5]}: {store.relay.address}: "
        f"reading {store.mount}/data/{names[5]} as approle failed: permission denied"
    )


def test_terminated_run_of_many_revokes_its_token(desk: Desk, store: Store, tmp_path: Path) -> None:
    names = documents(desk, store)
    reached, go_on = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.path.endswith(names[3]):
            reached.set()
            go_on.wait(60)

    store.relay.answer = hold
    environ = {name: os.environ[name] for name in ("PATH", "VAULT_ROLE_ID", "VAULT_SECRET_ID")}
    command = [sys.executable, "-m", "bridge", "sync", "--all", "--config", str(desk.folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ | {"HOME": str(tmp_path)}, stdout=pipe, stderr=pipe, text=True) as run:
        assert reached.wait(60)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=60)
    go_on.set()
    assert (run.returncode, err) == (143, "bridge: terminated\n")
    assert "CANARY" not in out
    assert "12 environments" in out
    assert (count(store, "/login"), count(store, "/revoke-self")) == (1, 1)
