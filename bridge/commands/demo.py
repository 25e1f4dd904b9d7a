"""`bridge demo`: the whole story in seconds, on an embedded cluster."""

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
    """Show every step with the command that an operator would type; 1 where a step ends otherwise than it should."""
    with EmbeddedCluster() as cluster, tempfile.TemporaryDirectory(prefix="bridge-demo-") as folder:
        _Story(cluster, Path(folder)).tell()
    return 0


def example() -> Path:
    """Return the folder of the demonstration's configuration: in the installed package, or in the source tree."""
    package = Path(bridge.__file__).parent
    installed = package / "example"
    return installed if installed.is_dir() else package.parent / "config"


class _Story:
    def __init__(self, cluster: EmbeddedCluster, folder: Path) -> None:
        self.cluster = cluster
        self.config = folder / "config"
        shutil.copytree(example(), self.config)
        with (self.config / "staging.yaml").open("a") as file:  # so that nobody is asked whether this is the cluster
            file.write(f"cluster: {{server: {cluster.url}}}\n")
        cluster.write_kubeconfig(folder / "kubeconfig")
        # Nothing of the user's own: no other cluster is within reach, and no key but the demonstration's.
        self.environ = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        if trust.find(self.environ):  # the machine's, which knows nothing of the demonstration
            self._trust(folder)

    def tell(self) -> None:
        self._request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self._say("Twelve keys for five objects: the secrets in one SOPS file, the rest in plain files.")
        self._bridge("check", "staging")
        self._say("What would change? Every key with its origin, and no value.")
        self._bridge("plan", "staging")
        self._say("Write it: sources read and checked, every change tried dry, and only then the first write.")
        self._bridge("sync", "staging")
        self._say("Once more: nothing to do, so nothing is sent.")
        self._bridge("sync", "staging")
        self._say("Somebody edits a key by hand, and adds a key of their own.")
        self._edit({"OPENAI_API_KEY": "edited-by-hand", "THEIR_OWN": "stays"})
        self._bridge("plan", "staging")
        self._say("The edit is healed; their own key stays.")
        self._bridge("sync", "staging")
        self._say("Somebody tampers with the encrypted file: the run is refused, and the cluster stays as it is.")
        self._tamper()
        self._bridge("sync", "staging", expected=1)
        self._say("That was all. README.md tells how to do it with your own cluster.")

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
