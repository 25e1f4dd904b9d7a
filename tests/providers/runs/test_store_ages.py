"""The age of values in their stores: real versions of Vault, Secret Manager's revisions, SOPS files in real git."""

import datetime as dt
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.run.view import Cluster
from tests.desk import Desk
from tests.providers.runs.test_sops_runs import PATCH, Sops, flat
from tests.providers.runs.test_vault_runs import Store
from tests.providers.vault.wire import wire
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, ObjectStorage
from tests.servers.scaleway import ACCESS, READ, Grant, SecretManager
from tests.servers.vault import DevVault
from tests.team import VALUES

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LIMITED = {"OPENAI_API_KEY": {"max_age": "90d"}}
WARNING = "bridge: warning: OPENAI_API_KEY: is {} old; its limit is 90 days"


def ago(days: float) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(days=days)).strftime(FORMAT)


def age(desk: Desk, key: str = "OPENAI_API_KEY") -> tuple[int | None, bool]:
    """Return how many days old a value is, and whether it may be older."""
    rows = desk.run("status", "staging", "--output", "json").data["keys"]
    found: dict[str, Any] = next(row["age"] for row in rows if row["key"] == key)
    return (None if found["seconds"] is None else found["seconds"] // 86_400), found["at_least"]


@pytest.fixture
def in_97_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cluster's clock be 97 days ahead: a real Vault does not take back its times."""
    now = Cluster.now

    def later(cluster: Cluster) -> str:
        moment = dt.datetime.fromisoformat(now(cluster)) + dt.timedelta(days=97, hours=1)
        return moment.strftime(FORMAT)

    monkeypatch.setattr(Cluster, "now", later)


class TestVault:
    """A version has a time, whichever of its values it has changed."""

    @pytest.fixture
    def store(self, dev_vault: DevVault, offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        with wire(dev_vault.address) as relay:
            yield Store(dev_vault, relay, offline_desk, monkeypatch)

    def limit(self, desk: Desk, store: Store, **variable: object) -> None:
        variables = {"OPENAI_API_KEY": {"max_age": "90d", **variable}}
        desk.environment(sources=["vault:app"], providers={"vault": store.section}, variables=variables)

    @pytest.mark.usefixtures("in_97_days")
    def test_age_is_that_of_version(self, offline_desk: Desk, store: Store) -> None:
        desk = offline_desk
        store.put()
        self.limit(desk, store)
        result = desk.run("plan", "staging")
        assert (result.status, result.lines[0]) == (0, WARNING.format("at least 97 days"))
        assert age(desk) == (97, True)
        assert age(desk, "CARTESIA_API_KEY") == (97, True)

    @pytest.mark.usefixtures("in_97_days")
    def test_document_with_one_value_has_exact_age(self, offline_desk: Desk, store: Store) -> None:
        desk = offline_desk
        desk.canaries.add("CANARY-alone")
        store.server.put("app", {"key": "CANARY-alone"}, store.mount)
        desk.values(OPENAI_API_KEY=None)
        variables = {"OPENAI_API_KEY": {"from": "vault:app#key", "max_age": "90d"}}
        desk.environment(providers={"vault": store.section}, variables=variables)
        assert desk.run("plan", "staging").lines[0] == WARNING.format("97 days")

    def test_ages_take_no_request_of_their_own(self, offline_desk: Desk, store: Store) -> None:
        store.put()
        self.limit(offline_desk, store)
        assert offline_desk.run("sync", "staging").lines == []
        assert store.relay.asked() == store.whole_run

    def test_version_1_has_no_times(self, offline_desk: Desk, store: Store) -> None:
        desk, mount = offline_desk, f"{store.mount}-1"
        store.server.mount(mount, 1)
        store.server.do("POST", f"{mount}/app", VALUES)
        store.server.policy(store.mount, f'path "{mount}/app" {{ capabilities = ["read"] }}')
        section = store.section | {"mount": mount, "kv_version": 1}
        desk.environment(sources=["vault:app"], providers={"vault": section}, variables=LIMITED)
        result = desk.run("check", "staging", "--age")
        assert (result.status, result.lines[0]) == (
            0,
            "bridge: warning: OPENAI_API_KEY: its age is unknown: its store has no time for it",
        )
        desk.run("sync", "staging")
        assert age(desk) == (0, True)


class TestScaleway:
    """A revision's time is in its metadata, which a run only asks for if an age is limited."""

    APP = "/voice/staging/app"
    VERSION = "GET fr-par/secrets/{}/versions/1"

    @pytest.fixture
    def manager(self, offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
        with SecretManager() as server:
            for name, value in server.environ().items():
                monkeypatch.setenv(name, value)
            offline_desk.canaries.add(server.key)
            yield server

    def put(self, manager: SecretManager, days: float) -> str:
        id_ = manager.put(self.APP, VALUES)
        manager.store.secrets[id_].versions[0]["created_at"] = ago(days)
        return id_

    def test_age_is_that_of_revision(self, offline_desk: Desk, manager: SecretManager) -> None:
        desk = offline_desk
        id_ = self.put(manager, 97)
        desk.environment(sources=[f"scaleway:{self.APP}"], variables=LIMITED)
        assert desk.run("plan", "staging").lines[0] == WARNING.format("at least 97 days")
        assert self.VERSION.format(id_) in [str(one) for one in manager.requests]
        assert age(desk) == (97, True)

    def test_without_limit_no_metadata_are_asked_for(self, offline_desk: Desk, manager: SecretManager) -> None:
        desk = offline_desk
        id_ = self.put(manager, 97)
        desk.environment(sources=[f"scaleway:{self.APP}"])
        assert age(desk) == (None, False)
        assert self.VERSION.format(id_) not in [str(one) for one in manager.requests]

    def test_without_permission_for_metadata_values_are_read_all_the_same(
        self, offline_desk: Desk, manager: SecretManager
    ) -> None:
        desk = offline_desk
        self.put(manager, 97)
        manager.grants[manager.key] = Grant({ACCESS})
        desk.environment(sources=[f"scaleway:{self.APP}"], variables=LIMITED)
        assert desk.run("sync", "staging").status == 0
        assert age(desk) == (0, True)  # the cluster knows since when it has the value
        assert "OPENAI_API_KEY: its age is unknown" in desk.run("check", "staging", "--age").err
        manager.grants[manager.key] = Grant({ACCESS, READ})
        assert age(desk) == (97, True)


class TestAws:
    """A version of a secret, and a parameter, has a time; a folder of parameters has that of its newest."""

    REGION = "eu-west-3"

    @pytest.fixture(autouse=True)
    def account(self, offline_desk: Desk, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = {"AWS_ENDPOINT_URL": storage.url, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        for name, text in keys.items():
            monkeypatch.setenv(name, text)
        offline_desk.canaries.add(SECRET_KEY)

    def limit(self, desk: Desk, source: str) -> None:
        desk.environment(sources=[source], providers={"aws": {"region": self.REGION}}, variables=LIMITED)

    @pytest.mark.usefixtures("in_97_days")
    def test_age_is_that_of_version(self, offline_desk: Desk, storage: ObjectStorage) -> None:
        client = storage.client("secretsmanager", region=self.REGION)
        client.create_secret(Name="voice/staging", SecretString=json.dumps(VALUES))
        self.limit(offline_desk, "aws:voice/staging")
        assert offline_desk.run("plan", "staging").lines[0] == WARNING.format("at least 97 days")
        assert age(offline_desk) == (97, True)

    @pytest.mark.usefixtures("in_97_days")
    def test_age_is_that_of_parameters(self, offline_desk: Desk, storage: ObjectStorage) -> None:
        client = storage.client("ssm", region=self.REGION)
        for name, value in VALUES.items():
            client.put_parameter(Name=f"/voice/staging/{name}", Value=value, Type="SecureString")
        self.limit(offline_desk, "aws:ssm:/voice/staging")
        assert age(offline_desk) == (97, True)
        variable = {"from": "aws:ssm:/voice/staging/OPENAI_API_KEY", "max_age": "90d"}
        offline_desk.environment(
            sources=["aws:ssm:/voice/staging"],
            providers={"aws": {"region": self.REGION}},
            variables={"OPENAI_API_KEY": variable},
        )
        assert age(offline_desk) == (97, False)


class TestSops:
    """Each value of a file has the time of the commit that made its ciphertext."""

    FILE = "values.sops.yaml"

    @pytest.fixture(autouse=True)
    def repository(self, offline_desk: Desk, sops_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = offline_desk
        self.sops = Sops(sops_binary, offline_desk)
        monkeypatch.setenv("SOPS_AGE_KEY", str(self.sops.identity))
        offline_desk.canaries.add(str(self.sops.identity))

    def git(self, *words: str, days: float = 0, at: Path | None = None) -> str:
        who = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        when = {f"GIT_{who}_DATE": ago(days) for who in ("AUTHOR", "COMMITTER")}
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1", **who, **when}
        command = ["git", "-C", str(at or self.desk.folder), *words]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, days: float) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change", days=days)
        return self.git("rev-parse", "HEAD")

    def start(self, days: float, name: str = FILE, text: str = "") -> str:
        self.git("init", "--quiet", "--initial-branch=main")
        self.sops.encrypt(name, text or flat(name.rpartition(".")[2]))
        self.desk.environment(sources=[f"sops:{name}"], variables=LIMITED | {"LIVEKIT_API_KEY": {"max_age": "90d"}})
        return self.commit(days)

    def rotate(self, name: str, value: str, days: float) -> str:
        self.desk.canaries.add(value)
        self.sops.set(self.FILE, name, value)
        return self.commit(days)

    @pytest.mark.parametrize("form", ["yaml", "json", "env"])
    def test_each_value_has_age_of_its_own(self, form: str) -> None:
        self.FILE = f"values.sops.{form}"
        self.start(97, self.FILE)
        if form != "env":  # `sops set` does not write it
            self.rotate("CARTESIA_API_KEY", "CANARY-other", 50)
            self.rotate("LIVEKIT_API_KEY", "CANARY-rotated", 12)
        result = self.desk.run("plan", "staging")
        assert result.status == 0
        assert WARNING.format("97 days") in result.lines
        assert age(self.desk) == (97, False)
        assert age(self.desk, "LIVEKIT_API_KEY") == ((97 if form == "env" else 12), False)
        result = self.desk.run("check", "staging", "--age")
        assert result.status == 1
        assert "bridge: error: OPENAI_API_KEY: is 97 days old; its limit is 90 days" in result.lines

    def test_value_of_manifest_has_age_of_its_own(self) -> None:
        self.start(97, "patch.sops.yaml", PATCH)
        assert age(self.desk) == (97, False)
        assert age(self.desk, "LIVEKIT_API_KEY") == (97, False)

    def test_file_that_was_renamed_keeps_ages_of_its_values(self) -> None:
        self.start(97)
        self.git("mv", self.FILE, "other.sops.yaml")
        self.commit(50)
        self.desk.environment(sources=["sops:other.sops.yaml"], variables=LIMITED)
        assert age(self.desk) == (97, False)

    def test_value_that_came_back_is_as_old_as_it_is(self) -> None:
        self.start(97)
        self.rotate("OPENAI_API_KEY", "CANARY-rotated", 50)
        assert age(self.desk) == (50, False)
        self.git("revert", "--no-edit", "HEAD", days=10)
        assert age(self.desk) == (97, False)

    def test_value_of_branch_has_time_of_its_commit_and_not_of_merge(self) -> None:
        self.start(97)
        self.git("switch", "--quiet", "--create", "branch")
        self.rotate("OPENAI_API_KEY", "CANARY-rotated", 40)
        self.git("switch", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "merge", "branch", days=5)
        assert age(self.desk) == (40, False)

    def test_pinned_revision_has_its_own_ages(self) -> None:
        first = self.start(97)
        self.rotate("OPENAI_API_KEY", "CANARY-rotated", 12)
        self.desk.environment(sources=[f"sops:{self.FILE}@{first}"], variables=LIMITED)
        assert age(self.desk) == (97, False)

    def test_whole_binary_file_has_age(self) -> None:
        self.git("init", "--quiet", "--initial-branch=main")
        self.desk.write("blob.bin", "CANARY-blob")
        self.desk.canaries.add("CANARY-blob")
        self.sops._run(
            "--encrypt", "--in-place", "--age", str(self.sops.identity.to_public()), str(self.desk.folder / "blob.bin")
        )
        self.commit(97)
        variables = {"OPENAI_API_KEY": {"from": "sops:blob.bin", "max_age": "90d"}}
        self.desk.environment(variables=variables)
        assert age(self.desk) == (97, False)

    def test_value_that_is_not_committed_is_as_old_as_file(self) -> None:
        self.start(97)
        self.desk.canaries.add("CANARY-rotated")
        self.sops.set(self.FILE, "OPENAI_API_KEY", "CANARY-rotated")
        assert age(self.desk) == (0, True)
        assert age(self.desk, "LIVEKIT_API_KEY") == (97, False)

    def test_shallow_clone_knows_only_time_of_file(self, tmp_path: Path) -> None:
        self.start(97)
        self.rotate("CARTESIA_API_KEY", "CANARY-other", 12)
        clone = tmp_path / "clone"
        self.git("clone", "--quiet", "--depth=1", self.desk.folder.as_uri(), str(clone), at=tmp_path)
        self.desk.write(".env.k8s.staging", (self.desk.folder / ".env.k8s.staging").read_text())
        git = self.desk.folder / ".git"
        git.rename(tmp_path / "whole")
        (clone / ".git").rename(git)
        assert age(self.desk) == (0, True)

    def test_folder_without_git_knows_only_time_of_file(self) -> None:
        self.sops.encrypt(self.FILE, flat("yaml"))
        self.desk.environment(sources=[f"sops:{self.FILE}"], variables=LIMITED)
        assert age(self.desk) == (0, True)
        assert self.desk.run("plan", "staging").lines == []

    def test_machine_without_git_knows_only_time_of_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.start(97)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert age(self.desk) == (0, True)

    def test_commit_in_future_makes_value_no_younger_than_its_file(self) -> None:
        self.start(-3)
        assert self.desk.run("plan", "staging").lines == []
        assert age(self.desk) == (0, True)

    def test_commit_beyond_the_calendar_only_costs_exact_age(self) -> None:
        """Anyone can make such a commit."""
        self.start(97)
        commit = re.sub(r"> \d+ ", "> 999999999999999 ", self.git("cat-file", "commit", "HEAD") + "\n")
        (self.desk.folder / ".git" / "made").write_text(commit)
        self.git("update-ref", "HEAD", self.git("hash-object", "-t", "commit", "-w", ".git/made"))
        assert age(self.desk) == (0, True)

    def test_history_is_not_read_without_limit(self) -> None:
        self.start(97)
        self.desk.environment(sources=[f"sops:{self.FILE}"])
        assert age(self.desk) == (0, True)
