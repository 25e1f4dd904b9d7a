"""`bridge exec`: the variables reach the child, whole, and nobody else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.cli import main
from tests.check.test_check import HALF_ENCRYPTED, LEAF
from tests.desk import Desk
from tests.waiting import until

NASTY = {
    "SPACES": "  two  words ",
    "QUOTES": """it's a "quote" and a \\ and `x`""",
    "LINES": "first\nsecond\r\n\n",
    "DOLLAR": "$HOME ${HOME} $(id) %PATH% pa$$w",
    "JSON": '{"a": "b", "c": [1, "d e"]}',
    "UNICODE": "pässwörd 🔑 \u202e\u0085",
    "COMMENT": "a #b = c; rm -rf & | < > * ? ~ !",
    "CONTROL": "\x01\x1b[31m\x7f",
}
PRINT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.environment(infrastructure={"CLUSTER_NAME": "required", "SCW_SECRET_KEY": "secret"})
    offline_desk.env_file(SCW_SECRET_KEY="CANARY-registry")
    return offline_desk


@pytest.fixture
def start(desk: Desk, tmp_path: Path, third_party: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `bridge exec` as a script would."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BRIDGE_CONFIG": str(desk.folder)}
    environ["PYTHONPATH"] = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = []

    def run(*arguments: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bridge", "exec", *arguments]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=environ | more, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str, **more: str) -> tuple[int, str, str]:
        process = start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run


def child(run, *arguments: str, **more: str) -> dict[str, str]:
    status, out, err = run(*arguments, "--", sys.executable, "-c", PRINT, **more)
    assert (status, err) == (0, "")
    return json.loads(out)


def test_values_arrive_as_they_are(desk, run):
    desk.values(**NASTY)
    desk.environment(infrastructure=dict.fromkeys(NASTY, "required"))
    environ = child(run, "staging")
    assert {name: environ[name] for name in NASTY} == NASTY


def test_values_of_env_file_arrive_as_they_are(desk, run):
    desk.write(".env.k8s.staging", """A="two words" # comment\nB='{"a": "it"}'\nC="$HOME `id` \\n"\n""")
    desk.environment(infrastructure={"A": "required", "B": "required", "C": "required"})
    environ = child(run, "staging")
    assert [environ[name] for name in "ABC"] == ["two words", '{"a": "it"}', "$HOME `id` \n"]


def test_secret_is_given_by_name_only(desk, run):
    assert child(run, "staging").keys() & {"CLUSTER_NAME", "SCW_SECRET_KEY", "OPENAI_API_KEY"} == {"CLUSTER_NAME"}
    environ = child(run, "staging", "--with", "SCW_SECRET_KEY", "--with", "OPENAI_API_KEY")
    assert environ["SCW_SECRET_KEY"] == "CANARY-registry"
    assert environ["OPENAI_API_KEY"] == "CANARY-openai"
    assert "CARTESIA_API_KEY" not in environ


def test_parents_environment_is_passed_on_and_ours_replaces(desk, run):
    environ = child(run, K8_ENV="staging", CLUSTER_NAME="theirs", OTHER="stays")
    assert (environ["CLUSTER_NAME"], environ["OTHER"]) == ("demo", "stays")


def test_process_becomes_command_and_no_one_else_has_values(desk, start):
    process = start("staging", "--with", "SCW_SECRET_KEY", "--", "sh", "-c", "echo started; exec sleep 600")
    assert process.stdout.readline() == "started\n"
    proc = Path(f"/proc/{process.pid}")
    until(lambda: (proc / "cmdline").read_bytes() == b"sleep\x00600\0")  # the shell becomes it
    assert b"SCW_SECRET_KEY=CANARY-registry\0" in (proc / "environ").read_bytes()
    # The loader opens its libraries first.
    until(lambda: {int(one.name) for one in (proc / "fd").iterdir()} == {0, 1, 2})
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM


def test_signals_are_treated_as_usual(desk, run):
    status, out, _ = run("staging", "--", "grep", "SigIgn", "/proc/self/status")
    assert status == 0
    ours = sum(1 << number - 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE))
    assert int(out.split()[1], 16) & ours == 0


def test_exit_status_is_that_of_command(desk, run):
    assert run("staging", "--", "sh", "-c", "echo said >&2; exit 42") == (42, "", "said\n")


def test_words_after_dashes_belong_to_command(desk, run):
    words = ["--with", "CLUSTER_NAME", "--", "--config", "x", ""]
    status, out, err = run(
        "staging", "--", sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words
    )
    assert (status, json.loads(out), err) == (0, words, "")


