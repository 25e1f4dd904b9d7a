"""Operators, pipelines and jobs that meet in one namespace: what each does, what it reports, and what must hold then.

A request to the API server, or to the store of the values, is one step of `tests.lease.stage`.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bridge.cluster.lease import DURATION
from bridge.http.transport import Answer, Failed, Request
from bridge.run.line import RELEASE
from tests.lease.load import BY_HAND, Load
from tests.lease.room import DOCUMENT, OBJECTS, Ended, Room, StageClock
from tests.lease.source import History
from tests.lease.stage import ACTOR, Stage

TIMEOUT, LOCK_WAIT = 120.0, 20.0
TAKEN = BY_HAND


def version(number: int) -> dict[str, str]:
    """Return a document with values that no other one has."""
    return {"A": f"CANARY-{number}-a", "B": f"CANARY-{number}-b"}


COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "sync": ("sync", "staging"),
    "fleet": ("sync", "--all"),
    "set": ("set", "staging", "A", "--yes", "--sync"),
    "store": ("set", "staging", "B", "--yes"),
    "rollback": ("rollback", "staging", "--source", DOCUMENT, "--to", "1", "--yes"),
    "adopt": ("adopt", "staging", "--yes"),
    "approved": ("sync", "staging", "--plan", "plan.json"),
    "rolling": ("sync", "staging", "--restart"),
    "restart": ("restart", "staging"),
    "plan": ("plan", "staging"),
    "plans": ("plan", "--all"),
    "status": ("status", "staging"),
    "states": ("status", "--all"),
}
"""What an actor runs, by its kind. The other actors are people who do one thing without bridge."""
ROLLING: Final = ("rolling", "restart")
"""The commands that restart workloads; only the embedded cluster has one here."""
READERS: Final = ("plan", "plans", "status", "states")
STRANGERS: Final = ("publish", "edit", "delete")
WAITS: Final = ("sync", "fleet", "set", "rollback", "approved", "rolling", "adopt")
"""The commands with --lock-wait."""
STATES: Final = ("absent", "older", "edited", "foreign")

TEMPORARY, STOPPED, REFUSED = 75, 5, 1


class Written(NamedTuple):
    """A write of an object: who wrote, and its values afterwards (None if it is gone)."""

    actor: str
    name: str
    values: Mapping[str, str] | None


class Meeting:
    """One meeting: a state of the namespace, and the actors that meet there. Implements `exploring.Play`."""

    def __init__(self, room: Room, state: str, actors: Sequence[str]) -> None:
        self.room = room
        self.ground = room.ground
        self.stage = Stage()
        self.initial = state
        self.written: list[Written] = []
        self.ended: dict[str, Ended] = {}
        self.last: dict[str, float] = {}  # when each actor sent its last request, on the clock
        self.asked: Counter[str] = Counter()
        self.kinds: dict[str, str] = {}
        self.killed: set[str] = set()
        self.load: Load | None = None  # other clients that write at the same time
        self.trace: list[str] = []  # all requests, for a person who looks at a failure
        self.history = History(self.stage, version(1))
        room.meeting, room.clock, History.current = self, StageClock(), self.history
        room.tokens.clear()
        # The second environment is only for the runs of both, as each run looks at all of them.
        self.environments = tuple(OBJECTS) if {"fleet", "plans", "states"} & {*actors} else ("staging",)
        self.ground.renew()
        self.target = self.ground.target
        room.prepare(self.target, self.environments)
        self.ground.open(f"{state} {self.environments}", self._set_up)
        self.history.contents[:] = [version(1), version(2)]
        self.began = len(self.written)
        for number, kind in enumerate(actors):
            name = f"{kind}-{number}"
            self.kinds[name] = kind
            self.stage.enter(name, self._work(name, kind))

    # As `exploring` sees it.

    @property
    def waiting(self) -> Sequence[str]:
        return self.stage.waiting

    def step(self, name: str) -> None:
        self.stage.actors[name].step()

    def state(self) -> str:
        seen = [(name, actor.next, actor.seen) for name, actor in self.stage.actors.items()]
        return str((seen, self.room.clock.elapsed, self.history.newest, self.ground.state()))

    def clear(self) -> None:
        self.stage.clear()

    def kill(self, name: str) -> None:
        """End an actor where it is, as SIGKILL does."""
        self.killed.add(name)
        self.stage.actors[name].kill()

    # What the actors do.

    def _set_up(self) -> None:
        if self.initial == "absent":
            return
        if self.initial == "foreign":
            body = {name: base64.b64encode(text.encode()).decode() for name, text in version(1).items()}
            self.target.create("Secret", "s", {"data": body}, "helm")
            return
        self._succeed("sync", "--all", "--first")
        if self.initial == "edited":
            self.target.edit("Secret", "s", B=TAKEN)

    def _succeed(self, *arguments: str, form: str = "json") -> Ended:
        ended = self.room.bridge(*arguments, form=form)
        assert ended.status == 0, (arguments, ended)
        return ended

    def _work(self, name: str, kind: str) -> Callable[[], None]:
        if kind in STRANGERS:
            return lambda: self._strange(kind)
        arguments = list(COMMANDS[kind])
        if kind == "approved":
            arguments[-1] = str(self.room.folder / "plan.json")
            self._succeed("plan", "staging", "--out", arguments[-1])
        if kind in WAITS:
            arguments += ["--lock-wait", f"{LOCK_WAIT:g}"]
        if self.initial == "absent" and kind in ("sync", "fleet", "rolling"):
            arguments.append("--first")

        def run() -> None:
            self.ended[name] = self.room.bridge(*arguments, "--timeout", f"{TIMEOUT:g}")

        return run

    def _strange(self, kind: str) -> None:
        self.stage.stop(kind)
        if kind == "publish":
            self.history.contents.append(version(self.history.newest + 1))
        elif kind == "edit" and self.target.get("Secret", "s"):
            self.target.edit("Secret", "s", A=TAKEN)
        elif kind == "delete" and self.target.get("Secret", "s"):
            self.target.delete("Secret", "s")
        self.ground.changed()
        if kind != "publish":
            self.written.append(Written(ACTOR.get(), "s", self.target.data("Secret", "s") or None))
        self.stage.note(kind)

    # What they see.

    def stop(self, request: Request) -> None:
        self.stage.stop(f"{request.method} {request.path}")
        self.last[ACTOR.get()] = self.room.clock.now
        self.asked[ACTOR.get()] += 1
        self.trace.append(f"{self.room.clock.elapsed:6g} {ACTOR.get()} {request.method} {request.path}")

    def saw(self, request: Request, answer: Answer | Failed) -> None:
        """Note an answer, and what was written."""
        assert isinstance(answer, Answer), answer
        self.ground.changed()
        if ACTOR.get():
            self.stage.note(f"{self.room.clock.elapsed} {answer.status} {self.ground.canonical(answer.body)}")
        path = urlsplit(request.path)
        kind, name = path.path.split("/")[-2:]
        is_dry = "dryRun=" in path.query or b'"dryRun"' in (request.body or b"")
        if kind != "secrets" or request.method == "GET" or is_dry or answer.status >= 300:
            return
        data = json.loads(answer.body).get("data") or {}
        values = {key: base64.b64decode(text).decode() for key, text in data.items()}
        self.written.append(Written(ACTOR.get(), name, values if request.method != "DELETE" else None))

    # What must hold.

    def end(self, order: Sequence[str]) -> None:
        """Judge a meeting that is over, then let one more run repair what there is to repair."""
        if self.load:
            self.load.stop()
        try:
            self._judge()
        except AssertionError as error:
            shown = [f"waited {dict(self.room.clock.waited)}", *self.trace]
            shown += [f"{name}: {ended}" for name, ended in self.ended.items()]
            raise AssertionError("\n".join([f"{self.initial} {' '.join(order)}: {error}", *shown])) from error

    def _judge(self) -> None:
        for name, ended in self.ended.items():
            if name not in self.killed:
                assert ended.status in self._allowed(name), f"{name} ended with {ended.status}"
                self._check_report(name, ended)
                self._check_time(name)
        self._check_values()
        if not self.killed:
            assert not any(map(self.holder, self.environments)), "the Lease is still held"
        self._repair()

    def _allowed(self, name: str) -> set[int]:
        kind, others = self.kinds[name], {*self.kinds.values()} - {self.kinds[name]}
        if self.load and self.load.edits:
            others |= {"edit"}
        allowed = {0} if kind in READERS else {0, TEMPORARY}
        if self.initial == "foreign" and kind != "adopt":
            allowed |= {REFUSED}
        if kind in ("set", "rollback"):  # the store was written, the cluster was not
            allowed |= {STOPPED}
        if kind in ("set", "store", "rollback"):  # the store has changed since
            allowed |= {REFUSED}
        if kind in ROLLING:  # there is no state yet, or a sync is between its writes
            allowed |= {REFUSED, STOPPED}
        if kind == "approved":  # something differs from what was approved
            allowed |= {REFUSED}
        if others & {"edit", "delete"} and kind in READERS:  # an object never stayed as it was read
            allowed |= {TEMPORARY}
        if self.room.clock.elapsed >= DURATION:  # a Lease was over while its holder did not go on
            allowed |= {STOPPED}
        if others & {"edit", "delete", "adopt"}:  # another actor changed an object between two writes of it
            allowed |= {STOPPED, REFUSED} if kind == "adopt" else {STOPPED}
        return allowed

    def _check_report(self, name: str, ended: Ended) -> None:
        """Check that what is reported as written was written, and nothing else."""
        data, wrote = ended.data, {one.name for one in self.written if one.actor == name}
        stored = name in self.history.writers
        if ended.status in (TEMPORARY, REFUSED) and self.kinds[name] != "fleet":
            assert not wrote, f"{name} wrote {wrote} and ends with {ended.status}"
            assert not stored, f"{name} wrote to the store and ends with {ended.status}"
        unsure = [one for entry in data.get("environments", [data]) for one in entry.get("objects", [])]
        rolled = name in (self.ground.workshop.marked if self.ground.workshop else ())
        if ended.status == STOPPED:
            assert wrote or stored or rolled or any(one.get("written") == "perhaps" for one in unsure), (
                f"{name} wrote nothing"
            )
        for entry in data.get("environments", [data]):
            for found in entry.get("objects", []):
                says, did = found.get("written", "no"), found["name"] in wrote
                # What another run has taken over in the meantime is taken over, too.
                true = says == "perhaps" or (says == "yes") == did or (self.kinds[name] == "adopt" and says == "yes")
                assert true, f"{name} says {says} of {found['name']}: {did}"
                if ended.status == 0:
                    assert says != "perhaps", f"{name} does not know of {found['name']}"
        listed = {one["name"] for entry in data.get("environments", [data]) for one in entry.get("objects", [])}
        assert wrote <= listed, f"{name} does not say that it wrote {wrote - listed}"
        for found in data.get("workloads", []):
            did = name in (self.ground.workshop.marked if self.ground.workshop else ())
            assert found["restarted"] != "no" or not did, f"{name} does not say that it has restarted {found['name']}"
        for part in ("set", "rollback"):
            if part in data:
                assert (data[part].get("result") == "written" or part == "rollback") or not stored
                assert (data[part]["after"] != data[part]["before"] and bool(data[part]["after"])) == stored, name

    def _check_time(self, name: str) -> None:
        """Check that nobody waited longer than its limits."""
        if name in self.last:
            limit = self.room.clock.began + TIMEOUT + RELEASE
            assert self.last[name] <= limit, f"{name} sent a request after its time"
        waited = self.room.clock.waited[name]
        assert waited <= LOCK_WAIT + 1, f"{name} waited for {waited} s"

    def _check_values(self) -> None:
        """Check that no object steps back, and that each write has the values of one revision."""
        revisions = [dict(content) for content in self.history.contents]
        for name in OBJECTS.values():
            at = 0
            for one in self.written[self.began :]:
                if one.name != name or one.values is None or self.kinds.get(one.actor) in STRANGERS:
                    continue
                if self.kinds.get(one.actor) == "adopt" or any(TAKEN in text for text in one.values.values()):
                    continue
                assert one.values in revisions, f"{one.actor} mixed two revisions in {name}"
                later = [number for number in range(at, len(revisions)) if revisions[number] == one.values]
                assert later, f"{one.actor} wrote an older revision to {name}"
                at = later[0]

    def _repair(self) -> None:
        """Check that the next run makes everything as it should be, and the one after it has nothing to do."""
        self.room.clock.sleep(100)  # so the Lease of an actor that was killed is over
        if self.initial == "foreign":
            self._succeed("adopt", "staging", "--yes")
        self._succeed("sync", "--all", "--first")
        newest = dict(self.history.contents[-1])
        for environment in self.environments:
            name = OBJECTS[environment]
            assert self.target.data("Secret", name) == newest, f"{name} is not the newest"
            # The Lease of a run that was killed at its very end stays as it is, until a run has something to write.
            assert self.killed or not self.holder(environment), "the Lease is still held"
            self._check_state(environment, name)
        self._succeed("plan", "--all", "--exit-code")
        if self.ground.workshop and {*self.kinds.values()} & {*ROLLING}:
            self._succeed("restart", "staging")
            assert self.ground.workshop.pods == newest, "the pods have older values"
            again = self._succeed("restart", "staging")
            assert again.data["result"] == "unchanged"

    def _check_state(self, environment: str, name: str) -> None:
        """Check that the state ConfigMap agrees with the object and the source."""
        live = self.target.get("Secret", name)
        assert live
        memory = json.loads(self.target.data("ConfigMap", f"bridge-id-{environment}")["memory.json"])
        known = memory["objects"].pop(f"Secret/{name}")
        assert not memory["objects"], memory
        assert (known["uid"], set(known["keys"])) == (live["metadata"]["uid"], {"A", "B"}), memory
        assert not known.get("begun"), memory
        assert all(len(key) == 2 for key in known["keys"].values()), f"some keys are pending: {memory}"
        assert memory["sources"][DOCUMENT]["revision"] == str(self.history.newest), memory

    def holder(self, environment: str) -> str:
        """Return who holds an environment's Lease, or an empty text."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.target.namespace}/leases/bridge-id-{environment}"
        reply = self.target.client.request("GET", path)
        return reply.body["spec"]["holderIdentity"] if reply.status == 200 else ""
