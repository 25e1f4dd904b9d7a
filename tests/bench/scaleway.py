"""Secret Manager at a distance: fifty documents that are only read, and five that twelve keys come from."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bridge_providers.scaleway import Scaleway
from tests.bench.measure import BenchmarkError, Command, run
from tests.bench.stage import Stage
from tests.bench.vault import FILLER, KEYS, OBJECTS, manifests
from tests.bench.writes import LIKE_MANIFESTS, watch
from tests.servers.scaleway import Request, SecretManager

READER: Final = Path(__file__).with_name("read_scaleway.py")
SERIAL: Final = Path(__file__).with_name("read_serially.py")
LATENCY: Final = 0.03  # seconds for each request
DOCUMENTS: Final = 50


class Distance:
    """Lets every request wait, and counts how many wait at once."""

    def __init__(self, manager: SecretManager) -> None:
        self._manager: Final = manager
        self._lock: Final = threading.Lock()
        self._waiting = 0
        self.peak = 0
        manager.before = self._wait

    def _wait(self, _: Request) -> None:
        with self._lock:
            self._waiting += 1
            self.peak = max(self.peak, self._waiting)
        time.sleep(LATENCY)
        with self._lock:
            self._waiting -= 1

    def requests(self, command: Command) -> int:
        """Run a command and return how many requests it sent."""
        self.peak = 0
        self._manager.requests.clear()
        run(command)
        return len(self._manager.requests)


class Documents:
    """Fifty documents of five fields, which both sides only read: side by side, and one after the other."""

    def __init__(self, stage: Stage) -> None:
        for number in range(DOCUMENTS):
            stage.manager.put(f"/bench/{number:03}", {f"KEY_{key}": f"{FILLER}-{number}-{key}" for key in range(KEYS)})
        self.ours: Final = Command([stage.installed.python, READER, str(DOCUMENTS)], stage.environ)
        self.theirs: Final = Command([stage.installed.python, SERIAL, str(DOCUMENTS)], stage.environ)
        distance = Distance(stage.manager)
        counts = distance.requests(self.theirs), distance.requests(self.ours)
        if counts != (DOCUMENTS, DOCUMENTS):
            raise BenchmarkError(f"Secret Manager was asked {counts} times for {DOCUMENTS} documents")
        self.at_once: Final = distance.peak
        if self.at_once > Scaleway.concurrency:
            raise BenchmarkError(f"{self.at_once} requests were under way at once")


class Known:
    """Five objects with twelve keys, each object's of a document of its own, which an earlier run has written from."""

    def __init__(self, stage: Stage) -> None:
        self._stage: Final = stage
        self.namespaces: Final = (stage.namespace("known"), stage.namespace("known-peer"))
        config = stage.folder / "known"
        for (_, name), keys in OBJECTS.items():
            stage.manager.put(f"/known/{name}", {key: f"{FILLER}-{key}" for key in keys})
        (config / "base").mkdir(parents=True)
        (config / "base" / "objects.yaml").write_text(manifests("${{{}}}"))
        sources = [f"scaleway:/known/{name}" for _, name in OBJECTS]
        content = {
            "id": "known",
            "namespace": self.namespaces[0],
            "templates": ["base/objects.yaml"],
            "sources": sources,
        }
        (config / "staging.yaml").write_text(json.dumps(content))
        peer = stage.encrypt(stage.folder / "known-peer.yaml", manifests(f"{FILLER}-{{}}"), *LIKE_MANIFESTS)
        self.ours: Final = stage.bridge("sync", "staging", "--first", "--config", config)
        self.theirs: Final = stage.pipeline(peer, self.namespaces[1])
        distance = Distance(stage.manager)
        self.first: Final = distance.requests(self.ours) / len(sources)
        self.later: Final = distance.requests(self.ours) / len(sources)
        run(self.theirs)

    def check(self) -> Callable[[], None]:
        """Return a check that no run writes anything, or asks for a document twice."""
        unchanged = watch(self._stage, self.namespaces, changes=False)
        self._stage.manager.requests.clear()
        runs = itertools.count(1)

        def check() -> None:
            unchanged()
            wanted = next(runs) * len(OBJECTS)
            if len(self._stage.manager.requests) != wanted:
                raise BenchmarkError(
                    f"Secret Manager was asked {len(self._stage.manager.requests)} times, not {wanted}"
                )

        return check
