"""The files of both sides for values that are in Vault: twelve keys of one path, and two hundred paths."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.measure import BenchmarkError, Command, run
from tests.bench.stage import Stage

READER: Final = Path(__file__).with_name("read_vault.py")
PATHS: Final = 200
KEYS: Final = 5
FILLER: Final = "0123456789abcdef" * 2
OBJECTS: Final = {
    ("Secret", "shared-secrets"): ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"],
    ("Secret", "agent-secrets"): ["CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY"],
    ("ConfigMap", "shared-config"): ["LIVEKIT_URL", "DOMAIN"],
    ("ConfigMap", "agent-config"): ["ENV_MODE", "LOG_LEVEL", "METRICS_ENABLED"],
    ("ConfigMap", "front-config"): ["NODE_ENV", "CACHE_ENABLED"],
}


class Twelve:
    """Five objects with twelve keys, all of one document; both sides as the same user."""

    def __init__(self, stage: Stage) -> None:
        self.namespaces: Final = (stage.namespace("twelve"), stage.namespace("twelve-peer"))
        names = [name for keys in OBJECTS.values() for name in keys]
        stage.vault.put("twelve", {name: f"{FILLER}-{name}" for name in names})
        config = stage.folder / "twelve"
        (config / "base").mkdir(parents=True)
        (config / "base" / "objects.yaml").write_text(manifests("${{{}}}"))
        content = {
            "id": "twelve",
            "namespace": self.namespaces[0],
            "templates": ["base/objects.yaml"],
            "sources": ["vault:twelve"],
            "providers": {"vault": {"mount": "secret"}},
        }
        (config / "staging.yaml").write_text(json.dumps(content))
        peer = stage.folder / "twelve-peer.yaml"
        peer.write_text(manifests("ref+vault://secret/twelve#/{}"))
        self.ours: Final = stage.bridge("sync", "staging", "--first", "--config", config)
        self.theirs: Final = stage.applied([stage.vals, "eval", "-f", peer], self.namespaces[1])
        run(self.ours)
        run(self.theirs)


def manifests(form: str) -> str:
    found = []
    for (kind, name), keys in OBJECTS.items():
        section = "stringData" if kind == "Secret" else "data"
        lines = "".join(f"  {key}: {json.dumps(form.format(key))}\n" for key in keys)
        found.append(f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{section}:\n{lines}")
    return "---\n".join(found)


class Paths:
    """Two hundred documents of five fields, which both sides only read."""

    def __init__(self, stage: Stage) -> None:
        for number in range(PATHS):
            values = {f"KEY_{key}": f"{FILLER}-{number}-{key}" for key in range(KEYS)}
            stage.vault.put(f"paths/{number:03}", values)
        peer = stage.folder / "paths.yaml"
        peer.write_text("".join(_references()))
        self.ours: Final = Command([stage.installed.python, READER, str(PATHS)], stage.environ)
        self.theirs: Final = Command([stage.vals, "eval", "-f", peer], stage.environ)
        stage.vault.forget()
        run(self.ours)
        count = len(stage.vault.asked())
        if count > PATHS + 2:
            raise BenchmarkError(f"bridge asked Vault {count} times for {PATHS} documents")


def _references() -> Iterator[str]:
    for number in range(PATHS):
        for key in range(KEYS):
            yield f"k{number:03}_{key}: ref+vault://secret/paths/{number:03}#/KEY_{key}\n"
