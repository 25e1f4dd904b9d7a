"""Runs tests with the oldest and the newest API server, and writes the result to the help page `tested-with`.

    python tests/servers/releases.py [MINOR...]

builds what is missing first, which takes minutes for each release. The tests of `tests/testing` compare the embedded
cluster with each server; the others are whole runs.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # `tests` is no installed package

from tests.servers import build  # noqa: E402 - as above

PAGE: Final = ROOT / "bridge" / "help" / "tested-with.md"
VARIABLE: Final = "BRIDGE_KUBERNETES"
PREFIX: Final = "kube-apiserver-"
TESTS: Final = (
    "tests/testing",
    "tests/properties",
    "tests/sync/test_sync.py",
    "tests/sync/test_recreate.py",
    "tests/sync/test_deletions.py",
    "tests/adopt/test_adopt.py",
    "tests/adopt/test_adopt_kubectl.py",
    "tests/cluster/test_api_real.py",
    "tests/cluster/test_rights.py",
)
"""Without admission policies that rewrite: before 1.36, the API has them only as a beta or not at all."""


def release(name: str) -> str:
    """Return the release of Kubernetes that a tool's go.mod requires."""
    required = (build.HERE / "go" / build.TOOLS[name].module / "go.mod").read_text()
    found = re.search(r"^(?:require |\t)k8s\.io/kubernetes v([\d.]+)", required, re.MULTILINE)
    assert found
    return found[1]


def main(arguments: list[str] | None = None) -> int:
    """Build, run and write down each release; 1 if one cannot be built or a test fails."""
    minors = sorted(name.removeprefix(PREFIX) for name in build.RELEASES)
    parser = argparse.ArgumentParser(description="Run tests with other releases of Kubernetes.")
    parser.add_argument("minor", nargs="*", help=f"one of {', '.join(minors)}; by default all")
    failed = False
    for minor in parser.parse_args(arguments).minor or minors:
        name = f"{PREFIX}{minor}"
        try:
            for tool in (name, "etcd"):
                build.build(tool)
        except build.BuildError as error:
            sys.stderr.write(f"releases: {error}\n")
            failed = True
            continue
        passed = _run(minor)
        failed = failed or not passed
        PAGE.write_text(written(PAGE.read_text(), release(name), "passed" if passed else "failed"))
    return int(failed)


def _run(minor: str) -> bool:
    command = [sys.executable, "-m", "pytest", "--quiet", "-rs", "-m", "real", *TESTS]
    environ = os.environ | {VARIABLE: minor, "BRIDGE_REQUIRE_TOOLS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode == 0


def written(text: str, number: str, result: str) -> str:
    """Return the page with the result of a release in its row."""
    row = re.compile(rf"^\| {re.escape(number)} \| .* \|$", re.MULTILINE)
    assert len(row.findall(text)) == 1
    return row.sub(f"| {number} | {result} |", text)


if __name__ == "__main__":
    sys.exit(main())
