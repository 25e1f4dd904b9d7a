"""How pytest-xdist shares the tests out: long files first, and a file's tests together, for the servers it starts."""

from collections.abc import Iterable
from typing import Any, Final

from xdist.scheduler.loadscope import LoadScopeScheduling

LONG: Final = (
    "tests/deploy/test_in_cluster.py",
    "tests/pipelines/test_steps.py",
    "tests/restart/test_restart.py",
    "tests/providers/sops/test_sops_program.py",
    "tests/deploy/test_image.py",
    "tests/importing/test_migrating.py",
    "tests/deploy/test_cronjob.py",
    "tests/project/test_wheel.py",
    "tests/failures/test_odd_answers.py",
    "tests/providers/sops/test_matrix.py",
    "tests/properties/test_properties.py",
    "tests/kustomize/test_fix_kustomize.py",
    "tests/failures/test_faults.py",
    "tests/failures/test_stopped_runs.py",
    "tests/fleet/test_fleet.py",
    "tests/providers/sops/test_s3.py",
    "tests/providers/sops/test_generated.py",
    "tests/providers/vault/test_tls.py",
    "tests/providers/sops/test_splicing.py",
)
"""The files that take longest. What begins last should be short, or one worker ends long after the others."""

APART: Final = frozenset({"tests/fuzz/test_run.py", "tests/lease/test_interleavings.py"})
"""Files whose tests share no server and would take long one after the other: each goes to whichever worker is free."""


class Spread(LoadScopeScheduling):
    """Stands in for xdist's `loadfile`, which begins with the files that have the most tests."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return nodeid if path in APART else path


def long_first(items: Iterable[Any], root: Any) -> list[Any]:
    """Return the tests with those of the long files first, otherwise in the same order."""
    rank = {root / path: number for number, path in enumerate(LONG)}
    return sorted(items, key=lambda item: rank.get(item.path, len(LONG)))
