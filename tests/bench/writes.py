"""The files of both sides for five objects and for many, with the same values."""

import base64
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.bench.installation import ROOT
from tests.bench.measure import BenchmarkError, run
from tests.bench.stage import Stage

SECRETS: Final = 1_000
KEYS: Final = 5
FILLER: Final = "0123456789abcdef" * 2  # most values are keys and tokens of about this length
LIKE_MANIFESTS: Final = ("--encrypted-regex", "^(data|stringData)$")  # as people encrypt manifests


class Five:
    """Five objects with twelve keys: the environment of `bridge demo`, and the same objects as manifests."""

    def __init__(self, stage: Stage) -> None:
        config = stage.folder / "five"
        shutil.copytree(ROOT / "config", config)
        self.namespaces: Final = (stage.namespace("voice-agent-staging"), stage.namespace("five-peer"))
        self.ours: Final = stage.bridge("sync", "staging", "--first", "--config", config)
        run(self.ours)
        manifests = "---\n".join(_manifests(stage, self.namespaces[0]))
        self.theirs: Final = stage.pipeline(
            stage.encrypt(stage.folder / "five-peer.yaml", manifests, *LIKE_MANIFESTS), self.namespaces[1]
        )
        run(self.theirs)


def _manifests(stage: Stage, namespace: str) -> Iterator[str]:
    """Yield what bridge wrote as the manifests that somebody without bridge would have written."""
    for plural, one in stage.objects(namespace):
        name = one["metadata"]["name"]
        if not name.startswith("bridge-"):
            kind = "Secret" if plural == "secrets" else "ConfigMap"
            yield manifest(kind, name, "data", one["data"])


class Many:
    """Many Secrets of some keys, whose values change with each generation."""

    def __init__(self, stage: Stage, name: str, count: int = SECRETS, keys: int = KEYS) -> None:
        self._stage: Final = stage
        self._count: Final = count
        self._keys: Final = keys
        self._config: Final = stage.folder / name
        self._peer: Final = stage.folder / f"{name}-peer.yaml"
        self._generations: Final = itertools.count()
        self.namespaces: Final = (stage.namespace(name), stage.namespace(f"{name}-peer"))
        self.ours: Final = stage.bridge("sync", "staging", "--first", "--config", self._config)
        self.theirs: Final = stage.pipeline(self._peer, self.namespaces[1])
        self._write_environment()
        self.change()
        run(self.ours)
        run(self.theirs)

    def _write_environment(self) -> None:
        (self._config / "base").mkdir(parents=True)  # beside `staging.yaml` it would be an environment
        files = []
        for start in range(0, self._count, SECRETS):  # bridge reads no file of more than 200,000 YAML nodes
            files.append(f"base/secrets-{start}.yaml")
            templates = (_template(number, self._keys) for number in range(start, min(start + SECRETS, self._count)))
            (self._config / files[-1]).write_text("---\n".join(templates))
        content = {
            "id": "bench",
            "namespace": self.namespaces[0],
            "templates": files,
            "sources": ["sops:values.sops.yaml"],
        }
        (self._config / "staging.yaml").write_text(json.dumps(content))

    def change(self) -> None:
        """Give every key on both sides a new value, in their files."""
        generation = next(self._generations)
        self._stage.encrypt(self._config / "values.sops.yaml", flat_yaml(generation, self._count, self._keys))
        peer = (
            manifest("Secret", f"secret-{number:04}", "data", _encoded(number, generation, self._keys))
            for number in range(self._count)
        )
        self._stage.encrypt(self._peer, "---\n".join(peer), *LIKE_MANIFESTS)


def _template(number: int, keys: int) -> str:
    data = {f"KEY_{key}": f"${{{name}}}" for key, name in enumerate(_names(number, keys))}
    return manifest("Secret", f"secret-{number:04}", "stringData", data)


def values(generation: int = 0, count: int = SECRETS, keys: int = KEYS) -> dict[str, str]:
    """Return the variables of so many Secrets with so many keys each."""
    return {
        name: f"{FILLER}-{generation}-{number}-{key}"
        for number in range(count)
        for key, name in enumerate(_names(number, keys))
    }


def flat_yaml(generation: int = 0, count: int = SECRETS, keys: int = KEYS) -> str:
    """Return the variables as a flat YAML file."""
    return "".join(f"{name}: {value}\n" for name, value in values(generation, count, keys).items())


def _names(number: int, keys: int) -> list[str]:
    return [f"S{number:04}_KEY_{key}" for key in range(keys)]


def _encoded(number: int, generation: int, keys: int) -> dict[str, str]:
    plain = (f"{FILLER}-{generation}-{number}-{key}".encode() for key in range(keys))
    return {f"KEY_{key}": base64.b64encode(value).decode() for key, value in enumerate(plain)}


def manifest(kind: str, name: str, section: str, data: dict[str, str]) -> str:
    """Return one manifest as YAML."""
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n{section}:\n{lines}"


def watch(stage: Stage, namespaces: Iterable[str], *, changes: bool) -> Callable[[], None]:
    """Return a check that each pair of runs wrote every object, or none."""
    known = {name: stage.versions(name) for name in namespaces}

    def check() -> None:
        for name, before in known.items():
            after = stage.versions(name)
            written = {one for one, version in after.items() if before.get(one) != version}
            if written != (set(after) if changes else set()):
                raise BenchmarkError(f"{len(written)} of {len(after)} objects of the namespace {name} were written")
            known[name] = after

    return check
