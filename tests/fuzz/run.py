"""Fuzzes one parser, guided by coverage (atheris, https://github.com/google/atheris).

    python tests/fuzz/run.py TARGET [libFuzzer's options, such as -max_total_time=60, or -runs=1000 -seed=1]

What fails is printed with the bytes that make it fail; they are in a file too (libFuzzer's -artifact_prefix).
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

with atheris.instrument_imports(include=["bridge_providers", "bridge"]):
    from tests.fuzz.targets import TARGETS

    for target in TARGETS.values():  # what is imported by the first file would be imported too late otherwise
        target.check(target.seeds[-1])


def main() -> None:
    """Start libFuzzer on the corpus of one target."""
    name, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
        for number, seed in enumerate(TARGETS[name].seeds):
            Path(folder, str(number)).write_bytes(seed)

        def test(data: bytes) -> None:
            TARGETS[name].check(data)

        atheris.Setup([sys.argv[0], "-timeout=120", "-rss_limit_mb=2048", *options, folder], test)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
