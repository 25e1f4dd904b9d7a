"""A run's metrics in Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/.

Labels contain names from the environment's file and of variables with an age limit, a cluster's server and context, and
words that are fixed here. They never contain a path or a value.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bridge.plan.model import Action, Change, Plan, What
from bridge.report.record import Record, Sample
from bridge.report.talk import printable

RESULTS: Final = ("ok", "not_found", "denied", "unavailable", "other")
KINDS: Final = ("Secret", "ConfigMap")
OBJECTS: Final = ("unchanged", "altered", "written", "perhaps_written", "not_written", "left")
ALTERED: Final = "altered"
KEYS: Final[Mapping[What, str]] = {
    What.KEEP: "unchanged",
    What.ADD: "missing",
    What.CHANGE: "changed",
    What.DRIFT: "drifted",
    What.RESTORE: "drifted",
    What.RECLAIM: "drifted",
    What.REMOVE: "removed",
    What.RELEASE: "removed",
}
HELP: Final[Mapping[str, str]] = {
    "bridge_last_attempt_timestamp_seconds": "When the latest run ended, whatever its result.",
    "bridge_last_success_timestamp_seconds": "When the latest run with status 0 ended.",
    "bridge_last_change_timestamp_seconds": "When the latest run that wrote an object ended.",
    "bridge_exit_status": "The exit status of the latest run.",
    "bridge_run_seconds": "How long the latest run took.",
    "bridge_cluster_info": "The cluster of the latest run that identified its cluster; always 1.",
    "bridge_objects": "Objects by what the latest run with a plan did with them.",
    "bridge_keys": "Keys of the objects by their state in the latest run with a plan.",
    "bridge_key_age_seconds": "How old the value of a variable with an age limit is, in the latest run with a plan.",
    "bridge_keys_overdue": "Variables that exceed their age limit or have expired, in the latest run with a plan.",
    "bridge_keys_due_soon": "Variables that will soon exceed their age limit or expire, in the latest run with a plan.",
    "bridge_source_reads": "Documents by the result of reading them, in the latest run that read any.",
    "bridge_source_read_seconds": "The slowest read of a document, including retries, in the latest run that read any.",
}
"""Every metric with its help text. All are gauges, because a run is too short to keep counters."""
_TEXT: Final = r'"(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE: Final = re.compile(rf"(bridge_[a-z_]+)(\{{environment=({_TEXT})(?:,[a-z]+={_TEXT})*\}} [0-9.e+-]+)", re.ASCII)


def samples(record: Record, status: int, now: float) -> Iterator[Sample]:
    """Yield the metrics that this run knows. It leaves out the others, so that they keep the value of an earlier run.

    `now` is a `time.time()` value.
    """
    base = {"environment": record.environment}
    yield _sample("bridge_last_attempt_timestamp_seconds", base, round(now, 3))
    if status == 0:
        yield _sample("bridge_last_success_timestamp_seconds", base, round(now, 3))
    if record.written:
        yield _sample("bridge_last_change_timestamp_seconds", base, round(now, 3))
    yield _sample("bridge_exit_status", base, status)
    yield _sample("bridge_run_seconds", base, round(record.seconds, 3))
    if record.cluster:
        cluster = {"server": printable(record.cluster.server), "context": printable(record.cluster.context or "")}
        yield _sample("bridge_cluster_info", base | cluster, 1)
    if record.plan:
        yield from _objects(record, record.plan, base)
        yield from _keys(record.plan, base)
        yield from _ages(record.plan, base)
    yield from _reads(record.reads, base)


def _objects(record: Record, plan: Plan, base: Mapping[str, str]) -> Iterator[Sample]:
    written, begun = set(record.written), set(record.begun)

    def result(change: Change) -> str:
        if not change.writes:
            return "left" if change.action is Action.LEAVE else ALTERED if change.altered else "unchanged"
        if change.id in written:
            return "written"
        return "perhaps_written" if change.id in begun else "not_written"

    counts = Counter((change.id.kind, result(change)) for change in plan.changes)
    for kind in KINDS:
        for word in OBJECTS:
            yield _sample("bridge_objects", {**base, "kind": kind, "result": word}, counts[kind, word])


def _keys(plan: Plan, base: Mapping[str, str]) -> Iterator[Sample]:
    changes = (change for object_ in plan.changes for change in object_.fields if change.field.section == "data")
    counts = Counter(ALTERED if change.altered else KEYS[change.what] for change in changes)
    for state in dict.fromkeys((*KEYS.values(), ALTERED)):
        yield _sample("bridge_keys", {**base, "state": state}, counts[state])


def _ages(plan: Plan, base: Mapping[str, str]) -> Iterator[Sample]:
    """Yield the ages of variables with a limit, and how many exceed it. Without limits, both counts are 0."""
    limited = {}
    if plan.ages:
        from bridge.plan.ages import worst  # noqa: PLC0415 - start-up: few environments limit ages

        limited = {age.name: age for age in worst(age for age in plan.ages if age.limited)}
    for name, age in limited.items():
        if age.seconds is not None:
            yield _sample("bridge_key_age_seconds", {**base, "name": printable(name)}, age.seconds)
    yield _sample("bridge_keys_overdue", base, sum(age.overdue for age in limited.values()))
    yield _sample("bridge_keys_due_soon", base, sum(age.soon for age in limited.values()))


def _reads(reads: Iterable[tuple[str, str, float]], base: Mapping[str, str]) -> Iterator[Sample]:
    listed = list(reads)
    counts = Counter((provider, result) for provider, result, _ in listed)
    providers = list(dict.fromkeys(provider for provider, _, _ in listed))
    for provider in providers:
        for result in RESULTS:
            labels = {**base, "provider": provider, "result": result}
            yield _sample("bridge_source_reads", labels, counts[provider, result])
    for provider in providers:
        slowest = max(seconds for name, _, seconds in listed if name == provider)
        yield _sample("bridge_source_read_seconds", {**base, "provider": provider}, round(slowest, 6))


def _sample(name: str, labels: Mapping[str, str], value: float) -> Sample:
    shown = ",".join(f"{label}={_quoted(text)}" for label, text in labels.items())
    return Sample(name, f"{{{shown}}} {value}", _quoted(labels["environment"]))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def parse(text: str, environments: Iterable[str]) -> Iterator[Sample]:
    """Yield these environments' samples from an earlier run's text, and skip everything else."""
    wanted = set(map(_quoted, environments))
    for line in text.splitlines():
        match = _SAMPLE.fullmatch(line)
        if match and match[1] in HELP and match[3] in wanted:
            yield Sample(match[1], match[2], match[3])


def render(unordered: Iterable[Sample]) -> str:
    """Return the text: each metric's HELP and TYPE, followed by all its samples."""
    listed = list(unordered)
    lines = []
    for name, text in HELP.items():
        values = [f"{sample.name}{sample.rest}" for sample in listed if sample.name == name]
        if values:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", *values]
    return "".join(f"{line}\n" for line in lines)
