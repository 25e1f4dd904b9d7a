"""Many Secrets of one Vault path, written for the first time by bridge and by the controller of External Secrets."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.bench.measure import BenchmarkError, Command, Contest, run
from tests.bench.stage import Stage
from tests.bench.writes import manifest
from tests.servers import build

CONTROLLER: Final = Path(__file__).with_name("external_secrets_controller.py")
MODULE: Final = "github.com/external-secrets/external-secrets"
GROUP: Final = "external-secrets.io"
API: Final = f"/apis/{GROUP}/v1"
KEYS: Final = 5
FILLER: Final = "0123456789abcdef" * 2
TOKEN: Final = "vault-token"
CACHES: Final = ("--enable-secrets-caching", "--experimental-enable-vault-token-cache")


class Case(NamedTuple):
    """What is measured: how many Secrets, how many the controller handles at once, and whether its caches are on."""

    count: int
    at_once: int
    cached: bool

    @property
    def name(self) -> str:
        """The row's name on the command line."""
        return f"external-secrets-{self.count}-{self.at_once}" + ("-cached" if self.cached else "")

    @property
    def flags(self) -> list[str]:
        """The controller's flags."""
        return [f"--concurrent={self.at_once}", *(CACHES if self.cached else ())]


CASES: Final = tuple(
    Case(count, at_once, cached) for count in (200, 1_000) for at_once in (1, 10) for cached in (False, True)
)


def row(stage: Stage, case: Case) -> Contest:
    """Return the contest of one case: from the start of each program until the last Secret is there."""
    both = Both(stage, case)
    ours, theirs = both.counted(both.ours), both.counted(both.theirs)
    title = (
        f"first write of {case.count:,} Secrets of {KEYS} keys of one Vault path, against External Secrets 0.19.2, "
        f"{case.at_once} at once, its caches {'on' if case.cached else 'off'}; Vault requests: {ours} against {theirs}"
    )
    return Contest(title, both.ours, both.theirs, "-", both.sweep, both.check, once=True)


class Both:
    """A namespace for each side, with the same Secrets to be made from the same document."""

    def __init__(self, stage: Stage, case: Case) -> None:
        self._stage: Final = stage
        self._case: Final = case
        self.namespaces: Final = (stage.namespace(case.name), stage.namespace(f"{case.name}-peer"))
        values = {name: f"{FILLER}-{name}" for keys in self._secrets().values() for name in keys.values()}
        stage.vault.put(case.name, values)
        self._install()
        self.ours: Final = stage.bridge("sync", "staging", "--first", "--config", self._environment())
        controller = [build.build("external-secrets"), "--namespace", self.namespaces[1], *case.flags]
        wanted = [stage.cluster.url, str(stage.cluster.ca_file), self.namespaces[1], str(case.count)]
        # The controller's watch of the namespace ends with it, so the program that waits for the Secrets also stops it.
        self.theirs: Final = Command([stage.installed.python, CONTROLLER, *wanted, *controller], self._environ())

    def _environ(self) -> Mapping[str, str]:
        return {**self._stage.environ, "BENCH_TOKEN": self._stage.cluster.token}

    def _secrets(self) -> dict[str, dict[str, str]]:
        """Return the variable of each key of each Secret."""
        return {
            f"secret-{number:04}": {f"KEY_{key}": f"S{number:04}_KEY_{key}" for key in range(KEYS)}
            for number in range(self._case.count)
        }

    def _environment(self) -> Path:
        folder = self._stage.folder / self._case.name
        (folder / "base").mkdir(parents=True)
        templates = (
            manifest("Secret", name, "stringData", {key: f"${{{variable}}}" for key, variable in keys.items()})
            for name, keys in self._secrets().items()
        )
        (folder / "base" / "secrets.yaml").write_text("---\n".join(templates))
        content = {
            "id": self._case.name,
            "namespace": self.namespaces[0],
            "templates": ["base/secrets.yaml"],
            "sources": [f"vault:{self._case.name}"],
            "providers": {"vault": {"mount": "secret"}},
        }
        (folder / "staging.yaml").write_text(json.dumps(content))
        return folder

    def _install(self) -> None:
        """Install the custom resources, a store, and an ExternalSecret for each Secret."""
        for definition in definitions():
            self._create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition, once=True)
        peer = self.namespaces[1]
        token = {"metadata": {"name": TOKEN}, "stringData": {"token": self._stage.vault.root}}
        self._create(f"/api/v1/namespaces/{peer}/secrets", token)
        reference = {"name": TOKEN, "key": "token"}
        vault = {"server": self._stage.vault.address, "path": "secret", "version": "v2"}
        store = {"provider": {"vault": {**vault, "auth": {"tokenSecretRef": reference}}}}
        self._create(f"{API}/namespaces/{peer}/secretstores", _resource("SecretStore", "vault", store))
        for name, keys in self._secrets().items():
            data = [
                {"secretKey": key, "remoteRef": {"key": self._case.name, "property": variable}}
                for key, variable in keys.items()
            ]
            spec = {"refreshInterval": "1h", "secretStoreRef": {"name": "vault", "kind": "SecretStore"}, "data": data}
            self._create(f"{API}/namespaces/{peer}/externalsecrets", _resource("ExternalSecret", name, spec))

    def _create(self, path: str, body: object, *, once: bool = False) -> None:
        """Create an object; `once` says that an earlier row may have made it."""
        reply = self._stage.cluster.request("POST", path, body)
        for _ in range(50):  # a custom resource is served a moment after its definition is there
            if reply.status != 404:
                break
            reply = self._stage.cluster.request("POST", path, body)
        if reply.status != 201 and not (once and reply.status == 409):
            raise BenchmarkError(f"POST {path}: {reply.status} {reply.body}")

    def counted(self, command: Command) -> int:
        """Run a command from nothing, and return how often it asked Vault."""
        self.sweep()
        self._stage.vault.forget()
        run(command)
        return len(self._stage.vault.asked())

    def sweep(self) -> None:
        """Remove every Secret but the store's token, and what bridge keeps next to them."""
        for namespace in self.namespaces:
            query = f"fieldSelector=metadata.name%21%3D{TOKEN}"
            self._stage.cluster.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets?{query}")
            self._stage.cluster.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps")

    def check(self) -> None:
        """BenchmarkError unless both sides made the same Secrets."""
        ours, theirs = (self._made(namespace) for namespace in self.namespaces)
        if ours != theirs or len(ours) != self._case.count:
            raise BenchmarkError(f"{len(ours)} and {len(theirs)} Secrets were made, or they differ")

    def _made(self, namespace: str) -> dict[str, Any]:
        return {
            one["metadata"]["name"]: one["data"]
            for plural, one in self._stage.objects(namespace)
            if plural == "secrets" and one["metadata"]["name"].startswith("secret-")
        }


def definitions() -> Iterator[Any]:
    """Yield the definitions that ship in the module, without the webhook that would convert old versions."""
    folder = build.module("external-secrets", MODULE) / "config" / "crds" / "bases"
    for file in sorted(folder.glob("*_*.yaml")):
        for definition in yaml.safe_load_all(file.read_text()):
            definition["spec"].pop("conversion", None)
            yield definition


def _resource(kind: str, name: str, spec: object) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
