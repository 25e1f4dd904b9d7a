"""Being watched: metrics on every way out, and a log that machines can collect."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk, Result
from tests.failures.test_stopped_runs import Gate, Start, start, write_of
from tests.lease.leases import hold
from tests.servers.client import Client
from tests.servers.pushgateway import Pushgateway
from tests.team import VALUES
from tests.waiting import with_enough_time

__all__ = ["start"]  # a fixture


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bridge.prom"


def sync(desk: Desk, file: Path, *more: str) -> tuple[Result, dict[str, float]]:
    """Run a sync that writes metrics, and return those by name and labels, without the environment's."""
    result = desk.run("sync", "staging", "--metrics", str(file), *more)
    return result, metrics(desk, file)


def metrics(desk: Desk, file: Path) -> dict[str, float]:
    text = file.read_text()
    assert not any(canary in text for canary in desk.canaries)
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert 'environment="staging"' in name
            found[name.replace('environment="staging"', "").replace("{,", "{").replace("{}", "")] = float(value)
    return found


def test_run_tells_what_it_did_and_next_one_that_all_is_right(desk: Desk, file: Path) -> None:
    result, found = sync(desk, file)
    assert (result.status, result.err) == (0, "")
    assert found['bridge_objects{kind="Secret",result="written"}'] == 2
    assert found['bridge_objects{kind="ConfigMap",result="written"}'] == 3
    assert found['bridge_keys{state="missing"}'] == 12
    assert found['bridge_source_reads{provider="plain",result="ok"}'] == 1
    assert 0 < found["bridge_run_seconds"] < 60
    first = found["bridge_last_change_timestamp_seconds"]
    assert first == found["bridge_last_success_timestamp_seconds"]
    _, found = sync(desk, file)
    assert found['bridge_objects{kind="Secret",result="unchanged"}'] == 2
    assert found['bridge_keys{state="unchanged"}'] == 12
    assert found["bridge_last_change_timestamp_seconds"] == first < found["bridge_last_success_timestamp_seconds"]


def test_keys_that_drifted_changed_and_went_are_reported_apart(desk: Desk, file: Path) -> None:
    desk.run("sync", "staging")
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand", DEEPGRAM_API_KEY=None)
    desk.values(CARTESIA_API_KEY="CANARY-new")
    _, found = sync(desk, file)
    assert found['bridge_keys{state="drifted"}'] == 2
    assert found['bridge_keys{state="changed"}'] == 1


