"""Both sides' files for a cluster, and a Vault, that are one round trip away: few objects and many, in three states."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tests.bench.measure import BenchmarkError, Command, Contest, run
from tests.bench.stage import Stage
from tests.bench.vault import FILLER, OBJECTS
from tests.bench.writes import LIKE_MANIFESTS, manifest, watch

MANY: Final = 200
KEYS: Final = 5
SWEPT: Final = (
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/events",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
)
Layout = Mapping[tuple[str, str], list[str]]  # the keys of each object, by kind and name; each key is a variable


STATES: Final = {
    "unchanged": "nothing to change",
    "changed": "one value changed",
    "all-changed": "all changed",
    "first": "first write",
}


class Case(NamedTuple):
    """What is measured: the source of the values, the number of objects, the round trip in milliseconds, the state."""

    source: str
    count: int
    milliseconds: int
    state: str

    @property
    def name(self) -> str:
        """The row's name on the command line."""
        return f"far-{self.source}-{self.count}-{self.milliseconds}ms-{self.state}"

    @property
    def title(self) -> str:
        """The row's title in the table."""
        values, servers = ("vals eval", "a Vault and a cluster") if self.source == "vault" else ("sops -d", "a cluster")
        what = STATES[self.state]
        peer = f"`{values} \\| kubectl apply --server-side`"
        return f"sync, {self.count:,} objects, {servers} at {self.milliseconds} ms, {what}, against {peer}"

    @property
    def aim(self) -> str:
        """The largest ratio that is wanted."""
        if self.count > len(OBJECTS):
            return "0.3"
        return "0.45" if self.state == "unchanged" else "1.0"


CASES: Final = (
    *(
        Case(source, count, milliseconds, state)
        for source, count, milliseconds, state in itertools.product(
            ("sops", "vault"), (len(OBJECTS), MANY), (30, 100), ("unchanged", "changed", "first")
        )
    ),
    Case("sops", 1_000, 30, "all-changed"),
)


def row(case: Case) -> Callable[[Stage], Contest]:
    """Return what makes the contest of one case."""

    def contest(stage: Stage) -> Contest:
        far = Far(stage, case)
        if case.state == "first":
            return Contest(case.title, far.ours, far.theirs, case.aim, far.sweep, far.check_first)
        if case.state in {"changed", "all-changed"}:
            return Contest(case.title, far.ours, far.theirs, case.aim, far.change, far.check_changed)
        check = watch(stage, far.namespaces, changes=False)
        return Contest(case.title, far.ours, far.theirs, case.aim, check=check)

    return contest


