"""`bridge demo`: show bridge at work on an embedded cluster, in seconds."""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import bridge
from bridge import trust
from bridge.errors import Problem, Refusal
from bridge.process import descriptor
from bridge.report import streams
from bridge.report.record import Record
from bridge.testing.apiserver import EmbeddedCluster

NAMESPACE = "voice-agent-staging"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/agent-secrets"


def run(_args: argparse.Namespace, _record: Record) -> int:
    """Show every step with the command that an operator would type; raise Refusal if a step fails."""
    with EmbeddedCluster() as cluster, tempfile.TemporaryDirectory(prefix="bridge-demo-") as folder:
        _Story(cluster, Path(folder)).tell()
    return 0


def example() -> Path:
    """Return the folder of the demo's configuration, in the installed package or in the source tree."""
    package = Path(bridge.__file__).parent
    installed = package / "example"
    return installed if installed.is_dir() else package.parent / "config"


class _Story:
    def __init__(self, cluster: EmbeddedCluster, folder: Path) -> None:
        self.cluster = cluster
        self.config = folder / "config"
        shutil.copytree(example(), self.config)
        with (self.config / "staging.yaml").open("a") as file:  # so that no confirmation of the cluster is needed
            file.write(f"cluster: {{server: {cluster.url}}}\n")
        cluster.write_kubeconfig(folder / "kubeconfig")
        # Nothing from the user's environment: no other cluster can be reached, and only the demo's key is available.
        self.environ = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        if trust.find(self.environ):  # the machine's trust file, which does not list the demo's cluster
            self._trust(folder)

    def tell(self) -> None:
        self._request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self._say("Twelve keys for five objects: the secrets are in one SOPS file, the rest in plain files.")
        self._bridge("check", "staging")
        self._say("What would change? The plan shows every key with its origin, but no values.")
        self._bridge("plan", "staging")
        self._say("Sync: read and check the sources, dry-run every change, and only then write.")
        self._bridge("sync", "staging")
        self._say("Sync again: there is nothing to do, so nothing is sent.")
        self._bridge("sync", "staging")
        self._say("Someone edits a key by hand and adds a key of their own.")
        self._edit({"OPENAI_API_KEY": "edited-by-hand", "THEIR_OWN": "stays"})
        self._bridge("plan", "staging")
        self._say("Sync reverts the edit and keeps the added key.")
        self._bridge("sync", "staging")
        self._say("Someone tampers with the encrypted file: bridge refuses to run, and the cluster stays unchanged.")
        self._tamper()
        self._bridge("sync", "staging", expected=1)
        self._say("That's it. `bridge help getting-started` explains how to use bridge with your own cluster.")

    def _trust(self, folder: Path) -> None:
        listed = {"servers": [self.cluster.url], "kubeconfigs": [str(folder / "kubeconfig")]}
        (folder / "trust.yaml").write_text(json.dumps(listed))
        self.environ[trust.VARIABLE] = str(folder / "trust.yaml")

    def _say(self, text: str) -> None:
        print(f"\n# {text}", file=streams.report(), flush=True)

    def _bridge(self, *arguments: str, expected: int = 0) -> None:
        print(f"$ bridge {' '.join(arguments)}", file=streams.report(), flush=True)
        command = [sys.executable, "-m", "bridge", *arguments, "--config", str(self.config)]
        out = descriptor(1)
        done = subprocess.run(command, env=self.environ, stdout=out, stderr=subprocess.STDOUT, check=False)  # noqa: S603
        status = done.returncode
        if status != expected:
            raise Refusal(Problem("demo", f"bridge {arguments[0]} ended with {status} instead of {expected}"))

    def _edit(self, values: dict[str, str]) -> None:
        print("$ kubectl edit secret agent-secrets", file=streams.report(), flush=True)
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self._request("PATCH", f"{SECRET}?fieldManager=kubectl-edit", {"data": data}, "application/merge-patch+json")

    def _tamper(self) -> None:
        file = self.config / "staging.sops.yaml"
        lines = file.read_text().splitlines(keepends=True)
        index = next(index for index, line in enumerate(lines) if line.startswith("OPENAI_API_KEY:"))
        line = lines[index]
        start = line.index("data:") + len("data:")
        lines[index] = line[:start] + ("A" if line[start] != "A" else "B") + line[start + 1 :]
        file.write_text("".join(lines))

    def _request(self, method: str, path: str, body: dict[str, object], kind: str = "application/json") -> None:
        headers = {"Authorization": f"Bearer {self.cluster.token}", "Content-Type": kind}
        url = self.cluster.url + path
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)  # noqa: S310
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
            pass
