"""`bridge check --manifests`: the guard, offline."""

import io
import os
from pathlib import Path

import pytest

from tests.desk import Desk, Result
from tests.team import CONFIG_MAPS, SECRETS

BUILD = f"{SECRETS}---\n{CONFIG_MAPS}"
HARMLESS = "apiVersion: v1\nkind: Service\nmetadata: {name: agent}\nspec: {ports: [{port: 80}]}\n"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.target.embedded.requests.clear()
    return offline_desk


def check(desk: Desk, build: str, *more: str) -> Result:
    file = desk.write("../build.yaml", build)
    result = desk.run("check", "staging", "--manifests", str(file), *more)
    assert desk.target.embedded.requests == []
    return result


def errors(result: Result) -> list[str]:
    return [line for line in result.lines if line.startswith("bridge: error")]


def test_build_that_undoes_nothing(desk: Desk) -> None:
    result = check(desk, HARMLESS)
    assert (result.status, errors(result)) == (0, [])
    assert result.out.splitlines()[0].endswith("build.yaml: 1 object, nothing in it conflicts with bridge")


def test_every_object_is_named_and_cure_is_printed(desk: Desk) -> None:
    desk.canaries.add("CANARY-in-clear")
    result = check(desk, BUILD.replace("${OPENAI_API_KEY}", "CANARY-in-clear"))
    assert result.status == 1
    assert len(errors(result)) == 5
    assert "document 2 line 8 Secret/agent-secrets: keys CARTESIA_API_KEY, OPENAI_API_KEY, DEEP" in errors(result)[1]
    assert "(a placeholder: CARTESIA_API_KEY, DEEPGRAM_API_KEY; a plaintext value: OPENAI_API_KEY)" in errors(result)[1]
    assert result.out.count("      $patch: delete\n") == 5
    assert "the files are valid" not in result.out


def test_infrastructure_is_not_guards_business(desk: Desk) -> None:
    desk.environment(infrastructure={"BUCKET": "required"}, sources=[], templates=["base/configmap.yml"])
    desk.write("base/configmap.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {A: b}\n")
    result = check(desk, HARMLESS)
    assert (result.status, errors(result)) == (0, [])
    assert result.lines[0] == "bridge: warning: staging.yaml: infrastructure.BUCKET is not set"
    (desk.folder / ".env.k8s.staging").unlink()
    result = check(desk, HARMLESS)
    assert (result.status, result.err, "INFRASTRUCTURE" in result.out) == (0, "", False)


def test_namespace_that_is_assumed_is_said(desk: Desk) -> None:
    result = check(desk, BUILD)
    assert any(line.endswith("5 of its objects have no namespace; voice is assumed") for line in result.lines)
    result = check(desk, BUILD.replace("metadata: {", "metadata: {namespace: other, "), "--output", "json")
    # Nothing of bridge's is overwritten there, but nothing fills the placeholders either.
    assert {one["verdict"] for one in result.data["manifests"]["findings"]} == {"placeholder"}
    assert not any("is assumed" in line for line in result.lines)


def test_json_for_machines(desk: Desk) -> None:
    data = check(desk, SECRETS.split("---\n")[0], "--output", "json").data
    (finding,) = data["manifests"]["findings"]
    assert finding["verdict"] == "overwritten"
    assert finding["object"] == "Secret/shared-secrets"
    assert finding["keys"] == ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"]
    assert finding["place"] == "document 1 line 1"
    assert data["manifests"]["cure"].startswith("patches:\n  - target: {kind: Secret, name: shared-secrets}\n")
    assert len(data["errors"]) == 1
    assert check(desk, HARMLESS, "--output", "json").data["manifests"] == {
        "source": str(desk.folder / "../build.yaml"),
        "objects": 1,
        "findings": [],
        "cure": None,
        "notes": [],
    }


def test_custom_resource_that_makes_same_secret(desk: Desk) -> None:
    custom = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: agent-secrets}\nspec: {}\n"
    result = check(desk, custom)
    assert (result.status, len(errors(result))) == (1, 1)
    assert (
        "document 1 line 1 SealedSecret/agent-secrets: its controller continuously writes Secret/agent-secrets"
        in errors(result)[0]
    )
    assert "nothing undoes" not in result.out
    (finding,) = check(desk, custom, "--output", "json").data["manifests"]["findings"]
    assert (finding["verdict"], finding["severity"]) == ("controlled", "error")


def piped(desk: Desk, monkeypatch: pytest.MonkeyPatch, content: bytes, *more: str) -> Result:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        return desk.run("check", "staging", "--manifests", "-", *more)


def test_build_on_stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    result = piped(desk, monkeypatch, SECRETS.encode())
    assert result.status == 1
    assert errors(result)[0].startswith("bridge: error: stdin document 1 line 1 Secret/shared-secrets: keys ")


def test_build_by_shells_substitution(desk: Desk) -> None:
    reading, writing = os.pipe()
    os.write(writing, HARMLESS.encode())
    os.close(writing)
    with os.fdopen(reading):
        result = desk.run("check", "staging", "--manifests", f"/dev/fd/{reading}")
    assert (result.status, errors(result)) == (0, [])


def test_empty_stdin_is_not_all_is_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    result = piped(desk, monkeypatch, b"")
    assert result.status == 2
    assert result.lines[-2:] == [
        "bridge: error: stdin: contains no objects",
        "bridge: hint: use `set -o pipefail`, or drop this check if bridge writes all its objects",
    ]


def test_writer_that_never_ends_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        result = desk.run("check", "staging", "--manifests", "-", "--timeout", "0.2")
    assert (result.status, errors(result)) == (2, ["bridge: error: stdin: not closed by its writer in time"])


def test_terminal_is_not_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    result = desk.run("check", "staging", "--manifests", "-")
    assert (result.status, errors(result)) == (2, ["bridge: error: stdin: nothing was piped in"])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xff\n", "line 1: not valid UTF-8"),
        (b"a: [", "line 2: not valid YAML"),
        (b"x" * (16 * 1024 * 1024 + 1), ": larger than 16 MiB"),
    ],
)
def test_file_that_cannot_be_read(desk: Desk, content: bytes, what: str) -> None:
    file = desk.folder / "build.yaml"
    file.write_bytes(content)
    result = desk.run("check", "staging", "--manifests", str(file))
    assert result.status == 2
    assert errors(result)[0].endswith(what)
    file.unlink()
    result = desk.run("check", "staging", "--manifests", str(file))
    assert (result.status, errors(result)) == (2, [f"bridge: error: {file}: no such file"])


def test_files_that_are_wrong_come_first_and_decide_status(desk: Desk) -> None:
    desk.env_file(K8_ENV="prod")
    result = check(desk, BUILD)
    assert result.status == 2
    assert len(errors(result)) == 6
    desk.write("base/secrets.yml", "a: [")  # what bridge owns is not known then
    assert len(errors(check(desk, BUILD))) == 2


def test_stdin_that_is_too_large(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"#" * (16 * 1024 * 1024 + 1))
    with file.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        result = desk.run("check", "staging", "--manifests", "-")
    assert (result.status, errors(result)) == (2, ["bridge: error: stdin: larger than 16 MiB"])


def test_larger_pipe_than_its_buffer(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large"
    file.write_text(f"{HARMLESS}---\n" * 3000)
    with file.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        result = desk.run("check", "staging", "--manifests", "-")
    assert (result.status, errors(result)) == (0, [])
    assert "stdin: 3000 objects" in result.out
