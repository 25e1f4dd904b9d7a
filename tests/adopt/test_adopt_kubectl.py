"""The traps of `kubectl apply` on a real API server: first as they are, then what `bridge adopt` makes of them."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.objects import LAST_APPLIED
from tests.desk import Desk, Target
from tests.lease.leases import expire
from tests.servers.apiserver import RealCluster
from tests.team import VALUES

SECRET, CONFIG = "Secret", "ConfigMap"
KEYS = ("CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY")
OLD = {key: f"CANARY-old-{key.lower()}" for key in KEYS}
HEAD: dict[str, Any] = {"apiVersion": "v1", "kind": SECRET}
META = {"name": "agent-secrets", "labels": {"app": "voice", "team": "agents"}}
BARE = HEAD | {"metadata": META}
FULL = BARE | {"stringData": OLD | {"EXTRA": "CANARY-extra"}}
FOREIGN = {"labels": {"watched": "yes"}, "annotations": {"note": "theirs"}}


@pytest.fixture
def target(real_target: Target) -> Target:
    return real_target


class Team:
    """The team, who deploys with the real kubectl."""

    def __init__(self, desk: Desk, cluster: RealCluster) -> None:
        self.desk, self.cluster = desk, cluster
        desk.canaries |= {*OLD.values(), "CANARY-extra", "CANARY-foreign"}

    def kubectl(self, *arguments: str, manifest: dict[str, Any] | None = None, check: bool = True) -> str:
        text = json.dumps(manifest) if manifest else None
        done = self.cluster.kubectl("-n", self.desk.target.namespace, *arguments, text=text, check=check)
        return done.stdout + done.stderr

    def apply(self, manifest: dict[str, Any], *flags: str, check: bool = True) -> str:
        return self.kubectl("apply", *flags, "-f", "-", manifest=manifest, check=check)

    def put_beside(self) -> None:
        """Let somebody else put a key, a label and an annotation of their own on the object."""
        encoded = base64.b64encode(b"CANARY-foreign").decode()
        body = {"data": {"FOREIGN": encoded}, "metadata": FOREIGN}
        self.desk.target.patch(SECRET, "agent-secrets", body, "somebody")

    def all_is_there(self) -> None:
        """Expect our values, everybody else's, and no plaintext in what the object tells about itself."""
        found = self.desk.target.get(SECRET, "agent-secrets")
        expected = {key: VALUES[key] for key in KEYS} | {"EXTRA": "CANARY-extra", "FOREIGN": "CANARY-foreign"}
        assert self.desk.target.data(SECRET, "agent-secrets") == expected
        assert found["metadata"]["labels"] == META["labels"] | FOREIGN["labels"]
        assert found["metadata"]["annotations"]["note"] == "theirs"
        told = json.dumps(found["metadata"])
        for canary in self.desk.canaries:
            assert canary not in told
            assert base64.b64encode(canary.encode()).decode() not in told

    def move_in(self) -> None:
        """Adopt, then sync; nothing that is not ours may change on the way."""
        before = self.desk.target.get(SECRET, "agent-secrets")
        assert self.desk.run("adopt", "staging", "--yes").status == 0
        after = self.desk.target.get(SECRET, "agent-secrets")
        assert after["data"] == before["data"]
        assert LAST_APPLIED not in after["metadata"]["annotations"]
        result = self.desk.run("sync", "staging")
        assert (result.status, result.err) == (0, "")
        self.all_is_there()


@pytest.fixture
def team(desk: Desk, real_cluster: RealCluster) -> Team:
    return Team(desk, real_cluster)


def test_without_adopt_sync_is_refused_and_annotation_holds_values(team: Team) -> None:
    team.apply(FULL)
    result = team.desk.run("sync", "staging")
    assert result.status == 1
    assert "bridge: hint: take it over with `bridge adopt staging`" in result.lines
    notes = team.desk.target.get(SECRET, "agent-secrets")["metadata"]["annotations"]
    assert OLD["OPENAI_API_KEY"] in notes[LAST_APPLIED]


