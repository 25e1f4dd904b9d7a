"""One turn: new values at the source, a run that meets a fault, and a clean run that repairs what it left."""

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from bridge.cli import main
from tests.faults.commands import Command
from tests.faults.kinds import Fault, Machine
from tests.faults.machines import NEAR
from tests.faults.proxy import FaultProxy
from tests.faults.targets import Cluster, Servers, Target, target, values
from tests.waiting import with_enough_time

ID: Final = "faults"
STATE: Final = f"ConfigMap/bridge-{ID}"
LIMIT: Final = 120.0  # seconds for a run that has no reason to wait
SLOW_LIMIT: Final = 2.0  # for one that has
_LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/{{}}/leases/bridge-{ID}"
_PLURALS: Final = {"secrets": "Secret", "configmaps": "ConfigMap"}
_CREDENTIALS: Final = ("AWS_", "SCW_", "VAULT_", "BAO_", "SOPS_", "BRIDGE_", "KUBE", "HTTPS_PROXY", "NO_PROXY", "SSL_")
_SECRETS: Final = """\
apiVersion: v1
kind: Secret
metadata: {name: app}
stringData: {PASSWORD: "${PASSWORD}", OTHER: "${OTHER}"}
"""
_SETTINGS: Final = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{ROUND: "{number}"}}
"""
_START: Final = "\nfrom bridge.start import run; run()"
_PLAN: Final = Command()
_PLAN.words, _PLAN.flags = ("plan", "staging"), (*Command.flags, "--exit-code")
_MERGE: Final = "application/merge-patch+json"

Objects = Mapping[str, tuple[str, Mapping[str, str]]]
"""Each object's resourceVersion and data, by kind and name."""


class Outcome(NamedTuple):
    """How a run ended, and how long it took."""

    status: int
    out: str
    err: str
    seconds: float


@dataclass
class Turn:
    """What one fault did: the objects before and after, and the wanted data of each object (None if it must go)."""

    fault: Fault | None
    faulted: Outcome
    calls: list[str]
    met: int
    was_followed: bool
    before: Objects
    after: Objects
    was_held: bool
    """Whether the run has left its Lease."""
    wanted: Mapping[str, Mapping[str, str] | None]
    repair: Outcome | None
    """The next run; None if the first one did everything."""
    again: Outcome | None
    """A plan at the end, which has nothing to do; None if the first run wrote nothing."""
    end: Objects
    limit: float
    canaries: frozenset[str]


