"""The path of one run: how far it is to a source, and over how many connections to the cluster it goes."""

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import bridge
from bridge.run import line
from tests.desk import Desk
from tests.fleet.test_fleet import fleet

OURS = str(Path(bridge.__file__).parent)


def ours(frame: FrameType | None) -> list[str]:
    """Return the functions of ours that lead to a frame, the innermost first."""
    found = []
    while frame:
        if frame.f_code.co_filename.startswith(OURS):
            found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
        frame = frame.f_back
    return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect how each read of a document was reached: in its own thread, and where that was started."""
    from bridge_plain import PlainSession  # noqa: PLC0415

    started: dict[threading.Thread, list[str]] = {}
    paths: list[list[str]] = []
    start, read = threading.Thread.start, PlainSession.read

    def watched_start(thread: threading.Thread) -> None:
        started[thread] = ours(sys._getframe(1))
        start(thread)

    def watched_read(session: PlainSession, *given: Any) -> Any:
        paths.append(ours(sys._getframe(1)) + started.get(threading.current_thread(), []))
        return read(session, *given)

    monkeypatch.setattr(threading.Thread, "start", watched_start)
    monkeypatch.setattr(PlainSession, "read", watched_read)
    return paths


@pytest.mark.parametrize("command", ["plan", "sync", "status"])
def test_session_is_read_through_at_most_five_functions_from_where_inputs_are_gathered(
    offline_desk: Desk, read: list[list[str]], command: str
) -> None:
    assert offline_desk.run(command, "staging").status == 0
    ((*path,),) = read
    between = path[: next(index for index, name in enumerate(path) if name.startswith("inputs.py:"))]
    assert 1 < len(between) <= 5, between
    assert not [name for name in path if name.startswith("shared.py:")]


def test_only_runs_of_many_environments_share_sessions(offline_desk: Desk, read: list[list[str]]) -> None:
    fleet(offline_desk, 2)
    assert offline_desk.run("plan", "--all").status == 0
    assert len(read) == 2
    assert all([name for name in path if name.startswith("shared.py:")] for path in read)


@pytest.fixture
def order(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tell in which order the cluster is found and first asked, and sources are read."""
    from bridge_plain import PlainSession  # noqa: PLC0415

    assert offline_desk.run("sync", "staging").status == 0
    seen: list[str] = []

    def ask(_method: str, _path: str) -> None:
        if "ask" not in seen:
            seen.append("ask")

    offline_desk.target.embedded.intercept = ask
    connect, read = line.connect, PlainSession.read
    monkeypatch.setattr(line, "connect", lambda *given: seen.append("connect") or connect(*given))
    monkeypatch.setattr(PlainSession, "read", lambda *given: seen.append("read") or read(*given))
    return seen


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Let the provider ask before each read whether the document was read before; collects the answers."""
    from bridge_plain import Plain, PlainSession  # noqa: PLC0415

    answers: dict[str, bool] = {}
    open_session = Plain.open

    def asking(provider: Plain, context: Any) -> PlainSession:
        session = open_session(provider, context)
        read = session.read

        def read_if_known(path: str, revision: str | None = None) -> Any:
            answers[path] = path in context.known()
            return read(path, revision)

        session.read = read_if_known
        return session

    monkeypatch.setattr(Plain, "open", asking)
    monkeypatch.setattr(Plain, "wants_known", True, raising=False)
    return answers


COMMANDS = [("plan", "staging"), ("sync", "staging"), ("status", "staging"), ("adopt", "staging", "--dry-run")]


@pytest.mark.parametrize("command", COMMANDS)
def test_provider_that_wants_to_know_what_was_read_costs_no_second_connection(
    offline_desk: Desk, order: list[str], guard: dict[str, bool], command: tuple[str, ...]
) -> None:
    embedded = offline_desk.target.embedded
    embedded.requests.clear()
    assert offline_desk.run(*command).status == 0
    assert (order, guard) == (["connect", "ask", "read"], {"values.json": True})
    # The state is read once, whoever needs it.
    assert len([path for _, path in embedded.requests if "/configmaps/bridge-" in path]) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_run_that_writes_nothing_reads_other_sources_before_it_asks_cluster(
    offline_desk: Desk, order: list[str], command: tuple[str, ...]
) -> None:
    """Connections are made in the meantime."""
    assert offline_desk.run(*command).status == 0
    assert order == ["connect", *(["ask", "read"] if command[0] == "sync" else ["read", "ask"])]


def test_each_environment_of_many_tells_what_it_has_read_over_one_connection(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, guard: dict[str, bool]
) -> None:
    names = fleet(offline_desk, 3)
    assert offline_desk.run("sync", names[0], "--first").status == 0
    guard.clear()
    connected: list[object] = []
    connect = line.connect
    monkeypatch.setattr(line, "connect", lambda *given: connected.append(given) or connect(*given))
    assert offline_desk.run("plan", "--all").status == 0
    assert len(connected) == 1
    assert guard == {f"{name}.json": name == names[0] for name in names}


def test_cluster_that_cannot_be_reached_is_reported_before_guarded_source_is_read(
    offline_desk: Desk, order: list[str], guard: dict[str, bool]
) -> None:
    offline_desk.environment(cluster={"kubeconfig": "nowhere"})
    assert offline_desk.run("plan", "staging").status == 2
    assert (order, guard) == (["connect"], {})
