"""Fuzzes one parser for a bounded time, guided by coverage (atheris, https://github.com/google/atheris).

    python tests/fuzz/run.py STORE [libFuzzer's options, such as -max_total_time=60]

atheris is in no lock: `make fuzz` has an environment of its own for it.
"""

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found] # only in the environment that `make fuzz` makes

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

with atheris.instrument_imports(include=["bridge_providers", "bridge"]):
    from tests.fuzz import parsers

    for name in parsers.STORES:  # each is imported by its first file, too late to be instrumented
        parsers.check(name, parsers.SEEDS[name][0])


def main() -> None:
    """Start libFuzzer on the corpus of one store."""
    store, *options = sys.argv[1:]
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{store}-"))
    for number, seed in enumerate(parsers.SEEDS[store]):
        (corpus / str(number)).write_bytes(seed)

    def test(data: bytes) -> None:
        parsers.check(store, data)

    atheris.Setup([sys.argv[0], "-timeout=30", "-rss_limit_mb=2048", *options, str(corpus)], test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
