"""Credential plugins: how they are started, what they may answer, what is never shown."""

import json
import os
import pty
import re
import stat
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cluster import exec_plugin
from bridge.cluster.api import Api
from bridge.cluster.connect import Endpoint, Search, connect
from bridge.config.environment_fields import ClusterFlags
from bridge.errors import BridgeError, ConfigError, Refusal, Unavailable
from tests.cluster.wire import FINE, PATH, TARGET, Wire, assert_clean
from tests.servers.pki import Authority
from tests.servers.process import is_over
from tests.waiting import until, with_enough_time

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


def plugin(folder: Path, code: str, name: str = "plugin") -> Path:
    """Write a program that counts its runs in a file beside it."""
    path = folder / name
    head = f"#!{sys.executable} -I\nimport json, os, sys, time\nopen({str(folder / 'runs')!r}, 'a').write('x')\n"
    path.write_text(head + code)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def says(status: object, version: str = V1, kind: str = "ExecCredential") -> str:
    return f"print({json.dumps(json.dumps({'apiVersion': version, 'kind': kind, 'status': status}))})"


def load(
    folder: Path,
    section: dict[str, Any],
    *,
    cluster: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    seconds: float = 60,
) -> Endpoint:
    server = {"server": "https://cluster.example:6443", **(cluster or {})}
    content = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "test", "user": {"exec": {"apiVersion": V1, "command": str(folder / "plugin"), **section}}}],
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    deadline = time.monotonic() + seconds
    flags = ClusterFlags(folder / "config")
    return connect(Search(None, None, environ or {}, flags=flags, deadline=deadline, pod=folder / "nowhere"))


def refused(folder: Path, section: dict[str, Any], **more: Any) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        load(folder, section, **more)
    assert_clean(caught.value, "CANARY", frames=False)
    assert caught.value.problems[0].where == f'{folder}/config: user "test": exec'
    return caught.value


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_plugins_token_is_shown_and_kept(tmp_path: Path, version: str) -> None:
    plugin(tmp_path, says({"token": "CANARY-1"}, version))
    found = load(tmp_path, {"apiVersion": version})
    for _ in range(3):
        assert found.headers() == {"Authorization": "Bearer CANARY-1"}
    assert runs(tmp_path) == 1
    assert "CANARY" not in repr(found)


def test_arguments_variables_and_environment_reach_plugin(tmp_path: Path) -> None:
    plugin(
        tmp_path, "open(sys.argv[1], 'w').write(json.dumps([sys.argv[2:], dict(os.environ)]))\n" + says({"token": "t"})
    )
    section = {
        "args": [str(tmp_path / "seen"), "a b"],
        "env": [{"name": "MINE", "value": "1"}, {"name": "HOME", "value": "/h"}],
    }
    load(tmp_path, section, environ={"HOME": "/home", "LANG": "C"})
    arguments, variables = json.loads((tmp_path / "seen").read_text())
    assert arguments == ["a b"]
    assert (variables["MINE"], variables["HOME"], variables["LANG"]) == ("1", "/h", "C")
    assert json.loads(variables["KUBERNETES_EXEC_INFO"]) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }


def test_plugin_gets_cluster_info_on_request(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    plugin(tmp_path, "open(sys.argv[1], 'w').write(os.environ['KUBERNETES_EXEC_INFO'])\n" + says({"token": "t"}))
    cluster = {
        "certificate-authority": "ca.crt",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy:3128",
        "extensions": [
            {"name": "other"},
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}},
        ],
    }
    load(tmp_path, {"args": [str(tmp_path / "seen")], "provideClusterInfo": True}, cluster=cluster)
    told = json.loads((tmp_path / "seen").read_text())["spec"]["cluster"]
    assert b64decode(told.pop("certificate-authority-data")) == authority.file.read_bytes()
    assert told == {
        "server": "https://cluster.example:6443",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy:3128",
        "config": {"audience": "a"},
    }