@pytest.mark.parametrize(
    "arguments", [["staging"], ["staging", "--"], ["staging", "true"], ["--with", "A=b", "--", "x"]]
)
def test_no_command_or_no_name_is_wrong_use(run, arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: bridge")
    assert "A=b" not in err


@pytest.mark.parametrize(
    ("script", "status", "what"),
    [
        (None, 127, "command (or the interpreter in its first line) not found"),
        (("#!/no/where\n", 0o755), 127, "command (or the interpreter in its first line) not found"),
        (("#!/bin/sh\n", 0o644), 126, "cannot be run: permission denied"),
        (("echo x\n", 0o755), 126, "cannot be run: exec format error"),
    ],
)
def test_command_that_cannot_be_run(run, tmp_path, script, status, what):
    content, script = script, tmp_path / "script"
    if content:
        script.write_text(content[0])
        script.chmod(content[1])
    error = f"bridge: error: {script}: {what}\n"
    assert run("staging", "--with", "SCW_SECRET_KEY", "--", str(script)) == (status, "", error)


def test_command_is_searched_for_on_path(desk, run, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool-of-ours").touch()
    assert run("staging", "--", "tool-of-ours")[0] == 127
    assert run("staging", "--", "tool-of-ours", PATH=f"{tmp_path}/bin:{os.environ['PATH']}")[0] == 126


def test_environment_that_is_too_large(desk, run):
    desk.values(HUGE="CANARY" * 100_000)
    assert run("staging", "--with", "HUGE", "--", "true") == (
        126,
        "",
        "bridge: error: true: cannot be run: argument list too long\n",
    )


def refused(run, tmp_path, *errors: str, status: int, names: tuple[str, ...] = ()) -> None:
    """Expect exactly these errors, and that nothing was run."""
    given = [word for name in names for word in ("--with", name)]
    found, out, err = run("staging", *given, "--", "touch", str(tmp_path / "ran"))
    assert [line for line in err.splitlines() if "hint" not in line] == [f"bridge: error: {error}" for error in errors]
    assert (found, out) == (status, "")
    assert not (tmp_path / "ran").exists()
    assert "CANARY" not in err


def test_every_missing_variable_is_named_and_nothing_is_run(desk, run, tmp_path):
    desk.env_file(CLUSTER_NAME="")
    desk.environment(infrastructure={"CLUSTER_NAME": "required", "BUCKET": "required", "NOT_ASKED": "secret"})
    names = ("infrastructure.CLUSTER_NAME", "infrastructure.BUCKET", "OTHER")
    refused(run, tmp_path, *(f"staging.yaml: {name} is not set" for name in names), status=2, names=("OTHER",))


def test_absent_env_file_is_named(desk, run):
    (desk.folder / ".env.k8s.staging").unlink()
    status, _, err = run("staging", "--", "true")
    assert status == 2
    assert err.splitlines()[1] == (
        "bridge: hint: set it in plain:values.json or .env.k8s.staging (which does not exist)"
    )


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("CANARY\0x", "BUCKET contains a zero byte"),
        ("ENC[AES256_GCM,CANARY]", "BUCKET still looks encrypted"),
        ("CANARY-prod", "K8S_NAMESPACE is set to a different namespace than voice"),
        ("CANARY-prod", "K8_ENV is set to a different environment than staging"),
    ],
)
def test_value_with_zero_byte_is_refused(desk, run, tmp_path, value, what):
    name = what.split()[0]
    desk.values(**{name: value})
    refused(run, tmp_path, f"plain:values.json: {what}", status=1, names=(name,))


def test_value_that_looks_encrypted_is_given_if_it_is_declared_literal(desk, monkeypatch, capfd):
    given = []

    def execvpe(file, arguments, environ):
        given.append(environ[b"BUCKET"])
        raise FileNotFoundError(2, "no")

    monkeypatch.setattr("os.execvpe", execvpe)
    monkeypatch.setenv("BRIDGE_CONFIG", str(desk.folder))
    desk.values(BUCKET="ENC[AES256_GCM,CANARY]")
    arguments = ["exec", "staging", "--with", "BUCKET", "--", "a"]
    for literal, status in ((False, 1), (True, 127)):
        variable = {"from": "plain:values.json#BUCKET", "literal": literal}
        desk.environment(infrastructure={"BUCKET": "required"}, variables={"BUCKET": variable})
        assert main(arguments) == status
    assert given == [b"ENC[AES256_GCM,CANARY]"]
    assert "CANARY" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(("name", "what"), [("K8_ENV", "environment"), ("K8S_NAMESPACE", "namespace")])
def test_command_does_not_inherit_bridge_variables(desk, run, name, what):
    status, out, err = run("staging", "--", "true", **{name: "CANARY-prod"})
    assert (status, out) == (1, "")
    assert err.startswith(f"bridge: error: the process's environment: {name} is set to a different {what} than ")
    assert "CANARY" not in err
    desk.env_file(K8S_NAMESPACE="voice")
    desk.environment(infrastructure={name: "required"})
    assert child(run, "staging", **{name: "CANARY-prod"})[name] in {"staging", "voice"}


