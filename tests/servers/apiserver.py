"""A real kube-apiserver with its etcd, on loopback: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/."""

import contextlib
import itertools
import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Self

from tests.servers.client import JSON, Client, Reply
from tests.servers.pki import Authority, Pair, key_pair
from tests.servers.process import Server, free_port

START_LIMIT: Final = 90.0  # seconds; 8 s where nothing else runs
POOL: Final = 10  # users without any right: `limited-0` to `limited-9`
LIMITED: Final = "limited-0"
"""The user of the fixture `limited`."""


class RealCluster:
    """etcd and kube-apiserver in a temporary folder. `stop` and `start` keep the data and the address."""

    ADDRESSES: ClassVar[tuple[str, ...]] = ()
    """Where the API server is besides loopback."""

    def __init__(self, etcd: Path, apiserver: Path, kubectl: Path) -> None:
        self._binaries = {"etcd": etcd, "kube-apiserver": apiserver}
        self._kubectl = kubectl
        self.folder: Final = Path(tempfile.mkdtemp(prefix="bridge-cluster-"))
        self._authority = Authority(self.folder)
        self._ports = {name: free_port() for name in ("etcd", "peer", "kube-apiserver")}
        self._servers: dict[str, Server] = {}
        self._numbers = itertools.count(1)
        self.url: Final = f"https://127.0.0.1:{self._ports['kube-apiserver']}"
        self.etcd_url: Final = f"http://127.0.0.1:{self._ports['etcd']}"
        self.ca_file: Final = self._authority.file
        self._tokens: Final = {
            "admin": secrets.token_hex(16),
            **{f"limited-{n}": secrets.token_hex(16) for n in range(POOL)},
        }
        self.token: Final = self._tokens["admin"]
        self.client: Final = Client(self.url, self.token, ssl.create_default_context(cafile=str(self.ca_file)))
        self._prepare()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start both and wait until the API is ready; RuntimeError with the log's end where it never is."""
        deadline = time.monotonic() + START_LIMIT
        self._launch("etcd", self._etcd_flags())
        self._launch("kube-apiserver", self._apiserver_flags())
        for pause in _pauses():
            if self._ready():
                return
            self._fail_if_over(deadline)
            time.sleep(pause)

    def stop(self) -> None:
        """Stop the API server, then etcd; the data stays for `start`."""
        for name in ("kube-apiserver", "etcd"):
            server = self._servers.pop(name, None)
            if server is not None:
                server.stop()

    def close(self) -> None:
        """Stop both and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(  # noqa: PLR0917 - the same order as Client.request
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send one raw request, as the administrator or with another token."""
        return self.client.request(method, path, body, content_type, token, headers)

    def token_user(self, name: str) -> str:
        """Return the token of `admin` (system:masters) or of `limited-N`, who may nothing without a RoleBinding."""
        return self._tokens[name]

    def client_certificate(self, user: str, groups: tuple[str, ...] = ()) -> Pair:
        """Issue a client certificate that the server takes for this user."""
        return self._authority.client(user, groups)

    def namespace(self) -> str:
        """Make a fresh namespace. There is no controller to delete it again."""
        name = f"test-{next(self._numbers)}"
        reply = self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if reply.status != 201:
            raise RuntimeError(f"namespace {name} was not created: {reply}")
        return name

    def kubeconfig(self, path: Path, *, token: str | None = None, namespace: str = "default") -> Path:
        """Write a kubeconfig (JSON is YAML too) for the administrator or for another token."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "test", "user": "test", "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": self.token if token is None else token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(content, indent=2))
        return path

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, `text` on its stdin; with `check` a failure is a RuntimeError."""
        config = self.kubeconfig(self.folder / "admin.kubeconfig")
        environment = {"HOME": str(self.folder), "KUBECONFIG": str(config), "PATH": "/usr/bin:/bin"}
        command = [self._kubectl, *arguments]
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done

    def _prepare(self) -> None:
        lines = [f'{self._tokens["admin"]},admin,admin,"system:masters"']
        lines += [f"{token},{name},{name}" for name, token in self._tokens.items() if name != "admin"]
        tokens = self.folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("\n".join(lines) + "\n")
        self._serving = self._authority.server("server", "localhost", *self.ADDRESSES)
        self._accounts = key_pair(self.folder, "service-accounts")

    def _etcd_flags(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "peer"))
        return [
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _apiserver_flags(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # the others refuse a loopback address
            f"--secure-port={self._ports['kube-apiserver']}",
            f"--tls-cert-file={self._serving.certificate}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._accounts.certificate}",
            f"--service-account-signing-key-file={self._accounts.key}",
            "--disable-admission-plugins=ServiceAccount",
            "--shutdown-send-retry-after=false",
        ]

    def _launch(self, name: str, flags: list[str]) -> None:
        environment = os.environ | {"GOGC": "400"}  # memory is cheaper here than collecting garbage
        command = self._command(self._binaries[name], *flags)
        self._servers[name] = Server(command, self.folder / f"{name}.log", environment)

    def _command(self, *words: str | Path) -> list[str]:
        """Return the command line that runs a command where the servers are."""
        return list(map(str, words))

    def _ready(self) -> bool:
        # ConnectionError before it listens, ssl.SSLError (an OSError) while it starts.
        with contextlib.suppress(OSError):
            return self.request("GET", "/readyz").status == 200
        return False

    def _fail_if_over(self, deadline: float) -> None:
        for name, server in self._servers.items():
            if server.exited() is not None:
                raise RuntimeError(f"{name} ended with status {server.exited()}:\n{server.tail()}")
        if time.monotonic() > deadline:
            ends = "\n".join(f"--- {name}\n{server.tail()}" for name, server in self._servers.items())
            raise RuntimeError(f"the API server was not ready after {START_LIMIT:.0f} s:\n{ends}")


def _pauses() -> Iterator[float]:
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.5, 1.0)
