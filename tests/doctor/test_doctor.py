"""`bridge doctor`: each kind of missing or broken file is reported with its cure, and hides nothing else."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.wire import Wire, hang, reply
from tests.desk import Desk, Result
from tests.trusting import trusting

CANARY = "CANARY-credential-7c1f"
CREDENTIALS = (
    "VAULT_TOKEN",
    "VAULT_SECRET_ID",
    "SCW_SECRET_KEY",
    "SCW_ACCESS_KEY",
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_CMD",
    "AWS_SECRET_ACCESS_KEY",
)


def lines(result: Result, level: str = "") -> list[dict[str, str]]:
    """Return the findings of a JSON report, or those of one level."""
    found = [line for group in result.data["groups"] for line in group["lines"]]
    return [line for line in found if not level or line["level"] == level]


def doctor(desk: Desk, *arguments: str) -> Result:
    """Run doctor for staging, unless the arguments say otherwise, with a JSON report."""
    return desk.run("doctor", *(arguments or ("staging",)), "--output", "json")


def levels(result: Result, name: str) -> set[str]:
    return {line["level"] for line in lines(result) if name in line["name"]}


@pytest.fixture
def home(offline_desk: Desk) -> Path:
    """The user's home folder, which is empty."""
    folder = Path(os.environ["HOME"])
    folder.mkdir()
    return folder


def script(path: Path, text: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_doctor_without_trust_file_names_the_page_that_explains_it(offline_desk: Desk) -> None:
    (found,) = [line["what"] for line in lines(doctor(offline_desk)) if line["name"] == "trust file"]
    assert found.startswith("none: neither $BRIDGE_TRUST nor a file in ")
    assert found.endswith("; see `bridge help threat-model`")


def test_doctor_of_valid_environment_finds_no_error_and_writes_nothing(offline_desk: Desk) -> None:
    before = offline_desk.target.versions()
    result = doctor(offline_desk)
    assert (result.status, lines(result, "error")) == (0, [])
    assert result.data["environment"] == "staging"
    assert levels(result, "plain:values.json") == {"ok"}
    assert offline_desk.cluster["server"] in [line["what"] for line in lines(result)]
    assert offline_desk.target.versions() == before


def test_json_report_has_documented_shape(offline_desk: Desk) -> None:
    offline_desk.values(OPENAI_API_KEY=None)
    data = doctor(offline_desk).data
    assert set(data) == {"schema", "environment", "groups", "summary", "run"}
    assert data["schema"] == "bridge/report/v1"
    for group in data["groups"]:
        assert set(group) == {"name", "lines"}
        for line in group["lines"]:
            assert set(line) == {"level", "name", "what", "hint"}
            assert bool(line["hint"]) is (line["level"] != "ok"), line
    every = [line["level"] for group in data["groups"] for line in group["lines"]]
    assert data["summary"] == {level: every.count(level) for level in ("ok", "warning", "error")}


def test_text_fits_80_columns_but_breaks_no_command(offline_desk: Desk) -> None:
    offline_desk.kubeconfig.unlink()
    out = offline_desk.run("doctor", "staging").out
    assert "  error " in out
    assert "\n           -> " in out
    for line in out.splitlines():
        assert len(line) <= 80 or "`" in line or max(map(len, line.split())) > 45, line  # a path is not broken either
        assert line.count("`") % 2 == 0, line


def test_terminal_report_is_coloured_and_aligned(offline_desk: Desk) -> None:
    offline_desk.kubeconfig.unlink()
    plain = offline_desk.run("doctor", "staging").out
    coloured = offline_desk.run("doctor", "staging", "--color", "always").out
    assert "\033[1;31m  error    \033[0m" in coloured
    assert re.sub(r"\033\[[0-9;]*m", "", coloured) == plain


def test_without_environment_each_one_is_listed_with_what_is_wrong(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("K8_ENV", raising=False)
    offline_desk.write("broken.yaml", "id: voice\nunknown_key: 1\n")
    result = doctor(offline_desk, "--timeout", "60")
    assert result.status == 2
    assert levels(result, "staging") == {"ok"}
    assert any("broken.yaml" in line["name"] for line in lines(result, "error"))
    assert levels(result, "SCW_SECRET_KEY") == {"ok"}
    assert levels(result, "SOPS_AGE_KEY_FILE") == {"ok"}
    assert levels(result, "VAULT_TOKEN") == {"ok"}


def break_environment(desk: Desk) -> None:
    desk.write("staging.yaml", "id: [")


def break_kubeconfig(desk: Desk) -> None:
    desk.write("kubeconfig", "clusters: {")


def remove_kubeconfig(desk: Desk) -> None:
    desk.kubeconfig.unlink()


def remove_template(desk: Desk) -> None:
    (desk.folder / "base/secrets.yml").unlink()


def break_env_file(desk: Desk) -> None:
    desk.write(".env.k8s.staging", "no assignment\n")


def remove_document(desk: Desk) -> None:
    (desk.folder / "values.json").unlink()


def name_other_server(desk: Desk) -> None:
    desk.environment(cluster={"kubeconfig": "kubeconfig", "server": "https://127.0.0.1:1"})


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        (break_environment, 2),
        (break_kubeconfig, 2),
        (remove_kubeconfig, 2),
        (remove_template, 2),
        (break_env_file, 2),
        (remove_document, 1),
        (name_other_server, 1),
    ],
)
def test_broken_setup_is_reported_with_everything_else(
    offline_desk: Desk, damage: Callable[[Desk], None], status: int
) -> None:
    damage(offline_desk)
    result = doctor(offline_desk)
    assert result.status == status
    errors = lines(result, "error")
    assert errors
    assert all(line["hint"] for line in errors)
    if damage is remove_document:
        assert any("`bridge import staging FILE --to plain:values.json" in line["hint"] for line in errors)
    names = {group["name"] for group in result.data["groups"]}
    assert {"This machine", "Trust file", "Configuration", "Kubeconfig"} <= names
    assert levels(result, "bridge") >= {"ok"}
    if damage not in {break_environment, remove_document}:
        assert "ok" in levels(result, "plain:values.json")
    if damage in {remove_template, break_env_file, remove_document}:
        assert "ok" in levels(result, "version")  # the cluster was asked all the same


