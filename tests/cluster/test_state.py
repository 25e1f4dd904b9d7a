"""The memory's ConfigMap: asserted of the embedded cluster and of a real kube-apiserver."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cluster.api import Api, LostAnswer
from bridge.cluster.connect import Search, connect
from bridge.cluster.state import MemoryStore
from bridge.errors import Problem, Unavailable
from bridge.objects import ObjectId
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from tests.desk import Target

Open = Callable[[], MemoryStore]
NAME = "bridge-voice"


@pytest.fixture
def store_of(target: Target, tmp_path: Path) -> Iterator[Open]:
    """Open the memory of the same environment as often as wanted, each time as another run that has read it."""
    apis: list[Api] = []

    def open_it() -> MemoryStore:
        endpoint = connect(
            Search(Path(target.write_kubeconfig(tmp_path / "kubeconfig")), None, {}, pod=tmp_path / "nowhere")
        )
        apis.append(Api(endpoint, deadline=time.monotonic() + 120))
        found = MemoryStore(apis[-1], target.namespace, "voice", "bridge/voice")
        found.read()
        return found

    yield open_it
    for api in apis:
        api.close()


def memory(key: str = "A") -> Memory:
    return Memory({ObjectId("Secret", "s"): ObjectMemory("uid", {key: KeyMemory(None, "2026-01-01T00:00:00Z")})})


def test_first_write_does_not_replace_that_of_another_run(store_of: Open) -> None:
    one, two = store_of(), store_of()
    one.write(memory("A"))
    with pytest.raises(Unavailable, match="another run wrote it in the meantime"):
        two.write(memory("B"))
    assert store_of().read() == memory("A")


def test_later_write_replaces_only_what_was_read(store_of: Open) -> None:
    store_of().write(memory("A"))
    one, two = store_of(), store_of()
    one.write(memory("B"))
    with pytest.raises(Unavailable, match="another run wrote it in the meantime"):
        two.write(memory("C"))
    one.write(memory("D"))
    assert store_of().read() == memory("D")


@pytest.mark.parametrize("made_anew", [False, True])
def test_deleted_state_is_not_recreated(store_of: Open, target: Target, made_anew: bool) -> None:
    store_of().write(memory("A"))
    one = store_of()
    target.delete("ConfigMap", NAME)
    if made_anew:
        store_of().write(memory("B"))
    with pytest.raises(Unavailable, match="another run wrote it in the meantime"):
        one.write(memory("C"))
    assert store_of().read() == (memory("B") if made_anew else None)
    assert one.read() == (memory("B") if made_anew else None)
    one.write(memory("D"))
    assert store_of().read() == memory("D")


def test_run_that_starts_to_write_changes_mark(store_of: Open) -> None:
    assert store_of().mark == ""
    store_of().write(memory())
    before, one = store_of(), store_of()
    assert before.mark == one.mark != ""
    one.write(memory())  # the same: nothing is written
    assert store_of().mark == before.mark
    one.begin(memory())
    begun = store_of()
    assert begun.mark not in ("", before.mark)
    one.write(memory("B"))  # by the same run
    assert store_of().mark == begun.mark
    with pytest.raises(Unavailable):
        before.begin(memory())


def test_memory_without_run_has_its_version_for_mark(store_of: Open, target: Target) -> None:
    """An earlier release of bridge writes no run, and takes away what is there."""
    store_of().write(memory())
    target.patch("ConfigMap", NAME, {"data": {"run": None}})
    before = store_of().mark
    assert before
    target.patch("ConfigMap", NAME, {"metadata": {"labels": {"written": "again"}}})
    assert store_of().mark not in ("", before)


@pytest.mark.parametrize("meanwhile", [False, True])
def test_lost_answer_is_settled_by_comparing(store_of: Open, monkeypatch: pytest.MonkeyPatch, meanwhile: bool) -> None:
    """The same memory of another run is not ours."""
    one, two = store_of(), store_of()
    request = one.api.request

    def lose(verb: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        if verb == "patch":
            two.write(memory()) if meanwhile else request(verb, *arguments, **named)
            raise LostAnswer(Problem("x", "no answer"))
        return request(verb, *arguments, **named)

    monkeypatch.setattr(one.api, "request", lose)
    if meanwhile:
        with pytest.raises(Unavailable, match="no answer"):
            one.write(memory())
        return
    one.write(memory())
    monkeypatch.undo()
    one.write(memory("B"))
    assert store_of().read() == memory("B")
