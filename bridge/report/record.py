"""What one run is and what became of it so far, for all who watch it: the log, the report, the metrics."""

import os
import time
from dataclasses import dataclass, field
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


@dataclass(eq=False)
class Record:
    """One run, right at any moment. No value is in it that the plan does not hide.

    `id` tells this run's lines in a log from all others', `began` is a `time.monotonic()`. `reads` are the reads of
    documents: the provider's name, "ok" or the kind of error, and the seconds that it took with all its tries.
    `written` and `begun` are the objects of the plan that are written, or may be; `touched` collects all else, by any
    names: a document of a store, a file, a workload.
    `samples` are the metrics of each environment that is finished, in a run of many. `cluster` is None until the run
    knows which cluster it talks to.
    """

    id: str = field(default_factory=lambda: os.urandom(8).hex())
    began: float = field(default_factory=time.monotonic)
    environment: str = ""
    args: "Namespace | None" = None  # the command line
    as_json: bool = False  # the lines on stderr
    metrics: str | None = None  # a file or a Pushgateway's URL
    reads: list[tuple[str, str, float]] = field(default_factory=list)
    cluster: "ClusterName | None" = None
    plan: "Plan | None" = None
    written: "Collection[ObjectId]" = ()
    begun: "Collection[ObjectId]" = ()
    touched: "list[Collection[object]]" = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """Return the names of everything that the run has written, or may have."""
        several = (self.written, self.begun, *self.touched)
        return list(dict.fromkeys(str(one) for names in several for one in names))

    @property
    def seconds(self) -> float:
        """Return how long the run has taken so far."""
        return time.monotonic() - self.began
