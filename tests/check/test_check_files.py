"""`bridge check --files`: documents without an environment, as a pre-commit hook lists them."""

import json
import subprocess
import sys

import pytest

from bridge.cli import main
from tests.providers.sops.folder import Folder

OTHER = "age145sc44p25z75t7yz6k9yv59z057vpdxkqjv9mk9e5an6kdvlfqtsafq2rc"


@pytest.fixture
def sops(tmp_path, sops_binary, monkeypatch):
    folder = Folder(tmp_path, sops_binary)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K8_ENV", "not-looked-at")
    folder.encrypt("config/a.sops.yaml", "a: CANARY\n", age=f"{folder.recipient},{OTHER}")
    return folder


def run(capfd, *arguments):
    status = main(["check", *arguments])
    out, err = capfd.readouterr()
    assert "CANARY" not in out + err
    return status, out.splitlines(), err.splitlines()


def test_sound_files_are_described(sops, capfd):
    sops.encrypt("b.sops.json", '{"a": "CANARY"}', age=f"{sops.recipient},{OTHER}")
    status, out, err = run(capfd, "--files", "sops", "config/a.sops.yaml", "b.sops.json", "b.sops.json")
    assert (status, err) == (0, [])
    assert out == [f"{name}: written by sops 3.13.2, for 2 keys" for name in ("config/a.sops.yaml", "b.sops.json")]


def test_what_is_wrong_with_any_is_reported_at_once(sops, capfd):
    sops.write("plain.sops.yaml", "a: CANARY\n")
    sops.encrypt("b.sops.yaml", "a: CANARY\n", age=f"{sops.recipient},{OTHER}")
    sops.edit("b.sops.yaml", sops.value("b.sops.yaml", "a"), "CANARY")
    names = ("plain.sops.yaml", "config/a.sops.yaml", "gone.sops.yaml", "b.sops.yaml")
    status, out, err = run(capfd, "--files", "sops", *names)
    assert status == 1
    assert out == ["config/a.sops.yaml: written by sops 3.13.2, for 2 keys"]
    assert err == [
        "bridge: error: sops:plain.sops.yaml: is not encrypted with sops (it has no `sops` metadata)",
        "bridge: hint: encrypt it with `sops -e -i FILE`",
        "bridge: error: sops:gone.sops.yaml: no such file",
        "bridge: error: sops:b.sops.yaml: key a is not encrypted, but the file's rules say it should be",
        "bridge: hint: restore it from git, and change it only with `bridge set` or `sops edit`",
    ]


def test_warning_leaves_status_alone(sops, capfd):
    sops.encrypt("b.sops.yaml", "a: CANARY\n")
    (sops.path / ".sops.yaml").unlink()
    status, out, err = run(capfd, "--files", "sops", "b.sops.yaml", "--output", "json")
    assert (status, err[0]) == (
        0,
        "bridge: warning: sops:b.sops.yaml: only one age key decrypts this; if it is lost, so are the values",
    )
    data = json.loads("\n".join(out))
    assert data["files"] == [{"file": "b.sops.yaml", "about": "written by sops 3.13.2, for 1 key"}]
    assert [one["where"] for one in data["warnings"]] == ["sops:b.sops.yaml"]
    assert data["errors"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--files", "spos", "x"], "--files spos: provider is not installed"),
        (["--files", "sops"], "--files: no files given"),
        (
            ["staging", "--files", "sops", "x"],
            "--files: cannot be combined with an environment, `--manifests`, `--live` or `--age`",
        ),
        (
            ["--live", "--files", "sops", "x"],
            "--files: cannot be combined with an environment, `--manifests`, `--live` or `--age`",
        ),
    ],
)
def test_arguments_that_do_not_fit(capfd, arguments, message):
    status, out, err = run(capfd, *arguments)
    assert (status, out, err[0]) == (2, [], f"bridge: error: {message}")


def test_neither_network_nor_cluster_nor_key_library_is_loaded(sops):
    code = (
        "import sys; from bridge.cli import main; status = main(sys.argv[1:]);"
        "print(*sorted({'pyrage', 'boto3', 'hvac', 'kubernetes', 'ssl', 'http.client'} & set(sys.modules)));"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "check", "--files", "sops", "config/a.sops.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["config/a.sops.yaml: written by sops 3.13.2, for 2 keys", ""]
