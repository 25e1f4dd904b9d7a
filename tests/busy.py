"""Runs the suite beside busy loops, in another order each time: what passes depends neither on speed nor on order.

A failure is repeated with the seed that is told: BRIDGE_TEST_ORDER=SEED pytest FILE
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `tests` is no installed package

from tests.order import VARIABLE  # noqa: E402 - as above
from tests.servers.process import Server  # noqa: E402

_PARTS: Final = ("not real and not wheel", "(real or wheel) and not node")  # one after the other, as `make unit`


def main() -> int:
    """Run all tests that many times; stop at the first run that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further run has the next one")
    parser.add_argument("--loops", type=int, default=2)
    parser.add_argument("options", nargs="*", help="pytest's, behind --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for number in range(args.loops):
            loop = Server([sys.executable, "-c", "while True: pass"], Path(folder, str(number)))
            stack.callback(loop.stop)
        for seed in range(args.seed, args.seed + args.times):
            for part in _PARTS:
                status = _run(part, str(seed), args.options)
                if status not in {0, 5}:  # 5: a selection has no test of this part
                    sys.stderr.write(f"failed with {VARIABLE}={seed}, -m '{part}'\n")
                    return status
    return 0


def _run(part: str, seed: str, options: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "--quiet", "-m", part, *options]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {VARIABLE: seed}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
