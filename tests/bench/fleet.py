"""Many environments of ten objects, with a Vault document each: one run of them all, against one run for each."""

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Final

from tests.bench.measure import BenchmarkError, Command, run
from tests.bench.stage import Stage

OBJECTS: Final = 10
FILLER: Final = "0123456789abcdef" * 2
PEERS: Final = 20
"""So many environments the peer does at most, spread over all of them, and its times count as many times more."""
LIMIT: Final = "900"  # seconds
KEYS: Final = "ABCDE"


@cache
def fleet_of(stage: Stage, count: int) -> "Fleet":
    """Return the fleet of so many environments, which two rows share."""
    return Fleet(stage, count)


class Fleet:
    """A folder of environments for each side, in namespaces of their own, with the same documents."""

    def __init__(self, stage: Stage, count: int) -> None:
        self._stage: Final = stage
        self._count: Final = count
        self._generations: Final = itertools.count()
        self.part: Final = max(1, count // PEERS)
        self._login()
        self.change()
        self.ours: Final = stage.bridge(
            "sync", "--all", "--first", "--timeout", LIMIT, "--config", self._folder("ours")
        )
        self.theirs: Final = self._loop(self._folder("theirs"))
        self.first: Final = self._counted(self.ours)
        self.peer: Final = self._counted(self.theirs)

    def _login(self) -> None:
        """Log in by AppRole: that is a login for each session."""
        vault = self._stage.vault
        vault.request("POST", "sys/auth/approle", {"type": "approle"})
        vault.policy("fleet", 'path "secret/data/fleet/*" { capabilities = ["read"] }')
        vault.do("POST", "auth/approle/role/fleet", {"token_policies": ["fleet"]})
        role = vault.do("GET", "auth/approle/role/fleet/role-id")["data"]["role_id"]
        secret = vault.do("POST", "auth/approle/role/fleet/secret-id", {})["data"]["secret_id"]
        self._stage.environ |= {"VAULT_ROLE_ID": role, "VAULT_SECRET_ID": secret}

    def _folder(self, side: str) -> str:
        folder = self._stage.folder / f"fleet-{self._count}-{side}"
        (folder / "base").mkdir(parents=True)
        (folder / "base" / "objects.yaml").write_text("---\n".join(_manifests()))
        for name in self._names():
            content = {
                "id": "fleet",
                "namespace": self._stage.namespace(f"{side}-{self._count}-{name}"),
                "templates": ["base/objects.yaml"],
                "sources": [f"vault:{self._document(name)}"],
                "providers": {"vault": {"mount": "secret", "kv_version": 2, "auth": {"method": "approle"}}},
            }
            (folder / f"{name}.yaml").write_text(json.dumps(content))
        return str(folder)

    def _loop(self, folder: str) -> Command:
        names = " ".join(self._names()[:: self.part])
        program = shlex.join([str(self._stage.installed.bridge), "sync", "--first", "--config", folder])
        return Command(["/bin/sh", "-c", f"set -e; for name in {names}; do {program} $name; done"], self._stage.environ)

    def _names(self) -> list[str]:
        return [f"env-{number:04}" for number in range(self._count)]

    def _document(self, name: str) -> str:
        return f"fleet/{self._count}/{name}"

    def change(self) -> None:
        """Give every key of every environment a new value."""
        generation = next(self._generations)
        for name in self._names():
            keys = {f"KEY_{number}_{key}": f"{FILLER}-{generation}-{name}-{key}" for number, key in _pairs()}
            self._stage.vault.put(self._document(name), keys)

    def _counted(self, command: Command) -> str:
        """Run a command twice, and say what the second, which has nothing to do, asks of the servers."""
        run(command)
        self._stage.vault.forget()
        before = self._requests()
        run(command)
        asked = self._stage.vault.asked()
        logins = sum(path.endswith("/login") for _, path in asked)
        return f"{self._requests() - before} API requests, {logins} logins"

    def _requests(self) -> int:
        """Return how many requests for what bridge asks for the API server has answered."""
        body = self._stage.cluster.request("GET", "/metrics").body
        pattern = r'^apiserver_request_total\{.*resource="(?:secrets|configmaps|leases)".*\} (\S+)$'
        found = re.findall(pattern, str(body), re.MULTILINE)
        if not found:
            raise BenchmarkError("the API server's metrics do not tell how many requests there were")
        return int(sum(map(float, found)))


def _pairs() -> Iterator[tuple[int, str]]:
    return itertools.product(range(OBJECTS), KEYS)


def _manifests() -> Iterator[str]:
    for number in range(OBJECTS):
        lines = "".join(f"  {key}: ${{KEY_{number}_{key}}}\n" for key in KEYS)
        yield f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: secret-{number}\nstringData:\n{lines}"
