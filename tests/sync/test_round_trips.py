"""How many round trips a run waits for if the cluster is far away: counted, never timed."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from bridge.cluster.api import Api
from bridge.cluster.waves import FAR_WIDTH, Sent, Wave
from bridge.provider import Document
from bridge.testing.apiserver import Fault
from tests.approval.approvals import approvable, file_of
from tests.desk import Desk
from tests.failures.failing import failing, objects
from tests.lease.leases import LEASE, hold, holder
from tests.lease.test_turns import ordered
from tests.team import VALUES

CALL: ContextVar[Sent[Any] | None] = ContextVar("CALL", default=None)
"""The call of a wave that is being made."""


class Trips(list[list[str]]):
    """The requests of each round trip.

    The calls of a wave that is sent at once share their round trips; the requests of one call follow each other, and so
    does every request that belongs to no wave.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._asked: dict[Sent[Any], list[str]] = {}
        request, send_wave, send_call = Api.request, Wave.send, Sent.send

        def counted(api: Api, verb: str, path: str, **options: Any) -> Any:
            call, what = CALL.get(), f"{verb} {path}"
            if call is None:
                self.append([what])
            else:
                self._asked[call].append(what)
            return request(api, verb, path, **options)

        def call_sent(call: Sent[Any]) -> Any:
            token = CALL.set(call)
            try:
                return send_call(call)
            finally:
                CALL.reset(token)

        def wave_sent(wave: Wave, text: str = "") -> None:
            self._asked = {call: [] for call in wave._calls}
            send_wave(wave, text)
            asked = list(filter(None, self._asked.values()))
            if wave.is_wide:
                assert len(asked) <= FAR_WIDTH
                self.extend([one.pop(0) for one in asked if one] for _ in range(max(map(len, asked), default=0)))
            else:
                self.extend([what] for one in asked for what in one)

        monkeypatch.setattr(Api, "request", counted)
        monkeypatch.setattr(Wave, "send", wave_sent)
        monkeypatch.setattr(Sent, "send", call_sent)


