"""Hours of work compressed: thousands of runs in one process, then hundreds of processes side by side.

    python tests/bench/soak.py [--runs N] [--processes N] [--seconds S]

Values change, people edit objects by hand, Vault is sealed, the API server goes away, and clocks differ by hours. Each
run has to end as it should, and the cluster then holds what Vault holds. It fails if the memory of the process grows,
if its files, threads or children do, or if a temporary file or a held Lease is left.
"""

import argparse
import base64
import contextlib
import io
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from unittest import mock

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

from bridge.cli import main as bridge
from bridge.cluster import lease
from tests.bench.footprint import Footprint, children, footprint, settled, slope
from tests.servers import build
from tests.servers.apiserver import RealCluster
from tests.servers.client import MERGE
from tests.servers.vault import SealedVault

ENVIRONMENTS: Final = [f"team-{number}" for number in range(6)]
KEYS: Final = [f"KEY_{number}" for number in range(20)]
CLUSTER_AWAY: Final = 1000  # how often the API server is started anew, in runs
VAULT_AWAY: Final = 200  # how often Vault is sealed
SIDE_BY_SIDE: Final = 6  # processes
KILLED: Final = 10  # one of so many processes is killed
WARM: Final = 0.3  # of the samples: until then, memory may grow
GROWTH: Final = 0.02  # of the memory, from then on to the end
SAMPLES: Final = 20
EVERY: Final = 25  # runs between two samples, if there are many: the time limit may end them early


