"""Credential plugins: how they are started, what they may answer, what is never shown."""

import json
import os
import re
import ssl
import stat
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cluster import exec_plugin
from bridge.cluster.api import Api
from bridge.cluster.connect import Endpoint, connect
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
        "users": [{"name": "test", "user": {"exec": {"apiVersion": V1, "command": "./plugin", **section}}}],
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    deadline = time.monotonic() + seconds
    return connect(folder / "config", None, environ or {}, deadline=deadline, pod=folder / "nowhere")


def refused(folder: Path, section: dict[str, Any], **more: Any) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        load(folder, section, **more)
    assert_clean(caught.value, "CANARY", frames=False)
    assert caught.value.problems[0].where == f'{folder}/config: user "test": exec'
    return caught.value


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_plugins_token_is_shown_and_kept(tmp_path: Path, version: str) -> None:
    plugin(tmp_path, says({"token": "CANARY-1"}, version))
    found = load(tmp_path, {"apiVersion": version})
    for _ in range(3):
        assert found.headers() == {"Authorization": "Bearer CANARY-1"}
    assert runs(tmp_path) == 1
    assert "CANARY" not in repr(found)


def test_arguments_variables_and_the_environment_reach_the_plugin(tmp_path: Path) -> None:
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


def test_a_plugin_that_asks_for_the_cluster_is_told_of_it(tmp_path: Path) -> None:
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


def test_a_command_without_a_slash_comes_from_path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_command_with_a_slash_starts_at_the_kubeconfigs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    plugin(tmp_path / "bin", says({"token": "there"}))
    monkeypatch.chdir("/")
    assert load(tmp_path, {"command": "bin/plugin"}).headers() == {"Authorization": "Bearer there"}


def test_a_credential_is_renewed_when_it_has_expired(tmp_path: Path) -> None:
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


def test_a_credential_that_the_server_refuses_is_asked_for_again(tmp_path: Path) -> None:
    plugin(tmp_path, says({"token": "t"}))
    found = load(tmp_path, {})
    found.renew()
    assert found.headers() == {"Authorization": "Bearer t"}
    assert runs(tmp_path) == 2


def test_a_plugin_may_give_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    serving, server_pair, pair = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        authority.server(),
        authority.client("operator"),
    )
    serving.load_cert_chain(server_pair.certificate, server_pair.key)
    serving.load_verify_locations(authority.file)
    serving.verify_mode = ssl.CERT_REQUIRED
    plugin(
        tmp_path, says({"clientCertificateData": pair.certificate.read_text(), "clientKeyData": pair.key.read_text()})
    )
    with Wire(FINE, tls=serving) as server:
        found = load(tmp_path, {}, cluster={"server": server.url, "certificate-authority": "ca.crt"})
        client = Api(found, deadline=float("inf"))
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
        client.close()
    assert server.requests[0].header("Authorization") == []


def test_a_plugin_that_fails_is_told_by_its_status_and_never_by_its_output(tmp_path: Path) -> None:
    plugin(tmp_path, "print('CANARY'); print('CANARY', file=sys.stderr); sys.exit(7)")
    error = refused(tmp_path, {"installHint": "log in with scw"})
    assert type(error) is Refusal
    assert error.problems[0].what == "the credential plugin failed with exit status 7"
    assert error.problems[0].hint == "log in with scw"


def test_a_failing_plugins_output_does_not_reach_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin(tmp_path, "print('CANARY'); print('CANARY', file=sys.stderr); sys.exit(7)")
    error = refused(tmp_path, {})
    assert error.problems[0].hint == "run the command of the kubeconfig's exec section by hand to see why"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "code",
    [
        "print('CANARY')",
        "print('[\"CANARY\"]')",
        "print('[' * 100000)",
        "sys.stdout.buffer.write(b'CANARY\\xff')",
        says({}),
        says({"token": ""}),
        says({"token": ["CANARY"]}),
        says({"clientCertificateData": "CANARY"}),
        says({"clientKeyData": "CANARY"}),
        says({"token": "CANARY"}, V1BETA1),
        says({"token": "CANARY"}, kind="Other"),
        says("CANARY"),
    ],
)
def test_an_answer_that_is_no_credential_is_never_taken_for_anonymous(tmp_path: Path, code: str) -> None:
    plugin(tmp_path, code)
    error = refused(tmp_path, {})
    assert type(error) is Refusal
    assert error.problems[0].what == f"the credential plugin gave neither a token nor a certificate and its key ({V1})"


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ({"token": "CANARY\nX: y"}, "the credential plugin's answer holds no token, or more than one line"),
        (
            {"token": "CANARY \ud800"},
            f"the credential plugin gave neither a token nor a certificate and its key ({V1})",
        ),
    ],
)
def test_a_token_that_no_header_can_hold_is_refused(tmp_path: Path, status: dict[str, str], what: str) -> None:
    plugin(tmp_path, says(status))
    assert refused(tmp_path, {}).problems[0].what == what


def test_a_certificate_that_cannot_be_used_is_told_without_its_text(tmp_path: Path) -> None:
    plugin(tmp_path, says({"clientCertificateData": "CANARY", "clientKeyData": "CANARY"}))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert caught.value.problems[0].what == "the client certificate and its key cannot be used"
    assert_clean(caught.value, "CANARY", frames=False)


def test_a_plugin_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert error.problems[0].what == f"the credential plugin gave no answer in {limit:.3g} s"
    pid = int((tmp_path / "child").read_text())
    until(lambda: is_over(pid))


def test_the_deadline_of_the_run_bounds_a_plugin(tmp_path: Path) -> None:
    plugin(tmp_path, "time.sleep(600)")
    error = refused(tmp_path, {}, seconds=0.2)
    assert type(error) is Unavailable
    limit = re.fullmatch("the credential plugin gave no answer in (.*) s", error.problems[0].what)
    assert limit is not None
    assert float(limit[1]) <= 0.2


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, f"apiVersion must be {V1} or {V1BETA1}"),
        (
            {"interactiveMode": "Always"},
            "interactiveMode is Always, and bridge gives a credential plugin no terminal",
        ),
        ({"command": ""}, "has no command"),
        ({"command": "./missing"}, 'the credential plugin "./missing" is not installed'),
        ({"args": "CANARY"}, "args must be a list of texts"),
        ({"env": {"A": "CANARY"}}, "env must be a list"),
    ],
)
def test_a_wrong_section_is_told_by_its_field(tmp_path: Path, section: dict[str, Any], what: str) -> None:
    plugin(tmp_path, says({"token": "t"}))
    error = refused(tmp_path, section)
    assert isinstance(error, ConfigError)
    assert error.problems[0].what == what


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    plugin(tmp_path, "").write_bytes(b"\x00CANARY")
    assert refused(tmp_path, {}).problems[0].what == "the credential plugin cannot be started"