def test_env_file_for_another_environment(desk, run, tmp_path):
    desk.env_file(K8_ENV="prod")
    refused(run, tmp_path, ".env.k8s.staging: K8_ENV names a different environment than staging", status=2)


def test_sources_win_over_env_file_and_over_each_other(desk, run):
    desk.write("first.json", {"B": "first"})
    desk.write("second.json", {"A": "second", "B": "second", "C": "second"})
    desk.env_file(A="file", B="file", C="file", D="file")
    desk.environment(
        sources=["plain:first.json", "plain:second.json"],
        variables={"C": "plain:first.json#B"},
        infrastructure=dict.fromkeys("ABCD", "required"),
    )
    environ = child(run, "staging")
    assert [environ[name] for name in "ABCD"] == ["second", "first", "first", "file"]


def test_source_is_read_only_if_it_may_contain_variable(desk, run, tmp_path):
    """Of an encrypted file the names are known without a key; a key is needed once one of them is asked for."""
    desk.write("half.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    desk.environment(sources=["sops:half.yaml"], infrastructure={"CLUSTER_NAME": "required"})
    assert child(run, "staging")["CLUSTER_NAME"] == "demo"
    assert "CLUSTER_NAME             demo   .env.k8s.staging\n" in desk.run("check", "staging").out
    status, _, err = run("staging", "--with", "OPENAI_API_KEY", "--", "touch", str(tmp_path / "ran"))
    assert status == 1
    assert err.startswith("bridge: error: sops:half.yaml: ")
    assert not (tmp_path / "ran").exists()


def test_encrypted_patch_file_gives_no_variable_and_is_not_read(desk, run):
    desk.write(
        "patch.yaml",
        HALF_ENCRYPTED.replace("OPENAI_API_KEY: CANARY-openai", f"apiVersion: {LEAF}\nkind: {LEAF}").replace(
            "CARTESIA_API_KEY:", "metadata:"
        ),
    )
    desk.env_file(kind="ours")
    desk.environment(sources=["sops:patch.yaml"], infrastructure={"CLUSTER_NAME": "required", "kind": "required"})
    assert child(run, "staging")["kind"] == "ours"
    result = desk.run("check", "staging")
    assert result.status == 0
    assert result.out.splitlines()[1] == "CLUSTER_NAME             demo   .env.k8s.staging"
    assert result.lines[0] == "bridge: warning: sops:patch.yaml: fields unknown until it is read"


def test_source_with_unknown_names_is_read(desk, run, tmp_path):
    """It could have the variable, and would win: `check` says so."""
    desk.environment(infrastructure={"CLUSTER_NAME": "required"}, providers={"plain": {"fail": "denied"}})
    assert "demo   .env.k8s.staging, unless plain:values.json has it" in desk.run("check", "staging").out
    refused(run, tmp_path, "plain:values.json: the store does not know you", status=1)


def test_check_names_sources_that_would_win_over_known_one(desk):
    desk.write("half.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    desk.environment(
        sources=["plain:values.json", "sops:half.yaml", "plain:other.json"],
        infrastructure={"CARTESIA_API_KEY": "secret"},
    )
    row = "CARTESIA_API_KEY         ********  sops:half.yaml, unless plain:values.json has it\n"
    assert row in desk.run("check", "staging").out


def test_invalid_template_is_ignored(desk, run):
    desk.write("base/secrets.yml", "kind: [")
    assert child(run, "staging")["CLUSTER_NAME"] == "demo"


def test_termination_while_source_hangs(desk, start, tmp_path):
    desk.environment(infrastructure={"CLUSTER_NAME": "required"}, providers={"plain": {"fail": "hang"}})
    process = start("staging", "--", "touch", str(tmp_path / "ran"))
    status = Path(f"/proc/{process.pid}/status")
    # Until the thread that reads is there.
    until(lambda: "Threads:\t1\n" not in status.read_text(), process=process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (143, "", "bridge: terminated\n")
    assert not (tmp_path / "ran").exists()


def test_sessions_are_closed_before_and_failure_leaves_signals_alone(desk, monkeypatch, capfd):
    import bridge_plain  # noqa: PLC0415

    order = []

    def execvpe(file, arguments, environ):
        order.append(("exec", file, arguments, environ[b"OPENAI_API_KEY"]))
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL
        raise FileNotFoundError(2, "no")

    monkeypatch.setattr(bridge_plain.PlainSession, "close", lambda self: order.append("closed"))
    monkeypatch.setattr("os.execvpe", execvpe)
    monkeypatch.setenv("BRIDGE_CONFIG", str(desk.folder))
    before = signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGINT)
    assert main(["exec", "staging", "--with", "OPENAI_API_KEY", "--", "a", "b"]) == 127
    assert order == ["closed", ("exec", "a", ["a", "b"], b"CANARY-openai")]
    assert (signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGINT)) == before
    assert "CANARY" not in "".join(capfd.readouterr())