class Soak:
    """The environments, their two servers, and what the cluster should hold."""

    def __init__(self, vault: SealedVault, cluster: RealCluster, folder: Path) -> None:
        self.vault, self.cluster, self.folder = vault, cluster, folder
        self.config = folder / "config"
        self.namespace = cluster.namespace()
        self.chance = random.Random(21)
        self.values: dict[str, dict[str, str]] = {}
        self.ends: Counter[str] = Counter()
        self._numbers = itertools.count()
        self.config.mkdir()
        (folder / "tmp").mkdir()
        for name in ENVIRONMENTS:
            self._write(name)
            self.change(name)
        self.environ = os.environ | {
            "KUBECONFIG": str(cluster.kubeconfig(folder / "kubeconfig")),
            "VAULT_ADDR": vault.address,
            "VAULT_TOKEN": vault.root,
            "VAULT_CACERT": str(vault.authority.file),
            "VAULT_MAX_RETRIES": "0",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
        }

    def _write(self, name: str) -> None:
        fields = "".join(f"  {key}: ${{{key}}}\n" for key in KEYS)
        template = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData:\n{fields}"
        (self.folder / f"{name}.yml").write_text(template)
        content = {
            "id": name,
            "namespace": self.namespace,
            "templates": [f"../{name}.yml"],
            "sources": [f"vault:soak/{name}"],
            "providers": {"vault": {"mount": "secret"}},
            "cluster": {"server": self.cluster.url},
        }
        (self.config / f"{name}.yaml").write_text(json.dumps(content))

    def change(self, name: str) -> None:
        """Store other values of an environment."""
        number = next(self._numbers)
        self.values[name] = {key: f"value-{number}-{key}" for key in KEYS}
        self.vault.put(f"soak/{name}", self.values[name])

    def edit(self, name: str) -> None:
        """Change a key by hand, if the object exists."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{name}?fieldManager=kubectl-edit"
        body = {"stringData": {self.chance.choice(KEYS): "by hand"}}
        self.cluster.request("PATCH", path, body, MERGE)

    def run(self, *arguments: str, expected: int = 0) -> None:
        """Run bridge in this process; RuntimeError if it ends otherwise than it should."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = bridge([*arguments, "--config", str(self.config)])
        self.ends[f"{arguments[0]}{' --all' if '--all' in arguments else ''} {status}"] += 1
        if status != expected:
            raise RuntimeError(f"{arguments}: status {status} instead of {expected}: {out.getvalue()}{err.getvalue()}")

    def compare(self, names: Sequence[str]) -> None:
        """Compare the cluster with what was stored; RuntimeError if a key is lost or has another value."""
        for name in names:
            reply = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{name}")
            found = {key: base64.b64decode(text).decode() for key, text in reply.body["data"].items()}
            if found != self.values[name]:
                raise RuntimeError(f"the cluster does not hold what Vault holds of {name}")

    def turn(self, number: int) -> None:
        """Do one run, and what happens around it."""
        name = self.chance.choice(ENVIRONMENTS)
        if number % CLUSTER_AWAY == CLUSTER_AWAY - 1:
            self.cluster.stop()
            self.run("sync", name, "--timeout", "3", expected=75)
            self.cluster.start()
        if number % VAULT_AWAY == VAULT_AWAY - 1:
            self.vault.seal()
            self.run("sync", name, "--timeout", "3", expected=75)
            self.vault.unseal()
        if number % 3 == 0:
            self.change(name)
        if number % 7 == 0:
            self.edit(name)
        with drifting(number):
            self._go(number, name)

    def _go(self, number: int, name: str) -> None:
        if number % 10 == 0:
            self.run("sync", "--all")
            self.compare(ENVIRONMENTS)
        elif number % 10 == 5:
            self.values[name] |= {"KEY_0": f"set-{number}"}
            with mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(f"set-{number}\n".encode()))):
                self.run("set", name, "KEY_0", "--yes", "--sync")
            self.compare([name])
        elif number % 10 == 7:
            self.run(self.chance.choice(["plan", "status", "check"]), name)
        else:
            self.run("sync", name)
            self.compare([name])

    def side_by_side(self, count: int, end: float) -> int:
        """Run so many processes, several at a time, until the time is over; return how many there were."""
        running: list[tuple[subprocess.Popen[str], bool]] = []
        started = 0
        while started < count and time.monotonic() < end:
            started += 1
            name = self.chance.choice(ENVIRONMENTS)
            if started % 2:
                self.change(name)
            if started % 5 == 0:
                self.edit(name)
            arguments = ["sync", "--all"] if started % 3 == 0 else ["sync", name]
            running.append((self._start(*arguments, "--lock-wait", "60"), started % KILLED == 0))
            if started % KILLED == 0:
                time.sleep(self.chance.random())
                running[-1][0].kill()
            if len(running) == SIDE_BY_SIDE:
                self._wait_for(*running.pop(0))
        for process, is_killed in running:
            self._wait_for(process, is_killed)
        return started

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bridge", *arguments, "--config", str(self.config)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def _wait_for(self, process: subprocess.Popen[str], is_killed: bool) -> None:
        out, err = process.communicate()
        self.ends[f"process {process.returncode}"] += 1
        # Others write at the same time, so it may give up, or lose an object to an edit between two writes.
        if process.returncode not in (0, 75, 5) and not is_killed:
            raise RuntimeError(f"{process.args}: status {process.returncode}: {out}{err}")

    def finish(self) -> None:
        """Sync everything once more, also what processes that were killed have left."""
        for name in ENVIRONMENTS:
            self.change(name)
        self.run("sync", "--all", "--lock-wait", "60")
        self.compare(ENVIRONMENTS)
        self.run("plan", "--all", "--exit-code")

    def left(self) -> Iterator[str]:
        """Yield what is left that should not be."""
        yield from (f"the temporary file {path.name}" for path in (self.folder / "tmp").rglob("*"))
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        for item in self.cluster.request("GET", path).body["items"]:
            if item["spec"].get("holderIdentity"):
                yield f"the Lease {item['metadata']['name']}, which is still held"


