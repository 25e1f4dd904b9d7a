"""Where runs meet: their files, the cluster, and a process in which everything is seen and nothing waits."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from bridge.cli import main
from bridge.http.ahead import Ahead
from bridge.http.sockets import Address
from bridge.http.transport import Answer, Failed, Request
from bridge.parallel import Batch
from bridge.secret import SecretValue
from tests.clock import Clock
from tests.desk import Target
from tests.lease.ground import Ground
from tests.lease.source import PROVIDERS
from tests.lease.stage import ACTOR

if TYPE_CHECKING:
    from tests.lease.meeting import Meeting

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{A: '${{A}}', B: '${{B}}'}}\n"
OBJECTS: Final = {"staging": "s", "other": "t"}
"""Each environment's Secret."""
DOCUMENT: Final = "history:app"
PAUSE = 20.0
"""It is the clock that waits, and each look at the Lease is a request: a frozen holder is gone at the second look."""
TIMED: Final = ("cluster.api", "cluster.events", "cluster.lease", "cluster.workloads", "commands.arguments")
"""The modules whose waits and limits go by the room's clock."""


class Ended(NamedTuple):
    """How a run of bridge ended."""

    status: int
    data: Mapping[str, Any]
    err: str


class Room:
    """Where meetings take place, one after the other: files, a cluster, a clock. `meeting` is the current one."""

    def __init__(self, folder: Path, ground: Callable[[Callable[[], datetime]], Ground]) -> None:
        self.folder: Final = folder
        self.clock = StageClock()
        self.ground: Final = ground(lambda: self.clock.time)
        self.meeting: Meeting | None = None
        self.out: Final[dict[str, tuple[StringIO, StringIO]]] = {}
        self.tokens: Counter[str] = Counter()

    def token(self, _length: int) -> str:
        """Stand in for `secrets.token_hex`."""
        self.tokens[ACTOR.get()] += 1
        return f"{ACTOR.get() or 'nobody'}-{self.tokens[ACTOR.get()]}"

    def prepare(self, target: Target, environments: Iterable[str]) -> None:
        """Write the environments' files."""
        for path in self.folder.iterdir():
            path.unlink()
        for name in environments:
            secret = OBJECTS[name]
            (self.folder / f"{secret}.yml").write_text(SECRET.format(name=secret))
            content = {
                "id": f"id-{name}",
                "namespace": target.namespace,
                "templates": [f"{secret}.yml"],
                "sources": [DOCUMENT],
                "cluster": {"kubeconfig": "kubeconfig", "server": target.client.url},
            }
            (self.folder / f"{name}.yaml").write_text(json.dumps(content))
        target.write_kubeconfig(self.folder / "kubeconfig")

    def bridge(self, *arguments: str, form: str = "json") -> Ended:
        """Run bridge as the current actor."""
        out, err = self.out[ACTOR.get()] = StringIO(), StringIO()
        form_flags = ("--output", form) if form else ()
        status = main([*arguments, *form_flags, "--config", str(self.folder)])
        text = out.getvalue()
        assert "CANARY" not in text + err.getvalue(), "a value was shown"
        return Ended(status, json.loads(text) if text and form == "json" else {}, err.getvalue())


class StageClock(Clock):
    """A clock that moves when an actor sleeps; `waited` is how long each has slept."""

    def __init__(self) -> None:
        super().__init__()
        self.began = self.now
        self.waited: Counter[str] = Counter()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.waited[ACTOR.get()] += seconds  # type: ignore[assignment] - seconds are floats

    @property
    def elapsed(self) -> float:
        return self.now - self.began

    @property
    def time(self) -> datetime:
        """The time of day; the same in each meeting."""
        return datetime(2026, 11, 29, tzinfo=UTC) + timedelta(seconds=self.elapsed)


def value_of(_prompt: str) -> SecretValue:
    """Stand in for the prompt of `set`."""
    return SecretValue.of(f"CANARY-{ACTOR.get()}")


class Watched:
    """Stands in for the transport: each request waits for its actor's turn, and is seen. Events are not waited for."""

    room: Room  # where the actors meet

    def __init__(self, address: Address, ahead: Ahead | None) -> None:
        self._inner = self.room.ground.transport(address, ahead)

    def exchange(self, request: Request, limit: float) -> Answer | Failed:
        meeting = self.room.meeting
        if meeting is None or "/events" in request.path:
            return self._inner.exchange(request, limit)
        meeting.stop(request)
        answer = self._inner.exchange(request, limit)
        meeting.saw(request, answer)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Heard:
    """Stands in for stdout or stderr: each actor has its own."""

    encoding = "utf-8"

    def __init__(self, room: Room, which: int) -> None:
        self._room, self._which = room, which

    def write(self, text: str) -> int:
        return self._room.out[ACTOR.get()][self._which].write(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError


def furnish(room: Room, patch: pytest.MonkeyPatch) -> None:
    """Let everything in this process go through a room."""
    patch.setattr(Watched, "room", room, raising=False)
    patch.setattr("bridge.cluster.api.Transport", Watched)
    patch.setattr("bridge.run.line.Ahead", lambda _: None)  # a thread of its own
    for module in TIMED:
        patch.setattr(f"bridge.{module}.time", RoomTime(room))
    for module in ("cluster.lease", "commands.adopt"):
        patch.setattr(f"bridge.{module}.datetime", RoomDate(room))
    for module in ("cluster.lease", "cluster.state"):
        patch.setattr(f"bridge.{module}.secrets", SimpleNamespace(token_hex=room.token))
    patch.setattr("bridge.testing.managers.now", lambda: room.clock.time.strftime("%Y-%m-%dT%H:%M:%SZ"))
    patch.setattr("bridge.cluster.lease.PAUSE", PAUSE)
    patch.setattr("bridge.cluster.waves.each", one_by_one)
    patch.setattr("bridge.run.fleet.THREADS", 1)
    patch.setattr("bridge.sources.providers._installed", lambda _path: PROVIDERS)
    patch.setattr("bridge.commands.set.take_value", value_of)
    patch.setattr("bridge.report.streams.caller_streams", lambda: (Heard(room, 0), Heard(room, 1)))
    begin = Batch.__init__

    def begin_as_actor(batch: Any, function: Callable[[Any], Any], items: Iterable[Any]) -> None:
        name = ACTOR.get()

        def work(item: Any) -> Any:
            ACTOR.set(name)  # a thread has no context of its own
            return function(item)

        begin(batch, work, items)

    patch.setattr(Batch, "__init__", begin_as_actor)


def one_by_one(
    function: Callable[[Any], Any], items: Iterable[Any], *, threads: int, deadline: float, step: object
) -> dict[Any, Any]:
    """Stand in for `parallel.each`: what is sent side by side arrives in a known order."""
    return {item: function(item) for item in items}


class RoomTime:
    """Stands in for the module `time`."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def monotonic(self) -> float:
        return self._room.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._room.clock.sleep(seconds)

    def time(self) -> float:
        return self._room.clock.time.timestamp()


class RoomDate:
    """Stands in for the class `datetime`."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def now(self, _zone: object = None) -> datetime:
        return self._room.clock.time
