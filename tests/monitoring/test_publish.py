"""Where metrics go: a file for the textfile collector, or a real Pushgateway."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.report import publish as module
from bridge.report.publish import publish, wrong_target
from bridge.report.record import Record
from tests.cluster.wire import Wire, reply
from tests.servers.client import Client
from tests.servers.process import free_port
from tests.servers.pushgateway import Pushgateway

SUCCESS = "bridge_last_success_timestamp_seconds"


@pytest.fixture(scope="module")
def gateway(pushgateway_binary: Path) -> Iterator[Pushgateway]:
    with Pushgateway(pushgateway_binary) as server:
        yield server


def record(target: object, environment: str = "staging") -> Record:
    made = Record(environment)
    made.metrics = str(target)
    return made


def shown(gateway: Pushgateway) -> list[str]:
    lines = Client(gateway.url).request("GET", "/metrics").body.splitlines()
    return [line for line in lines if line.startswith("bridge_")]


def test_failed_run_keeps_earlier_last_success_and_is_reported_itself(tmp_path: Path) -> None:
    file = tmp_path / "bridge.prom"
    assert not publish(record(file), 0)
    before = next(line for line in file.read_text().splitlines() if line.startswith(SUCCESS))
    assert not publish(record(file), 75)
    lines = file.read_text().splitlines()
    assert before in lines
    assert 'bridge_exit_status{environment="staging"} 75' in lines
    assert sum(line.startswith("bridge_exit_status") for line in lines) == 1


def test_file_is_readable_by_all_whatever_umask_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "bridge.prom"
    before = os.umask(0o077)
    try:
        assert not publish(record(file), 0)
        assert not publish(record(file), 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_reader_never_sees_half_file(tmp_path: Path) -> None:
    file = tmp_path / "bridge.prom"
    assert not publish(record(file), 0)
    with file.open() as reader:
        whole = file.read_text()
        assert not publish(record(file), 1)
        assert reader.read() == whole
    assert file.read_text() != whole


@pytest.mark.parametrize("target", ["real.prom", "absent.prom"])
def test_link_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "real.prom").write_text("of somebody else\n")
    (tmp_path / "link.prom").symlink_to(tmp_path / target)
    (warning,) = publish(record(tmp_path / "link.prom"), 0)
    assert warning.what == f"{tmp_path}/link.prom cannot be written: it is a symbolic link"
    assert (tmp_path / "link.prom").is_symlink()
    assert (tmp_path / "real.prom").read_text() == "of somebody else\n"
    assert {path.name for path in tmp_path.iterdir()} == {"link.prom", "real.prom"}


def test_folder_may_be_link(tmp_path: Path) -> None:
    (tmp_path / "collected").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "collected")
    assert not publish(record(tmp_path / "link" / "bridge.prom"), 0)
    assert SUCCESS in (tmp_path / "collected" / "bridge.prom").read_text()


def test_nobody_can_foretell_name_of_file_that_is_written_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's id stands in the log while the run goes on."""
    this, names = record(tmp_path / "bridge.prom"), []
    monkeypatch.setattr(Path, "replace", lambda path, _: names.append(path.name))
    assert not publish(this, 0)
    (tmp_path / f".bridge.prom.{this.id}").symlink_to(tmp_path / "victim")
    assert not publish(this, 0)
    assert len(set(names)) == 2
    assert not (tmp_path / "victim").exists()


def test_what_is_no_file_is_left_alone_and_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path, "/dev/null", tmp_path / "absent" / "bridge.prom"):
        (warning,) = publish(record(target), 0)
        assert warning.where == "the metrics"
        assert warning.what.startswith(f"{target} cannot be written: ")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_run_without_environment_has_no_metrics(tmp_path: Path) -> None:
    assert not publish(record(tmp_path / "bridge.prom", environment=""), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "target",
    [
        "http://user:CANARY@gateway:9091",
        "https://CANARY@gateway",
        "http://gateway?CANARY=1",
        "http://gateway#CANARY",
        "ftp://CANARY",
        "http://",
        "http://gateway:CANARY",
        "http://gateway:0/CANARY",
        "http://[CANARY",
        "http://gate way/CANARY",
        "",
    ],
)
def test_target_that_is_none_is_refused_without_being_quoted(target: str) -> None:
    wrong = wrong_target(target)
    assert wrong
    assert "CANARY" not in wrong


@pytest.mark.parametrize(
    "target", ["bridge.prom", "/var/lib/x/bridge.prom", "http://gateway:9091", "https://g/prefix/"]
)
def test_file_and_pushgateway_are_admitted(target: str) -> None:
    assert wrong_target(target) is None


def test_real_pushgateway_takes_push_and_groups_it_by_job_and_environment(gateway: Pushgateway) -> None:
    assert not publish(record(gateway.url), 0)
    lines = shown(gateway)
    assert any(line.startswith(f'{SUCCESS}{{environment="staging",instance="",job="bridge"}}') for line in lines)


def test_real_pushgateway_keeps_last_success_of_run_that_failed(gateway: Pushgateway) -> None:
    assert not publish(record(f"{gateway.url}/", "kept"), 0)
    before = [line for line in shown(gateway) if line.startswith(SUCCESS) and '"kept"' in line]
    assert len(before) == 1
    assert not publish(record(gateway.url, "kept"), 1)
    lines = shown(gateway)
    assert before[0] in lines
    assert 'bridge_exit_status{environment="kept",instance="",job="bridge"} 1' in lines


@pytest.mark.parametrize("name", ["with space", "with/slash", "ümlaut?#%"])
def test_any_name_of_environment_is_grouped_as_it_is(gateway: Pushgateway, name: str) -> None:
    assert not publish(record(gateway.url, name), 0)
    assert f'bridge_exit_status{{environment="{name}",instance="",job="bridge"}} 0' in shown(gateway)


def test_pushgateway_that_does_not_answer_is_one_warning() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (warning,) = publish(record(url), 0)
    assert str(warning) == f"the metrics: the Pushgateway at {url} refused the connection"


def test_pushgateway_that_hangs_does_not_keep_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (warning,) = publish(record(f"http://127.0.0.1:{silent.getsockname()[1]}"), 0)
    assert warning.what.endswith("did not answer within 0.3 s")


def test_server_that_is_no_pushgateway_is_reported_by_its_answer(gateway: Pushgateway) -> None:
    (warning,) = publish(record(f"{gateway.url}/nowhere"), 0)
    assert warning.what.startswith(f"the Pushgateway at {gateway.url} answered 4")


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (302, "text/html", "the Pushgateway at {} answered with a redirect (302), which bridge does not follow"),
        (200, "text/html; charset=utf-8", "the server at {} is not a Pushgateway (it answered 200)"),
        (403, "text/plain", "the server at {} is not a Pushgateway (it answered 403)"),
        (403, "application/json", "the Pushgateway at {} answered 403"),
    ],
)
def test_page_for_people_is_no_success(status: int, kind: str, what: str) -> None:
    body = b"{}" if "json" in kind else b" <!doctype html>CANARY"
    with Wire(reply(status, body, {"Content-Type": kind, "Location": "http://CANARY.example/"})) as server:
        (warning,) = publish(record(server.url), 0)
    assert warning.what == what.format(server.url)