def test_command_without_slash_comes_from_path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    plugin(tmp_path / "bin", says({"token": "from-path"}), "get-token")
    plugin(tmp_path, says({"token": "from-folder"}), "get-token")
    monkeypatch.chdir(tmp_path)
    found = load(tmp_path, {"command": "get-token"}, environ={"PATH": str(tmp_path / "bin")})
    assert found.headers() == {"Authorization": "Bearer from-path"}
    error = refused(
        tmp_path, {"command": "get-token", "installHint": "see\n  https://example.org  "}, environ={"PATH": "/none"}
    )
    assert isinstance(error, ConfigError)
    assert error.problems[0].what == 'the credential plugin "get-token" is not installed'
    assert error.problems[0].hint == "see https://example.org"


@pytest.mark.parametrize("command", ["./plugin", "bin/plugin", "../bin/plugin"])
def test_relative_path_of_plugin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for folder in (tmp_path / "kube", tmp_path / "kube" / "bin", tmp_path / "bin"):
        folder.mkdir(exist_ok=True)
        plugin(folder, says({"token": "there"}))
    monkeypatch.chdir(tmp_path / "kube")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "kube", {"command": command})
    assert caught.value.problems[0].what == "command is a relative path"
    assert not list(tmp_path.rglob("runs"))


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_relative_entries_of_path_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    (tmp_path / "bin").mkdir()
    for folder in (tmp_path, tmp_path / "bin"):
        plugin(folder, says({"token": "there"}), "get-token")
    monkeypatch.chdir(tmp_path)
    error = refused(tmp_path, {"command": "get-token"}, environ={"PATH": f"{entry}:/none:{entry}"})
    assert error.problems[0].what == 'the credential plugin "get-token" is not installed'
    assert not list(tmp_path.rglob("runs"))


def test_credential_is_renewed_when_it_has_expired(tmp_path: Path) -> None:
    code = """
n = os.path.getsize(os.path.join(os.path.dirname(sys.argv[0]), "runs"))
expires = "2020-01-01T00:00:00Z" if n < 3 else "2999-01-01T00:00:00Z"
status = {"token": f"t{n}", "expirationTimestamp": expires}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""
    plugin(tmp_path, code)
    found = load(tmp_path, {})
    tokens = [found.headers()["Authorization"] for _ in range(3)]
    assert tokens == ["Bearer t2", "Bearer t3", "Bearer t3"]
    assert runs(tmp_path) == 3


def test_refused_credential_is_requested_again(tmp_path: Path) -> None:
    plugin(tmp_path, says({"token": "t"}))
    found = load(tmp_path, {})
    found.renew()
    assert found.headers() == {"Authorization": "Bearer t"}
    assert runs(tmp_path) == 2


def test_plugin_may_give_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    serving, pair = authority.serving(wants_certificate=True), authority.client("operator")
    plugin(
        tmp_path, says({"clientCertificateData": pair.certificate.read_text(), "clientKeyData": pair.key.read_text()})
    )
    with Wire(FINE, tls=serving) as server:
        found = load(tmp_path, {}, cluster={"server": server.url, "certificate-authority": "ca.crt"})
        client = Api(found, deadline=float("inf"))
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
        client.close()
    assert server.requests[0].header("Authorization") == []


def test_failed_plugin_is_reported_by_status_without_its_output(tmp_path: Path) -> None:
    plugin(tmp_path, "print('CANARY'); print('CANARY', file=sys.stderr); sys.exit(7)")
    error = refused(tmp_path, {"installHint": "log in with scw"})
    assert type(error) is Refusal
    assert error.problems[0].what == "the credential plugin failed with exit status 7"
    assert error.problems[0].hint == "log in with scw"


def test_failing_plugins_output_does_not_reach_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plugin(tmp_path, "print('CANARY'); print('CANARY', file=sys.stderr); sys.exit(7)")
    error = refused(tmp_path, {})
    assert error.problems[0].hint == "run the command in the kubeconfig's exec section by hand to see why"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "code",
    [
        says({}),
        says({"token": ""}),
        says({"token": ["CANARY"]}),
        says({"clientCertificateData": "CANARY"}),
        says({"clientKeyData": "CANARY"}),
        says("CANARY"),
    ],
)
def test_answer_that_is_no_credential_is_never_taken_for_anonymous(tmp_path: Path, code: str) -> None:
    plugin(tmp_path, code)
    error = refused(tmp_path, {})
    assert type(error) is Refusal
    assert (
        error.problems[0].what
        == f"the credential plugin returned neither a token nor a certificate with its key ({V1})"
    )


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("print('a newer release is there: CANARY')", "the credential plugin printed something that is not JSON"),
        ("print('[' * 100000)", "the credential plugin printed something that is not JSON"),
        ("sys.stdout.buffer.write(b'CANARY\\xff')", "the credential plugin printed something that is not JSON"),
        ("", "the credential plugin printed nothing"),
        ("print('[\"CANARY\"]')", "the credential plugin's answer is not an ExecCredential"),
        (says({"token": "CANARY"}, kind="Other"), "the credential plugin's answer is not an ExecCredential"),
    ],
)
def test_invalid_plugin_output_is_described(tmp_path: Path, code: str, what: str) -> None:
    plugin(tmp_path, code)
    error = refused(tmp_path, {})
    assert type(error) is Refusal
    assert error.problems[0].what == what


@pytest.mark.parametrize(
    ("asked", "answered", "shown", "hint"),
    [
        (V1BETA1, V1, V1, f"set apiVersion: {V1} in the exec section, or update the plugin"),
        (V1, V1BETA1, V1BETA1, f"set apiVersion: {V1BETA1} in the exec section, or update the plugin"),
        (V1, "client.authentication.k8s.io/v1alpha1", "client.authentication.k8s.io/v1alpha1", "update the plugin"),
        (V1, "CANARY/v1", "another version", "update the plugin"),
    ],
)
def test_plugin_version_mismatch_names_both_versions(
    tmp_path: Path, asked: str, answered: str, shown: str, hint: str
) -> None:
    plugin(tmp_path, says({"token": "CANARY"}, answered))
    problem = refused(tmp_path, {"apiVersion": asked}).problems[0]
    assert problem.what == f"the kubeconfig asks the credential plugin for {asked}, but it returns {shown}"
    assert problem.hint == hint


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_plugin_with_endless_output_is_killed(tmp_path: Path, stream: str) -> None:
    code = f"""
