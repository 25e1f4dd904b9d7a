"""bridge as a process of its own: what others can see of it, and what is left when it is stopped or killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.objects import LAST_APPLIED
from bridge.plan.ownership import CLIENT_SIDE_APPLY
from bridge.testing.apiserver import Fault
from tests.desk import Desk
from tests.failures.test_faults import many
from tests.lease.leases import expire, hold, holder
from tests.team import VALUES

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


NEAR = "from bridge.http import ahead; ahead.FAR = 1e9; from bridge.start import run; run()"
"""Runs bridge as if the cluster were near, which a busy machine would not let it see: one request after the other."""


@pytest.fixture
def start(desk: Desk, tmp_path: Path, third_party: Path) -> Iterator[Start]:
    """Start bridge as a shell would, with a folder of its own for temporary files."""
    (tmp_path / "tmp").mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}
    environ["PYTHONPATH"] = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", NEAR, *arguments, "--config", str(desk.folder)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


class Gate:
    """Lets the cluster hang at the first request that matches, and tells when it came."""

    def __init__(self, desk: Desk, matches: Callable[[str, str], bool]) -> None:
        self.reached = threading.Event()
        self.matches = matches
        desk.target.embedded.intercept = self

    def __call__(self, method: str, path: str) -> Fault | None:
        if self.matches(method, path):
            self.reached.set()
            return "hang"
        return None


def write_of(name: str) -> Callable[[str, str], bool]:
    return lambda method, path: method == "PATCH" and "dryRun" not in path and f"/{name}?" in path


def visible(process: subprocess.Popen[str], tmp: Path) -> bytes:
    """Return all that another process of the same machine can read: arguments, environment, files."""
    proc = Path(f"/proc/{process.pid}")
    found = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
    for link in (proc / "fd").iterdir():
        target = link.readlink()
        if target.is_file() and tmp in target.parents:
            found += target.read_bytes()
    return found + b"".join(path.read_bytes() for path in (tmp / "tmp").rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["bridge-voice-agent-staging", "shared-secrets", "shared-config"])
def test_terminated_run_says_what_is_written_and_next_one_repairs_it(
    desk: Desk, start: Start, name: str, tmp_path: Path
) -> None:
    gate = Gate(desk, write_of(name))
    process = start("sync", "staging")
    assert gate.reached.wait(60)
    seen = visible(process, tmp_path)
    assert not any(value.encode() in seen for value in VALUES.values())
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err == "bridge: terminated\n"
    counts = {
        "bridge-voice-agent-staging": "5 to create",
        "shared-secrets": "1 perhaps created, 4 to create",
        "shared-config": "2 created, 1 perhaps created, 2 to create",
    }[name]
    assert out.splitlines()[-1] == f"{counts}, 0 unchanged: interrupted"
    assert ("Secret/agent-secrets  created" in out) == (name == "shared-config")
    assert not any(value in out for value in VALUES.values())
    repaired(desk)


@pytest.mark.parametrize("name", ["bridge-voice-agent-staging", "shared-secrets", "agent-config", "front-config"])
def test_killed_run_is_repaired_by_next_one(desk: Desk, start: Start, name: str) -> None:
    gate = Gate(desk, write_of(name))
    process = start("sync", "staging")
    assert gate.reached.wait(60)
    process.kill()
    process.communicate()
    repaired(desk)


def test_interrupted_run_ends_with_130(desk: Desk, start: Start) -> None:
    gate = Gate(desk, lambda method, _: method == "GET")
    process = start("plan", "staging")
    assert gate.reached.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "bridge: interrupted\n")


def test_terminated_run_of_many_objects_names_every_one_that_is_written(desk: Desk, start: Start) -> None:
    many(desk, 60)
    gate = Gate(desk, write_of("many-30"))
    process = start("sync", "staging", "--output", "json")
    assert gate.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "bridge: terminated\n")
    states = {one["name"]: one["written"] for one in json.loads(out)["objects"]}
    desk.target.embedded.intercept = None
    there = {name.removeprefix("ConfigMap/") for name in desk.target.versions()} - {"bridge-voice-agent-staging"}
    assert there >= {name for name, state in states.items() if state == "yes"}
    assert all(states[name] != "no" for name in there)
    assert states["many-30"] == "perhaps"
    assert desk.run("sync", "staging").status == 0


OBJECTS = (("Secret", "agent-secrets"), ("ConfigMap", "agent-config"))
ADOPTING = 20  # requests that adopting these two takes


def kubectls(desk: Desk) -> list[dict[str, str]]:
    """Let kubectl make two objects with a key of somebody's own in each; return what is in them."""
    metadata = {"annotations": {LAST_APPLIED: '{"data":{"A":"CANARY-old"}}'}, "labels": {"team": "voice"}}
    values = {"OPENAI_API_KEY": "dGhlaXJz", "THEIRS": "eA=="}, {"LOG_LEVEL": "debug", "THEIRS": "x"}
    for (kind, name), data in zip(OBJECTS, values, strict=True):
        desk.target.create(kind, name, {"metadata": dict(metadata), "data": data}, CLIENT_SIDE_APPLY)
    return [desk.target.data(kind, name) for kind, name in OBJECTS]


