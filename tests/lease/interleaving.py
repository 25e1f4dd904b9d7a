"""Two runs and an API server that fails, in every order: one run reads the older value, the other one the newer.

Nothing happens at the same time here, and nothing waits for real. A run goes on until a request that is named by its
number; there it is frozen, and the other one goes on, to its end or to a request of its own. What time passes is told
by a clock that only moves when somebody sleeps.
"""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from bridge.config.environment import load_environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Refusal
from bridge.http.transport import Answer, Failed, Request
from bridge.plan.build import Allowed
from bridge.provider import Context, Document, Provider, Revision, SecretValue
from bridge.report.record import Record
from bridge.run.apply import Outcome, sync_environment
from bridge.run.inputs import Run
from bridge.testing import api
from bridge.testing.apiserver import EmbeddedCluster, Fault
from bridge.testing.checks import Place
from bridge.testing.kinds import KINDS
from bridge.testing.status import ApiError
from bridge.testing.store import Store, Write
from tests.clock import Clock

OLD, NEW, FIRST, THEIRS = "CANARY-old", "CANARY-new", "CANARY-first", "CANARY-theirs"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {A: '${A}', B: '${B}'}\n"
EXPIRED = 100.0  # seconds
SERVE = api.answer


class Direct:
    """Stands in for the transport: the embedded cluster, and its `intercept`, without the network in between."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self._cluster = cluster

    def exchange(self, request: Request, _limit: float) -> Answer | Failed:
        assert self._cluster.intercept
        fault = self._cluster.intercept(request.method, request.path)
        if isinstance(fault, tuple):
            return Answer(fault[1], {name.lower(): value for name, value in fault[2].items()}, fault[3])
        headers = Message()
        for name, value in request.headers:
            headers[name] = value
        parsed = api.parse(request.method, request.path, headers, request.body or b"")
        found = api.answer(self._cluster.store, parsed)
        if fault:
            return Failed("dropped the connection", sent=True)
        return Answer(found.code, {}, json.dumps(found.body).encode())

    def forget(self) -> None:
        pass

    close = forget
    is_far = False


class Frozen:
    """A run on a thread of its own; it goes on to its end, or until it reaches the request with a number."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.reached = threading.Event()  # the request, or the end
        self.thawed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self.reached.set()

    def start(self) -> None:
        self._thread.start()
        assert self.reached.wait(60)

    def freeze(self) -> None:
        self.reached.set()
        assert self.thawed.wait(60)

    def finish(self) -> None:
        self.thawed.set()
        self._thread.join(60)


class Happens(NamedTuple):
    """What happens at one request of the first run, in this order, and what the run gets for an answer.

    Steps: `other` (the other run goes on), `handle` (the server does what it was asked), `later` (it does so only when
    the run is further on), `delete` and `create` (by somebody else), `expire` (much time passes).
    """

    name: str
    steps: tuple[str, ...]
    gets: int | Literal["answer", "nothing"] = "answer"
    retry_after: int = 0


EVENTS: Final = (
    Happens("frozen", ("other", "handle")),
    Happens("frozen for long", ("other", "expire", "handle")),
    Happens("slow", ("handle", "other")),
    Happens("slow for long", ("handle", "expire", "other")),
    Happens("lost answer", ("handle", "other"), "nothing"),
    Happens("lost answer, handled last", ("other", "handle"), "nothing"),
    Happens("never handled", ("other",), "nothing"),
    Happens("hangs, and is handled later", ("other", "expire", "later"), "nothing"),
    Happens("cut off, and is handled later", ("later", "other"), "nothing"),
    Happens("throttled", ("other",), 429),
    Happens("throttled for a second", ("other",), 429, 1),
    Happens("throttled for longer than a Lease", ("other",), 429, 30),
    Happens("throttled for ever", ("other",), 429, 86400),
    Happens("fails", ("other",), 500),
    Happens("fails after it was handled", ("handle", "other"), 500),
    Happens("deleted before the other run", ("delete", "other", "handle")),
    Happens("deleted, and cut off", ("delete", "other", "later"), "nothing"),
    Happens("created by somebody", ("create", "other", "handle")),
)
DELETED: Final = (
    Happens("deleted after the other run", ("other", "delete", "handle")),
    Happens("deleted after the other run, and handled later", ("other", "delete", "later"), "nothing"),
)
"""Not for a creation: nothing tells the absence of an object that came and went from the absence before."""


