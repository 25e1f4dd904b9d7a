"""How fast is bridge, next to the tools that do the same?

    python tests/bench/run.py [--rounds N] [--only ROW]... [--write]

Each row runs two programs in turn, as whole processes, and compares them pair by pair: the table has
the medians, and the smallest and the largest comparison, which tell how noisy the machine was. It is a
benchmark and no test: it fails where a program fails or does something else than the row says, and
never for a time. With `--write`, each measured row takes its place on the page `bridge help performance` at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

from tests.bench import page
from tests.bench.measure import BenchmarkError, Result, hold
from tests.bench.rows import ROWS
from tests.bench.stage import Stage
from tests.servers.build import BuildError

HEAD: Final = """\
| what | bridge | peer | compared (least to most) | aim | processor time | peak memory |
|---|---|---|---|---|---|---|
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description="Measure bridge against the tools that do the same.")
    parser.add_argument("--rounds", type=int, default=9, help="pairs of runs for each row (default: 9)")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--write", action="store_true", help="put the measured rows into bridge/help/performance.md")
    args = parser.parse_args(arguments)
    if args.rounds < 1:
        parser.error("--rounds is at least 1")
    stage = Stage()
    try:
        sys.stdout.write(HEAD)
        for name in args.only or ROWS:
            sys.stdout.flush()
            result = hold(ROWS[name](stage), args.rounds)
            sys.stdout.write(_line(result))
            if args.write:
                page.write([result])
    except (BenchmarkError, BuildError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    finally:
        stage.close()
    return 0


def _line(result: Result) -> str:
    ours, theirs = result.medians()
    processor = f"{_seconds(ours.processor)}, peer {_seconds(theirs.processor)}"
    cells = [
        result.contest.title,
        _seconds(ours.wall),
        _seconds(theirs.wall),
        page.compared(result),
        result.contest.aim,
    ]
    return f"| {' | '.join([*cells, processor, page.peaks(result)])} |\n"


def _seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