class Table:
    """A target, a namespace of the cluster, and an environment that reads from the one and writes to the other."""

    def __init__(self, made: Target, cluster: Cluster, folder: Path) -> None:
        self.target: Final = made
        self.cluster: Final = cluster
        self._config: Final = folder / "config"
        self._disk: Final = folder / "disk"
        """Where a run of its own process would write all its files, but for its report."""
        self._disk.mkdir()
        self.turns = 0
        self._has_met = False
        self._is_whole: Final = made.is_cluster and made.command.is_whole
        kubeconfig = self._config / "kubeconfig"
        cluster.own_kubeconfig(kubeconfig)
        self._address = cluster.url
        if made.is_cluster:
            self._address = made.server.url
            cluster.kubeconfig(kubeconfig, made.server.url, made.server.authority.file)

    def start(self) -> list[str]:
        """Write everything once, and return the calls of a turn that meets no fault."""
        self._next()
        first = self._run(LIMIT)
        assert first.status == 0, first.err
        clean = self.turn(None)
        assert clean.faulted.status == 0, clean.faulted.err
        return clean.calls

    def turn(self, fault: Fault | None, call: int = 0, *, lasting: bool = False) -> Turn:
        """Let a run meet a fault at one of its calls, and let the next run repair what it left.

        A run that waits until its time limit gets a short one, or a longer one if it did not come so far.
        """
        if fault is None or not fault.is_slow:
            return self._turn(fault, call, lasting=lasting, limit=LIMIT)
        return with_enough_time(
            lambda limit: self._turn(fault, call, lasting=lasting, limit=limit),
            lambda: self._has_met,
            first=SLOW_LIMIT,
        )

    def _turn(self, fault: Fault | None, call: int, *, lasting: bool, limit: float) -> Turn:
        self._next()
        before = self.objects()
        server = self.target.server
        server.apply(fault, call, lasting=lasting)
        seen = 0
        if fault and fault.signal:
            faulted = self._strike(fault.signal, limit)
        elif fault and fault.machine:
            faulted, seen = self._endure(fault.machine, call, limit, lasting=lasting)
        else:
            faulted = self._run(limit)
        calls, met, was_followed = list(map(str, server.calls)), server.met + seen, server.was_followed
        self._has_met = met > 0
        server.end()
        after = self.objects()
        was_held = self._give_lease_back()
        repair = self._run(LIMIT) if faulted.status else None
        again = None if faulted.status in {1, 75} else self._run(LIMIT, _PLAN)
        canaries = {self.cluster.token} | self.target.canaries
        for number in (self.turns, self.turns - 1):
            canaries |= set(values(number).values())
        return Turn(
            *(fault, faulted, calls, met, was_followed, before, after),
            *(was_held, self._wanted(), repair, again, self.objects(), limit, frozenset(canaries)),
        )

    def objects(self) -> Objects:
        """Return what is in the namespace, but for the state ConfigMap and what the cluster itself puts there.

        Add what else the command changes.
        """
        found = {}
        for plural, kind in _PLURALS.items():
            items = self.cluster.ask("GET", f"/api/v1/namespaces/{self.cluster.namespace}/{plural}")["items"]
            found |= {f"{kind}/{one['metadata']['name']}": one for one in items}
        objects: Objects = {
            name: (one["metadata"]["resourceVersion"], one.get("data") or {})
            for name, one in found.items()
            if name not in {STATE, "ConfigMap/kube-root-ca.crt"}
        }
        return {**objects, **self.target.command.see(self.cluster)}

    def events(self) -> str:
        """Return all Events of the namespace."""
        return json.dumps(self.cluster.ask("GET", f"/api/v1/namespaces/{self.cluster.namespace}/events"))

    def _next(self) -> None:
        """Store new values; let one object be new, one be gone, and one be changed by hand."""
        self.turns += 1
        self.target.put(values(self.turns))
        self.target.command.begin(values(self.turns), self.cluster)
        names = {"settings": self.turns}
        if self._is_whole:
            names[f"extra-{self.turns % 2}"] = self.turns
            path = f"/api/v1/namespaces/{self.cluster.namespace}/configmaps/settings?fieldManager=kubectl-edit"
            self.cluster.ask("PATCH", path, {"data": {"ROUND": "by hand"}}, _MERGE)
        settings = [_SETTINGS.format(name=name, number=number) for name, number in names.items()]
        (self._config / "objects.yml").write_text("---\n".join([_SECRETS, *settings]))
        content = {
            "id": ID,
            "namespace": self.cluster.namespace,
            "templates": ["objects.yml"],
            "cluster": {"kubeconfig": "kubeconfig", "server": self._address},
        }
        (self._config / "staging.yaml").write_text(json.dumps(content | self.target.environment))

    def _wanted(self) -> Mapping[str, Mapping[str, str] | None]:
        wanted: dict[str, Mapping[str, str] | None] = {
            "Secret/app": {name: _encoded(value) for name, value in values(self.turns).items()},
            "ConfigMap/settings": {"ROUND": str(self.turns)},
        }
        wanted |= self.target.command.want(values(self.turns))
        if self._is_whole:
            wanted |= {
                f"ConfigMap/extra-{self.turns % 2}": {"ROUND": str(self.turns)},
                f"ConfigMap/extra-{(self.turns + 1) % 2}": None,
            }
        return wanted

    def _arguments(self, limit: float, command: Command, *more: str) -> list[str]:
        where = ["--config", str(self._config), "--output", "json", "--timeout", str(limit)]
        return [*command.words, *command.flags, *where, *more]

    def _run(self, limit: float, command: Command | None = None) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        chosen = command or self.target.command
        chosen.ready(self.cluster)
        given = io.TextIOWrapper(io.BytesIO(chosen.stdin.encode()))
        began = time.monotonic()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch("sys.stdin", given),
        ):
            status = main(self._arguments(limit, chosen))
        if status > 128:  # the signal is meant for this process, not for one run in it
            raise SystemExit(status)
        return Outcome(status, out.getvalue(), err.getvalue(), time.monotonic() - began)

    def _strike(self, number: int, limit: float) -> Outcome:
        """Run the command as a process of its own, which gets a signal when it meets its fault."""
        return self._process(Machine(NEAR), NEAR, limit, lambda process: process.send_signal(number))

    def _endure(self, machine: Machine, place: int, limit: float, *, lasting: bool) -> tuple[Outcome, int]:
        """Run the command as a process of its own on a faulty machine; also return how often the fault was met."""
        met = self._disk.with_name("met")
        met.write_text("")

        def strike(_: subprocess.Popen[str]) -> None:
            with met.open("a") as file:
                file.write("x")

        hook, tells = machine.hook, "%(met)" in machine.hook
        if "%(" in hook:
            hook %= {"place": place, "lasting": lasting, "met": str(met)}
        found = self._process(machine, hook, limit, strike, "--metrics", str(self._disk / "bridge.prom"))
        return found, len(met.read_text()) if tells else 1

    def _process(
        self, machine: Machine, hook: str, limit: float, strike: Callable[[subprocess.Popen[str]], object], *flags: str
    ) -> Outcome:
        assert isinstance(self.target.server, FaultProxy)
        chosen = self.target.command
        chosen.ready(self.cluster)
        command = [sys.executable, "-c", hook + _START, *self._arguments(limit, chosen, *flags)]
        if machine.mount:
            command = ["unshare", "--mount", "sh", "-c", f'{machine.mount} && exec "$@"', "sh", *command]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
        own |= {"disk": str(self._disk), "config": str(self._config)}
        own |= dict.fromkeys(("HOME", "TMPDIR"), str(self._disk))
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            out, err = (
                stack.enter_context(Path(path).open("w")) if path else subprocess.PIPE
                for path in (machine.stdout, machine.stderr)
            )
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                command, env=os.environ | own, cwd=self._disk, stdin=pipe, stdout=out, stderr=err, text=True
            )
            self.target.server.strike = lambda: strike(process)
            said = process.communicate(chosen.stdin)
        self.target.server.strike = lambda: None
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Outcome(status, said[0] or "", said[1] or "", time.monotonic() - began)

    def _give_lease_back(self) -> bool:
        """End the Lease of a run that could not, as the next one would wait for 20 s; return whether there was one."""
        path = _LEASE.format(self.cluster.namespace)
        was_held = bool(self.cluster.ask("GET", path).get("spec", {}).get("holderIdentity"))
        if was_held:
            self.cluster.ask("PATCH", path, {"spec": {"holderIdentity": ""}}, _MERGE)
        return was_held


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@contextlib.contextmanager
def table(name: str, servers: Servers, folder: Path, namespace: str) -> Iterator[Table]:
    """Set up a target. Within the block, the environment is the target's, and pauses between attempts are short."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(target(name, servers, folder))
        cluster = stack.enter_context(contextlib.closing(Cluster(servers, namespace)))
        kept = {name: text for name, text in os.environ.items() if not name.startswith(_CREDENTIALS)}
        own = {"HOME": str(folder), "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        stack.enter_context(mock.patch.dict(os.environ, kept | own | made.environ, clear=True))
        for pause in ("bridge.cluster.api.BACKOFF", "bridge.sources.session.FIRST_PAUSE"):
            stack.enter_context(mock.patch(pause, 0.02))
        stack.enter_context(mock.patch("bridge.http.ahead.FAR", 1e9))  # so that calls come in one order
        yield Table(made, cluster, folder)
