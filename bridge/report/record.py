"""The state of one run, for its log, its report and its metrics."""

import os
import time
from typing import TYPE_CHECKING

from bridge.named_tuple import NamedTuple

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection

    from bridge.objects import ObjectId
    from bridge.plan.model import ClusterName, Plan


class Sample(NamedTuple):
    """One line of the metrics: its name, its labels and value as text (`rest`), and its environment label."""

    name: str
    rest: str
    environment: str


class Record:
    """One run in its current state. It contains no values except the ones that its plan hides.

    - `id`: marks this run's lines in a log.
    - `began`: a `time.monotonic()` value.
    - `reads`: for each read of a document, the provider's name, "ok" or the kind of error, and the seconds that it
      took including retries.
    - `written` and `begun`: the plan's objects that were written, or may have been written.
    - `touched`: the names of everything else that was written, such as documents, files and workloads.
    - `samples`: the metrics of each finished environment, in a run of several environments.
    - `cluster`: None until the run knows which cluster it talks to.
    """

    def __init__(self, environment: str = "") -> None:
        self.id = os.urandom(8).hex()
        self.began = time.monotonic()
        self.environment = environment
        self.args: Namespace | None = None  # the command line
        self.as_json = False  # the lines on stderr
        self.quiet = False  # print only errors and questions, except as JSON
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
        """The names of everything that the run has written, or may have written."""
        groups = (self.written, self.begun, *self.touched)
        # Copies, made in one step: a write that outlived the run's time limit may still end in its thread.
        return list(dict.fromkeys(str(name) for names in groups for name in tuple(names)))

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self.began
