"""What happens in an enclosure stays there, and ends with it."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.servers import enclosure
from tests.servers.enclosure import Enclosure, WayIn, WayOut
from tests.servers.process import Server, free_port, is_over
from tests.waiting import until

ADDRESS = "10.96.1.2"


@pytest.fixture(autouse=True)
def _possible() -> None:
    if reason := enclosure.impossible():
        pytest.skip(f"an enclosure {reason}")


def test_processes_mounts_and_settings_of_enclosure_are_gone_when_it_ends(tmp_path: Path) -> None:
    panic = Path("/proc/sys/kernel/panic").read_text()
    with Enclosure(tmp_path, [ADDRESS]) as inside:
        change = "echo 77 > /proc/sys/kernel/panic; mount -t tmpfs tmpfs /mnt"
        device = "ip link add bridge-in type veth peer bridge-out"
        server = Server(inside.command("bash", "-euc", f"{change}; {device}; exec sleep infinity"), tmp_path / "log")
        links = ["ip", "-brief", "link"]
        until(lambda: b"bridge-in" in subprocess.run(inside.command(*links), capture_output=True, check=True).stdout)
        assert (tmp_path / "kernel-kernel-panic").read_text() == "77\n"
    until(lambda: server.exited() is not None)
    assert is_over(server.pid)
    assert Path("/proc/sys/kernel/panic").read_text() == panic
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert "bridge-in" not in {name for _, name in socket.if_nameindex()}


def received(server: socket.socket) -> bytes:
    with server.accept()[0] as connection:
        return connection.recv(10)


def test_ways_lead_in_and_out(tmp_path: Path) -> None:
    with Enclosure(tmp_path, [ADDRESS]) as inside:
        within = inside.network(lambda: socket.create_server((ADDRESS, 443)))
        port = free_port()
        with (
            within,
            WayIn(inside, port, f"tcp://{ADDRESS}:443"),
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            client.sendall(b"in")
            assert received(within) == b"in"
        with socket.create_server(("127.0.0.1", 0)) as outside:
            address = f"tcp://127.0.0.1:{outside.getsockname()[1]}"
            with (
                WayOut(inside, ADDRESS, address) as way,
                inside.network(lambda: socket.create_connection((ADDRESS, way.port))) as client,
            ):
                client.sendall(b"out")
                assert received(outside) == b"out"
