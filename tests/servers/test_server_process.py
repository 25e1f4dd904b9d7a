import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.process import Server, free_port, is_over
from tests.waiting import LIMIT, until


def test_output_goes_to_log(tmp_path: Path) -> None:
    server = Server(["sh", "-c", "echo first; echo second >&2; exit 3"], tmp_path / "log")
    server._process.wait(LIMIT)
    assert (server.exited(), server.tail(), server.tail(1)) == (3, "first\nsecond", "second")
    server.stop()


def test_stop_ends_what_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.process.PATIENCE", 0.1)
    server = Server(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], tmp_path / "log")
    until(lambda: "up" in server.tail(), process=server._process)
    server.stop()
    assert server.exited() == -signal.SIGKILL
    server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_server_dies_with_killed_test_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.servers.process import Server;"
        f"server = Server(['sleep', '600'], Path({str(tmp_path / 'log')!r}));"
        "print(server._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_over(child)
        # The child's end is seen through a descriptor: its pid may be anybody's a moment later.
        descriptor = os.pidfd_open(child)
        parent.kill()
        assert select.select([descriptor], [], [], LIMIT)[0]
        os.close(descriptor)


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError])
def test_process_that_ends_while_it_is_looked_at_is_over(monkeypatch: pytest.MonkeyPatch, error: type[OSError]) -> None:
    def ended(*_: object) -> str:
        raise error

    assert not is_over(os.getpid())
    monkeypatch.setattr(Path, "read_text", ended)
    assert is_over(os.getpid())


def test_process_that_has_ended_is_over_before_its_parent_knows() -> None:
    with subprocess.Popen(["true"]) as process:
        until(lambda: is_over(process.pid))
    assert process.returncode == 0


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(10)}) == 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a bound port for the server that asks for it")
def test_free_port_refuses_connections_and_is_kept_for_server() -> None:
    port = free_port()
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        pass
