"""Lets a history happen, and holds every run in it to the laws."""

from collections.abc import Sequence
from typing import Final

from hypothesis import currently_in_test_context, event

from tests.desk import Desk, Result
from tests.properties import laws
from tests.properties.configuration import Configuration
from tests.properties.offline import check_knew
from tests.properties.sealed import Sealer
from tests.properties.strategies import Round

SEALER: Final = Sealer()
FIRST: Final = "nothing shows that staging was written to it before"
ALLOWED: Final = ("--allow-shrink", "--allow-fallback", "--allow-older")


def play(desk: Desk, history: Sequence[Round], *, bound: bool = True) -> None:
    """Write each round's files, make the moves of others, and run; after a refusal, do what its hints say.

    An environment that is not `bound` to its cluster needs --first for its first write.
    """
    for one in history:
        one.configuration.write(desk, SEALER, **({} if bound else {"cluster": {"kubeconfig": "kubeconfig"}}))
        for move in one.moves:
            move.make(desk.target)
        more = (*one.flags, *(flag for flag in ALLOWED if flag not in one.flags))
        if run(desk, one.configuration, one.flags) or run(desk, one.configuration, more):
            continue
        if adopt(desk):
            run(desk, one.configuration, ALLOWED)


def run(desk: Desk, configuration: Configuration, flags: tuple[str, ...]) -> bool:
    """Check, plan and sync, and compare the three with each other and with the cluster; True if sync succeeded."""
    before = laws.snapshot(desk.target)
    check = report(desk, "check")
    plan = report(desk, "plan", "--exit-code", *flags)
    laws.check_same(before, laws.snapshot(desk.target))
    sync = first_sync(desk, flags)
    after = laws.snapshot(desk.target)
    note(f"check {check.status}, plan {plan.status}, sync {sync.status}")
    check_knew(check, plan, configuration, flags)
    laws.check_agreement(plan, sync)
    if plan.status not in (0, 4):
        laws.check_unwritten(before, after)
        return False
    laws.check_changes(before, after, sync.data)
    laws.check_values(after, configuration)
    laws.check_settled(desk, after)
    return True


def first_sync(desk: Desk, flags: tuple[str, ...]) -> Result:
    """Sync; if that is refused as a first write, nothing is written, and --first allows it."""
    before = laws.snapshot(desk.target)
    sync = report(desk, "sync", *flags)
    if not any(problem["what"] == FIRST for problem in sync.data.get("errors", ())):
        return sync
    note("first write refused")
    assert sync.status == 1
    laws.check_unwritten(before, laws.snapshot(desk.target))
    return report(desk, "sync", "--first", *flags)


def adopt(desk: Desk) -> bool:
    """Take over what others own; True if there was anything. No value changes."""
    before = laws.snapshot(desk.target)
    adoption = report(desk, "adopt", "--yes", "--first")
    after = laws.snapshot(desk.target)
    note(f"adopt {adoption.status}")
    if adoption.data["result"] == "written":
        laws.check_adoption(before, after)
        return True
    laws.check_unwritten(before, after)
    return False


def note(what: str) -> None:
    """Count something for hypothesis's statistics."""
    if currently_in_test_context():
        event(what)


def report(desk: Desk, command: str, *flags: str) -> Result:
    """Run a command about the environment, with a report in JSON."""
    return desk.run(command, "staging", "--output", "json", *flags)
