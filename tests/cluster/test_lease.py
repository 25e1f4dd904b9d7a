"""The Lease: asserted of the embedded cluster and of a real kube-apiserver."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cluster import lease as module
from bridge.cluster.api import Api, LostAnswer
from bridge.cluster.connect import connect
from bridge.cluster.lease import Lease
from bridge.errors import Problem, Unavailable
from tests.runs.conftest import Target, embedded_target, real_target, target

__all__ = ["embedded_target", "real_target", "target"]  # fixtures

Open = Callable[[], Lease]


@pytest.fixture
def lease_of(target: Target, tmp_path: Path) -> Iterator[Open]:
    """Open the Lease of the same environment as often as wanted, each time as another run."""
    apis: list[Api] = []

    def open_it() -> Lease:
        endpoint = connect(Path(target.write_kubeconfig(tmp_path / "kubeconfig")), None, {}, pod=tmp_path / "nowhere")
        apis.append(Api(endpoint, deadline=time.monotonic() + 120))
        return Lease(apis[-1], target.namespace, "voice")

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


def test_a_lease_that_is_not_there_is_made(lease_of: Open, target: Target) -> None:
    one = lease_of()
    one.acquire(0)
    assert spec(target)["holderIdentity"] == one.holder
    assert spec(target)["leaseDurationSeconds"] == module.DURATION


def test_the_second_is_told_who_is_writing(lease_of: Open) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    with pytest.raises(Unavailable) as caught:
        two.acquire(0.2)
    problem = caught.value.problems[0]
    assert problem.what == f"another run is writing: {one.holder} holds it"
    assert "--lock-wait" in problem.hint


def test_the_second_waits_for_the_first(lease_of: Open, target: Target) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    threading.Timer(0.5, one.release).start()
    two.acquire(30)
    assert spec(target)["holderIdentity"] == two.holder


def test_a_released_lease_is_free_at_once(lease_of: Open, target: Target) -> None:
    one, two = lease_of(), lease_of()
    one.acquire(0)
    one.release()
    assert spec(target)["holderIdentity"] == ""
    two.acquire(0)
    assert spec(target)["leaseTransitions"] == 1


def test_of_many_that_come_at_once_exactly_one_wins_each_round(lease_of: Open) -> None:
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


def test_a_holder_that_died_is_followed_once_it_was_silent_long_enough(
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


def test_a_holder_that_renews_is_not_followed(lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_holder_that_lost_its_lease_is_told_before_its_next_write(
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


def test_a_check_between_two_renewals_asks_nothing(lease_of: Open, target: Target) -> None:
    one = lease_of()
    one.acquire(0)
    before = target.client.request("GET", path(target)).body["metadata"]["resourceVersion"]
    one.check()
    assert target.client.request("GET", path(target)).body["metadata"]["resourceVersion"] == before


def test_an_answer_that_was_lost_is_looked_for(lease_of: Open, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
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
