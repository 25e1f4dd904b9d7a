"""Two hundred syncs in a row, in one process, while values change, servers go away, and the clock drifts.

    python tests/bench/soak.py [--runs N]

Each run has to end as it should: 0, or 75 while a server is away, and the cluster then holds what Vault holds. The
memory of the process is told along the way; it fails where the last part of the runs needs more than the first.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

from bridge.cli import main as bridge
from bridge.cluster import lease
from tests.servers import build
from tests.servers.apiserver import RealCluster
from tests.servers.vault import SealedVault

KEYS: Final = [f"KEY_{number}" for number in range(20)]
CHANGED: Final = 3  # every third run finds another value
CLUSTER_AWAY: Final = 50  # how often the API server is started anew, in runs
VAULT_AWAY: Final = 40  # how often Vault is
GROWTH: Final = 1.1


class Soak:
    """The environment, its two servers, and what the cluster should hold."""

    def __init__(self, vault: SealedVault, cluster: RealCluster, folder: Path) -> None:
        self.vault = vault
        self.cluster = cluster
        self.config = folder / "config"
        self.namespace = cluster.namespace()
        self.config.mkdir()
        fields = "".join(f"  {key}: ${{{key}}}\n" for key in KEYS)
        template = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: soaked}}\nstringData:\n{fields}"
        (self.config / "objects.yml").write_text(template)
        content = {
            "id": "soak",
            "namespace": self.namespace,
            "templates": ["objects.yml"],
            "sources": ["vault:soak"],
            "providers": {"vault": {"mount": "secret"}},
        }
        (self.config / "staging.yaml").write_text(json.dumps(content))
        os.environ |= {
            "KUBECONFIG": str(cluster.kubeconfig(folder / "kubeconfig")),
            "VAULT_ADDR": vault.address,
            "VAULT_TOKEN": vault.root,
            "VAULT_CACERT": str(vault.authority.file),
            "VAULT_MAX_RETRIES": "0",
            "HOME": str(folder),
        }
        self.change(0)

    def change(self, number: int) -> None:
        """Store other values."""
        self.values = {key: f"value-{number}-{key}" for key in KEYS}
        self.vault.put("soak", self.values)

    def sync(self, expected: int, *flags: str) -> None:
        """Run bridge in this process; RuntimeError where it ends otherwise than it should."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = bridge(["sync", "staging", "--first", "--config", str(self.config), *flags])
        if status != expected:
            raise RuntimeError(f"status {status} instead of {expected}: {err.getvalue()}")

    def compare(self) -> None:
        """Compare the cluster with what was stored; RuntimeError where a key is lost or another."""
        reply = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/soaked")
        found = {key: base64.b64decode(text).decode() for key, text in reply.body["data"].items()}
        if found != self.values:
            raise RuntimeError("the cluster does not hold what Vault holds")

    def turn(self, number: int) -> None:
        """Do one run, and what happens around it."""
        if number % CHANGED == 0:
            self.change(number)
        if number % CLUSTER_AWAY == CLUSTER_AWAY - 1:
            self.cluster.stop()
            self.sync(75, "--timeout", "3")
            self.cluster.start()
        if number % VAULT_AWAY == VAULT_AWAY - 1:
            self.vault.seal()
            self.sync(75, "--timeout", "3")
            self.vault.unseal()
        with drifting(number):
            self.sync(0)
        self.compare()


@contextlib.contextmanager
def drifting(number: int) -> Iterator[None]:
    """Let the clock that bridge writes into its Lease be an hour off for each run, forwards and backwards in turn."""
    real = lease.datetime

    class Drifting(real):  # type: ignore[misc,valid-type]
        @classmethod
        def now(cls, zone: object = None) -> object:  # type: ignore[override]
            return real.fromtimestamp(time.time() + 3600 * number * (-1) ** number, zone)

    lease.datetime = Drifting  # type: ignore[misc]
    try:
        yield
    finally:
        lease.datetime = real  # type: ignore[misc]


def resident() -> int:
    """Return this process's resident memory in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main(arguments: list[str] | None = None) -> int:
    """Soak, and tell the memory after each tenth of the runs; 1 where it grows."""
    parser = argparse.ArgumentParser(description="Many syncs in one process, against servers that come and go.")
    parser.add_argument("--runs", type=int, default=200, help="how many (default: 200)")
    runs = parser.parse_args(arguments).runs
    kubectl = Path(shutil.which("kubectl", path=sysconfig.get_path("scripts")) or "kubectl")
    told: list[int] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-soak-")))
        vault = stack.enter_context(SealedVault(build.build("vault")))
        cluster = stack.enter_context(RealCluster(build.build("etcd"), build.build("kube-apiserver"), kubectl))
        soak = Soak(vault, cluster, folder)
        for number in range(1, runs + 1):
            soak.turn(number)
            if number % max(1, runs // 10) == 0:
                told.append(resident())
                print(f"{number} runs, {told[-1] / 1024:.1f} MiB", flush=True)  # noqa: T201 - this is its report
    grown = told[-1] / told[len(told) // 5]
    print(f"memory at the end against a fifth of the way: {grown:.3f}")  # noqa: T201
    return 0 if grown < GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