class Far:
    """An environment of bridge and its peer's manifests, with the servers behind a `Distance` for both."""

    def __init__(self, stage: Stage, case: Case) -> None:
        self._stage: Final = stage
        self._source: Final = case.source
        self._layout: Final = OBJECTS if case.count == len(OBJECTS) else _many(case.count)
        self._changes_all: Final = case.state == "all-changed"
        self._folder: Final = stage.folder / case.name
        self._generations: Final = itertools.count(1)
        self.namespaces: Final = (stage.namespace(case.name), stage.namespace(f"{case.name}-peer"))
        self._environ: Final = self._at(case.milliseconds / 1000)
        self._write_environment()
        self._write_values(0)
        self.ours: Final = Command([stage.installed.bridge, *self._arguments()], self._environ)
        self.theirs: Final = Command(stage.applied(self._peer_source(), self.namespaces[1]).arguments, self._environ)
        run(self.ours)
        run(self.theirs)
        self._known = self._versions()

    def _at(self, round_trip: float) -> Mapping[str, str]:
        """Return the environment that leads to the servers at this distance."""
        near = self._stage.cluster
        config = near.kubeconfig(self._stage.folder / f"far-{1000 * round_trip:.0f}.kubeconfig")
        text = config.read_text()
        config.write_text(text.replace(near.url, self._stage.at_a_distance(near.url, round_trip)))
        environ = {**self._stage.environ, "KUBECONFIG": str(config)}
        if self._source == "vault":
            vault = self._stage.vault
            environ |= {"VAULT_TOKEN": vault.root, "VAULT_ADDR": self._stage.at_a_distance(vault.address, round_trip)}
        return environ

    def _arguments(self) -> list[str]:
        return ["sync", "staging", "--first", "--config", str(self._folder)]

    def _write_environment(self) -> None:
        (self._folder / "base").mkdir(parents=True)
        (self._folder / "base" / "objects.yaml").write_text(self._manifests(lambda name: f"${{{name}}}"))
        content = {"id": self._folder.name, "namespace": self.namespaces[0], "templates": ["base/objects.yaml"]}
        if self._source == "vault":
            content |= {"sources": [f"vault:{self._folder.name}"], "providers": {"vault": {"mount": "secret"}}}
        else:
            content |= {"sources": ["sops:values.sops.yaml"]}
        (self._folder / "staging.yaml").write_text(json.dumps(content))

    def _manifests(self, value: Callable[[str], str]) -> str:
        return "---\n".join(
            manifest(kind, name, "stringData" if kind == "Secret" else "data", {key: value(key) for key in keys})
            for (kind, name), keys in self._layout.items()
        )

    def _peer_source(self) -> list[str]:
        peer = self._folder / "base" / "peer.yaml"
        if self._source == "sops":
            return [str(self._stage.sops), "-d", str(peer)]
        peer.write_text(self._manifests(lambda name: f"ref+vault://secret/{self._folder.name}#/{name}"))
        return [str(self._stage.vals), "eval", "-f", str(peer)]

    def _write_values(self, generation: int) -> None:
        """Give the first variable of the layout, or all of them, a value of this generation, on both sides."""
        names = [name for keys in self._layout.values() for name in keys]
        changed = names if self._changes_all else names[:1]
        values = {name: f"{FILLER}-{name}" for name in names} | dict.fromkeys(changed, f"{FILLER}-{generation}")
        if self._source == "vault":
            self._stage.vault.put(self._folder.name, values)
            return
        flat = "".join(f"{name}: {value}\n" for name, value in values.items())
        self._stage.encrypt(self._folder / "values.sops.yaml", flat)
        peer = self._manifests(values.__getitem__)
        self._stage.encrypt(self._folder / "base" / "peer.yaml", peer, *LIKE_MANIFESTS)

    def change(self) -> None:
        """Change one value, or all, on both sides."""
        self._known = self._versions()
        self._write_values(next(self._generations))

    def check_changed(self) -> None:
        """BenchmarkError unless each side wrote one object of the layout, or all."""
        wanted = len(self._layout) if self._changes_all else 1
        after = self._versions()
        for before, now in zip(self._known, after, strict=True):
            written = [one for one in now if before.get(one) != now[one]]
            if len(written) != wanted:
                raise BenchmarkError(f"{len(written)} objects were written, not {wanted}")

    def sweep(self) -> None:
        """Leave nothing of earlier runs in either namespace."""
        for namespace in self.namespaces:
            for path in SWEPT:
                self._stage.cluster.request("DELETE", path.format(namespace))

    def check_first(self) -> None:
        """BenchmarkError unless each side made every object."""
        if [len(one) for one in self._versions()] != [len(self._layout)] * 2:
            raise BenchmarkError("a first write did not make every object")

    def _versions(self) -> list[dict[tuple[str, str], str]]:
        """Return each side's resourceVersions of the layout's objects."""
        plurals = {"Secret": "secrets", "ConfigMap": "configmaps"}
        wanted = {(plurals[kind], name) for kind, name in self._layout}
        return [
            {one: version for one, version in self._stage.versions(namespace).items() if one in wanted}
            for namespace in self.namespaces
        ]


def _many(count: int) -> Layout:
    return {
        ("Secret", f"secret-{number:03}"): [f"S{number:03}_KEY_{key}" for key in range(KEYS)] for number in range(count)
    }
