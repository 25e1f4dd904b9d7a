"""What happens to a run when a server, a program or the machine misbehaves?

    python tests/faults/run.py [--only TARGET]... [--fault NAME]... [--some N] [--processes N] [--write]

Each turn lets one fault meet one call of a run, once or from then on, and judges what the run did: its exit
status, its time, what it wrote and what it reported, and whether the next run repairs it. All servers are real ones, or
the stand-ins of the tests. Several processes share the turns, each of which runs bridge many times. With `--write`, and
without a finding, the page `bridge help faults` gets the statuses of the targets and faults that were run.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` is no installed package

from tests.faults import page
from tests.faults.matrix import Found, run_all, shards
from tests.faults.targets import NAMES, Servers
from tests.servers import build
from tests.servers.apiserver import RealCluster
from tests.servers.s3 import ObjectStorage
from tests.servers.vault import DevVault

PROCESSES: Final = 6
"""Most of a turn's time is a wait, so that there are more processes than cores."""


@contextlib.contextmanager
def started() -> Iterator[Servers]:
    """Start the servers that all targets share."""
    with contextlib.ExitStack() as stack:
        tools = {name: build.build(name) for name in ("etcd", "kube-apiserver", "vault", "sops")}
        cluster = RealCluster(tools["etcd"], tools["kube-apiserver"], Path("kubectl"))  # kubectl is not needed
        stack.enter_context(cluster)
        vault = stack.enter_context(DevVault(tools["vault"]))
        storage = stack.enter_context(ObjectStorage())
        yield Servers(
            cluster.url, cluster.ca_file, cluster.token, vault.address, vault.root, storage.url, tools["sops"]
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the turns, and print the findings as they come; 1 if there are any."""
    parser = argparse.ArgumentParser(description="Let faults meet every call of a run.")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="TARGET", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--fault", action="append", metavar="NAME", help="only this fault, as the table names it")
    parser.add_argument("--some", type=int, default=0, metavar="N", help="N calls for each fault (default: all calls)")
    parser.add_argument("--processes", type=int, default=PROCESSES, help=f"how many at once (default: {PROCESSES})")
    parser.add_argument("--write", action="store_true", help="replace the tables in bridge/help/faults.md")
    args = parser.parse_args(arguments)
    began = time.monotonic()
    found: list[Found] = []
    with started() as servers:
        parts = shards(args.only or NAMES, args.fault or (), args.some)
        for done, some in enumerate(run_all(parts, servers, args.processes), 1):
            found += some
            _tell(some, f"{done} of {len(parts)} parts, {len(found)} runs, {time.monotonic() - began:.0f} s")
    wrong = [one for one in found if one.wrong]
    missed = sum(not one.met for one in found)
    late = max((one.late for one in found), default=0.0)
    print(  # noqa: T201 - its report
        f"{len(found)} runs in {time.monotonic() - began:.0f} s: {len(wrong)} with findings, {missed} without their "
        f"fault; the longest took {late:.1f} s more than its time limit"
    )
    if args.write and not wrong:
        page.write(page.recorded(found, page.read()))
    return 1 if wrong else 0


def _tell(found: Sequence[Found], progress: str) -> None:
    for one in found:
        for text in one.wrong:
            how = "from then on" if one.lasting else "once"
            print(f"{one.target} {one.fault}, call {one.call} ({one.asked}) {how}: {text}", flush=True)  # noqa: T201
    print(progress, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
