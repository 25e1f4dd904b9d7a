"""A rotation in each store: one revision with both values, and what happens to two rotations at once."""

import base64
import subprocess
import threading
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.importing.moving import environ, start
from tests.importing.test_moving_stores import Sops, Store, manager, sops, store, stored  # noqa: F401 - fixtures
from tests.providers.vault.wire import Request, errors
from tests.servers.scaleway import Canned, SecretManager
from tests.servers.vault import DevVault
from tests.stores.rotating import FIRST, HEX, NAME, PREVIOUS, TEMPLATE, Workloads, live, rotate
from tests.team import VALUES

ONE = 'path "{mount}/app" {{ capabilities = ["read", "create", "update"] }}'


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def synced(desk: Desk) -> Workloads:
    """Give the template a previous value, and sync."""
    desk.write("base/secrets.yml", TEMPLATE)
    workloads = Workloads(desk)
    assert desk.run("sync", "staging").status == 0
    return workloads


def test_vault_has_both_in_one_version(desk: Desk, store: Store) -> None:  # noqa: F811
    store.server.put("app", VALUES, store.mount)
    workloads = synced(desk)
    workloads.deploy()
    result = rotate(desk, "--sync", "--restart", read=lambda: store.values)
    assert (result.status, store.version, workloads.rolled) == (0, 2, ["agent"])
    assert (bool(HEX.fullmatch(store.values[NAME])), store.values[PREVIOUS]) == (True, FIRST)
    assert live(desk) == (store.values[NAME], FIRST)
    assert rotate(desk, "--sync", "--restart", read=lambda: store.values).status == 0
    assert store.version == 3


def test_rotation_that_has_begun_writes_no_third_version(desk: Desk, store: Store) -> None:  # noqa: F811
    store.server.put("app", VALUES, store.mount)
    synced(desk)
    assert rotate(desk, read=lambda: store.values).status == 0
    begun = store.values
    assert rotate(desk, "--sync", read=lambda: store.values).status == 0
    assert (store.version, store.values, live(desk)) == (2, begun, (begun[NAME], FIRST))


def test_lost_answer_of_vault_is_rotation_that_has_begun(desk: Desk, store: Store) -> None:  # noqa: F811
    store.server.put("app", VALUES, store.mount)
    synced(desk)
    waiting = [errors(503)]

    def lost(request: Request) -> object:
        if request.method == "POST" and "/data/" in request.path and waiting:
            store.server.do("POST", request.path.removeprefix("/v1/"), request.json)
            return waiting.pop()
        return None

    store.relay.answer = lost  # type: ignore[assignment]
    assert rotate(desk, "--sync", read=lambda: store.values).status == 0
    assert (store.version, live(desk)) == (2, (store.values[NAME], FIRST))


