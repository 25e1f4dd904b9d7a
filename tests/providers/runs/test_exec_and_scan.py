"""`exec` and `scan` with the real sops and the real Vault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.providers.runs.test_sops_runs import PATCH, Sops, flat, sops
from tests.providers.runs.test_vault_runs import Store, store
from tests.team import VALUES

__all__ = ["sops", "store"]

SHOWN = 'echo "$CLUSTER_NAME $OPENAI_API_KEY"'


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def exec_(desk: Desk, *arguments: str, **changes: str | None) -> subprocess.Popen[str]:
    environ = {name: value for name, value in (os.environ | changes).items() if value is not None}
    command = [sys.executable, "-m", "bridge", "exec", "staging", "--config", str(desk.folder), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("content", [flat("yaml"), PATCH], ids=["variables", "manifests"])
def test_public_variable_needs_no_key(desk: Desk, sops: Sops, content: str) -> None:
    sops.encrypt("staging.sops.yaml", content)
    desk.environment(sources=["sops:staging.sops.yaml"], infrastructure={"CLUSTER_NAME": "required"})
    with exec_(desk, "--", "sh", "-c", SHOWN, SOPS_AGE_KEY=None) as process:
        assert process.communicate() == ("demo \n", "")


def test_secret_out_of_encrypted_file(desk: Desk, sops: Sops) -> None:
    sops.encrypt("staging.sops.yaml", flat("yaml"))
    desk.environment(sources=["sops:staging.sops.yaml"], infrastructure={"CLUSTER_NAME": "required"})
    wanted = ("--with", "OPENAI_API_KEY", "--", "sh", "-c", SHOWN)
    with exec_(desk, *wanted) as process:
        assert process.communicate() == ("demo CANARY-openai\n", "")
    with exec_(desk, *wanted, SOPS_AGE_KEY=None) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.startswith("bridge: error: sops:staging.sops.yaml: ")


def test_token_is_revoked_before_command_begins(desk: Desk, store: Store) -> None:
    store.put(CLUSTER_NAME="of-the-store")
    desk.environment(
        sources=["vault:app"], providers={"vault": store.section}, infrastructure={"CLUSTER_NAME": "required"}
    )
    with exec_(desk, "--with", "OPENAI_API_KEY", "--", "sh", "-c", f"{SHOWN}; read end") as process:
        assert process.stdout
        assert process.stdout.readline() == "of-the-store CANARY-openai\n"
        assert store.relay.asked() == store.whole_run
        process.communicate("\n")


def test_what_is_encrypted_is_no_hit_and_its_plaintext_is(
    desk: Desk, sops: Sops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sops.encrypt("config.sops.yaml", PATCH)
    desk.environment(sources=["sops:config.sops.yaml"])
    (desk.folder / "values.json").unlink()
    monkeypatch.chdir(tmp_path)
    assert desk.run("scan", "staging", "config").status == 0
    (desk.folder / "patch.yml").write_text(PATCH)
    result = desk.run("scan", "staging", "config")
    assert [line.split(":")[1] for line in result.out.splitlines()[:-1]] == ["5", "6", "12", "13", "14"]
    assert sum(name in result.out for name in VALUES) == len(VALUES)
