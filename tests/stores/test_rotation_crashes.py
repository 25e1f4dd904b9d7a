"""A rotation that dies at any request: the next one finishes it, and the value in use is never lost."""

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.http.transport import Transport
from bridge.testing.apiserver import Fault
from tests.desk import Desk
from tests.importing.moving import environ, shelf
from tests.lease.leases import expire
from tests.stores.rotating import FIRST, LATE, NAME, PREVIOUS, TEMPLATE, Workloads, live, pair, rotate, rotating
from tests.waiting import until

ROTATE = ("set", "staging", NAME, "--generate", "hex:32", "--keep-previous", PREVIOUS, "--sync", "--restart", "--yes")
BOTH = TEMPLATE.replace(
    "  LIVEKIT_API_KEY: ${LIVEKIT_API_KEY}\n", f"  LIVEKIT_API_KEY: ${{LIVEKIT_API_KEY}}\n  {NAME}: ${{{NAME}}}\n"
)
"""The value in two objects, and the previous one in the second."""


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def workloads(desk: Desk) -> Workloads:
    found = rotating(desk)
    desk.write("base/secrets.yml", BOTH)
    assert desk.run("sync", "staging").status == 0
    found.deploy()
    return found


class Crash:
    """Counts each request to the cluster and each write to the store, and ends the run at one of them for good."""

    def __init__(self, survives: int) -> None:
        self.survives = survives
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count > self.survives:
            raise KeyboardInterrupt

    def exchange(self, transport: Transport, request: Any, limit: float) -> Any:
        self.step()
        answer = EXCHANGE(transport, request, limit)
        self.step()  # it may also end after the request, with the answer lost
        return answer

    def as_method(self) -> Callable[..., Any]:
        def exchange(*arguments: Any) -> Any:
            return self.exchange(*arguments)

        return exchange


EXCHANGE = Transport.exchange


@pytest.mark.slow
@pytest.mark.parametrize("survives", [*range(0, 48, 6), *range(48, 100)])
def test_rotation_that_dies_at_any_step_is_finished_by_next(
    desk: Desk, workloads: Workloads, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bridge_jsonfile  # noqa: PLC0415 - installed by a fixture

    crash = Crash(survives)
    write = bridge_jsonfile.JsonFileSession.write

    def written(*arguments: Any, **options: Any) -> Any:
        crash.step()
        answer = write(*arguments, **options)
        crash.step()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Transport, "exchange", crash.as_method())
        patch.setattr(bridge_jsonfile.JsonFileSession, "write", written)
        first = rotate(desk, "--sync", "--restart")
    assert (first.status == 0) == (crash.count <= survives)
    begun = pair(desk)
    in_use = {live(desk)[0], live(desk, "shared-secrets")[0]} | ({FIRST} if not workloads.rolled else set())
    assert in_use <= {*begun}
    expire(desk)
    if first.status == 0:
        assert (live(desk), workloads.rolled) == (begun, ["agent"])
        return
    was_finished = workloads.rolled == ["agent"] and live(desk) == begun
    again = rotate(desk, "--sync", "--restart")
    assert (again.status, live(desk), live(desk, "shared-secrets")[0]) == (0, pair(desk), pair(desk)[0]), again.err
    if begun == (FIRST, None):
        assert pair(desk)[1] == FIRST
    elif was_finished:  # only the answer to its last request was lost, so this is another rotation
        assert pair(desk)[1] == begun[0]
    else:
        assert pair(desk) == begun
    assert (workloads.rolled, workloads.time) == (["agent"] * (1 + was_finished), LATE)


# Killed processes


class Gate:
    """Lets the cluster hang at the first request that matches, and tells when it came."""

    def __init__(self, workloads: Workloads, matches: Callable[[str, str], bool]) -> None:
        self.reached = threading.Event()
        self.matches = matches
        workloads.fault = self

    def __call__(self, method: str, path: str) -> Fault | None:
        if self.matches(method, path):
            self.reached.set()
            return "hang"
        return None


NEAR = "from bridge.http import ahead; ahead.FAR = 1e9; from bridge.start import run; run()"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(desk: Desk, tmp_path: Path, third_party: Path) -> Iterator[Start]:
    started = []

    def run(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", NEAR, *ROTATE, *more, "--config", str(desk.folder)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environ(tmp_path, third_party), stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def shown(process: subprocess.Popen[str], tmp: Path) -> bytes:
    """Return all that another process of the same machine can read: arguments, environment, files."""
    proc = Path(f"/proc/{process.pid}")
    found = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
    return found + b"".join(path.read_bytes() for path in (tmp / "tmp").rglob("*") if path.is_file())


def write_of(text: str, method: str = "PATCH") -> Callable[[str, str], bool]:
    return lambda verb, path: verb == method and "dryRun" not in path and text in path


STEPS = {
    "before the store is written": lambda method, path: method == "PATCH" and "dryRun" in path,
    "before the sync": write_of("/leases/", "PUT"),
    "before the first object": write_of("/configmaps/bridge-voice-agent-staging"),
    "before the second object": write_of("/secrets/agent-secrets"),
    "before the restart": write_of("/deployments/agent"),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_rotation_shows_nothing_and_is_finished_by_next(
    desk: Desk, workloads: Workloads, start: Start, step: str, tmp_path: Path
) -> None:
    gate = Gate(workloads, STEPS[step])
    process = start("--log-format", "json", "--output", "json")
    until(gate.reached.is_set, process=process)
    seen = shown(process, tmp_path)
    process.kill()
    out, err = process.communicate()
    begun = pair(desk)
    assert (begun == (FIRST, None)) == (step == "before the store is written")
    seen += out.encode() + err.encode() + events(desk)
    for value in filter(None, begun):
        assert not any(form in seen for form in (value.encode(), base64.b64encode(value.encode())))
    workloads.fault = lambda *_: None
    expire(desk)
    assert rotate(desk, "--sync", "--restart").status == 0
    assert live(desk) == pair(desk)
    assert pair(desk)[1] == FIRST
    assert begun in {(FIRST, None), pair(desk)}
    assert workloads.rolled == ["agent"]


def events(desk: Desk) -> bytes:
    reply = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}/events")
    return repr(reply.body).encode()


def test_generated_value_is_in_no_output_of_whole_rotation(
    desk: Desk, workloads: Workloads, start: Start, tmp_path: Path
) -> None:
    gate = Gate(workloads, write_of("/deployments/agent"))
    process = start("--log-format", "json", "--output", "json")
    until(gate.reached.is_set, process=process)
    seen = shown(process, tmp_path) + events(desk)
    os.kill(process.pid, 15)
    out, err = process.communicate()
    state = desk.target.data("ConfigMap", "bridge-voice-agent-staging")
    seen += f"{out}{err}{state}".encode()
    new = shelf(desk)[NAME]
    assert (process.returncode, out != "", live(desk)[0]) == (143, True, new)
    for form in (new.encode(), base64.b64encode(new.encode()), bytes.fromhex(new)):
        assert form not in seen
