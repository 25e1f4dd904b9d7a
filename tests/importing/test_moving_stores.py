"""`import` and `set` with the real Vault, files that the real sops reads, and the fake Secret Manager."""

import base64
import io
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrage
import pytest

from tests.desk import Desk, Result
from tests.importing.moving import environ, moving_in, start, states
from tests.providers.vault.wire import Request, Wire, errors, wire
from tests.servers.scaleway import ACCESS, READ, Canned, Grant, SecretManager
from tests.servers.vault import DevVault
from tests.team import VALUES

NEW = "CANARY-new"
VARIABLES = ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "BAO_ADDR", "BAO_TOKEN")
WRITE = 'path "{mount}/data/app" {{ capabilities = ["read", "create", "update"] }}'


class Piped:
    """A stdin that is no terminal."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)

    def isatty(self) -> bool:
        return False


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries.add(NEW)
    return offline_desk


@pytest.fixture
def put(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(name: str, value: str = NEW, *more: str) -> Result:
        monkeypatch.setattr("sys.stdin", Piped(value.encode()))
        return desk.run("set", "staging", name, "--yes", *more)

    return run


def imported(desk: Desk, patch: Path, to: str, *more: str) -> Result:
    return desk.run("import", "staging", str(patch), "--to", to, "--yes", "--output", "json", *more)


# Vault


class Store:
    """A fresh engine of the real server behind a relay, and a token that may write one document of it."""

    def __init__(self, server: DevVault, relay: Wire, mount: str) -> None:
        self.server = server
        self.relay = relay
        self.mount = mount
        server.mount(mount, 2)
        server.policy(mount, WRITE.format(mount=mount))
        self.token = server.token(mount)

    @property
    def values(self) -> dict[str, str]:
        return self.server.do("GET", f"{self.mount}/data/app")["data"]["data"]

    @property
    def version(self) -> int:
        return self.server.do("GET", f"{self.mount}/data/app")["data"]["metadata"]["version"]

    def before_write(self, step: Callable[[], object]) -> None:
        """Do something once, when a write is on its way."""
        waiting = [step]

        def answer(request: Request) -> None:
            if request.method == "POST" and "/data/" in request.path and waiting:
                waiting.pop()()

        self.relay.answer = answer


@pytest.fixture
def store(dev_vault: DevVault, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with wire(dev_vault.address) as relay:
        made = Store(dev_vault, relay, desk.folder.parent.name.replace("_", "-"))
        monkeypatch.setenv("VAULT_TOKEN", made.token)
        desk.canaries.add(made.token)
        section = {"address": relay.address, "mount": made.mount, "kv_version": 2}
        moving_in(desk, sources=["vault:app"], providers={"vault": section})
        yield made


def test_patch_file_into_vault_and_from_there_into_cluster(desk: Desk, store: Store) -> None:
    patch = desk.folder.parent / "staging-patch.yml"
    store.server.put("app", {"THEIRS": "CANARY-theirs", "number": 1.5}, store.mount)
    done = imported(desk, patch, "vault:app")
    assert (done.err, done.status) == ("", 0)
    assert store.values == VALUES | {"THEIRS": "CANARY-theirs", "number": 1.5}
    assert done.data["document"] == {"before": "1", "after": "2"}
    patch.unlink()
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_second_import_into_vault_writes_no_version(desk: Desk, store: Store) -> None:
    patch = desk.folder.parent / "staging-patch.yml"
    assert imported(desk, patch, "vault:app").data["document"] == {"before": None, "after": "1"}
    assert imported(desk, patch, "vault:app").data["result"] == "unchanged"
    assert store.version == 1


def test_pinned_version_never_changes(desk: Desk, store: Store, put: Callable[..., Result]) -> None:
    store.server.put("app", VALUES, store.mount)
    section = {"address": store.relay.address, "mount": store.mount, "kv_version": 2}
    desk.environment(sources=["vault:app@1"], providers={"vault": section})
    assert put("OPENAI_API_KEY").lines == [
        "bridge: error: vault:app@1: is pinned to revision 1, which cannot be changed",
        "bridge: hint: remove `@1` from the reference",
    ]
    assert store.version == 1


def test_what_document_warns_of_is_reported(desk: Desk, store: Store) -> None:
    store.server.put("app", b'{"data": {"n": 12345678901234567890}}', store.mount)
    result = imported(desk, desk.folder.parent / "staging-patch.yml", "vault:app", "--dry-run")
    assert result.lines[0].startswith("bridge: warning: vault:app: field n: the number has more digits than")


def test_one_value_into_vault(desk: Desk, store: Store, put: Callable[..., Result]) -> None:
    store.server.put("app", VALUES, store.mount)
    result = put("OPENAI_API_KEY")
    assert result.out.splitlines() == [
        "vault:app#OPENAI_API_KEY: written, revision 1 -> 2",
        "next: bridge sync staging",
    ]
    assert store.values == VALUES | {"OPENAI_API_KEY": NEW}


def test_document_that_was_deleted_in_vault_is_written_anew(
    desk: Desk, store: Store, put: Callable[..., Result]
) -> None:
    store.server.put("app", VALUES, store.mount)
    store.server.do("DELETE", f"{store.mount}/data/app")
    assert put("OPENAI_API_KEY", NEW, "--output", "json").data["before"] is None
    assert store.values == {"OPENAI_API_KEY": NEW}


def test_someone_elses_other_key_in_between_is_kept(desk: Desk, store: Store, put: Callable[..., Result]) -> None:
    store.server.put("app", VALUES, store.mount)
    theirs = VALUES | {"CARTESIA_API_KEY": "CANARY-theirs"}
    store.before_write(lambda: store.server.put("app", theirs, store.mount))
    assert "revision 2 -> 3" in put("OPENAI_API_KEY").out
    assert store.values == theirs | {"OPENAI_API_KEY": NEW}


def test_of_two_sets_at_once_one_wins_and_other_is_reported(
    desk: Desk, store: Store, third_party: Path, tmp_path: Path
) -> None:
    store.server.put("app", VALUES, store.mount)
    meeting = threading.Barrier(2, timeout=60)
    writes = threading.Semaphore(2)

    def answer(request: Request) -> None:
        if request.method == "POST" and "/data/" in request.path and writes.acquire(blocking=False):
            meeting.wait()  # both have read, and both have decided

    store.relay.answer = answer
    variables = environ(tmp_path, third_party, VAULT_TOKEN=store.token)
    values = ["CANARY-one", "CANARY-two"]
    runs = [start(desk, variables, "set", "staging", "OPENAI_API_KEY", "--yes") for _ in values]
    threads = []
    ends: list[tuple[int, str]] = []
    for run, value in zip(runs, values, strict=True):

        def end(run: subprocess.Popen[str] = run, value: str = value) -> None:
            out, err = run.communicate(f"{value}\n", timeout=120)
            assert "CANARY" not in out + err
            ends.append((run.returncode, err))

        threads.append(threading.Thread(target=end))
        threads[-1].start()
    for thread in threads:
        thread.join()
    ends.sort()
    assert ends == [
        (0, ""),
        (
            1,
            (
                "bridge: error: vault:app: OPENAI_API_KEY has changed in the meantime; nothing was written\n"
                "bridge: hint: run the command again; it starts from the current state\n"
            ),
        ),
    ]
    assert store.version == 2
    assert store.values["OPENAI_API_KEY"] in values


def test_token_that_may_only_read_writes_nothing(desk: Desk, store: Store, put: Callable[..., Result]) -> None:
    store.server.put("app", VALUES, store.mount)
    store.server.policy(store.mount, WRITE.format(mount=store.mount).replace(', "create", "update"', ""))
    result = put("OPENAI_API_KEY")
    what = f"writing {store.mount}/data/app as token failed: permission denied"
    assert (result.status, result.lines[0]) == (1, f"bridge: error: vault:app: {store.relay.address}: {what}")
    assert store.version == 1


def test_lost_answer_of_vault_is_found_out(desk: Desk, store: Store, put: Callable[..., Result]) -> None:
    store.server.put("app", VALUES, store.mount)
    waiting = [errors(503)]

    def lost(request: Request) -> object:
        if request.method == "POST" and "/data/" in request.path and waiting:
            store.server.put("app", VALUES | {"OPENAI_API_KEY": NEW}, store.mount)
            return waiting.pop()
        return None

    store.relay.answer = lost  # type: ignore[assignment]
    assert "revision 1 -> 2" in put("OPENAI_API_KEY").out
    assert store.version == 2


def test_sealed_vault_is_temporary(desk: Desk, store: Store, put: Callable[..., Result]) -> None:
    store.server.put("app", VALUES, store.mount)
    store.relay.answer = lambda request: errors(503, "Vault is sealed") if request.method == "POST" else None
    assert put("OPENAI_API_KEY").status == 75
    assert store.version == 1


# SOPS


class Sops:
    """The real program, and a `.sops.yaml` for it."""

    def __init__(self, binary: Path, desk: Desk) -> None:
        self.binary = binary
        self.desk = desk
        self.identity = pyrage.x25519.Identity.generate()
        self.rule()

    def rule(self, **more: str) -> None:
        rule = {"age": str(self.identity.to_public())} | more
        self.desk.write(".sops.yaml", {"creation_rules": [rule]})

    def decrypted(self, name: str) -> dict[str, object]:
        command = [self.binary, "decrypt", "--output-type", "json", str(self.desk.folder / name)]
        variables = os.environ | {"SOPS_AGE_KEY": str(self.identity)}
        done = subprocess.run(command, env=variables, check=True, capture_output=True)
        return json.loads(done.stdout)


@pytest.fixture
def sops(sops_binary: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Sops:
    made = Sops(sops_binary, desk)
    monkeypatch.setenv("SOPS_AGE_KEY", str(made.identity))
    monkeypatch.setenv("PATH", str(sops_binary.parent), prepend=os.pathsep)
    desk.canaries.add(str(made.identity))
    moving_in(desk, sources=["sops:staging.sops.yaml"])
    return made


def plaintext(folder: Path, *spared: Path) -> set[Path]:
    """Return the files that hold a value in clear."""
    files = {path.resolve() for path in folder.rglob("*") if path.is_file()} - {path.resolve() for path in spared}
    return {path for path in files if b"CANARY" in path.read_bytes()}


def test_patch_file_into_sops_file_that_sops_reads(desk: Desk, sops: Sops) -> None:
    patch = desk.folder.parent / "staging-patch.yml"
    done = imported(desk, patch, "sops:staging.sops.yaml")
    assert (done.err, done.status) == ("", 0)
    assert sops.decrypted("staging.sops.yaml") == VALUES
    assert plaintext(desk.folder.parent, patch) == set()
    again = imported(desk, patch, "sops:staging.sops.yaml")
    assert (again.data["result"], set(states(again.data).values())) == ("unchanged", {"same"})
    patch.unlink()
    assert desk.run("sync", "staging").status == 0


def test_one_value_into_sops_file_leaves_others_as_they_are(desk: Desk, sops: Sops, put: Callable[..., Result]) -> None:
    imported(desk, desk.folder.parent / "staging-patch.yml", "sops:staging.sops.yaml")
    before = (desk.folder / "staging.sops.yaml").read_text().splitlines()
    assert put("OPENAI_API_KEY").status == 0
    after = (desk.folder / "staging.sops.yaml").read_text().splitlines()
    assert sops.decrypted("staging.sops.yaml") == VALUES | {"OPENAI_API_KEY": NEW}
    changed = [line.split()[0] for line, other in zip(before, after, strict=True) if line != other]
    assert set(changed) <= {"OPENAI_API_KEY:", "lastmodified:", "mac:"}


def test_rule_that_would_leave_values_in_clear_is_refused(desk: Desk, sops: Sops) -> None:
    sops.rule(encrypted_regex="^(data|stringData)$")
    patch = desk.folder.parent / "staging-patch.yml"
    result = imported(desk, patch, "sops:staging.sops.yaml")
    assert (result.status, result.data["result"]) == (1, "failed")
    assert "would not be encrypted by the document's rule" in result.lines[0]
    assert not (desk.folder / "staging.sops.yaml").exists()
    assert plaintext(desk.folder.parent, patch) == set()


def test_file_whose_comments_say_what_is_encrypted_is_synced_and_not_written(
    desk: Desk, sops: Sops, put: Callable[..., Result]
) -> None:
    sops.rule(encrypted_comment_regex="secret")
    patch = desk.folder.parent / "staging-patch.yml"
    path = desk.folder / "staging.sops.yaml"
    refusal = "bridge does not write files whose comments say what is encrypted (`encrypted_comment_regex`)"
    new = imported(desk, patch, f"sops:{path.name}")
    assert (new.status, path.exists()) == (1, False)
    assert new.lines[0].endswith(f"sops:{path.name}: {refusal}")
    assert f"cd {path.parent} && sops edit {path.name}" in new.err
    path.write_text("".join(f"{name}: {value} # secret\n" for name, value in VALUES.items()))
    subprocess.run([sops.binary, "encrypt", "--in-place", path.name], cwd=path.parent, check=True)
    content = path.read_bytes()
    desk.environment(sources=[f"sops:{path.name}"])
    assert desk.run("sync", "staging", "--first").status == 0
    changed = put("OPENAI_API_KEY")
    assert changed.status == 1
    assert f"sops:{path.name}: {refusal}" in changed.lines[0]
    assert f"`sops edit {path}`" in changed.err
    assert path.read_bytes() == content


def test_folder_without_rule_says_for_whom_nobody_knows(desk: Desk, sops: Sops) -> None:
    (desk.folder / ".sops.yaml").unlink()
    patch = desk.folder.parent / "staging-patch.yml"
    result = imported(desk, patch, "sops:staging.sops.yaml")
    assert (result.status, result.data["template"]) == (1, None)
    assert "above lists its recipients" in result.lines[0]


# Scaleway


@contextmanager
def secret_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
    """Run a Secret Manager that the environment's variables lead to."""
    with SecretManager() as server:
        for name in ("SCW_PROFILE", "SCW_CONFIG_PATH", "SCW_INSECURE", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def manager(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
    with secret_manager(monkeypatch) as server:
        desk.canaries.add(server.key)
        moving_in(desk, sources=["scaleway:/voice/staging/app"])
        yield server


def stored(manager: SecretManager) -> list[dict[str, str]]:
    """Return the revisions' contents."""
    secret = next(iter(manager.store.secrets.values()), None)
    return [json.loads(base64.b64decode(data)) for data, _ in secret.contents.values()] if secret else []


def test_patch_file_into_secret_manager(desk: Desk, manager: SecretManager, put: Callable[..., Result]) -> None:
    patch = desk.folder.parent / "staging-patch.yml"
    done = imported(desk, patch, "scaleway:/voice/staging/app")
    assert (done.err, done.status) == ("", 0)
    assert stored(manager) == [VALUES]
    assert imported(desk, patch, "scaleway:/voice/staging/app").data["result"] == "unchanged"
    assert put("OPENAI_API_KEY").status == 0
    assert stored(manager) == [VALUES, VALUES | {"OPENAI_API_KEY": NEW}]


def test_someone_elses_revision_in_between(desk: Desk, manager: SecretManager, put: Callable[..., Result]) -> None:
    manager.put("/voice/staging/app", VALUES)
    waiting = [VALUES | {"OTHER": "CANARY-theirs"}]

    def before(request: object) -> None:
        # After bridge has read, and before it looks for the newest revision once more to write after it.
        if str(request).startswith("GET fr-par/secrets/") and waiting:
            manager.put("/voice/staging/app", waiting.pop())

    manager.before = before
    assert put("OPENAI_API_KEY").status == 0
    assert stored(manager)[-1] == VALUES | {"OTHER": "CANARY-theirs", "OPENAI_API_KEY": NEW}


def test_key_that_may_not_write_is_reported(desk: Desk, manager: SecretManager, put: Callable[..., Result]) -> None:
    manager.put("/voice/staging/app", VALUES)
    manager.grants[manager.key] = Grant({ACCESS, READ})
    result = put("OPENAI_API_KEY")
    assert result.status == 1
    assert "SecretManagerSecretCreate" in result.err
    assert stored(manager) == [VALUES]


def test_lost_answer_of_secret_manager(desk: Desk, manager: SecretManager, put: Callable[..., Result]) -> None:
    manager.put("/voice/staging/app", VALUES)
    waiting = [Canned(503)]

    def before(request: object) -> None:
        if str(request).startswith("POST") and waiting:
            manager.faults.append(waiting.pop())

    manager.before = before
    assert put("OPENAI_API_KEY").status == 75
    assert stored(manager) == [VALUES]