class World:
    """A store of values, a namespace, and two runs that meet in it. `history` is each value that the object had.

    The first run, A, reads the older value unless it reads again; at its request `at`, `event` happens. The other one,
    B, reads the newer value; it goes on to its end, or is frozen at its request `until`, and goes on after A's end.
    """

    def __init__(self, cluster: EmbeddedCluster, folder: Path, namespace: str, clock: Clock) -> None:
        self.cluster, self.clock, self.namespace = cluster, clock, namespace
        self.source = FIRST
        self.history: list[str | None] = []
        self.outcomes: dict[str, Outcome] = {}
        self.asked: Counter[str] = Counter()
        self.at = self.until = 0
        self.event: Happens | None = None
        self.allowed = Allowed()
        self._whose = "setup"
        self._due: Happens | None = None
        self._other: Frozen | None = None
        self._late: list[api.Request] = []
        cluster.store.create(Place(KINDS["namespaces"], "", ""), {"metadata": {"name": namespace}}, Write("test"))
        (folder / "secret.yml").write_text(SECRET)
        (folder / "staging.yaml").write_text(
            f"id: x\nnamespace: {namespace}\ntemplates: [secret.yml]\nsources: ['vault:app']\n"
            "providers: {vault: {address: 'http://127.0.0.1:1'}}\ncluster: {kubeconfig: kubeconfig}\n"
        )
        self._environment = load_environment(folder, "staging")
        cluster.intercept = self._intercept

    def sync(self, name: str) -> Outcome:
        """Sync as the command does."""
        self._whose = name
        outcome = self.outcomes[name] = Outcome()
        # As if it were ending: without Events, which change nothing of what is written.
        run = Run({}, self.clock.now + 3000, Record(), self.allowed, 90.0, first=True, is_ending=lambda: True)
        try:
            sync_environment(self._environment, run, outcome)
            if outcome.plan and outcome.plan.refusals:
                outcome.error = outcome.error or Refusal(*outcome.plan.refusals)
        except BridgeError as error:
            outcome.error = error
        return outcome

    def meet(self) -> None:
        """Let the two runs meet, and go on to the end of both."""
        self.source = OLD
        self.history.clear()
        self._note()
        self.sync("A")
        self._deliver()
        if self._other is None:  # A was done before
            self._go_on()
        self._whose = "B"
        assert self._other
        self._other.finish()

    def read(
        self, _providers: Mapping[str, Provider], references: Iterable[Reference], _context: Context, *_: Any
    ) -> Mapping[Reference, Document]:
        """Stand in for the sources: each document has the newest values, at once."""
        content = {"A": SecretValue.of(self.source), "B": SecretValue.of("CANARY-b")}
        return {one: Document((content,), Revision(self.source)) for one in references}

    def _intercept(self, _method: str, _path: str) -> Fault | None:
        self.asked[self._whose] += 1
        number = self.asked[self._whose]
        if self._whose == "B" and number == self.until:
            assert self._other
            self._other.freeze()
        if self._whose != "A" or self.event is None:
            return None
        if number == self.at + 2:
            self._deliver()
        if number != self.at:
            return None
        if isinstance(self.event.gets, int) and "handle" not in self.event.steps:
            self._take_steps(None)
            headers = {"Content-Type": "application/json", "Retry-After": str(self.event.retry_after)}
            return ("status", self.event.gets, headers, b"{}")
        self._due = self.event
        return "drop-after" if self.event.gets == "nothing" else None

    def serve(self, store: Store, request: api.Request) -> api.Answer:
        """Answer a request in the place of `api.answer`."""
        event, self._due = self._due, None
        if event is None:
            return self._handle(store, request)
        answer = self._take_steps(request)
        if isinstance(event.gets, int):
            return api.Answer(event.gets, {"kind": "Status", "code": event.gets})
        return answer or api.Answer(500, {})  # which nobody gets

    def _handle(self, store: Store, request: api.Request) -> api.Answer:
        answer = SERVE(store, request)
        self._note()
        return answer

    def _take_steps(self, request: api.Request | None) -> api.Answer | None:
        assert self.event
        answer = None
        for step in self.event.steps:
            match step:
                case "other":
                    self._go_on()
                case "handle":
                    assert request
                    answer = self._handle(self.cluster.store, request)
                case "later":
                    assert request
                    self._late.append(request)
                case "expire":
                    self.clock.sleep(EXPIRED)
                case "delete":
                    self._delete()
                case "create":
                    self._create()
        return answer

    def _go_on(self) -> None:
        self.source = NEW
        self._other = Frozen(lambda: self.sync("B"))
        self._other.start()
        self._whose = "A"

    def _deliver(self) -> None:
        while self._late:
            self._handle(self.cluster.store, self._late.pop())

    @property
    def place(self) -> Place:
        return Place(KINDS["secrets"], self.namespace, "s")

    @property
    def value(self) -> str | None:
        """The value that the object has now; None if there is no object."""
        try:
            found = self.cluster.store.get(self.place)
        except ApiError:
            return None
        return base64.b64decode(found["data"]["A"]).decode()

    def edit(self, patch: Mapping[str, Any]) -> None:
        """Change the object as somebody else does."""
        self.cluster.store.merge(self.place, patch, Write("kubectl-edit"))

    def _note(self) -> None:
        value = self.value
        if not self.history or self.history[-1] != value:
            self.history.append(value)

    def _delete(self) -> None:
        if self.value is not None:
            self.cluster.store.delete(self.place, {}, dry_run=False)
        self._note()

    def _create(self) -> None:
        if self.value is None:
            body = {"metadata": {"name": "s"}, "data": {"A": base64.b64encode(THEIRS.encode()).decode()}}
            self.cluster.store.create(self.place, body, Write("kubectl-create"))
        self._note()
