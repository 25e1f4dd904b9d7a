"""Waves: what is sent at once, that nothing of it is lost, and which error is told."""

import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from bridge.cluster.waves import FAR_WIDTH, MANY, Wave, on_each
from bridge.errors import BridgeError, Problem, Refusal, Unavailable
from bridge.http.ahead import WIDTH

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Server:
    """As much of an Api as a wave asks for."""

    def __init__(self, *, is_far: bool) -> None:
        self.is_far = is_far


def wave(*, is_far: bool, seconds: float = 60) -> Wave:
    api: Any = Server(is_far=is_far)
    return Wave(api, time.monotonic() + seconds)


def refuse(name: str) -> None:
    raise Refusal(Problem(name, "no"))


def test_wave_to_server_far_away_is_sent_at_once() -> None:
    together = threading.Barrier(FAR_WIDTH)
    sending = wave(is_far=True)
    sent = [sending.add(lambda: together.wait(60)) for _ in range(FAR_WIDTH)]
    sending.send()
    assert sorted(one.get() for one in sent) == list(range(FAR_WIDTH))


@pytest.mark.parametrize(("is_far", "width"), [(False, WIDTH), (True, FAR_WIDTH)])
def test_long_wave_is_sent_by_bounded_number_of_threads(is_far: bool, width: int) -> None:
    """Each thread needs a connection of its own."""
    sending = wave(is_far=is_far)
    together = threading.Barrier(width)
    sent = [sending.add(lambda: (together.wait(60), threading.get_ident())[1]) for _ in range(4 * width)]
    sending.send()
    assert len({one.get() for one in sent}) == width


@pytest.mark.parametrize(("is_far", "count", "alone"), [(False, 5, True), (True, 1, True), (False, MANY, False)])
def test_threads_are_used_only_if_they_are_worth_it(is_far: bool, count: int, alone: bool) -> None:
    sending = wave(is_far=is_far)
    sent = [sending.add(threading.get_ident) for _ in range(count)]
    sending.send()
    assert ({one.get() for one in sent} == {threading.get_ident()}) is alone


@pytest.mark.parametrize("is_far", [True, False])
def test_one_failure_loses_nothing_and_each_is_reported_where_it_is_looked_for(is_far: bool) -> None:
    sending = wave(is_far=is_far)
    first, second, third = (
        sending.add(lambda: refuse("first")),
        sending.add(lambda: "done"),
        sending.add(lambda: refuse("third")),
    )
    sending.send()
    assert second.get() == "done"
    for one, name in ((first, "first"), (third, "third")):
        with pytest.raises(Refusal) as caught:
            one.get()
        assert caught.value.problems[0].where == name


def test_bug_is_raised_once_all_others_are_done() -> None:
    other_is_done = threading.Event()
    sending = wave(is_far=True)

    def wrong() -> None:
        raise KeyError("CANARY")

    def slow() -> str:
        assert other_is_done.wait(60)
        return "done"

    sending.add(wrong)
    late = sending.add(slow)
    threading.Timer(0, other_is_done.set).start()
    with pytest.raises(KeyError):
        sending.send()
    assert late.get() == "done"


def test_what_has_no_answer_at_deadline_is_unavailable() -> None:
    held = threading.Event()
    sending = wave(is_far=True, seconds=0)
    late = [sending.add(lambda: held.wait(60)) for _ in range(2)]
    sending.send()
    held.set()
    for one in late:
        with pytest.raises(Unavailable, match="did not answer in time"):
            one.get()


def test_threads_see_context_variables_of_their_run() -> None:
    token = WHO.set("this run")
    try:
        sending = wave(is_far=True)
        sent = [sending.add(WHO.get) for _ in range(3)]
        sending.send()
    finally:
        WHO.reset(token)
    assert [one.get() for one in sent] == ["this run"] * 3


@pytest.fixture
def api() -> Iterator[Any]:
    return Server(is_far=True)


def test_on_each_has_error_in_place_of_result(api: Any) -> None:
    found = on_each(lambda item: refuse(item) if item == "b" else item, ["a", "b"], api, time.monotonic() + 60)
    assert list(found) == ["a", "b"]
    assert found["a"] == "a"
    assert isinstance(found["b"], BridgeError)
