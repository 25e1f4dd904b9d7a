"""Real Vault and OpenBao servers on loopback: one in memory for speed, one with TLS that starts sealed."""

import contextlib
import json
import secrets
import shutil
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from tests.servers.client import Client, Reply
from tests.servers.pki import Authority, Pair
from tests.servers.process import Server, free_port

START_LIMIT: Final = 60.0  # seconds; one where nothing else runs
API_AUDIT: Final = {"unsafe_allow_api_audit_creation": True}
"""OpenBao enables no audit device over its API without this: https://openbao.org/docs/configuration/#parameters."""


class VaultServer:
    """What both have: requests as root, engines, policies, and the log of what was asked."""

    def __init__(self, binary: Path, scheme: str, tls: ssl.SSLContext | None = None) -> None:
        self.binary: Final = binary
        self.is_openbao: Final = binary.name == "bao"
        self.folder: Final = Path(tempfile.mkdtemp(prefix="bridge-vault-"))
        self.port: Final = free_port()
        self.address: Final = f"{scheme}://127.0.0.1:{self.port}"
        self.root = ""
        self.audit: Final = self.folder / "audit.log"
        self.client: Final = Client(self.address, tls=tls)
        self._server: Server | None = None

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
        """Start the server and make it ready for requests."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, method: str, path: str, body: object = None, token: str | None = None, **headers: str) -> Reply:
        """Send one request, as root or with another token; `headers` with _ for -."""
        given = {"X-Vault-Token": self.root if token is None else token}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request(method, f"/v1/{path}", body, headers=given)

    def do(self, method: str, path: str, body: object = None) -> Any:
        """Send one request as root that must succeed, and return the answer's body."""
        reply = self.request(method, path, body)
        if reply.status not in {200, 204}:
            raise RuntimeError(f"{method} {path}: {reply.status} {reply.body}")
        return reply.body

    def mount(self, path: str, version: int) -> None:
        """Mount a KV engine."""
        self.do("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": str(version)}})
        # An engine of version 2 says "upgrading" for a moment: https://developer.hashicorp.com/vault/docs/secrets/kv/kv-v2
        deadline = time.monotonic() + START_LIMIT
        while version == 2 and self.request("GET", f"{path}/config").status != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path} was never ready")
            time.sleep(0.02)

    def put(self, path: str, values: object, mount: str = "secret") -> int:
        """Write a document of a version 2 engine and return its version."""
        body = values if isinstance(values, bytes) else json.dumps({"data": values}).encode()
        return int(self.do("POST", f"{mount}/data/{path}", body)["data"]["version"])

    def policy(self, name: str, text: str) -> None:
        """Write a policy."""
        self.do("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def token(self, *policies: str, **options: object) -> str:
        """Issue a token with these policies."""
        body = {"policies": list(policies), "no_parent": True, **options}
        return str(self.do("POST", "auth/token/create", body)["auth"]["client_token"])

    def is_alive(self, token: str) -> bool:
        """Say whether a token is valid."""
        return self.request("GET", "auth/token/lookup-self", token=token).status == 200

    def tokens(self) -> int:
        """Return how many tokens exist."""
        return len(self.do("LIST", "auth/token/accessors")["data"]["keys"])

    def asked(self) -> list[tuple[str, str]]:
        """Return the requests since the last call, as (operation, path)."""
        lines = [json.loads(line) for line in self.audit.read_text().splitlines()]
        found = [(one["request"]["operation"], one["request"]["path"]) for one in lines if one["type"] == "request"]
        self.forget()
        return found

    def forget(self) -> None:
        """Empty the log of requests."""
        with self.audit.open("w"):
            pass

    def _audited(self) -> None:
        self.do("PUT", "sys/audit/file", {"type": "file", "options": {"file_path": str(self.audit)}})

    def _wait(self, status: int) -> None:
        """Wait until the server says so of its health: https://developer.hashicorp.com/vault/api-docs/system/health."""
        deadline = time.monotonic() + START_LIMIT
        for pause in _pauses():
            with contextlib.suppress(OSError):
                if self.request("GET", "sys/health").status == status:
                    return
            assert self._server is not None
            if self._server.exited() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.binary.name} is not ready:\n{self._server.tail()}")
            time.sleep(pause)

    def _launch(self, *arguments: str) -> None:
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "VAULT_DISABLE_MLOCK": "true"}
        self._server = Server([self.binary, "server", *arguments], self.folder / "vault.log", environment)


