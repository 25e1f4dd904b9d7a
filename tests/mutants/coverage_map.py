"""Which tests run which line, and how long they compute: kept until a file changes."""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coverage import CoverageData

HERE: Final = Path(__file__).parent
_AT_ONCE: Final = 20  # files in one run of pytest: what is measured so far is kept
SELECTION: Final = "not real and not slow and not wheel"
"""The tests that may kill a mutant, unless its room says otherwise."""


@dataclass(frozen=True)
class Measured:
    """One test: its processor time, and which lines of which modules it runs."""

    test: str
    seconds: float
    lines: dict[str, frozenset[int]]

    @property
    def file(self) -> str:
        return self.test.partition("::")[0]

    def runs(self, places: dict[str, set[int]]) -> bool:
        """True if the test runs one of these lines."""
        return any(not numbers.isdisjoint(self.lines.get(module, ())) for module, numbers in places.items())


def measure(copy: Path, paths: Iterable[str], modules: set[str], cache: Path, select: str) -> list[Measured]:
    """Return the tests of some files and folders; run those files that the cache does not have as they are now."""
    files = sorted({file for path in paths for file in _files(copy, path)})
    shared = _digest(copy, [path for path in _python(copy) if not _is_separate(path)], select)
    kept = {file: cache / f"{_digest(copy, [copy / file], shared)}.json" for file in files}
    cache.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not kept[file].exists()]
    for start in range(0, len(missing), _AT_ONCE):
        sys.stderr.write(f"{len(missing) - start} test files still have to run once, to see which lines they run\n")
        part = missing[start : start + _AT_ONCE]
        by_file = _run(copy, part, select)
        for file in part:
            kept[file].write_text(json.dumps(by_file.get(file, {})))
    return [measured for file in files for measured in _load(kept[file], modules)]


def first_lines(source: bytes) -> dict[int, int]:
    """Return for each line the line that coverage counts for it: the first one of its statement."""
    found: dict[int, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                found[line] = max(found.get(line, 0), node.lineno)
    return found


def lines_of_functions(source: bytes) -> set[int]:
    """Return the lines that run when a function is called: those of the bodies of functions."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= {line for part in node.body for line in range(part.lineno, (part.end_lineno or 0) + 1)}
    return found


def defined_name(source: bytes, line: int) -> str:
    """Return the constant or field that a line outside of functions is a part of, or "" if it is no definition."""
    found = ""
    for node in ast.walk(ast.parse(source)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.lineno <= line <= (node.end_lineno or 0):
            found = next((target.id for target in targets if isinstance(target, ast.Name)), found)
    return found


def lines_with(name: str, sources: dict[str, bytes]) -> dict[str, set[int]]:
    """Return for each module the lines with a name, as coverage counts them."""
    word = re.compile(rf"\b{re.escape(name)}\b".encode())
    found: dict[str, set[int]] = {}
    for module, source in sources.items():
        first = first_lines(source)
        numbers = {number for number, text in enumerate(source.splitlines(), 1) if name and word.search(text)}
        found[module] = {first.get(number, number) for number in numbers} & lines_of_functions(source)
    return found


def environment(copy: Path) -> dict[str, str]:
    """Return the environment of a run of tests in a copy: what it imports is the copy's."""
    told = ("MAKE", "MFLAGS", "CI", "COVERAGE", "SPREAD", "BRIDGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    return kept | {"PYTHONPATH": os.pathsep.join((str(copy), str(copy / "providers")))}


def _files(copy: Path, path: str) -> list[str]:
    place = copy / path
    found = sorted(place.rglob("test_*.py")) if place.is_dir() else [place]
    return [str(file.relative_to(copy)) for file in found]


def _python(copy: Path) -> list[Path]:
    return sorted(path for name in ("bridge", "providers", "tests") for path in (copy / name).rglob("*.py"))


def _is_separate(path: Path) -> bool:
    """True for a file that no test imports."""
    return path.name.startswith("test_") or path.parent.name == "mutants"


def _digest(copy: Path, paths: Iterable[Path], start: str = "") -> str:
    digest = hashlib.sha256(f"{sys.version} {start}".encode())
    for path in paths:
        digest.update(str(path.relative_to(copy)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def _run(copy: Path, files: list[str], select: str) -> dict[str, dict[str, object]]:
    """Run test files under coverage; return for each one its tests with their seconds and lines."""
    seconds, data = copy.parent / "seconds.json", copy.parent / "coverage.data"
    seconds.unlink(missing_ok=True)
    data.unlink(missing_ok=True)
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={HERE / 'coverage.rc'}", f"--data-file={data}", "-m"]
    command += ["pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "tests.mutants.contexts", "-m", select]
    environ = environment(copy) | {"BRIDGE_MUTANTS_SECONDS": str(seconds)}
    done = subprocess.run([*command, *files], cwd=copy, env=environ, capture_output=True, text=True, check=False)
    if not seconds.exists():
        raise SystemExit(f"the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return _by_file(copy, json.loads(seconds.read_text()), CoverageData(str(data)))


def _by_file(copy: Path, seconds: dict[str, float], data: CoverageData) -> dict[str, dict[str, object]]:
    data.read()
    lines: dict[str, dict[str, list[int]]] = {test: {} for test in seconds}
    for path in data.measured_files():
        if not Path(path).is_relative_to(copy):
            continue
        module = str(Path(path).relative_to(copy))
        for line, tests in data.contexts_by_lineno(path).items():
            for test in tests:
                if test in lines:
                    lines[test].setdefault(module, []).append(line)
    found: dict[str, dict[str, object]] = {}
    for test, spent in seconds.items():
        found.setdefault(test.partition("::")[0], {})[test] = [round(spent, 3), lines[test]]
    return found


def _load(path: Path, modules: set[str]) -> list[Measured]:
    content = json.loads(path.read_text())
    return [
        Measured(test, spent, {name: frozenset(numbers) for name, numbers in lines.items() if name in modules})
        for test, (spent, lines) in content.items()
    ]