open(sys.argv[1], 'w').write(str(os.getpid()))
for _ in range(64):
    sys.{stream}.write('CANARY' * 100000)
""" + says({"token": "t"})
    plugin(tmp_path, code)
    section = {"args": [str(tmp_path / "child")]}
    if stream == "stdout":
        error = refused(tmp_path, section)
        assert type(error) is Refusal
        assert error.problems[0].what == "the credential plugin printed more than 1 MiB"
    else:
        assert load(tmp_path, section).headers() == {"Authorization": "Bearer t"}
    child = int((tmp_path / "child").read_text())
    until(lambda: is_over(child))


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ({"token": "CANARY\nX: y"}, "the credential plugin's answer contains more than one line"),
        ({"token": "CANARY "}, "the credential plugin's answer contains a space before or after the token"),
        (
            {"token": "CANARY \ud800"},
            f"the credential plugin returned neither a token nor a certificate with its key ({V1})",
        ),
    ],
)
def test_token_that_no_header_can_hold_is_refused(tmp_path: Path, status: dict[str, str], what: str) -> None:
    plugin(tmp_path, says(status))
    assert refused(tmp_path, {}).problems[0].what == what


def test_certificate_that_cannot_be_used_is_reported_without_its_text(tmp_path: Path) -> None:
    plugin(tmp_path, says({"clientCertificateData": "CANARY", "clientKeyData": "CANARY"}))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert caught.value.problems[0].what == "cannot use the client certificate and its key"
    assert_clean(caught.value, "CANARY", frames=False)


def test_hanging_plugin_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = "import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
    plugin(
        tmp_path,
        f"{child}open('new', 'w').write(str(child.pid))\n"
        "print('CANARY', flush=True)\nos.rename('new', sys.argv[1])\ntime.sleep(600)",
    )
    monkeypatch.chdir(tmp_path)

    def attempt(limit: float) -> tuple[float, BridgeError]:
        monkeypatch.setattr(exec_plugin, "LIMIT", limit)
        return limit, refused(tmp_path, {"args": ["child"]}, environ={"PATH": os.environ["PATH"]}, seconds=600)

    limit, error = with_enough_time(attempt, (tmp_path / "child").exists)
    assert type(error) is Unavailable
    assert error.problems[0].what == f"the credential plugin did not answer in {limit:.3g} s"
    pid = int((tmp_path / "child").read_text())
    until(lambda: is_over(pid))


def test_deadline_of_run_bounds_plugin(tmp_path: Path) -> None:
    plugin(tmp_path, "time.sleep(600)")
    error = refused(tmp_path, {}, seconds=0.2)
    assert type(error) is Unavailable
    limit = re.fullmatch("the credential plugin did not answer in (.*) s", error.problems[0].what)
    assert limit is not None
    assert float(limit[1]) <= 0.2


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, f"apiVersion must be {V1} or {V1BETA1}"),
        (
            {"interactiveMode": "Always"},
            "interactiveMode is Always, but stdin is not a terminal",
        ),
        ({"interactiveMode": "CANARY"}, "interactiveMode must be Never, IfAvailable or Always"),
        ({"command": ""}, "has no command"),
        ({"command": "/a\0b"}, "command contains control characters"),
        ({"command": "/missing"}, 'the credential plugin "/missing" is not installed'),
        ({"args": "CANARY"}, "args must be a list of strings"),
        ({"env": {"A": "CANARY"}}, "env must be a list"),
    ],
)
def test_wrong_section_is_reported_by_its_field(tmp_path: Path, section: dict[str, Any], what: str) -> None:
    plugin(tmp_path, says({"token": "t"}))
    error = refused(tmp_path, section)
    assert isinstance(error, ConfigError)
    assert error.problems[0].what == what


def test_file_that_is_no_program_is_reported(tmp_path: Path) -> None:
    plugin(tmp_path, "").write_bytes(b"\x00CANARY")
    assert refused(tmp_path, {}).problems[0].what == "the credential plugin cannot be started"


@pytest.mark.parametrize("command", ["/{}/plug in", "plug in"])
def test_plugin_that_is_not_executable_has_chmod_hint(tmp_path: Path, command: str) -> None:
    path = plugin(tmp_path, "", "plug in")
    command = command.replace("/{}", str(tmp_path))
    path.chmod(0o644)
    problem = refused(tmp_path, {"command": command}, environ={"PATH": str(tmp_path)}).problems[0]
    assert problem.what == f'the credential plugin "{command}" is not executable'
    subprocess.run(problem.hint, shell=True, check=True)
    assert os.access(path, os.X_OK)


# On a terminal


ASKS = """
print("Password: ", end="", file=sys.stderr, flush=True)
told = os.isatty(0) and json.loads(os.environ["KUBERNETES_EXEC_INFO"])["spec"]["interactive"]
typed = input() if told else "nothing"
status = {"token": "got-" + typed}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""
SCRIPT = """
import sys, time
from pathlib import Path
from bridge.cluster.connect import Search, connect
folder = Path(sys.argv[1])
environ = {"KUBECONFIG": str(folder / "config")}
print(connect(Search(None, None, environ, deadline=time.monotonic() + 60, pod=folder / "nowhere")).headers())
"""


