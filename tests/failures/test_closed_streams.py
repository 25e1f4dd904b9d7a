"""The streams of a run, closed, full or without a reader, in any encoding: what the run did stays the same."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.environment import load_environment
from bridge.provider import ProviderError
from tests.adopt.test_adopt import made_by
from tests.cluster_identity.test_first_write import APP, KUBECONFIG
from tests.desk import Desk
from tests.fleet.test_fleet import fleet, member, token
from tests.importing.moving import SHELF
from tests.importing.test_moving_stores import secret_manager
from tests.kustomize.overlays import application
from tests.restart.test_refusals_before import marks, with_a_workload
from tests.servers.process import free_port
from tests.team import VALUES

pytestmark = pytest.mark.slow

FULL = "bridge: error: cannot write the report: no space left on device\n"
AGAIN = "bridge: hint: run the same command again: it continues from the current state\n"
WRITTEN = {
    "Secret/shared-secrets",
    "Secret/agent-secrets",
    "ConfigMap/shared-config",
    "ConfigMap/agent-config",
    "ConfigMap/front-config",
    "ConfigMap/bridge-voice-agent-staging",
}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(offline_desk: Desk, third_party: Path) -> Run:
    """Return a function that runs bridge as a shell does, with redirections."""

    def run(
        arguments: str, *, stdout: int = subprocess.PIPE, folder: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        command = f"{shlex.quote(sys.executable)} -m bridge {arguments}"
        home = {"PATH": os.defpath, "HOME": str(offline_desk.folder), "BRIDGE_CONFIG": str(offline_desk.folder)}
        home |= {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
        return subprocess.run(
            ["sh", "-c", command],
            check=False,
            cwd=folder,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=home | {"PYTHONPATH": os.pathsep.join([str(third_party), *sys.path])} | environ,
            timeout=60,
        )

    return run


@pytest.fixture
def nobody() -> int:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def written(desk: Desk) -> set[str]:
    return set(desk.target.versions())


def test_reader_that_went_away_changes_nothing(offline_desk: Desk, run: Run, nobody: int) -> None:
    done = run("sync staging", stdout=nobody)
    assert (done.returncode, done.stderr) == (0, "")
    assert written(offline_desk) == WRITTEN


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_run_keeps_its_status_without_reader(form: str, run: Run, nobody: int) -> None:
    assert run(f"plan staging --exit-code --output {form}", stdout=nobody).returncode == 4


def test_errors_are_reported_without_reader_too(offline_desk: Desk, run: Run, nobody: int) -> None:
    offline_desk.values(OPENAI_API_KEY=None)
    done = run("plan staging --output json", stdout=nobody)
    assert done.returncode == 1
    assert done.stderr.startswith("bridge: error: base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: ")


@pytest.mark.parametrize("arguments", ["sync staging", "sync staging --output json", "sync --all"])
def test_what_is_written_and_cannot_be_reported_ends_with_5(arguments: str, offline_desk: Desk, run: Run) -> None:
    done = run(f"{arguments} > /dev/full")
    assert (done.returncode, done.stderr) == (5, FULL + AGAIN)
    assert written(offline_desk) == WRITTEN
    done = run(f"{arguments} > /dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)  # nothing was left to write


def test_many_environments_end_with_5_too_where_one_of_them_could_not_be_reached(offline_desk: Desk, run: Run) -> None:
    names = fleet(offline_desk, 2)
    content = json.loads(offline_desk.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{free_port()}"  # nothing listens there
    offline_desk.write("kubeconfig-down", content)
    member(offline_desk, names[1], cluster={"kubeconfig": "kubeconfig-down"})
    done = run("sync --all > /dev/full")
    assert (done.returncode, done.stderr.endswith(FULL + AGAIN)) == (5, True)
    assert token(offline_desk, names[0])


def test_what_is_written_into_store_and_cannot_be_reported_ends_with_5(offline_desk: Desk, run: Run) -> None:
    offline_desk.environment(sources=[SHELF])
    offline_desk.write("shelf.json", VALUES)
    done = run(f"set staging OPENAI_API_KEY --yes < {offline_desk.write('new', 'CANARY-new')} > /dev/full")
    assert (done.returncode, done.stderr) == (5, FULL + AGAIN)
    assert json.loads((offline_desk.folder / "shelf.json").read_text())["OPENAI_API_KEY"] == "CANARY-new"
    moved = offline_desk.write("moved.env", "OPENAI_API_KEY=CANARY-moved\n")
    done = run(f"import staging {moved} --to {SHELF} --replace --yes > /dev/full")
    assert (done.returncode, done.stderr.endswith(FULL + AGAIN)) == (5, True)
    assert json.loads((offline_desk.folder / "shelf.json").read_text())["OPENAI_API_KEY"] == "CANARY-moved"
    done = run(f"import staging {moved} --to {SHELF} --replace --yes --dry-run > /dev/full")
    assert done.returncode == 1


def test_files_that_are_drafted_and_cannot_be_reported_end_with_5(offline_desk: Desk, run: Run) -> None:
    done = run("init other --like staging > /dev/full")
    assert done.returncode == 5
    assert FULL + AGAIN in done.stderr
    assert (offline_desk.folder / "other.yaml").exists()


def test_takeover_that_cannot_be_reported_ends_with_5(offline_desk: Desk, run: Run) -> None:
    made_by(offline_desk, "kubectl-create")
    done = run("adopt staging --yes --first > /dev/full")
    assert done.returncode == 5
    assert FULL + AGAIN in done.stderr


def test_binding_that_cannot_be_reported_ends_with_5(offline_desk: Desk, run: Run) -> None:
    offline_desk.environment(cluster=KUBECONFIG)
    done = run("adopt staging --rebind --yes > /dev/full")
    assert (done.returncode, done.stderr.endswith(FULL + AGAIN)) == (5, True)
    assert load_environment(offline_desk.folder, "staging").cluster.namespace_uid
    done = run("adopt staging --rebind --yes > /dev/full")
    assert (done.returncode, done.stderr.endswith(FULL)) == (1, True)  # nothing was left to bind


def test_restart_that_cannot_be_reported_ends_with_5(offline_desk: Desk, run: Run) -> None:
    assert offline_desk.run("sync", "staging").status == 0
    with_a_workload(offline_desk)
    done = run("restart staging --all > /dev/full")
    assert (done.returncode, done.stderr.endswith(FULL + AGAIN), len(marks(offline_desk))) == (5, True, 1)
    done = run("restart staging --all --dry-run > /dev/full")
    assert (done.returncode, done.stderr.endswith(FULL), len(marks(offline_desk))) == (1, True, 1)


@pytest.mark.parametrize("lost", ["store", "cluster"])
def test_rollback_that_cannot_be_reported_ends_with_5(
    offline_desk: Desk, run: Run, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    offline_desk.environment(sources=[APP])
    offline_desk.canaries.add("CANARY-bad")
    with secret_manager(monkeypatch) as store:
        id_ = store.put("/voice/staging/app", VALUES)
        store.put("/voice/staging/app", VALUES | {"OPENAI_API_KEY": "CANARY-bad"})
        to = "2" if lost == "cluster" else "1"  # the second is the newest: only the cluster is to be written
        command = f"rollback staging --source {APP} --to {to} --allow-fallback"
        names = {name: text for name, text in os.environ.items() if name.startswith(("SCW_", "HTTPS", "SSL"))}
        done = run(f"{command} --dry-run > /dev/full", **names)
        assert (done.returncode, done.stderr.endswith(FULL), written(offline_desk)) == (1, True, set())
        done = run(f"{command} --yes > /dev/full", **names)
        assert (done.returncode, done.stderr.endswith(FULL + AGAIN)) == (5, True)
        assert len(store.store.secrets[id_].versions) == (2 if lost == "cluster" else 3)
        assert written(offline_desk) == WRITTEN
        done = run(f"{command} --yes > /dev/full", **names)
        assert (done.returncode, done.stderr.endswith(FULL)) == (1, True)  # nothing was left to write


def test_rendered_deployment_that_cannot_be_reported_ends_with_5(offline_desk: Desk, run: Run, tmp_path: Path) -> None:
    command = f"init staging --deploy {tmp_path / 'deploy'} > /dev/full"
    done = run(command)
    assert (done.returncode, done.stderr.endswith(FULL + AGAIN)) == (5, True)
    assert (tmp_path / "deploy" / "kustomization.yaml").exists()
    done = run(command)
    assert (done.returncode, done.stderr.endswith(FULL)) == (1, True)  # all files were there


def test_overlay_that_is_changed_and_cannot_be_reported_ends_with_5(
    offline_desk: Desk, run: Run, kustomize_binary: Path
) -> None:
    path = f"{kustomize_binary.parent}{os.pathsep}{os.defpath}"
    overlay = application(offline_desk, kustomize_binary).overlay("staging")
    before = (Path(overlay) / "kustomization.yaml").read_text()
    done = run("init staging --fix-kustomize > /dev/full", PATH=path)
    assert (done.returncode, done.stderr.endswith(FULL + AGAIN)) == (5, True)
    assert (Path(overlay) / "kustomization.yaml").read_text() != before
    done = run("init staging --fix-kustomize > /dev/full", PATH=path)
    assert (done.returncode, done.stderr.endswith(FULL)) == (1, True)  # nothing was left to change


@pytest.mark.parametrize(
    "arguments",
    [
        "plan staging",
        "plan staging --output json",
        "plan staging --output markdown",
        "plan staging --exit-code",
        "plan --all",
        "sync staging --dry-run",
        "status staging",
        "status staging --output json",
        "check staging",
        "check staging --output json",
        "check staging --live",
        "scan staging base",
        "adopt staging --dry-run",
        "import staging moved.env --to shelf:shelf.json --dry-run",
        "set staging OPENAI_API_KEY --yes --output json < same",
    ],
)
def test_what_has_written_nothing_and_cannot_report_it_ends_with_1(
    arguments: str, offline_desk: Desk, run: Run
) -> None:
    offline_desk.environment(sources=[SHELF])
    offline_desk.write("shelf.json", VALUES)
    offline_desk.write("moved.env", f"OPENAI_API_KEY={VALUES['OPENAI_API_KEY']}\n")
    offline_desk.write("same", VALUES["OPENAI_API_KEY"])
    before = (offline_desk.folder / "shelf.json").read_bytes()
    done = run(f"{arguments} > /dev/full", folder=offline_desk.folder)
    assert (done.returncode, done.stderr.endswith(FULL), AGAIN in done.stderr) == (1, True, False), done.stderr
    assert (written(offline_desk), (offline_desk.folder / "shelf.json").read_bytes()) == (set(), before)


def test_command_of_exec_has_streams_itself(run: Run) -> None:
    done = run("exec staging -- sh -c 'echo out; exit 7' > /dev/full")
    assert (done.returncode, FULL in done.stderr) == (7, False)
    done = run("exec staging -- sh -c 'echo out; echo err >&2; exit 7'")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_command_that_no_one_reads_keeps_its_status_after_write_too(offline_desk: Desk, run: Run, nobody: int) -> None:
    offline_desk.environment(sources=[SHELF])
    offline_desk.write("shelf.json", VALUES)
    new = offline_desk.write("new", "CANARY-new")
    assert run(f"set staging OPENAI_API_KEY --yes < {new}", stdout=nobody).returncode == 0


def test_failed_run_keeps_its_status_where_report_has_no_room(offline_desk: Desk, run: Run) -> None:
    done = run("plan nowhere --output json > /dev/full")
    error = f"bridge: error: {offline_desk.folder}: no environment 'nowhere'; found staging\n"
    assert (done.returncode, done.stderr) == (2, error + FULL)


def test_closed_stdout_takes_nothing(offline_desk: Desk, run: Run) -> None:
    done = run("sync staging >&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert written(offline_desk) == WRITTEN


def test_closed_stderr_leaves_report_alone(run: Run) -> None:
    done = run("plan nowhere --output json 2>&-")
    assert done.returncode == 2
    assert json.loads(done.stdout)["result"] == "failed"


def test_both_streams_closed(run: Run) -> None:
    assert run("plan nowhere >&- 2>&-").returncode == 2


def test_full_stderr_changes_no_status(run: Run) -> None:
    assert run("plan nowhere 2> /dev/full").returncode == 2


@pytest.mark.parametrize("arguments", ["--help", "--version", "plan --help"])
def test_help_without_reader(arguments: str, run: Run, nobody: int) -> None:
    done = run(arguments, stdout=nobody)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_that_has_no_room(run: Run) -> None:
    done = run("--help > /dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)


def test_name_that_streams_encoding_has_not(offline_desk: Desk, run: Run) -> None:
    offline_desk.write("base/é.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {K: b}\n")
    offline_desk.environment(templates=["base/é.yml"])
    done = run("plan staging", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    + K  new  from base/\\xe9.yml" in done.stdout.splitlines()
    offline_desk.environment(templates=["base/ü.yml"])
    done = run("plan staging", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (2, "bridge: error: base/\\xfc.yml: no such file\n")


def test_name_that_file_systems_encoding_has_not(offline_desk: Desk, run: Run) -> None:
    offline_desk.environment(templates=["base/é.yml"])
    done = run("sync staging", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "bridge: error: base/\\xe9.yml: the file name cannot be encoded in this locale",
        "bridge: hint: set LC_ALL=C.UTF-8 or PYTHONUTF8=1",
    ]
    assert written(offline_desk) == set()


def test_revision_cannot_steer_terminal_nor_forge_line(offline_desk: Desk, run: Run) -> None:
    offline_desk.environment(providers={"plain": {"revision": "\x1b[31m1\n5 unchanged: written\u202e"}})
    for form in ("text", "markdown"):
        out = run(f"plan staging --output {form}").stdout
        assert all(line.isprintable() for line in out.split("\n"))
        assert "5 unchanged: written" not in out.splitlines()
    assert "  plain:values.json @ \\x1b[31m1\\n5 unchanged: written\\u202e" in run("plan staging").stdout.splitlines()


def test_neither_value_nor_file_name_starts_line_of_report(offline_desk: Desk, run: Run) -> None:
    offline_desk.env_file(CLUSTER_NAME='"demo\nstaging: all is well"')
    offline_desk.environment(infrastructure={"CLUSTER_NAME": "required"}, sources=[SHELF])
    offline_desk.write("shelf.json", VALUES)
    out = run("check staging").stdout
    assert "demo\\nstaging: all is well" in out
    assert "staging: all is well" not in out.splitlines()
    file = offline_desk.write("moved\nall: written.env", "OPENAI_API_KEY=CANARY-moved\n")
    out = run(f"import staging {shlex.quote(str(file))} --to {SHELF} --replace --yes").stdout
    assert "moved\\nall: written.env" in out
    assert not [line for line in out.splitlines() if line.startswith("all: written")]


def test_providers_endless_text_is_cut_and_cannot_forge_line(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bridge_plain  # noqa: PLC0415

    def read(*_: object) -> None:
        raise ProviderError(
            "says\nbridge: warning: all is well" + "x" * 1_000_000, hint="look\x1b[2J" + "y" * 1_000_000
        )

    monkeypatch.setattr(bridge_plain.PlainSession, "read", read)
    result = offline_desk.run("plan", "staging")
    assert [line[:70] for line in result.lines] == [
        "bridge: error: plain:values.json: says\\nbridge: warning: all is wellxx"[:70],
        ("bridge: hint: look\\x1b[2J" + "y" * 100)[:70],
    ]
    assert len(result.err) < 1200
    assert len(offline_desk.run("plan", "staging", "--output", "json").out) < 2000


# What a provider prints

LOUD = """
import ctypes, os, subprocess, sys, threading
import bridge_plain
read = bridge_plain.PlainSession.read
CANARY = "CANARY-printed"
def talk():
    print(CANARY)
    print(CANARY, file=sys.stderr)
    sys.stdout.buffer.write(CANARY.encode())
    for stream in (sys.__stdout__, sys.__stderr__):
        stream.write(CANARY)
    for descriptor in (1, 2):
        os.write(descriptor, CANARY.encode())
    ctypes.CDLL(None).puts(CANARY.encode())
    subprocess.run(["sh", "-c", f"echo {CANARY}; echo {CANARY} >&2"], check=True)
