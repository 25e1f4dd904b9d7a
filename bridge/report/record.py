"""What one run is and what became of it so far, for all who watch it: the log, the report, the metrics."""

import os
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection

    from bridge.objects import ObjectId
    from bridge.plan.model import ClusterName, Plan


class Sample(NamedTuple):
    """One line of the metrics: a metric's name, its labels and its value as text; and the environment's label."""

    name: str
    rest: str
    environment: str


class Record:
    """One run, right at any moment. No value is in it that the plan does not hide.

    `id` tells this run's lines in a log from all others', `began` is a `time.monotonic()`. `reads` are the reads of
    documents: the provider's name, "ok" or the kind of error, and the seconds that it took with all its tries.
    `written` and `begun` are the objects of the plan that are written, or may be; `touched` collects all else, by any
    names: a document of a store, a file, a workload.
    `samples` are the metrics of each environment that is finished, in a run of many. `cluster` is None until the run
    knows which cluster it talks to.
    """

    def __init__(self, environment: str = "") -> None:
        self.id = os.urandom(8).hex()
        self.began = time.monotonic()
        self.environment = environment
        self.args: Namespace | None = None  # the command line
        self.as_json = False  # the lines on stderr
        self.metrics: str | None = None  # a file or a Pushgateway's URL
        self.reads: list[tuple[str, str, float]] = []
        self.cluster: ClusterName | None = None
        self.plan: Plan | None = None
        self.written: Collection[ObjectId] = ()
        self.begun: Collection[ObjectId] = ()
        self.touched: list[Collection[object]] = []
        self.samples: dict[str, list[Sample]] = {}

    @property
    def changed(self) -> list[str]:
        """Return the names of everything that the run has written, or may have."""
        several = (self.written, self.begun, *self.touched)
        return list(dict.fromkeys(str(one) for names in several for one in names))

    @property
    def seconds(self) -> float:
        """Return how long the run has taken so far."""
        return time.monotonic() - self.began