def on_terminal(folder: Path, section: dict[str, Any]) -> tuple[str, str]:
    """Connect in a process that has a terminal; type when it asks. Return its stdout, and what the terminal shows."""
    plugin(folder, ASKS)
    load(folder, section)
    ours, terminal = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    with subprocess.Popen(
        command, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True, text=True
    ) as process:
        os.close(terminal)
        shown = b""
        while b"Password: " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"typed\n")
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(60) == 0
    os.close(ours)
    return out.strip(), shown.decode()


@pytest.mark.parametrize("mode", [{}, {"interactiveMode": "IfAvailable"}])
def test_on_terminal_plugin_may_ask(tmp_path: Path, mode: dict[str, str]) -> None:
    out, shown = on_terminal(tmp_path, mode)
    assert out == str({"Authorization": "Bearer got-typed"})
    assert shown.startswith("Password: ")


def test_on_terminal_plugin_that_must_not_ask_gets_no_stdin_and_may_talk(tmp_path: Path) -> None:
    out, shown = on_terminal(tmp_path, {"interactiveMode": "Never"})
    assert out == str({"Authorization": "Bearer got-nothing"})
    assert shown.startswith("Password: ")


def test_without_terminal_plugin_gets_no_stdin(tmp_path: Path) -> None:
    plugin(tmp_path, ASKS)
    assert load(tmp_path, {"interactiveMode": "IfAvailable"}).headers() == {"Authorization": "Bearer got-nothing"}