@pytest.fixture
def desk(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose cluster is taken for one that is far away."""
    monkeypatch.setattr("bridge.http.ahead.FAR", 0.0)
    return offline_desk


@pytest.fixture
def count(desk: Desk) -> Callable[..., int]:
    """Run a command and return the number of its round trips."""

    def counted(*arguments: str) -> int:
        requests = desk.target.embedded.requests
        requests.clear()
        with pytest.MonkeyPatch.context() as patch:
            trips = Trips(patch)
            desk.run(*arguments)
        assert sum(map(len, trips)) == len(requests), "a request was not counted"
        return len(trips)

    return counted


def test_each_kind_of_run_takes_so_many_round_trips(desk: Desk, count: Callable[..., int]) -> None:
    """CONTRIBUTING.md has the same numbers."""
    ordered(desk, "v1", 1)
    assert count("plan", "staging") == 2
    assert count("sync", "staging") == 7  # the first write
    for command in ("sync", "plan", "status"):
        assert count(command, "staging") == 1  # nothing to change
    ordered(desk, "v2", 2)
    assert count("plan", "staging") == 2
    assert count("sync", "staging") == 7
    desk.env_file(LOG_LEVEL="debug")
    assert count("sync", "staging") == 8  # what an admission rule may have altered: the Lease waits for the dry run
    assert count("sync", "staging") == 1


def test_approved_plan_takes_a_round_trip_more_and_lease_after_dry_runs(desk: Desk, count: Callable[..., int]) -> None:
    """CONTRIBUTING.md has the same numbers."""
    approvable(desk)
    file = str(file_of(desk))
    assert count("plan", "staging", "--out", file) == 3
    assert count("sync", "staging", "--plan", file) == 9  # the first write
    assert count("sync", "staging", "--plan", file) == 2  # nothing to change
    desk.values(OPENAI_API_KEY="CANARY-new")
    before = holder(desk)
    assert desk.run("sync", "staging", "--plan", file).status == 1
    assert holder(desk) == before
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_namespace_is_checked_with_rest(desk: Desk, count: Callable[..., int]) -> None:
    uid = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}").body["metadata"]["uid"]
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": uid})
    assert count("sync", "staging") == 7
    assert count("sync", "staging") == 1
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": "another"})
    for command in ("sync", "plan"):
        result = desk.run(command, "staging")
        assert (result.status, "its uid is not in cluster.namespace_uid" in result.lines[0]) == (1, True)


def test_near_cluster_is_asked_over_one_connection_one_after_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.http.ahead.FAR", 1e9)
    asking = {threading.get_ident()}
    request = Api.request

    def noting(*given: Any, **options: Any) -> Any:
        asking.add(threading.get_ident())
        return request(*given, **options)

    monkeypatch.setattr(Api, "request", noting)
    assert desk.run("sync", "staging").status == 0
    assert len(asking) == 1


@pytest.mark.parametrize("far", [0.0, 1e9])
def test_modules_that_sources_need_are_imported_before_first_request(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, far: float
) -> None:
    """Connections are made meanwhile."""
    monkeypatch.setattr("bridge.http.ahead.FAR", far)
    from bridge_plain import Plain  # noqa: PLC0415 - its folder is on the path only with the desk

    asked: list[list[tuple[str, str]]] = []

    def preload(_: object) -> None:
        asked.append(list(desk.target.embedded.requests))
        raise ImportError  # reading reports it if it needs the module

    # A class of its own: Python remembers of each class whether it has what `Preloading` asks for.
    monkeypatch.setattr("bridge_plain.Plain", type("Plain", (Plain,), {"preload": preload}))
    assert desk.run("sync", "staging").status == 0
    assert asked == [[]]


@pytest.mark.parametrize(("command", "state_first"), [("plan", False), ("status", False), ("sync", True)])
def test_only_run_that_writes_asks_cluster_before_sources(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, command: str, state_first: bool
) -> None:
    from bridge_plain import PlainSession  # noqa: PLC0415 - as above

    asked: list[bool] = []
    read = PlainSession.read

    def watched(session: PlainSession, path: str, revision: str | None = None) -> Document:
        asked.append(bool(desk.target.embedded.requests))
        return read(session, path, revision)

    monkeypatch.setattr(PlainSession, "read", watched)
    assert desk.run(command, "staging").status == 0
    assert asked[0] is state_first


def is_lease(method: str, path: str) -> bool:
    return method == "PUT" and f"/leases/{LEASE}" in path


def test_lease_is_given_back_at_once_if_dry_run_is_refused(desk: Desk) -> None:
    ordered(desk, "v1", 1)
    failing(desk, lambda _, path: "dryRun" in path and "/front-config" in path, 403, "no")
    refuse, holders = desk.target.embedded.intercept, []

    def watch(method: str, path: str) -> Fault | None:
        if is_lease(method, path):
            holders.append(holder(desk))
        return refuse(method, path)

    desk.target.embedded.intercept = watch
    result = desk.run("sync", "staging")
    assert (result.status, objects(desk), holder(desk)) == (1, {}, "")
    assert result.lines[0].startswith("bridge: error: ConfigMap/front-config in namespace voice: ")
    assert len(holders) == 2  # taken and given back
    assert holders[1]


def test_what_dry_run_says_is_reported_before_what_lease_says(desk: Desk) -> None:
    """As if one had been asked after the other, whichever is answered first."""
    ordered(desk, "v1", 1)
    failing(desk, lambda method, path: is_lease(method, path) or "dryRun" in path, 403, "no")
    result = desk.run("sync", "staging")
    assert result.status == 1
    errors = [line for line in result.lines if "error" in line]
    assert len(errors) == 5
    assert errors[0].startswith("bridge: error: Secret/shared-secrets in namespace voice: ")
    failing(desk, is_lease, 403, "no")
    assert desk.run("sync", "staging").lines[0].startswith(f"bridge: error: Lease/{LEASE} in namespace voice: ")


def test_no_lease_is_taken_while_someone_has_to_agree_first(desk: Desk) -> None:
    ordered(desk, "v1", 1, cluster={"kubeconfig": "kubeconfig"})
    result = desk.run("sync", "staging")
    assert (result.status, "or pass --first" in result.err) == (1, True)
    assert [one for one in desk.target.embedded.requests if is_lease(*one)] == []


def test_no_lease_is_taken_for_plan_that_is_refused_before_its_dry_runs(desk: Desk) -> None:
    ordered(desk, "v2", 2)
    assert desk.run("sync", "staging").status == 0
    desk.target.embedded.requests.clear()
    ordered(desk, "v1", 1)
    assert desk.run("sync", "staging").status == 1
    assert desk.run("plan", "staging").status == 1
    assert {method for method, path in desk.target.embedded.requests if "/events/" not in path} == {"GET"}


def test_lease_that_another_run_holds_is_waited_for(desk: Desk) -> None:
    ordered(desk, "v1", 1)
    hold(desk, "cronjob-pod-1")
    tries: list[str] = []

    def give_back(method: str, path: str) -> None:
        if method == "GET" and "/leases/" in path:
            tries.append(path)
            if len(tries) == 3:
                desk.target.embedded.intercept = None
                hold(desk, "")

    result = desk.run("sync", "staging", "--lock-wait", "0.1")
    assert (result.status, "cronjob-pod-1 holds it" in result.lines[0]) == (75, True)
    desk.target.embedded.intercept = give_back
    assert desk.run("sync", "staging").status == 0
    assert holder(desk) == ""


def test_another_run_that_takes_lease_first_is_waited_for_and_sources_are_read_again(desk: Desk) -> None:
    ordered(desk, "v1", 1)
    assert desk.run("sync", "staging").status == 0
    ordered(desk, "v2", 2)
    taken = threading.Event()

    def overtake(method: str, path: str) -> None:
        if is_lease(method, path) and not taken.is_set():
            taken.set()
            ordered(desk, "v3", 3)
            desk.target.patch("ConfigMap", LEASE, {"data": {"run": "another"}})
            hold(desk, "")  # its version is another one now

    desk.target.embedded.intercept = overtake
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-v3"
    assert holder(desk) == ""


def test_refusal_is_judged_by_objects_that_are_no_older_than_state(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read at once, so another run may have written both in between."""
    assert desk.run("sync", "staging").status == 0
    version = desk.target.get("Secret", "agent-secrets")["metadata"]["resourceVersion"]
    desk.target.delete("Secret", "agent-secrets")
    desk.target.create("Secret", "agent-secrets", {"type": "another"})
    stranger = desk.target.get("Secret", "agent-secrets")
    assert stranger["metadata"]["resourceVersion"] != version
    result = desk.run("sync", "staging")
    assert (result.status, "type" in result.err) == (1, True)
    reads: list[str] = []

    def repaired(method: str, path: str) -> None:
        if method == "GET" and "/secrets/agent-secrets" in path:
            reads.append(path)
            if len(reads) == 2:
                desk.target.delete("Secret", "agent-secrets")

    desk.target.embedded.intercept = repaired
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_all_writes_that_were_sent_at_once_are_reported_if_one_of_them_fails(desk: Desk) -> None:
    failing(desk, lambda m, p: m == "PATCH" and "dryRun" not in p and "/shared-config" in p, 403, "no")
    result = desk.run("sync", "staging", "--output", "json")
    assert result.status == 5
    desk.target.embedded.intercept = None
    written = {f"{one['kind']}/{one['name']}" for one in result.data["objects"] if one["written"] == "yes"}
    assert written == objects(desk).keys()
    assert holder(desk) == ""
    assert desk.run("sync", "staging").status == 0
