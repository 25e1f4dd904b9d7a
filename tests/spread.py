"""How pytest-xdist shares the tests out: long files first, and a file's tests together, for the servers it starts."""

from collections.abc import Iterable
from typing import Any, Final

from xdist.scheduler.loadscope import LoadScopeScheduling

LONG: Final = (
    "tests/deploy/test_container.py",
    "tests/deploy/test_image.py",
    "tests/importing/test_migrating.py",
    "tests/deploy/test_in_cluster.py",
    "tests/project/test_wheel.py",
    "tests/pipelines/test_action.py",
    "tests/restart/test_restart.py",
    "tests/pipelines/test_steps.py",
    "tests/base/test_startup.py",
    "tests/providers/sops/test_sops_program.py",
    "tests/kustomize/test_fix_kustomize.py",
    "tests/approval/test_approval_real.py",
    "tests/adopt/test_adopt_kubectl.py",
    "tests/deploy/test_cronjob.py",
    "tests/lease/test_meetings.py",
    "tests/failures/test_odd_answers.py",
    "tests/stores/test_rotation_crashes.py",
    "tests/providers/sops/test_generated.py",
    "tests/providers/sops/test_matrix.py",
    "tests/providers/sops/test_splicing.py",
    "tests/properties/test_properties.py",
    "tests/project/test_mutants.py",
    "tests/failures/test_closed_streams.py",
    "tests/trust/test_strange_repository.py",
    "tests/importing/test_moving_layouts.py",
    "tests/faults/test_fault_table.py",
    "tests/fleet/test_fleet.py",
    "tests/fleet/test_fleet_job.py",
    "tests/failures/test_faults.py",
    "tests/failures/test_stopped_runs.py",
    "tests/providers/sops/test_s3.py",
    "tests/providers/vault/test_tls.py",
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