WRONG_ENV_FILE = "this is no line of a dotenv file\n"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [("refused", 1), ("config", 2), ("environment", 2), ("bug", 3), ("held", 75), ("interrupt", 130)],
)
def test_each_bad_way_out_is_reported_and_keeps_last_success(
    desk: Desk, file: Path, wrong: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = sync(desk, file)

    def explode(*_: object, **__: object) -> None:
        raise KeyboardInterrupt if wrong == "interrupt" else RuntimeError("CANARY-bug")

    match wrong:
        case "refused":
            desk.target.apply("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "dGhlaXJz"}}, "argocd")
        case "config":
            desk.write(".env.k8s.staging", WRONG_ENV_FILE)
        case "environment":
            (desk.folder / "staging.yaml").unlink()
        case "held":
            desk.values(OPENAI_API_KEY="CANARY-new")
            hold(desk, "somebody")
        case _:
            monkeypatch.setattr("bridge.run.apply.read_environment", explode)
    desk.canaries.add("CANARY-bug")
    result, found = sync(desk, file, "--lock-wait", "0.1")
    assert result.status == found["bridge_exit_status"] == status
    assert found["bridge_last_success_timestamp_seconds"] == before["bridge_last_success_timestamp_seconds"]
    assert found["bridge_last_attempt_timestamp_seconds"] > before["bridge_last_attempt_timestamp_seconds"]
    assert "the metrics" not in result.err


@pytest.mark.parametrize(
    ("fail", "kind", "status"),
    [("denied", "denied", 1), ("unavailable", "unavailable", 75), ("bug", "other", 1), ("hang", "unavailable", 75)],
)
def test_source_that_cannot_be_read_is_reported_by_its_kind(
    desk: Desk, file: Path, fail: str, kind: str, status: int
) -> None:
    desk.environment(providers={"plain": {"fail": fail}})
    if fail == "hang":
        result, found = with_enough_time(
            lambda limit: sync(desk, file, "--timeout", str(limit)), (desk.folder / "hangs").exists
        )
    else:
        result, found = sync(desk, file)
    assert result.status == status
    assert found[f'bridge_source_reads{{provider="plain",result="{kind}"}}'] == 1
    assert found['bridge_source_reads{provider="plain",result="ok"}'] == 0
    assert found['bridge_source_read_seconds{provider="plain"}'] >= (0.001 if fail == "hang" else 0)


def test_absent_document_is_not_found(desk: Desk, file: Path) -> None:
    desk.environment(sources=["plain:absent.json"])
    _, found = sync(desk, file)
    assert found['bridge_source_reads{provider="plain",result="not_found"}'] == 1


def test_terminated_run_tells_what_is_written(desk: Desk, start: Start, file: Path) -> None:
    gate = Gate(desk, write_of("shared-config"))
    process = start("sync", "staging", "--metrics", str(file))
    assert gate.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "bridge: terminated\n")
    found = metrics(desk, file)
    assert found["bridge_exit_status"] == 143
    assert found['bridge_objects{kind="Secret",result="written"}'] == 2
    assert found['bridge_objects{kind="ConfigMap",result="perhaps_written"}'] == 1
    assert found['bridge_objects{kind="ConfigMap",result="not_written"}'] == 2
    assert "bridge_last_success_timestamp_seconds" not in found


@pytest.mark.parametrize("wrong", ["absent folder", "nobody listens", "a bug"])
def test_metrics_that_cannot_be_written_are_one_warning_and_no_failure(
    desk: Desk, file: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError(VALUES["OPENAI_API_KEY"])

    target = {"absent folder": "/nowhere/bridge.prom", "nobody listens": "http://127.0.0.1:9"}.get(wrong, str(file))
    if wrong == "a bug":
        monkeypatch.setattr("bridge.report.publish.render", explode)
    result = desk.run("sync", "staging", "--metrics", target)
    assert result.status == 0
    assert len(result.lines) == 1
    assert result.lines[0].startswith("bridge: warning: the metrics: ")


def test_target_with_credentials_and_dry_run_are_wrong_arguments(desk: Desk, file: Path) -> None:
    result = desk.run("sync", "staging", "--metrics", "https://user:CANARY-openai@gateway")
    assert (result.status, result.lines[-1]) == (
        2,
        "bridge sync: error: argument --metrics: must be a URL without credentials, query or fragment",
    )
    assert desk.run("sync", "staging", "--metrics", str(file), "--dry-run").status == 2
    assert not file.exists()


def test_real_pushgateway_gets_no_value_either(desk: Desk, pushgateway_binary: Path) -> None:
    with Pushgateway(pushgateway_binary) as gateway:
        for fail in (None, "bug", "denied"):
            desk.environment(providers={"plain": {"fail": fail}} if fail else None)
            assert "the metrics" not in desk.run("sync", "staging", "--metrics", gateway.url).err
        text = Client(gateway.url).request("GET", "/metrics").body
    assert not any(canary in text for canary in desk.canaries)
    labels = 'environment="staging",instance="",job="bridge"'
    assert f"bridge_exit_status{{{labels}}} 1" in text
    assert f"bridge_last_success_timestamp_seconds{{{labels}}}" in text


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_form_of_report_and_log_shows_value(desk: Desk, output: str, form: str) -> None:
    forms = ("--output", output, "--log-format", form)
    assert desk.run("sync", "staging", *forms).status == 0
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand")
    desk.canaries.add("CANARY-by-hand")
    assert desk.run("sync", "staging", *forms).status == 0
    desk.target.apply("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "Q0FOQVJZLXRoZWlycw=="}}, "argocd")
    desk.canaries.add("CANARY-theirs")
    assert desk.run("sync", "staging", *forms).status == 1
    desk.environment(providers={"plain": {"fail": "bug"}})
    assert desk.run("sync", "staging", *forms).status == 1


def log(result: Result) -> list[dict[str, Any]]:
    """Return the lines of a JSON log, each of which has all that a collector asks for."""
    lines = [json.loads(line) for line in result.lines]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in {"error", "warning", "info"}
        assert line["environment"] == "staging"
        assert line["message"]
    assert len({line["run"] for line in lines}) == 1
    assert lines[-1]["message"] == "ended"
    assert lines[-1]["status"] == result.status
    return lines


def json_run(desk: Desk, *more: str) -> tuple[Result, list[dict[str, Any]]]:
    result = desk.run("sync", "staging", "--log-format", "json", "--output", "json", *more)
    return result, log(result)


def test_run_without_trouble_logs_its_end_under_id_of_its_report(desk: Desk) -> None:
    result, lines = json_run(desk)
    assert [line["level"] for line in lines] == ["info"]
    assert result.data["run"] == lines[0]["run"]
    other, _ = json_run(desk)
    assert other.data["run"] != result.data["run"]


def test_each_problem_is_line_with_its_place_and_hint(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY=None, DEEPGRAM_API_KEY=None)
    result, lines = json_run(desk)
    assert [line["level"] for line in lines] == ["error", "error", "error"]
    assert {"where", "hint"} <= set(lines[0])
    assert result.data["run"] == lines[0]["run"]
    text = desk.run("sync", "staging").err
    for line in lines[:-1]:
        assert f"{line['where']}: {line['message']}" in text
        assert line["hint"] in text


def test_warnings_and_bug_are_lines_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    _, lines = json_run(desk, "--metrics", "/nowhere/bridge.prom")
    assert [line["level"] for line in lines] == ["warning", "info"]

    def explode(*_: object, **__: object) -> None:
        raise RuntimeError(VALUES["OPENAI_API_KEY"])

    monkeypatch.setattr("bridge.run.apply.read_environment", explode)
    result, lines = json_run(desk)
    assert (result.status, lines[0]["message"]) == (3, "a bug in bridge (RuntimeError)")


def test_interruption_is_line_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.run.apply.try_changes", interrupt)
    result = desk.run("sync", "staging", "--log-format", "json")
    assert (result.status, [line["message"] for line in log(result)]) == (130, ["interrupted", "ended"])


@pytest.mark.parametrize("command", ["plan", "check", "status", "restart"])
def test_every_command_with_report_has_log_and_id(desk: Desk, command: str) -> None:
    desk.run("sync", "staging")
    result = desk.run(command, "staging", "--log-format", "json", "--output", "json")
    assert log(result)[-1]["run"] == result.data["run"]
