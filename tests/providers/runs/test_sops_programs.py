"""Whole runs that need the sops program, also when it hangs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from tests.desk import Desk
from tests.providers.sops.ended import gone
from tests.team import VALUES
from tests.waiting import LIMIT, until, with_enough_time


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def encrypted(desk: Desk, sops: Path, recipient: str, **environ: str) -> None:
    path = desk.write("values.sops.yaml", "".join(f"{key}: {value}\n" for key, value in VALUES.items()))
    command = [sops, "encrypt", "--age", recipient, "--in-place", path]
    subprocess.run(command, env=os.environ | environ, check=True, capture_output=True)


def named(desk: Desk, program: Path) -> None:
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": {"program": str(program)}})


def test_file_for_age_plugin_is_synced_through_sops_program(
    desk: Desk, sops_binary: Path, age_plugins: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = subprocess.run([age_plugins["bridgetest"], "-new"], capture_output=True, text=True, check=True)
    identity, recipient = made.stdout.split()
    folder = desk.folder.parent / "plugins"
    folder.mkdir()
    (folder / "age-plugin-bridgetest").symlink_to(age_plugins["bridgetest"])
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    encrypted(desk, sops_binary, recipient)
    desk.canaries.add(identity)
    monkeypatch.setenv("SOPS_AGE_KEY", identity)
    desk.environment(sources=["sops:values.sops.yaml"])
    for command, status in (("check", 0), ("sync", 1)):
        result = desk.run(command, "staging")
        assert result.status == status
        assert "only the sops program can open its age plugin keys" in result.err + result.out
        assert "add to the provider's section: program: /usr/local/bin/sops" in result.err + result.out
    named(desk, sops_binary)
    assert "only the sops program" not in desk.run("check", "staging").err
    result = desk.run("check", "--files", "sops", str(desk.folder / "values.sops.yaml"))
    assert result.status == 0
    assert "for 1 key, opened by the sops program" in result.out
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_command_that_gives_age_key_is_run_by_sops_program(
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
    assert "SOPS_AGE_KEY_CMD: only the sops program runs it" in result.err
    named(desk, sops_binary)
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("age_plugins", "use `program: /usr/local/bin/sops` instead; it finds age plugins in PATH"),
        ("age_commands", "use `program: /usr/local/bin/sops` instead; it runs the command of SOPS_AGE_KEY_CMD"),
    ],
)
def test_setting_of_earlier_version_names_one_to_use(desk: Desk, field: str, hint: str) -> None:
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": {field: {"yubikey": "/x"}}})
    for command in ("check", "plan"):
        result = desk.run(command, "staging")
        assert result.status == 2
        assert f"providers.sops.{field}: no longer exists" in result.err + result.out
        assert hint in result.err + result.out


@pytest.fixture
def hanging(desk: Desk, sops_binary: Path) -> Path:
    """Where a program that never answers writes its number."""
    pid = desk.folder / "pid"
    script = desk.folder.parent / "hangs"
    script.write_text(f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}; sleep 600\n")
    script.chmod(0o755)
    encrypted(desk, sops_binary, str(pyrage.x25519.Identity.generate().to_public()))
    named(desk, script)
    return pid


def test_sops_program_that_hangs_is_temporary(desk: Desk, hanging: Path) -> None:
    result = with_enough_time(lambda limit: desk.run("plan", "staging", "--timeout", str(limit)), hanging.exists)
    assert result.status == 75
    assert gone(int(hanging.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_that_is_stopped_leaves_no_sops_program(desk: Desk, hanging: Path, number: int) -> None:
    command = [sys.executable, "-m", "bridge", "plan", "staging", "--config", str(desk.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(hanging.exists, process=process)
        process.send_signal(number)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + number
    assert gone(int(hanging.read_text()))