class DevVault(VaultServer):
    """Vault in memory, unsealed, plain HTTP, with a version 2 engine at `secret`."""

    def __init__(self, binary: Path) -> None:
        super().__init__(binary, "http")
        self.root = f"root-{secrets.token_hex(12)}"

    def start(self) -> None:
        """Start the server and make it ready for requests."""
        arguments = ["-dev", "-dev-no-store-token", f"-dev-root-token-id={self.root}"]
        if self.is_openbao:
            config = self.folder / "audit.json"
            config.write_text(json.dumps(API_AUDIT))
            arguments.append(f"-config={config}")
        self._launch(*arguments, f"-dev-listen-address=127.0.0.1:{self.port}")
        self._wait(200)
        self._audited()


class SealedVault(VaultServer):
    """Vault with TLS and its data in files; `stop` and `start` keep them, and it is sealed after each start."""

    def __init__(self, binary: Path, *, wants_certificate: bool = False) -> None:
        folder = Path(tempfile.mkdtemp(prefix="bridge-vault-pki-"))
        self.authority: Final = Authority(folder)
        context = ssl.create_default_context(cafile=str(self.authority.file))
        own = self.authority.client("tests")
        context.load_cert_chain(own.certificate, own.key)
        super().__init__(binary, "https", context)
        self._key = ""
        self._pki = folder
        self._pair: Final = self.authority.server()
        self._wants_certificate = wants_certificate
        self._cluster_port: Final = free_port()

    def start(self) -> None:
        """Start the server, still sealed; the first time set it up and unseal it."""
        config = self.folder / "config.json"
        config.write_text(json.dumps(self._config()))
        self._launch(f"-config={config}")
        if self._key:
            self._wait(503)
            return
        self._wait(501)
        made = self.do("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._key, self.root = made["keys"][0], made["root_token"]
        self.unseal()
        self._audited()
        self.mount("secret", 2)

    def unseal(self) -> None:
        """Unseal the server."""
        self.do("PUT", "sys/unseal", {"key": self._key})
        self._wait(200)

    def seal(self) -> None:
        """Seal the server."""
        self.do("PUT", "sys/seal")
        self._wait(503)

    def client_certificate(self, user: str) -> Pair:
        """Issue a client certificate of the authority that the server knows."""
        return self.authority.client(user)

    def close(self) -> None:
        """Stop the server and remove its folders."""
        super().close()
        shutil.rmtree(self._pki, ignore_errors=True)

    def _config(self) -> dict[str, object]:
        listener = {
            "address": f"127.0.0.1:{self.port}",
            "tls_cert_file": str(self._pair.certificate),
            "tls_key_file": str(self._pair.key),
            "tls_client_ca_file": str(self.authority.file),
            "tls_require_and_verify_client_cert": self._wants_certificate,
        }
        common = {"listener": {"tcp": listener}, "api_addr": self.address, "disable_mlock": True}
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        if not self.is_openbao:
            return common | {"storage": {"file": {"path": str(data)}}}
        raft = {"path": str(data), "node_id": "tests"}  # OpenBao has no storage in files
        listener["cluster_address"] = f"127.0.0.1:{self._cluster_port}"
        cluster = f"https://{listener['cluster_address']}"
        return common | API_AUDIT | {"storage": {"raft": raft}, "cluster_addr": cluster}


def _pauses() -> Iterator[float]:
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 1.5, 0.5)