def test_of_two_rotations_at_once_one_is_told(
    desk: Desk,
    store: Store,  # noqa: F811
    third_party: Path,
    tmp_path: Path,
) -> None:
    store.server.put("app", VALUES, store.mount)
    workloads = synced(desk)
    workloads.deploy()
    meeting = threading.Barrier(2, timeout=60)
    writes = threading.Semaphore(2)

    def answer(request: Request) -> None:
        if request.method == "POST" and "/data/" in request.path and writes.acquire(blocking=False):
            meeting.wait()  # both have read, and both have decided

    store.relay.answer = answer
    variables = environ(tmp_path, third_party, VAULT_TOKEN=store.token)
    line = ("set", "staging", NAME, "--generate", "hex:32", "--keep-previous", PREVIOUS, "--sync", "--restart", "--yes")
    runs = [start(desk, variables, *line) for _ in range(2)]
    ends: list[tuple[int, str, str]] = []

    def end(run: subprocess.Popen[str]) -> None:
        out, err = run.communicate(timeout=120)
        ends.append((run.returncode, err, out))

    threads = [threading.Thread(target=end, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends.sort()
    assert [one[:2] for one in ends] == [
        (0, ""),
        (
            1,
            (
                f"bridge: error: vault:app: {NAME}, {PREVIOUS} has changed in the meantime; nothing was written\n"
                "bridge: hint: run the command again; it starts from the current state\n"
            ),
        ),
    ]
    assert (store.version, store.values[PREVIOUS]) == (2, FIRST)
    assert live(desk) == (store.values[NAME], FIRST)
    assert store.values[NAME] not in str(ends)


def test_kv_version_1_is_refused(desk: Desk, dev_vault: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = f"{desk.folder.parent.name.replace('_', '-')}-one"
    dev_vault.mount(mount, 1)
    dev_vault.policy(mount, ONE.format(mount=mount))
    for name in ("VAULT_ADDR", "VAULT_NAMESPACE", "BAO_ADDR", "BAO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.token(mount))
    section = {"address": dev_vault.address, "mount": mount, "kv_version": 1}
    desk.environment(sources=["vault:app"], providers={"vault": section})
    dev_vault.do("POST", f"{mount}/app", VALUES)
    synced(desk)

    def values() -> dict[str, str]:
        return dict(dev_vault.do("GET", f"{mount}/app")["data"])

    result = rotate(desk, read=values)
    assert (result.status, values()) == (1, VALUES)
    assert result.lines == [
        "bridge: error: vault:app: cannot write to a KV engine of version 1: it has no check-and-set",
    ]


def test_secret_manager_has_both_in_one_revision(desk: Desk, manager: SecretManager) -> None:  # noqa: F811
    manager.put("/voice/staging/app", VALUES)
    synced(desk)
    assert rotate(desk, read=lambda: stored(manager)[-1]).status == 0
    begun = stored(manager)
    assert [one.get(PREVIOUS) for one in begun] == [None, FIRST]
    assert rotate(desk, "--sync", read=lambda: stored(manager)[-1]).status == 0
    assert (stored(manager), live(desk)) == (begun, (begun[-1][NAME], FIRST))


def test_older_revision_of_secret_manager_does_not_lose_value(desk: Desk, manager: SecretManager) -> None:  # noqa: F811
    """For some seconds after a write it may return what was there before; a second rotation must not believe it."""
    manager.put("/voice/staging/app", VALUES)
    synced(desk)
    assert rotate(desk, read=lambda: stored(manager)[-1]).status == 0
    begun = stored(manager)
    secret = next(iter(manager.store.secrets.values()))

    def before(request: object) -> None:
        if "/access" in str(request):
            manager.faults.append(Canned(200, secret.access("1", 404)))

    manager.before = before
    result = rotate(desk, "--sync", read=lambda: stored(manager)[-1])
    assert (result.status, stored(manager)) == (1, begun), result.err
    manager.before = lambda _: None
    manager.faults.clear()
    assert rotate(desk, "--sync", read=lambda: stored(manager)[-1]).status == 0
    assert (stored(manager), live(desk)) == (begun, (begun[-1][NAME], FIRST))


def test_sops_reads_rotated_file(desk: Desk, sops: Sops) -> None:  # noqa: F811
    path = desk.folder / "staging.sops.yaml"
    path.write_text("".join(f"{name}: {value} # kept\n" for name, value in VALUES.items()))
    subprocess.run([sops.binary, "encrypt", "--in-place", path.name], cwd=path.parent, check=True)
    desk.environment(sources=[f"sops:{path.name}"])
    synced(desk)

    def values() -> dict[str, object]:
        return sops.decrypted(path.name)

    assert rotate(desk, read=values).status == 0
    begun, content = values(), path.read_bytes()
    assert begun == VALUES | {NAME: begun[NAME], PREVIOUS: FIRST}
    assert HEX.fullmatch(str(begun[NAME]))
    for form in (str(begun[NAME]).encode(), base64.b64encode(str(begun[NAME]).encode())):
        assert not any(form in file.read_bytes() for file in desk.folder.parent.rglob("*") if file.is_file())
    assert rotate(desk, "--sync", read=values).status == 0
    assert (path.read_bytes(), live(desk)) == (content, (begun[NAME], FIRST))
