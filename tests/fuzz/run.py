"""Fuzzes parsers, guided by coverage (atheris, https://github.com/google/atheris).

    python tests/fuzz/run.py TARGET[,TARGET...] [libFuzzer's options, such as -max_total_time=60, or -runs=1000 -seed=1]

`-runs=/4` is a quarter of each target's own number. What fails is printed with the bytes that make it fail; they are in
a file too (libFuzzer's -artifact_prefix).
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

SHARE = "-runs=/"

with atheris.instrument_imports(include=["bridge_providers", "bridge"]):
    from tests.fuzz.targets import TARGETS

    for target in TARGETS.values():  # what is imported by the first file would be imported too late otherwise
        target.check(target.seeds[-1])


def fuzz(name: str, options: list[str]) -> None:
    """Start libFuzzer on the corpus of one target; it ends the process."""
    options = [
        f"-runs={TARGETS[name].runs // int(one.removeprefix(SHARE))}" if one.startswith(SHARE) else one
        for one in options
    ]
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
        for number, seed in enumerate(TARGETS[name].seeds):
            Path(folder, str(number)).write_bytes(seed)

        def test(data: bytes) -> None:
            TARGETS[name].check(data)

        atheris.Setup([sys.argv[0], "-timeout=120", "-rss_limit_mb=2048", *options, folder], test)
        atheris.Fuzz()


def main() -> None:
    """Fuzz one target after the other, each in a process of its own: importing everything takes two seconds."""
    targets, *options = sys.argv[1:]
    for name in targets.split(","):
        child = os.fork()
        if child == 0:
            fuzz(name, options)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"fuzz: {name} failed")


if __name__ == "__main__":
    main()