def test_without_adopt_manifest_that_lost_its_data_deletes_every_key(team: Team) -> None:
    """Trap b: the annotation makes kubectl send `data: null`."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in OLD.items()}
    team.apply(BARE | {"data": data})
    team.put_beside()
    team.apply(BARE)
    assert team.desk.target.data(SECRET, "agent-secrets") == {}


@pytest.mark.parametrize("section", ["stringData", "data"])
def test_client_side_apply(team: Team, section: str) -> None:
    values = FULL["stringData"]
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    team.apply(BARE | {section: values if section == "stringData" else encoded})
    team.put_beside()
    team.move_in()
    for _ in range(2):  # the second finds the annotation of the first
        team.apply(BARE)
        team.all_is_there()
    again = team.desk.run("sync", "staging")
    assert (again.status, again.err, again.out.splitlines()[-1]) == (0, "", "5 unchanged: nothing to do")


def test_server_side_apply(team: Team) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in FULL["stringData"].items()}
    team.apply(BARE | {"data": encoded}, "--server-side")
    team.put_beside()
    team.move_in()
    assert "conflict" in team.apply(BARE | {"data": encoded}, "--server-side", check=False)
    team.all_is_there()
    team.apply(BARE | {"data": {"EXTRA": encoded["EXTRA"]}}, "--server-side")
    team.all_is_there()


def test_server_side_apply_of_string_data(team: Team) -> None:
    team.apply(FULL, "--server-side")
    team.put_beside()
    team.move_in()
    team.apply(BARE | {"stringData": {"EXTRA": "CANARY-extra"}}, "--server-side")
    team.all_is_there()
    assert team.desk.run("plan", "staging", "--exit-code").status == 0


def test_server_side_apply_after_client_side_apply_does_not_bring_annotation_back(team: Team) -> None:
    team.apply(FULL)
    team.apply(FULL, "--server-side")
    team.put_beside()
    team.move_in()
    team.apply(BARE | {"stringData": {"EXTRA": "CANARY-extra"}}, "--server-side")
    team.all_is_there()


def test_create_and_edit(team: Team) -> None:
    team.kubectl("create", "-f", "-", manifest=FULL)
    team.put_beside()
    patch = json.dumps({"stringData": {"OPENAI_API_KEY": OLD["CARTESIA_API_KEY"]}})
    team.kubectl("patch", "secret", "agent-secrets", "--field-manager=kubectl-edit", "-p", patch)
    assert team.desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {("kubectl-edit", "Update")}
    team.move_in()
    team.apply(BARE)
    team.all_is_there()


def test_config_map_keeps_its_keys_when_manifest_loses_them(team: Team) -> None:
    bare = {"apiVersion": "v1", "kind": CONFIG, "metadata": {"name": "agent-config"}}
    team.apply(bare | {"data": {"LOG_LEVEL": "debug", "THEIRS": "x"}})
    assert team.desk.run("adopt", "staging", "--yes").status == 0
    assert team.desk.run("sync", "staging").status == 0
    for _ in range(2):
        team.apply(bare)
        expected = {"ENV_MODE": "staging", "LOG_LEVEL": "info", "METRICS_ENABLED": "true", "THEIRS": "x"}
        assert team.desk.target.data(CONFIG, "agent-config") == expected
    again = team.desk.run("plan", "staging", "--exit-code")
    assert (again.status, again.err) == (0, "")


def test_config_map_that_kubectl_applied_after_bridge_is_warned_about(team: Team) -> None:
    team.desk.run("sync", "staging")
    bare = {"apiVersion": "v1", "kind": CONFIG, "metadata": {"name": "agent-config"}}
    team.apply(bare | {"data": {"LOG_LEVEL": "info"}})
    result = team.desk.run("plan", "staging")
    assert result.lines == [
        (
            "bridge: warning: ConfigMap/agent-config: "
            "its last-applied annotation lets a later `kubectl apply` delete its keys"
        ),
        "bridge: hint: remove it with `bridge adopt staging`",
    ]
    assert team.desk.run("adopt", "staging", "--yes").status == 0
    team.apply(bare)
    assert team.desk.run("plan", "staging", "--exit-code").status == 0


KILLED = """
import os, signal, sys
from bridge.cli import main
from bridge.cluster.api import Api

left, request = [int(sys.argv[1])], Api.request

def counted(self, *given, **named):
    try:
        return request(self, *given, **named)
    finally:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

Api.request = counted
main(["adopt", "staging", "--yes", "--config", sys.argv[2]])
"""


@pytest.mark.parametrize("last", range(8, 17))
def test_run_killed_after_any_answer_from_dry_run_on_is_completed_by_next(
    team: Team, third_party: Path, last: int
) -> None:
    """One object: six reads, two for the dry run, two for the Lease, the memory, three for the patch, the Lease."""
    team.apply(FULL)
    team.put_beside()
    before = team.desk.target.get(SECRET, "agent-secrets")["data"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(third_party), *sys.path])}
    command = [sys.executable, "-c", KILLED, str(last), str(team.desk.folder)]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False)
    assert done.returncode == (-signal.SIGKILL if last < 16 else 0)
    assert team.desk.target.get(SECRET, "agent-secrets")["data"] == before
    expire(team.desk)
    team.move_in()
    team.apply(BARE)
    team.all_is_there()
