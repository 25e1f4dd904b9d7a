"""Mutation testing: change the product in one place, and see whether a test fails.

    python tests/mutants/run.py --room plan --sample 60 --seed 1

Each mutant is tried in a copy of the tree, with the tests that run its line, the quickest of each file first. A mutant
whose tests do not end in time is killed too. Equivalent mutants are listed in `equivalent.toml` and do not count.
"""

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # `tests` is no installed package

from tests.mutants.coverage_map import (  # noqa: E402 - as above
    SELECTION,
    Measured,
    defined_name,
    environment,
    first_lines,
    lines_of_functions,
    lines_with,
    measure,
)
from tests.mutants.mutations import Mutant, mutants  # noqa: E402

HERE: Final = Path(__file__).parent
CACHE: Final = ROOT / ".cache" / "mutants"
_COPIED: Final = ("bridge", "config", "providers", "tests", "pyproject.toml", "README.md", "CHANGELOG.md")
_STARTING: Final = 30
"""The seconds of processor time that pytest may take to start, and then four times what its tests took."""
_WAITING: Final = 600.0
"""The seconds in which a run ends at the latest; a test that hangs ends earlier, by pytest's own limit."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: `killed`, `timed out` (killed too), `survived`, or `not covered` by any test."""

    room: str
    mutant: Mutant
    outcome: str
    by: str = ""

    @property
    def killed(self) -> bool:
        return self.outcome in {"killed", "timed out"}


def main(arguments: list[str] | None = None) -> int:
    """Try a sample of each room; return 1 if the score of a room is below the limit."""
    options = _parser().parse_args(arguments)
    chosen = {name: tables for name, tables in rooms().items() if not options.room or name in options.room}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [_copy(Path(folder, str(number), "tree")) for number in range(options.jobs)]
        listed = _listed(options.equivalent)
        outcomes = [
            result for name, room in chosen.items() for result in _try_room(name, room, copies, listed, options)
        ]
    if not outcomes:
        raise SystemExit("no mutant is like that")
    if options.json:
        options.json.write_text(json.dumps(_report(outcomes), indent=2) + "\n")
    scores = _scores(outcomes)
    _show(outcomes, scores)
    return 1 if any(score["score"] < options.fail_under for score in scores.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Mutation testing.")
    parser.add_argument("--room", action="append", choices=sorted(rooms()), help="repeatable; all if left out")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each room; 0 for all of them")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another sample")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of tests for each mutant; 0 for no limit")
    parser.add_argument("--only", metavar="TEXT", help="only mutants whose module, function or changed line has TEXT")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only the mutants that survived in this --json file")
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="run these tests only, whatever they cover")
    parser.add_argument("--equivalent", type=Path, default=HERE / "equivalent.toml", help=argparse.SUPPRESS)
    parser.add_argument("--fail-under", type=float, default=85.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome of each mutant")
    return parser


def rooms() -> dict[str, Any]:
    return tomllib.loads((HERE / "rooms.toml").read_text())


def _listed(path: Path) -> dict[tuple[str, str, str, str], str]:
    entries = tomllib.loads(path.read_text())["equivalent"]
    return {(one["module"], one["function"], one["old"], one["new"]): one["reason"] for one in entries}


def _survivors(path: Path) -> set[tuple[str, ...]]:
    """Return the keys of the mutants that no test killed in an earlier run."""
    tried = json.loads(path.read_text())["mutants"]
    return {
        (one["module"], one["function"], one["old"], one["new"])
        for one in tried
        if one["outcome"] in {"survived", "not covered"}
    }


def _copy(tree: Path) -> Path:
    """Copy what the tests read, so that no mutant is ever in the checkout."""
    tree.mkdir(parents=True)
    for name in _COPIED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, tree / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        else:
            shutil.copy2(place, tree / name)
    return tree


def _try_room(
    name: str, room: dict[str, Any], copies: list[Path], listed: dict[Any, str], options: argparse.Namespace
) -> list[Outcome]:
    sources = {
        str(path.relative_to(ROOT)): path.read_bytes() for glob in room["modules"] for path in sorted(ROOT.glob(glob))
    }
    everything = [mutant for module, source in sources.items() for mutant in mutants(module, source)]
    keys = {mutant.key for mutant in everything}
    stale = [key for key in listed if key[0] in sources and key not in keys]
    if stale:
        raise SystemExit("\n".join(("equivalent.toml lists what is no mutant:", *map(str, stale))))
    ranked = sorted((one for one in everything if one.key not in listed), key=lambda one: one.rank(options.seed))
    again = _survivors(options.again) if options.again else None
    wanted = (
        one
        for one in ranked
        if (again is None or one.key in again) and (not options.only or any(options.only in text for text in one.key))
    )
    tried = (one for one in wanted if one.compiles(sources[one.module]))
    chosen = sorted(islice(tried, options.sample or None))
    if not chosen:
        return []
    paths = options.tests or room["tests"]
    measured = measure(copies[0], paths, set(sources), CACHE, room.get("select", SELECTION))
    free: queue.Queue[Path] = queue.Queue()
    for copy in copies:
        free.put(copy)

    def attempt(mutant: Mutant) -> Outcome:
        copy = free.get()
        try:
            source = sources[mutant.module]
            tests = measured if options.tests else _covering(measured, mutant, sources, room)
            outcome = _attempt(copy, name, mutant, source, _within(_ordered(tests, mutant.module), options.budget))
        finally:
            free.put(copy)
        sys.stderr.write(f"{outcome.outcome:11} {mutant.module}:{mutant.line} {mutant.old}  ->  {mutant.new}\n")
        return outcome

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(attempt, chosen))


