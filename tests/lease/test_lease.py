"""The Lease: asserted of the embedded cluster and of a real kube-apiserver."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bridge.cluster import lease as module
from bridge.cluster.api import Api, Invalid, LostAnswer, ObjectConflict
from bridge.cluster.connect import Search, connect
from bridge.cluster.lease import Lease
from bridge.errors import Problem, Unavailable
from bridge.process import Terminated
from tests.clock import Clock
from tests.desk import Target

Open = Callable[..., Lease]


@pytest.fixture
def lease_of(target: Target, tmp_path: Path) -> Iterator[Open]:
    """Open the Lease of the same environment as often as wanted, each time as another run."""
    apis: list[Api] = []

    def open_it(until: float = math.inf) -> Lease:
        endpoint = connect(
            Search(Path(target.write_kubeconfig(tmp_path / "kubeconfig")), None, {}, pod=tmp_path / "nowhere")
        )
        apis.append(Api(endpoint, deadline=time.monotonic() + 120))
        return Lease(apis[-1], target.namespace, "voice", until)

    yield open_it
    for api in apis:
        api.close()


def path(target: Target) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{target.namespace}/leases/bridge-voice"


def spec(target: Target) -> dict[str, Any]:
    return target.client.request("GET", path(target)).body["spec"]


def overwrite(target: Target, **changes: object) -> None:
    body = target.client.request("GET", path(target)).body
    body["spec"] |= changes
    assert target.client.request("PUT", path(target), body).status == 200


def test_missing_lease_is_created(lease_of: Open, target: Target) -> None:
    one = lease_of()
    one.acquire(0)
    assert spec(target)["holderIdentity"] == one.holder
    assert spec(target)["leaseDurationSeconds"] == 20


def test_second_run_is_given_holders_name(lease_of: Open, target: Target) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    with pytest.raises(Unavailable) as caught:
        two.acquire(0.2)
    problem = caught.value.problems[0]
    assert problem.where == f"Lease/bridge-voice in namespace {target.namespace}"
    assert problem.what == f"another run is writing: {one.holder} holds it"
    assert "--lock-wait" in problem.hint


def test_waits_of_one_run_count_together(lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose sources another run overtakes waits for the Lease again, but no longer than --lock-wait in all."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    one, two = lease_of(), lease_of()
    one.acquire(0)
    for waits in (12, 8, 0):  # of the holder's 20 s, after which it would be gone
        began = clock.now
        overwrite(target, renewTime=f"2026-01-01T00:00:{waits:02}.000000Z")
        monkeypatch.setattr(two, "_until", began + 12)
        with pytest.raises(Unavailable, match="another run is writing"):
            two.acquire(20)
        assert clock.now - began == pytest.approx(waits)
    overwrite(target, holderIdentity="")
    two.acquire(20)  # without waiting
    assert spec(target)["holderIdentity"] == two.holder


def test_wait_ends_with_time_limit_of_run(lease_of: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    began = clock.now
    one, two = lease_of(), lease_of(began + 5)
    one.acquire(0)
    with pytest.raises(Unavailable) as caught:
        two.acquire(30)
    assert clock.now - began == pytest.approx(5)
    problem = caught.value.problems[0]
    assert problem.what == f"another run is writing: {one.holder} holds it"
    assert problem.hint == "try again, or wait longer with --timeout"


def test_second_waits_for_first(lease_of: Open, target: Target) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    threading.Timer(0.5, one.release).start()
    two.acquire(30)
    assert spec(target)["holderIdentity"] == two.holder


def test_released_lease_is_free_at_once(lease_of: Open, target: Target) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    one.release()
    assert spec(target)["holderIdentity"] == ""
    two.acquire(0)
    assert spec(target)["leaseTransitions"] == 1


def test_exactly_one_concurrent_acquire_succeeds(lease_of: Open) -> None:
    for _ in range(10):
        leases = [lease_of() for _ in range(4)]
        won: list[Lease] = []

        def run(one: Lease, won: list[Lease] = won) -> None:
            try:
                one.acquire(0)
            except Unavailable:
                return
            won.append(one)

        threads = [threading.Thread(target=run, args=(one,)) for one in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        won[0].release()


def test_holder_that_died_is_followed_once_it_was_silent_long_enough(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DURATION", 1)
    dead, two = lease_of(), lease_of()
    dead.acquire(0)
    with pytest.raises(Unavailable):
        two.acquire(0.2)
    two.acquire(30)
    assert spec(target)["holderIdentity"] == two.holder


@pytest.mark.parametrize("renewed", ["2001-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"])
def test_no_clock_is_compared_with_another(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch, renewed: str
) -> None:
    monkeypatch.setattr(module, "DURATION", 1)
    one, two = lease_of(), lease_of()
    one.acquire(0)
    overwrite(target, renewTime=renewed, acquireTime=renewed)
    with pytest.raises(Unavailable):  # an old time alone frees no Lease
        two.acquire(0)
    two.acquire(30)  # and a time in the future keeps none


def test_holder_that_renews_is_not_followed(lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DURATION", 2)
    monkeypatch.setattr(module, "RENEWAL", 0.0)
    one, two = lease_of(), lease_of()
    one.acquire(0)
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.2):
            one.check()

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(Unavailable):
        two.acquire(4)
    done.set()
    thread.join()
    assert spec(target)["holderIdentity"] == one.holder


def test_holder_that_lost_its_lease_is_reported_before_its_next_write(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEWAL", 0.0)
    one = lease_of()
    one.acquire(0)
    overwrite(target, holderIdentity="another")
    for _ in range(2):
        with pytest.raises(Unavailable, match="this run lost it"):
            one.check()
    one.release()
    assert spec(target)["holderIdentity"] == "another"


def test_check_between_two_renewals_asks_nothing(lease_of: Open, target: Target) -> None:
    one = lease_of()
    one.acquire(0)
    before = target.client.request("GET", path(target)).body["metadata"]["resourceVersion"]
    one.check()
    assert target.client.request("GET", path(target)).body["metadata"]["resourceVersion"] == before


def test_lost_answer_is_verified(lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lease_of()
    request = one._api.request

    def lose(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        answer = request(verb, *arguments, **named)
        if verb == "update":
            raise LostAnswer(Problem("x", "no answer"))
        return answer

    monkeypatch.setattr(one._api, "request", lose)
    one.acquire(0)
    one.check()
    assert spec(target)["holderIdentity"] == one.holder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def requests_of(one: Lease, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Return a list that gets each request of a run: its verb, and its body or {}."""
    found: list[tuple[str, dict[str, Any]]] = []
    request = one._api.request

    def note(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        found.append((verb, json.loads(named.get("body", b"{}"))))
        return request(verb, *arguments, **named)

    monkeypatch.setattr(one._api, "request", note)
    return found


def fail_updates(one: Lease, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Answer each update of a run with an error."""
    request = one._api.request

    def fail(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        if verb == "update":
            raise error
        return request(verb, *arguments, **named)

    monkeypatch.setattr(one._api, "request", fail)


def test_lease_is_written_only_as_it_was_read(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    sent = requests_of(one, monkeypatch)
    one.acquire(0)
    head = target.client.request("GET", path(target)).body["metadata"]
    clock.now += module.RENEWAL
    one.check()
    assert [verb for verb, _ in sent] == ["get", "update", "update"]
    created, renewed = (body for verb, body in sent if verb == "update")
    named = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "bridge-voice"}}
    assert {name: created[name] for name in named} == named
    assert renewed["metadata"] == {
        "name": "bridge-voice",
        "uid": head["uid"],
        "resourceVersion": head["resourceVersion"],
    }


def test_lease_tells_since_when_it_is_held_and_how_often_it_changed_hands(
    lease_of: Open, target: Target, clock: Clock
) -> None:
    one, two, three = lease_of(), lease_of(), lease_of()
    one.acquire(0)
    first = spec(target)
    clock.now += module.RENEWAL
    one.check()
    renewed = spec(target)
    assert (first["leaseTransitions"], renewed["leaseTransitions"]) == (0, 0)
    assert renewed["acquireTime"] == first["acquireTime"] == first["renewTime"] < renewed["renewTime"]
    one.release()
    assert spec(target) == renewed | {"holderIdentity": ""}
    two.acquire(0)
    assert spec(target)["acquireTime"] > first["acquireTime"]
    two.release()
    three.acquire(0)
    assert spec(target)["leaseTransitions"] == 2


def test_released_lease_is_held_no_longer_and_not_released_again(
    lease_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    one.acquire(0)
    one.release()
    sent = requests_of(one, monkeypatch)
    one.release()
    assert sent == []
    with pytest.raises(Unavailable, match="this run lost it") as caught:
        one.check()
    assert caught.value.problems[0].hint == "run again"


def test_lease_is_looked_at_once_without_a_wait_and_until_its_end_with_one(
    lease_of: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease_of().acquire(0)
    for wait, looks in ((0.0, 1), (module.PAUSE, 2), (2 * module.PAUSE, 3), (1.5 * module.PAUSE, 3)):
        two = lease_of()
        sent = requests_of(two, monkeypatch)
        until = clock.now + wait
        with pytest.raises(Unavailable):
            two.acquire(wait)
        assert ([verb for verb, _ in sent], clock.now) == (["get"] * looks, until)


@pytest.mark.parametrize(("duration", "seconds"), [(7, 7.0), (None, 20.0)])
def test_silent_holder_is_followed_after_the_duration_that_it_wrote(
    lease_of: Open, target: Target, clock: Clock, duration: int | None, seconds: float
) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    overwrite(target, leaseDurationSeconds=duration)
    with pytest.raises(Unavailable):
        two.acquire(seconds - module.PAUSE)
    began = clock.now
    two.acquire(2 * seconds)
    assert clock.now == began + seconds


def test_lease_of_shorter_duration_is_renewed_after_a_quarter_of_it(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DURATION", 4)
    one = lease_of()
    one.acquire(0)
    renewed = spec(target)["renewTime"]
    clock.now += 0.9
    one.check()
    assert spec(target)["renewTime"] == renewed
    clock.now += 0.1
    one.check()
    assert spec(target)["renewTime"] != renewed


def test_lease_that_api_server_refuses_to_write_is_reported_as_refused(
    lease_of: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it does not exist yet, another run may have created it: a PUT must name its version then."""
    one, two = lease_of(), lease_of()
    one.acquire(0)
    one.release()
    fail_updates(two, monkeypatch, Invalid(Problem("x", "is invalid"), status=422))
    with pytest.raises(Invalid, match="is invalid"):
        two.acquire(0)
    monkeypatch.setattr(two, "_read", lambda: None)
    with pytest.raises(Unavailable, match="another run is writing"):
        two.acquire(0)


def test_lease_duration_is_capped_at_one_minute(lease_of: Open, target: Target, clock: Clock) -> None:
    one, two, three = (lease_of() for _ in range(3))
    one.acquire(0)
    overwrite(target, leaseDurationSeconds=10**9)
    began = clock.now
    with pytest.raises(Unavailable):
        two.acquire(59)
    three.acquire(60.4)
    assert clock.now - began < 120
    assert spec(target)["holderIdentity"] == three.holder


def test_check_says_how_long_write_may_last_and_renews_when_that_is_due(
    lease_of: Open, target: Target, clock: Clock
) -> None:
    one = lease_of()
    one.acquire(0)
    assert one.check() == clock.now + module.DURATION
    renewed = spec(target)["renewTime"]
    clock.now += module.RENEWAL - 1
    assert one.check() == clock.now + module.DURATION - module.RENEWAL + 1
    assert spec(target)["renewTime"] == renewed
    clock.now += 1
    assert one.check() == clock.now + module.DURATION
    assert spec(target)["renewTime"] != renewed


def test_holder_continues_after_expiry_only_if_no_one_took_lease(lease_of: Open, clock: Clock) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    clock.now += 3600
    assert one.check() == clock.now + module.DURATION
    two.acquire(60)
    with pytest.raises(Unavailable, match="this run lost it"):
        one.check()


def test_deleted_lease_is_not_recreated_by_its_holder(lease_of: Open, target: Target, clock: Clock) -> None:
    one = lease_of()
    one.acquire(0)
    assert target.client.request("DELETE", path(target)).status == 200
    clock.now += module.RENEWAL
    with pytest.raises(Unavailable, match="this run lost it"):
        one.check()
    one.release()
    assert target.client.request("GET", path(target)).status == 404


@pytest.mark.parametrize("when", ["before", "since"])
def test_lease_that_another_run_has_taken_is_not_taken_as_it_was_read(
    lease_of: Open, target: Target, when: str
) -> None:
    one, two = lease_of(), lease_of()
    if when == "before":
        one.acquire(0)
    assert (two.version() == "") is (when == "since")
    if when == "since":
        one.acquire(0)
    assert two.take() is False
    assert two.take() is False, "without reading it again"
    two.version()
    with pytest.raises(Unavailable, match="another run is writing"):
        two.acquire(0)
    assert spec(target)["holderIdentity"] == one.holder
    one.release()
    two.version()
    assert two.take() is True
    assert spec(target)["holderIdentity"] == two.holder


def test_lease_that_was_taken_and_lost_is_waited_for(lease_of: Open, target: Target, clock: Clock) -> None:
    one = lease_of()
    one.version()
    assert one.take()
    one.acquire(0)
    overwrite(target, holderIdentity="another")
    clock.now += module.RENEWAL
    with pytest.raises(Unavailable, match="another run is writing: another holds it"):
        one.acquire(0)


def test_lease_that_was_taken_and_cannot_be_renewed_is_not_kept(
    lease_of: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    one.version()
    assert one.take()

    def fail(*_: Any, **__: Any) -> dict[str, Any]:
        raise Unavailable(Problem("x", "no answer"))

    monkeypatch.setattr(one._api, "request", fail)
    clock.now += module.DURATION
    with pytest.raises(Unavailable, match="no answer"):
        one.acquire(0)


def test_version_that_another_run_left_meanwhile_is_not_taken_for_the_one_before(lease_of: Open) -> None:
    one, two, three = (lease_of() for _ in range(3))
    for lease in (one, two):
        lease.version()
        lease.acquire(0)
        lease.release()
    assert one.version() == three.version()


def test_version_before_acquire_is_recorded(lease_of: Open) -> None:
    one, two = lease_of(), lease_of()
    assert one.version() == ""
    one.acquire(0)
    one.release()
    before = two.version()
    two.acquire(0)
    assert (one.found, two.found) == ("", before)


def test_renewal_that_fails_for_while_stops_nothing_as_long_as_enough_is_left(
    lease_of: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    one.acquire(0)
    until = clock.now + module.DURATION

    failed: list[float] = []

    def fail(*_: Any, **__: Any) -> dict[str, Any]:
        failed.append(clock.now)
        raise LostAnswer(Problem("x", "no answer"))

    monkeypatch.setattr(one._api, "request", fail)
    clock.now = until - module.DURATION * module.ENOUGH - 1
    assert one.check() == until
    tries = len(failed)
    clock.now += module.PAUSE - 0.1
    assert one.check() == until
    assert len(failed) == tries, "it waits before it tries again"
    clock.now += 1.1 - module.PAUSE
    with pytest.raises(Unavailable, match="no answer") as caught:
        one.check()
    assert not isinstance(caught.value, LostAnswer)  # it is not the write whose answer was lost


def test_waits_of_renewal_end_before_lease(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    one.acquire(0)
    overwrite(target, renewTime="2026-01-01T00:00:00.000000Z")  # so that it is read and written again
    ends: list[tuple[str, float]] = []
    request = one._api.request

    def note(verb: str, *arguments: Any, until: float, **named: Any) -> dict[str, Any]:
        ends.append((verb, until))
        return request(verb, *arguments, **named)

    monkeypatch.setattr(one._api, "request", note)
    clock.now += module.RENEWAL
    one.check()
    end = clock.now + module.DURATION / 2
    assert ends == [("update", end), ("get", end), ("update", end)]


@pytest.mark.parametrize("counts", [True, False])
def test_renewal_whose_answer_was_lost_counts_only_if_it_was_carried_out(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    one = lease_of()
    one.acquire(0)
    request, until = one._api.request, one.check()

    def lose(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        if verb == "update":
            if counts:
                request(verb, *arguments, **named)
            raise LostAnswer(Problem("x", "no answer"))
        return request(verb, *arguments, **named)

    monkeypatch.setattr(one._api, "request", lose)
    clock.now += module.RENEWAL
    assert one.check() == (until + module.RENEWAL if counts else until)
    monkeypatch.undo()


@pytest.mark.parametrize("changed", ["renewed", "labelled"])
def test_lease_that_is_ours_in_another_version_is_still_ours(
    lease_of: Open, target: Target, clock: Clock, changed: str
) -> None:
    one = lease_of()
    one.acquire(0)
    if changed == "renewed":  # by a request of ours whose answer, and the look after it, were lost
        overwrite(target, renewTime="2026-01-01T00:00:00.000000Z")
    else:
        body = target.client.request("GET", path(target)).body
        body["metadata"]["labels"] = {"team": "voice"}
        assert target.client.request("PUT", path(target), body).status == 200
    clock.now += module.RENEWAL
    assert one.check() == clock.now + module.DURATION
    assert spec(target)["holderIdentity"] == one.holder


def test_lease_that_changes_again_while_it_is_renewed_is_lost(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    one.acquire(0)
    fail_updates(one, monkeypatch, ObjectConflict(Problem("x", "changed since it was read"), status=409))
    clock.now += module.RENEWAL
    with pytest.raises(Unavailable, match="this run lost it"):
        one.check()
    assert spec(target)["holderIdentity"] == one.holder


def test_faster_run_is_not_named(lease_of: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    monkeypatch.setattr(two, "_read", lambda: None)  # as it was before the other run made it
    with pytest.raises(Unavailable) as caught:
        two.acquire(0)
    assert caught.value.problems[0].what == "another run is writing"


class Interrupted:
    """Interrupts the run at an update of its Lease, which the API server carries out `when`; counts all requests."""

    def __init__(self, one: Lease, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
        self._request = one._api.request
        self._when = when
        self._left: Callable[[], object] | None = None
        self._is_struck = False
        self.requests = 0
        monkeypatch.setattr(one._api, "request", self)

    def __call__(self, verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        self.requests += 1
        if verb == "update" and not self._is_struck:
            self._is_struck = True
            self._left = lambda: self._request(verb, *arguments, **named)
            if self._when == "before the interrupt":
                self._carry_out()
            raise Terminated(signal.SIGTERM)
        answer = self._request(verb, *arguments, **named)
        if self._when == "after the next read":
            self._carry_out()
        return answer

    def _carry_out(self) -> None:
        left, self._left = self._left, None
        if left:
            left()

    def deliver(self) -> None:
        """Carry the update out after everything else, which the API server has to refuse."""
        if self._left:
            with pytest.raises((ObjectConflict, Invalid)):
                self._left()


WHENEVER = list(
    product(("create", "take", "renew", "release"), ("before the interrupt", "after the next read", "at the very end"))
)


@pytest.mark.parametrize("interrupt", WHENEVER, ids=", ".join)
def test_interrupted_run_gives_lease_back_whenever_its_update_is_carried_out(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch, interrupt: tuple[str, str]
) -> None:
    """Several requests may be needed, but no more than the tries that the module allows."""
    update, when = interrupt
    one, two = lease_of(), lease_of()
    if update == "take":
        two.acquire(0)
        two.release()
    if update in {"renew", "release"}:
        one.acquire(0)
    clock.now += module.RENEWAL
    sent = Interrupted(one, monkeypatch, when)
    with pytest.raises(Terminated):
        {"renew": one.check, "release": one.end}.get(update, lambda: one.acquire(0))()
    one.end()
    assert sent.requests <= 2 + 2 * module.SETTLING_TRIES
    sent.deliver()
    assert spec(target)["holderIdentity"] == ""
    two.acquire(0)
    assert spec(target)["holderIdentity"] == two.holder


@pytest.mark.parametrize("when", ["before the interrupt", "at the very end"])
def test_interrupt_within_block_that_holds_lease_gives_it_back(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    one = lease_of()
    sent = Interrupted(one, monkeypatch, when)
    with pytest.raises(Terminated), one.held(0):
        pytest.fail("it was interrupted before")
    sent.deliver()
    assert spec(target)["holderIdentity"] == ""


@pytest.mark.parametrize("update", ["create", "renew"])
def test_interrupted_run_leaves_lease_of_another_run_alone(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch, update: str
) -> None:
    one, two = lease_of(), lease_of()
    if update == "renew":
        one.acquire(0)
        clock.now += module.RENEWAL
    sent = Interrupted(one, monkeypatch, "at the very end")
    with pytest.raises(Terminated):
        one.acquire(0) if update == "create" else one.check()
    clock.now += module.DURATION
    two.acquire(60)
    before = target.client.request("GET", path(target)).body
    one.end()
    sent.deliver()
    assert target.client.request("GET", path(target)).body == before


def test_take_whose_answer_was_lost_is_given_back(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is lost, and so is that of the read that would tell whose Lease it is."""
    one = lease_of()
    one.version()
    request, failing = one._api.request, ["update", "get"]

    def lose(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        answer = request(verb, *arguments, **named)
        if verb in failing:
            failing.remove(verb)
            raise LostAnswer(Problem("x", "no answer")) if verb == "update" else Unavailable(Problem("x", "no answer"))
        return answer

    monkeypatch.setattr(one._api, "request", lose)
    with pytest.raises(Unavailable, match="no answer"):
        one.take()
    assert spec(target)["holderIdentity"] == one.holder
    one.end()
    assert spec(target)["holderIdentity"] == ""


@pytest.mark.parametrize("changed", ["labelled", "lost"])
def test_lease_is_given_back_whatever_happens_to_first_request(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    one = lease_of()
    one.acquire(0)
    if changed == "labelled":
        body = target.client.request("GET", path(target)).body
        body["metadata"]["labels"] = {"team": "voice"}
        assert target.client.request("PUT", path(target), body).status == 200
    request, failing = one._api.request, ["update"] * (changed == "lost")

    def lose(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        if verb in failing:
            failing.remove(verb)
            raise LostAnswer(Problem("x", "no answer"))
        return request(verb, *arguments, **named)

    monkeypatch.setattr(one._api, "request", lose)
    one.end()
    assert spec(target)["holderIdentity"] == ""


def test_giving_back_of_lease_in_doubt_takes_three_seconds_at_most(
    lease_of: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of()
    sent = Interrupted(one, monkeypatch, "at the very end")
    with pytest.raises(Terminated):
        one.acquire(0)
    ends: list[float] = []

    def refuse(_verb: str, *_: Any, until: float, **__: Any) -> dict[str, Any]:
        ends.append(until)
        raise Unavailable(Problem("x", "no answer"))

    monkeypatch.setattr(one._api, "request", refuse)
    one.end()
    assert ends == [clock.now + module.SETTLING]
    assert sent.requests == 2


def test_run_whose_time_is_up_takes_and_renews_nothing_and_still_gives_lease_back(
    lease_of: Open, target: Target, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease_of(clock.now + 1)
    ends: list[tuple[str, float]] = []
    request = one._api.request

    def note(verb: str, *arguments: Any, until: float = math.inf, **named: Any) -> dict[str, Any]:
        ends.append((verb, until))
        return request(verb, *arguments, until=until, **named)

    monkeypatch.setattr(one._api, "request", note)
    until = clock.now + 1
    one.version()
    assert one.take()
    one.release()
    assert ends == [("get", until), ("update", until), ("update", math.inf)]
    assert spec(target)["holderIdentity"] == ""


def test_thread_that_still_takes_lease_after_end_does_not_get_it(
    lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = lease_of(), lease_of()
    one.version()
    request = one._api.request

    def late(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        answer = request(verb, *arguments, **named)
        if verb == "update":
            monkeypatch.setattr(one._api, "request", request)
            one.end()  # in the main thread, while this one waits for its answer
        return answer

    monkeypatch.setattr(one._api, "request", late)
    with pytest.raises(Unavailable, match="this run lost it"):
        one.take()
    with pytest.raises(Unavailable, match="this run lost it"):
        one.acquire(0)
    assert spec(target)["holderIdentity"] == ""
    two.acquire(0)