@contextlib.contextmanager
def drifting(number: int) -> Iterator[None]:
    """Let the clock that bridge writes into its Lease be an hour off for each run, forwards and backwards in turn."""
    real = lease.datetime

    class Drifting(real):  # type: ignore[misc,valid-type]
        @classmethod
        def now(cls, zone: object = None) -> object:  # type: ignore[override]
            return real.fromtimestamp(time.time() + 3600 * (number % 1000) * (-1) ** number, zone)

    lease.datetime = Drifting  # type: ignore[misc]
    try:
        yield
    finally:
        lease.datetime = real  # type: ignore[misc]


def say(text: str) -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - this is its report


def soak_in_process(soak: Soak, runs: int, end: float) -> list[tuple[int, Footprint]]:
    """Run so often, or until the time is over; return what the process took along the way."""
    samples: list[tuple[int, Footprint]] = []
    for number in range(1, runs + 1):
        soak.turn(number)
        if number % min(EVERY, max(1, runs // SAMPLES)) == 0:
            samples.append((number, settled(samples[0][1] if samples else footprint())))
        if number % max(1, runs // SAMPLES) == 0:
            say(f"{number} runs: {samples[-1][1]}")
        if time.monotonic() > end:
            break
    return samples


def judged(samples: Sequence[tuple[int, Footprint]]) -> Iterator[str]:
    """Yield what grows, once the process is warm."""
    warm = samples[int(len(samples) * WARM) :]
    per_run = slope([(number, found.resident) for number, found in warm])
    (first, before), (last, after) = warm[0], warm[-1]
    grown = per_run * (last - first)
    say(f"from run {first} to run {last}: {before}; {after}; memory grows by {per_run * 1000:.1f} KiB in 1000 runs")
    if grown > GROWTH * before.resident:
        yield f"memory grows by {grown:.0f} KiB in {last - first} runs"
    for what in ("files", "threads", "children"):
        if getattr(after, what) > getattr(before, what):
            yield f"{what}: {getattr(before, what)}, then {getattr(after, what)}"


def main(arguments: list[str] | None = None) -> int:
    """Soak, and tell what the process takes; 1 if something grows or is left."""
    parser = argparse.ArgumentParser(description="Many runs of bridge against servers that come and go.")
    parser.add_argument("--runs", type=int, default=5000, help="how many in this process (default: 5000)")
    parser.add_argument("--processes", type=int, default=400, help="how many processes after that (default: 400)")
    seconds = float(os.environ.get("SOAK_SECONDS") or "inf")
    parser.add_argument("--seconds", type=float, default=seconds, help="time limit (default: SOAK_SECONDS, or none)")
    args = parser.parse_args(arguments)
    began = time.monotonic()
    kubectl = Path(shutil.which("kubectl", path=sysconfig.get_path("scripts")) or "kubectl")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-soak-")))
        vault = stack.enter_context(SealedVault(build.build("vault")))
        cluster = stack.enter_context(RealCluster(build.build("etcd"), build.build("kube-apiserver"), kubectl))
        soak = Soak(vault, cluster, folder)
        stack.enter_context(mock.patch.dict(os.environ, soak.environ))
        stack.enter_context(mock.patch("tempfile.tempdir", soak.environ["TMPDIR"]))
        stack.callback(vault.unseal)
        servers = len(children())
        samples = soak_in_process(soak, args.runs, began + args.seconds * 0.7)
        soak.finish()
        problems = list(judged(samples)) if len(samples) > 3 else ["too few runs to judge"]
        before = settled(samples[-1][1])
        count = soak.side_by_side(args.processes, began + args.seconds)
        soak.finish()
        after = settled(before)
        say(f"{count} processes, {SIDE_BY_SIDE} at a time: {before}; {after}")
        say(", ".join(f"{how}: {times}" for how, times in sorted(soak.ends.items())))
        problems += [f"{len(children()) - servers} processes are left"] if len(children()) > servers else []
        problems += [*soak.left()]
    for problem in problems:
        say(f"wrong: {problem}")
    say(f"{time.monotonic() - began:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
