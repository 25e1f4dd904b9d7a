"""Times whole processes from outside, two in turn, and compares them pair by pair."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

STOPWATCH: Final = Path(__file__).with_name("stopwatch.py")
LIMIT: Final = 900.0  # seconds for one run of one command


class BenchmarkError(Exception):
    """Nothing can be measured: a command failed, or did not do what its row says."""


@dataclass(frozen=True)
class Command:
    """A program with its arguments and its whole environment."""

    arguments: Sequence[str | Path]
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One run: seconds by the clock, seconds of processor, bytes of the largest process."""

    wall: float
    processor: float
    peak: int


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Contest:
    """Two commands that do the same work; `prepare` is called before each pair, `check` after it, both unmeasured."""

    title: str
    ours: Command
    theirs: Command
    aim: str
    prepare: Callable[[], None] = _nothing
    check: Callable[[], None] = _nothing
    as_difference: bool = False  # where the second does nothing, a ratio says nothing
    part: int = 1  # where the second does only this part of the work, its times count so many times
    once: bool = False  # one pair and no other to warm up, where it takes minutes


@dataclass(frozen=True)
class Result:
    """The samples of both, in pairs."""

    contest: Contest
    pairs: Sequence[tuple[Sample, Sample]]

    def compared(self) -> list[float]:
        """Return for each pair the ratio of the times, or their difference in seconds."""
        if self.contest.as_difference:
            return [ours.wall - theirs.wall for ours, theirs in self.pairs]
        return [ours.wall / theirs.wall for ours, theirs in self.pairs]

    def medians(self) -> tuple[Sample, Sample]:
        """Return each side's medians."""
        ours, theirs = zip(*self.pairs, strict=True)
        return _median(ours), _median(theirs)


def call(*command: str | Path, environ: Mapping[str, str] | None = None) -> None:
    """Run a program that is not measured; BenchmarkError where it fails, with what it says on stderr."""
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr}")


def hold(contest: Contest, rounds: int) -> Result:
    """Run both in turn, once to warm up and then `rounds` times; BenchmarkError where one of them fails.

    A contest that is held once has no round to warm up.
    """
    pairs = []
    for _ in range(1 if contest.once else rounds + 1):
        contest.prepare()
        pairs.append((run(contest.ours), _whole(run(contest.theirs), contest.part)))
        contest.check()
    return Result(contest, pairs if contest.once else pairs[1:])


def _whole(sample: Sample, part: int) -> Sample:
    return Sample(sample.wall * part, sample.processor * part, sample.peak)


def run(command: Command) -> Sample:
    """Run a command once and measure it."""
    arguments = [sys.executable, "-I", "-S", STOPWATCH, *command.arguments]
    environ = dict(command.environ)
    done = subprocess.run(
        arguments, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=LIMIT
    )
    if done.returncode:
        raise BenchmarkError(f"{command.arguments[0]} could not be started:\n{done.stderr}")
    wall, processor, peak, status = done.stdout.split()
    if status != "0":
        raise BenchmarkError(f"{' '.join(map(str, command.arguments))} ended with {status}:\n{done.stderr}")
    return Sample(float(wall), float(processor), int(peak))


def _median(samples: Sequence[Sample]) -> Sample:
    return Sample(
        median(one.wall for one in samples),
        median(one.processor for one in samples),
        int(median(one.peak for one in samples)),
    )