def _covering(
    measured: list[Measured], mutant: Mutant, sources: dict[str, bytes], room: dict[str, Any]
) -> list[Measured]:
    """Return the tests that run the mutant's line, or the lines that use what it defines if it runs on import."""
    source = sources[mutant.module]
    in_function = mutant.line in lines_of_functions(source)
    if in_function:
        places = {mutant.module: {first_lines(source).get(mutant.line, mutant.line)}}
    else:
        places = lines_with(defined_name(source, mutant.line), sources)
    started = room.get("processes", {}).get(mutant.module, ())
    tests = [one for one in measured if one.file in started or one.runs(places)]
    return tests if tests or in_function else [one for one in measured if one.lines.get(mutant.module)]


def _ordered(tests: Iterable[Measured], module: str) -> list[Measured]:
    """Return the tests of files with the name of the module, then the quickest of each file, then the next of each."""
    quickest = sorted(tests, key=lambda one: one.seconds)
    near = [one for one in quickest if Path(one.file).stem.startswith(f"test_{Path(module).stem}")]
    files: dict[str, list[Measured]] = {}
    for test in quickest:
        if test not in near:
            files.setdefault(test.file, []).append(test)
    return near + [test for test in chain.from_iterable(zip_longest(*files.values())) if test is not None]


def _within(tests: list[Measured], budget: float) -> list[Measured]:
    spent, found = 0.0, []
    for test in tests:
        spent += test.seconds
        if found and budget and spent > budget:
            break
        found.append(test)
    return found


def _attempt(copy: Path, room: str, mutant: Mutant, source: bytes, tests: list[Measured]) -> Outcome:
    if not tests:
        return Outcome(room, mutant, "not covered")
    seconds = _STARTING + int(4 * sum(test.seconds for test in tests))
    place = copy / mutant.module
    try:
        _replace(place, mutant.apply(source))
        status, text = _pytest(copy, [test.test for test in tests], seconds)
    finally:
        _replace(place, source)
    if status < 0 or "Failed: Timeout" in text:
        return Outcome(room, mutant, "timed out")
    if status == 0:
        return Outcome(room, mutant, "survived")
    failed = [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return Outcome(room, mutant, "killed", failed[0] if failed else f"pytest ended with {status}")


def _replace(place: Path, content: bytes) -> None:
    """Write a module; without its compiled form, which may have the same second and size."""
    place.write_bytes(content)
    Path(cache_from_source(str(place))).unlink(missing_ok=True)


def _pytest(copy: Path, tests: list[str], seconds: int) -> tuple[int, str]:
    """Run tests until one fails; the status is negative if they took too long."""
    command = [
        "prlimit",
        f"--cpu={seconds}",
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "--tb=line",
    ]
    command.append(f"--basetemp={copy.parent / 'tmp'}")
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [*command, *tests],
            cwd=copy,
            env=environment(copy),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(_WAITING)
        status = _end(process)
        out.seek(0)
        return status, out.read().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> int:
    """End what is left of a run, with all that it started, and return its status."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _scores(outcomes: list[Outcome]) -> dict[str, dict[str, Any]]:
    scores: dict[str, dict[str, Any]] = {}
    for room in dict.fromkeys(one.room for one in outcomes):
        tried = [one for one in outcomes if one.room == room]
        killed = sum(one.killed for one in tried)
        slow = sum(one.outcome == "timed out" for one in tried)
        percent = round(100 * killed / len(tried), 1)
        scores[room] = {
            "mutants": len(tried),
            "killed": killed,
            "timed_out": slow,
            "survived": len(tried) - killed,
            "score": percent,
        }
    return scores


def _report(outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "rooms": _scores(outcomes),
        "mutants": [
            {
                "room": one.room,
                "module": one.mutant.module,
                "line": one.mutant.line,
                "function": one.mutant.function,
                "old": one.mutant.old,
                "new": one.mutant.new,
                "outcome": one.outcome,
                "by": one.by,
            }
            for one in outcomes
        ],
    }


def _show(outcomes: list[Outcome], scores: dict[str, dict[str, Any]]) -> None:
    for one in outcomes:
        if not one.killed:
            mutant = one.mutant
            place = f"{mutant.module}:{mutant.line} in {mutant.function or 'the module'} ({one.outcome})"
            sys.stdout.write(f"{place}\n  - {mutant.old}\n  + {mutant.new}\n")
    row = "{:10} {:>8} {:>8} {:>10} {:>9} {:>7}\n"
    sys.stdout.write(row.format("room", "mutants", "killed", "timed out", "survived", "score"))
    for room, score in scores.items():
        sys.stdout.write(row.format(room, *score.values()))


if __name__ == "__main__":
    sys.exit(main())
