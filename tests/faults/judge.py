"""Says what is wrong with a turn: bridge's promises, held against what happened."""

import json
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.faults.commands import WORKLOAD
from tests.faults.kinds import CANARY, Ending, Fault
from tests.faults.targets import forms
from tests.faults.turns import Outcome, Turn

GRACE: Final = 15.0
"""Seconds that a run may take beyond its time limit, on a machine that is busy with other things."""
DONE, REFUSED, STOPPED, TEMPORARY = 0, 1, 5, 75
ALLOWED: Final = {
    Ending.DONE: {DONE},
    Ending.TEMPORARY: {DONE, STOPPED, TEMPORARY},
    Ending.REFUSED: {DONE, REFUSED, STOPPED},
    Ending.EITHER: {DONE, REFUSED, STOPPED, TEMPORARY},
    Ending.UNREPORTED: {STOPPED},
}


def allowed_of(fault: Fault) -> set[int]:
    """Return the exit statuses that a run may have that meets a fault."""
    return {DONE, 128 + fault.signal} if fault.signal else ALLOWED[fault.ending]


def findings(turn: Turn) -> list[str]:
    """Return every promise that a turn breaks, but for the time that it took."""
    return [
        *_status(turn),
        *_written(turn),
        *_repair(turn),
        *_output(turn.faulted, turn, _is_untold(turn)),
        *(text for outcome in (turn.repair, turn.again) if outcome for text in _output(outcome, turn)),
    ]


def _status(turn: Turn) -> Iterator[str]:
    status = turn.faulted.status
    ending = turn.fault.ending if turn.fault and turn.met else Ending.DONE
    allowed = allowed_of(turn.fault) if turn.fault and turn.met else {DONE}
    if status not in allowed:
        yield f"status {status}, but this is {ending.value}: {_first_line(turn.faulted)}"
    is_own = turn.fault and (turn.fault.machine or turn.fault.signal not in {0, signal.SIGKILL})
    if turn.was_held and is_own:
        yield "did not give its Lease back"
    if turn.was_followed:
        yield "followed a redirect"


def lateness(turn: Turn) -> Iterator[str]:
    """Yield a finding if a run took much longer than its time limit. How much depends on the machine."""
    if turn.faulted.seconds > turn.limit + GRACE:
        yield f"took {turn.faulted.seconds:.0f} s with a limit of {turn.limit:.0f} s"


def _written(turn: Turn) -> Iterator[str]:
    """Compare the cluster with the exit status, and with the report."""
    status = turn.faulted.status
    if status == DONE:
        yield from _differences(turn, turn.after, "after status 0")
    elif status in {REFUSED, TEMPORARY} and turn.after != turn.before:
        yield f"status {status}, but something was written"
    for name, written in _told(turn.faulted).items():
        before, after = turn.before.get(name), turn.after.get(name)
        is_there = after is None if turn.wanted.get(name) is None else bool(after and after[1] == turn.wanted[name])
        if written == "yes" and not is_there:
            yield f"{name}: the report says written, and it is not"
        if written == "no" and after != before:
            yield f"{name}: the report says not written, and it is"
        if written == "perhaps" and after != before and not is_there and name != "ConfigMap/settings":
            yield f"{name}: is neither as before nor as wanted"


def _told(outcome: Outcome) -> Mapping[str, str]:
    report = _report(outcome)
    report = report or {}
    environments: list[dict[str, Any]] = report.get("environments", [report])
    objects: list[dict[str, Any]] = [one for environment in environments for one in environment.get("objects", ())]
    return {f"{one['kind']}/{one['name']}": one["written"] for one in objects if "written" in one}


def _report(outcome: Outcome) -> dict[str, Any] | None:
    try:
        report = json.loads(outcome.out)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def _repair(turn: Turn) -> Iterator[str]:
    if turn.repair and turn.repair.status != DONE:
        yield f"the next run ended with {turn.repair.status}: {_first_line(turn.repair)}"
    yield from _differences(turn, turn.end, "after the next run")
    if turn.again and turn.again.status != DONE:
        yield f"a plan after the next run ended with {turn.again.status}"


def _differences(turn: Turn, objects: Mapping[str, tuple[str, Mapping[str, str]]], when: str) -> Iterator[str]:
    for name, wanted in turn.wanted.items():
        if name == WORKLOAD and turn.fault and turn.fault.name == "answers 404":
            continue  # a workload that does not exist need not be restarted
        found = objects.get(name)
        if (found[1] if found else None) != wanted:
            yield f"{name} is not as wanted {when}"


def _is_untold(turn: Turn) -> bool:
    """Return whether a run cannot write its report or its messages."""
    machine = turn.fault.machine if turn.fault else None
    return bool(machine and (machine.stdout or machine.stderr))


def _output(outcome: Outcome, turn: Turn, is_untold: bool = False) -> Iterator[str]:
    said = outcome.out + outcome.err
    for canary in (*turn.canaries, CANARY):
        if any(form in said for form in forms(canary)):
            yield f"a value or a server's own words were shown: {_first_line(outcome)}"
    if "Traceback" in said or "a bug in" in said:
        yield f"a bug: {outcome.err.strip()[:500]}"
    if is_untold:
        return
    is_struck = outcome.status > 128
    is_short = turn.fault and turn.fault.machine and outcome.status == TEMPORARY  # perhaps even to read the arguments
    if _report(outcome) is None and not ((is_struck or is_short) and outcome.out == ""):
        yield "the report is no JSON"
    words = "" if outcome.status == 128 + signal.SIGKILL else "bridge: " if is_struck else "bridge: error: "
    if outcome.status not in {DONE, 4} and words not in outcome.err:
        yield f"status {outcome.status} without an error"


def _first_line(outcome: Outcome) -> str:
    return (outcome.err.strip().splitlines() or ["no message"])[0][:300]