def loud(*given):
    thread = threading.Thread(target=talk)
    thread.start()
    thread.join()
    talk()
    return read(*given)
talk.__globals__["__name__"] = "their_library"
bridge_plain.PlainSession.read = loud
from bridge.start import run
run()
"""
PRINTED = [
    "bridge: warning: their_library: printed something; bridge discarded it, as it may contain a value",
    "bridge: hint: report it to the maintainers of this package",
]


@pytest.fixture
def loud(offline_desk: Desk, third_party: Path) -> Run:
    """Return a function that runs bridge with a provider that prints values in every way there is."""

    def loud(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.defpath, "HOME": str(offline_desk.folder), "BRIDGE_CONFIG": str(offline_desk.folder)}
        environ |= {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
        return subprocess.run(
            [sys.executable, "-c", LOUD, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environ | {"PYTHONPATH": os.pathsep.join([str(third_party), *sys.path])},
            timeout=60,
        )

    return loud


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_what_provider_prints_reaches_neither_stream(offline_desk: Desk, run: Run, loud: Run, form: str) -> None:
    usual = run(f"plan staging --output {form}")
    done = loud("plan", "staging", "--output", form)
    assert (done.returncode, done.stderr.splitlines()) == (0, PRINTED)
    if form == "json":
        assert json.loads(done.stdout) | {"run": ""} == json.loads(usual.stdout) | {"run": ""}
    else:
        assert done.stdout == usual.stdout


def test_what_provider_prints_is_reported_once_for_many_environments(offline_desk: Desk, loud: Run) -> None:
    names = fleet(offline_desk, 3)
    done = loud("sync", "--all")
    assert (done.returncode, done.stderr.splitlines()) == (0, PRINTED)
    assert [bool(token(offline_desk, name)) for name in names] == [True] * 3
    assert "CANARY" not in done.stdout


def test_what_provider_prints_does_not_precede_output_of_command(loud: Run) -> None:
    done = loud("exec", "staging", "--with", "OPENAI_API_KEY", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "\n".join([*PRINTED, "err\n"]))


def test_caller_of_run_has_its_streams_back(offline_desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr, [os.fstat(number)[:2] for number in (1, 2)]
    assert offline_desk.run("plan", "staging").status == 0
    assert (sys.stdout, sys.stderr, [os.fstat(number)[:2] for number in (1, 2)]) == before
    os.write(1, b"one ")
    print("two")  # noqa: T201
    assert capfd.readouterr().out == "one two\n"