def test_invalid_trust_file_stops_servers_and_programs_only(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "trust.yaml"
    file.write_text("unknown: 1\n")
    file.chmod(0o600)
    started = tmp_path / "started"
    script(tmp_path / "bin/sops", f"touch {started}; echo sops 3.13.2")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("BRIDGE_TRUST", str(file))
    result = doctor(offline_desk)
    assert result.status == 2
    assert any(str(file) in line["name"] for line in lines(result, "error"))
    names = {group["name"] for group in result.data["groups"]}
    assert {"Configuration", "Kubeconfig", "Files of staging"} <= names
    assert not {"Cluster", "Documents in plain"} & names
    assert not started.exists()


def test_no_program_starts_that_trust_file_does_not_list(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "started"
    for name in ("sops", "age", "kubectl", "kustomize", "git"):
        script(tmp_path / "bin" / name, f"echo {name} >> {log}; echo v3.13.2")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    listed = trusting(tmp_path / "trusted", programs=[[str(tmp_path / "bin/age")]])
    monkeypatch.setenv("BRIDGE_TRUST", listed["BRIDGE_TRUST"])
    offline_desk.run("doctor")
    assert log.read_text().split() == ["age"]


def test_no_server_is_asked_that_trust_file_does_not_list(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Wire(reply(200, {})) as server:
        config = {"server": server.url, "context": "c"}
        content = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": config["server"]}}],
            "users": [{"name": "u", "user": {"token": CANARY}}],
        }
        offline_desk.canaries.add(CANARY)
        offline_desk.write("kubeconfig", content)
        offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
        listed = trusting(tmp_path / "trusted", kubeconfigs=[str(offline_desk.kubeconfig)])
        monkeypatch.setenv("BRIDGE_TRUST", listed["BRIDGE_TRUST"])
        result = doctor(offline_desk)
        assert result.status == 1
        assert any("is not in `servers` of" in line["what"] for line in lines(result, "error"))
        assert server.requests == []


def test_hung_server_is_bounded_and_hides_nothing(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.commands.doctor_cluster.CALL_LIMIT", 0.05)
    with Wire(hang, hang, hang, hang) as server:
        content: dict[str, Any] = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        offline_desk.write("kubeconfig", content)
        offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
        result = doctor(offline_desk)
    assert result.status == 75
    assert any("did not answer within" in line["what"] for line in lines(result, "error"))
    assert levels(result, "plain:values.json") == {"ok"}


@pytest.mark.parametrize("options", [(), ("--output", "json"), ("--log-format", "json")])
def test_no_credential_is_shown(
    offline_desk: Desk,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: tuple[str, ...],
) -> None:
    caplog.set_level("DEBUG")
    offline_desk.canaries.add(CANARY)
    for name in CREDENTIALS:
        monkeypatch.setenv(name, f"{CANARY}-{name}")
    for file in (".vault-token", ".config/sops/age/keys.txt", ".config/scw/config.yaml", ".ssh/id_ed25519"):
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(f"secret_key: {CANARY}\n")
    sources = ["plain:values.json", "vault:app", "scaleway:/app/one", "sops:staging.sops.yaml"]
    vault = {"address": "http://127.0.0.1:1", "mount": "kv"}
    offline_desk.environment(sources=sources, providers={"vault": vault})
    offline_desk.write("staging.sops.yaml", f"name: {CANARY}\n")
    result = offline_desk.run("doctor", "staging", *options)
    assert result.status == 1
    assert "VAULT_TOKEN" in result.out
    assert CANARY not in caplog.text


def test_private_file_that_others_can_read_is_warned_of(offline_desk: Desk, home: Path) -> None:
    for mode, level in ((0o644, "warning"), (0o600, "ok")):
        file = home / ".config/sops/age/keys.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# no key\n")
        file.chmod(mode)
        offline_desk.environment(sources=["plain:values.json", "sops:staging.sops.yaml"])
        result = doctor(offline_desk)
        assert levels(result, "keys.txt") == {level}
        assert stat.S_IMODE(file.stat().st_mode) == mode
        hints = [line["hint"] for line in lines(result, "warning")]
        assert any(f"`chmod 600 {file}`" in hint for hint in hints) is (level == "warning")


@pytest.mark.parametrize(
    ("printed", "level"), [("sops 3.13.2", "ok"), ("sops 3.8.1 (latest)", "warning"), ("nothing", "warning")]
)
def test_program_must_be_new_enough(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: str, level: str
) -> None:
    script(tmp_path / "bin/sops", f"echo {printed!r}; test -z $VAULT_TOKEN")
    monkeypatch.setenv("VAULT_TOKEN", "not passed on")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    result = doctor(offline_desk)
    assert {line["level"] for line in lines(result) if line["name"] == "sops"} == {level}


def test_environment_that_is_not_bound_gets_line_to_add(offline_desk: Desk) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
    (line,) = [line for line in lines(doctor(offline_desk)) if line["name"] == "binding"]
    assert line["level"] == "warning"
    assert "namespace_uid: " in line["hint"]


def test_wrong_namespace_uid_is_error(offline_desk: Desk) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": "0000"})
    result = doctor(offline_desk)
    assert result.status == 1
    assert levels(result, "binding") == {"error"}
