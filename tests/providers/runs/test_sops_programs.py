"""Whole runs whose keys come from an age plugin or from a command, also when these hang."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from bridge_providers.sops import bech32
from tests.desk import Desk
from tests.providers.sops.ended import gone
from tests.team import VALUES
from tests.waiting import until, with_enough_time

IDENTITY = bech32.encode("age-plugin-hangs-", b"CANARY-identity").upper()


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def encrypted(desk: Desk, sops: Path, recipient: str, **environ: str) -> None:
    path = desk.write("values.sops.yaml", "".join(f"{key}: {value}\n" for key, value in VALUES.items()))
    command = [sops, "encrypt", "--age", recipient, "--in-place", path]
    subprocess.run(command, env=os.environ | environ, check=True, capture_output=True)


def test_a_plugin_of_the_environment_s_file(
    desk: Desk, sops_binary: Path, age_plugins: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = age_plugins["bridgetest"]
    made = subprocess.run([plugin, "-new"], capture_output=True, text=True, check=True)
    identity, recipient = made.stdout.split()
    encrypted(desk, sops_binary, recipient, PATH=f"{plugin.parent}:{os.environ['PATH']}")
    desk.canaries.add(identity)
    monkeypatch.setenv("SOPS_AGE_KEY", identity)
    desk.environment(sources=["sops:values.sops.yaml"])
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert "the age plugin bridgetest is not started, because age_plugins does not name it" in result.err
    desk.environment(
        sources=["sops:values.sops.yaml"], providers={"sops": {"age_plugins": {"bridgetest": str(plugin)}}}
    )
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_a_command_that_the_environment_s_file_allows(
    desk: Desk, sops_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pyrage.x25519.Identity.generate()
    encrypted(desk, sops_binary, str(identity.to_public()))
    desk.canaries |= {str(identity), "CANARY-argument"}
    given = desk.write("given", str(identity))
    monkeypatch.setenv("SOPS_AGE_KEY_CMD", f"/bin/sh -c 'echo CANARY >&2; cat {given}' CANARY-argument")
    desk.environment(sources=["sops:values.sops.yaml"])
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert "SOPS_AGE_KEY_CMD: not run, because age_commands does not name it" in result.err
    section = {"age_commands": ["SOPS_AGE_KEY_CMD"]}
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": section})
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)


@pytest.mark.parametrize("field", ["age_plugins", "age_commands"])
def test_a_wrong_section_is_told_offline(desk: Desk, field: str) -> None:
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": {field: {"../x": "x"}}})
    result = desk.run("check", "staging")
    assert result.status == 2
    assert field in result.err + result.out


@pytest.fixture
def hanging(desk: Desk, sops_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a plugin that never answers writes its number."""
    pid = desk.folder / "pid"
    script = desk.folder.parent / "hangs"
    script.write_text(f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}; sleep 600\n")
    script.chmod(0o755)
    encrypted(desk, sops_binary, str(pyrage.x25519.Identity.generate().to_public()))
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": {"age_plugins": {"hangs": str(script)}}})
    desk.canaries.add(IDENTITY)
    monkeypatch.setenv("SOPS_AGE_KEY", IDENTITY)
    return pid


def test_a_plugin_that_hangs_is_temporary(desk: Desk, hanging: Path) -> None:
    result = with_enough_time(lambda limit: desk.run("plan", "staging", "--timeout", str(limit)), hanging.exists)
    assert result.status == 75
    assert gone(int(hanging.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_leaves_no_plugin(desk: Desk, hanging: Path, number: int) -> None:
    command = [sys.executable, "-m", "bridge", "plan", "staging", "--config", str(desk.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(hanging.exists, process=process)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert gone(int(hanging.read_text()))