@pytest.mark.parametrize("last", range(1, ADOPTING + 1))
def test_adoption_killed_at_any_request_has_lost_nothing_and_is_completed_by_next(
    desk: Desk, start: Callable[..., subprocess.Popen[str]], last: int
) -> None:
    before = kubectls(desk)
    left = iter(range(1, last))
    gate = Gate(desk, lambda *_: next(left, None) is None)
    process = start("adopt", "staging", "--yes")
    assert gate.reached.wait(60)
    process.kill()
    process.communicate()
    desk.target.embedded.intercept = None
    expire(desk)
    assert [desk.target.data(*one) for one in OBJECTS] == before
    unfinished = desk.run("sync", "staging")
    assert unfinished.status in (0, 1)
    if unfinished.status:
        assert [desk.target.data(*one) for one in OBJECTS] == before
        assert "bridge: hint: take it over with `bridge adopt staging`" in unfinished.lines
    assert desk.run("adopt", "staging", "--yes").status == 0
    repaired(desk)
    for kind, name in OBJECTS:
        found = desk.target.get(kind, name)
        assert desk.target.data(kind, name)["THEIRS"] == "x"
        assert (found["metadata"]["labels"], found["metadata"].get("annotations")) == ({"team": "voice"}, None)
        assert desk.target.owners(kind, name, "THEIRS") == {(CLIENT_SIDE_APPLY, "Update")}


def test_that_was_every_request_of_adoption(desk: Desk) -> None:
    kubectls(desk)
    desk.target.embedded.requests.clear()
    assert desk.run("adopt", "staging", "--yes").status == 0
    assert len(desk.target.embedded.requests) == ADOPTING


def test_terminated_adoption_says_what_is_taken_over(desk: Desk, start: Callable[..., subprocess.Popen[str]]) -> None:
    kubectls(desk)
    gate = Gate(desk, write_of("agent-config"))
    process = start("adopt", "staging", "--yes")
    assert gate.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "bridge: terminated\n")
    assert out.splitlines()[-3:] == [
        "Secret/agent-secrets  taken over",
        "ConfigMap/agent-config  perhaps taken over",
        "2 keys of 2 objects: interrupted",
    ]


def repaired(desk: Desk) -> None:
    desk.target.embedded.intercept = None
    expire(desk)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_terminated_run_gives_its_lease_back(desk: Desk, start: Start) -> None:
    gate = Gate(desk, write_of("agent-secrets"))
    process = start("sync", "staging")
    assert gate.reached.wait(120)
    assert holder(desk)
    process.terminate()
    process.communicate(timeout=120)
    assert (process.returncode, holder(desk)) == (143, "")


def test_killed_run_is_followed_when_its_lease_has_expired(desk: Desk, start: Start) -> None:
    gate = Gate(desk, write_of("agent-secrets"))
    process = start("sync", "staging")
    assert gate.reached.wait(120)
    process.kill()
    process.communicate()
    desk.target.embedded.intercept = None
    assert desk.run("sync", "staging", "--lock-wait", "0.2").status == 75
    hold(desk, "the dead one", seconds=1)
    assert desk.run("sync", "staging").status == 0
