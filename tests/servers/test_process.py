import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.process import Server, free_port


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    server = Server(["sh", "-c", "echo first; echo second >&2; exit 3"], tmp_path / "log")
    server._process.wait(30)
    assert (server.exited(), server.tail(), server.tail(1)) == (3, "first\nsecond", "second")
    server.stop()


def test_stop_ends_what_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.process.PATIENCE", 0.1)
    server = Server(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], tmp_path / "log")
    while "up" not in server.tail():
        assert server.exited() is None
    server.stop()
    assert server.exited() == -signal.SIGKILL
    server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_server_dies_with_a_killed_test_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.servers.process import Server;"
        f"server = Server(['sleep', '600'], Path({str(tmp_path / 'log')!r}));"
        "print(server._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        # The child's end is seen through a descriptor: its pid may be anybody's a moment later.
        descriptor = os.pidfd_open(child)
        parent.kill()
        assert select.select([descriptor], [], [], 30)[0]
        os.close(descriptor)


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(10)}) > 1
