"""A small part of what `make faults` runs: each fault once, and each server about equally often.

Which fault meets which server and which call is drawn with a fixed seed.
"""

import random
import secrets
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.faults import judge, machines, matrix
from tests.faults.commands import COMMAND_NAMES, OF_COMMANDS, WORKLOAD
from tests.faults.kinds import CANARY, OF_BOTO3, SERVERS, SIGNALS, Ending, Fault
from tests.faults.machines import MACHINES, can_mount
from tests.faults.programs import PROGRAMS
from tests.faults.targets import MACHINE, NAMES, PROCESS, PROGRAM, SERVER_NAMES, Servers, values
from tests.faults.turns import Outcome, Turn, table
from tests.servers.apiserver import RealCluster

OTHERS = {"Vault": "vault", "AWS": "storage", "S3": "storage", "set --sync": "vault", "rollback": "vault"}
"""The fixture of a target's own server, besides the cluster's."""


@pytest.fixture
def servers(request: pytest.FixtureRequest, real_cluster: RealCluster, third_party: Path) -> Callable[[str], Servers]:
    """Return a function that starts the servers of a target."""

    def start(name: str) -> Servers:
        other = request.getfixturevalue(OTHERS[name]) if name in OTHERS else None
        is_vault = OTHERS.get(name) == "vault"
        return Servers(
            real_cluster.url,
            real_cluster.ca_file,
            real_cluster.token,
            other.address if is_vault else "",
            other.root if is_vault else "",
            other.url if other and not is_vault else "",
            request.getfixturevalue("sops_binary") if name == "S3" else Path(),
        )

    assert str(third_party) in sys.path
    return start


def sample(name: str) -> list[tuple[Fault, float, bool]]:
    """Draw a target's faults: each with the call, as a part of all, and whether it lasts."""
    drawn = random.Random(20261129)
    shuffled = drawn.sample(SERVERS, len(SERVERS))
    dealt = {server: shuffled[number :: len(SERVER_NAMES)] for number, server in enumerate(SERVER_NAMES)}
    for server in ("AWS", "S3"):
        dealt[server] = [OF_BOTO3[SERVERS.index(fault)] for fault in dealt[server]]
    dealt |= {PROGRAM: list(PROGRAMS), PROCESS: list(SIGNALS), MACHINE: list(MACHINES)}
    dealt |= dict(zip(COMMAND_NAMES, (OF_COMMANDS[number::7] for number in (5, 0, 2, 4)), strict=True))
    places = {
        target: [(fault, drawn.random(), drawn.random() < 0.5) for fault in faults] for target, faults in dealt.items()
    }
    return places[name]


def test_sample_has_every_fault_once_and_every_target() -> None:
    drawn = [fault.name for name in NAMES if name not in COMMAND_NAMES for fault, _, _ in sample(name)]
    assert sorted(drawn) == sorted(fault.name for fault in (*SERVERS, *PROGRAMS, *SIGNALS, *MACHINES))
    assert all(len(sample(name)) >= 10 for name in SERVER_NAMES)
    assert all(len(sample(name)) >= 2 for name in COMMAND_NAMES)


@pytest.mark.slow
@pytest.mark.timeout(1200, func_only=True)  # a dozen runs and more, some of which wait for seconds
@pytest.mark.parametrize("name", NAMES)
def test_fault_breaks_no_promise(name: str, servers: Callable[[str], Servers], tmp_path: Path) -> None:
    wrong = {}
    namespace = f"faults-{secrets.token_hex(4)}"
    with table(name, servers(name), tmp_path / namespace, namespace) as made:
        asked = made.start()
        for fault, place, lasting in sample(name):
            if fault not in made.target.faults:
                continue  # it needs root
            case = matrix.case_at(fault, place, len(asked), lasting=lasting)
            turn = made.turn(*case[:2], lasting=case.lasting)
            wrong[fault.name, case.call, case.lasting] = judge.findings(turn)
            assert turn.met or fault.machine, f"{fault.name} was not met"
        assert list(matrix.in_events(made)) == []
    assert {case: found for case, found in wrong.items() if found} == {}


def test_whole_table_has_every_fault_at_every_call_once_and_from_then_on() -> None:
    found = {(case.fault.name, case.call, case.lasting) for case in matrix.cases(SERVERS, 3)}
    cheap = [fault.name for fault in SERVERS if not fault.is_costly]
    assert found >= set(product(cheap, (1, 2, 3), (False, True)))
    assert {fault.name for fault in SERVERS} == {name for name, _, _ in found}


def test_part_of_table_has_every_fault_at_some_calls() -> None:
    drawn = list(matrix.cases(SERVERS, 31, 2))
    assert drawn == list(matrix.cases(SERVERS, 31, 2))
    assert len(drawn) == len(set(drawn)) == 4 * len(SERVERS)
    assert len({case.call for case in drawn}) > 20


def test_machine_with_places_of_its_own_has_fault_at_each_of_them() -> None:
    few_files, threads = (fault for fault in MACHINES if fault.machine and len(fault.machine.places) > 1)
    found = list(matrix.cases([few_files, threads], 3))
    assert few_files.machine
    assert threads.machine
    assert [case.call for case in found if case.fault is few_files] == list(few_files.machine.places)
    assert len([case for case in found if case.fault is threads]) == 2 * len(threads.machine.places)


def test_case_at_part_of_calls_or_places() -> None:
    once = [matrix.case_at(SERVERS[0], place, 31, lasting=True) for place in (0.0, 0.5, 0.999)]
    assert [(case.call, case.lasting) for case in once] == [(1, True), (16, True), (31, True)]
    disk = next(fault for fault in MACHINES if fault.machine and fault.machine.stdout)
    assert matrix.case_at(disk, 0.9, 31, lasting=True)[1:] == (1, False)


@pytest.mark.skipif(not can_mount(), reason="only root may mount a disk")
def test_root_has_every_fault_of_machine() -> None:
    assert machines.possible() == MACHINES


def test_faults_that_need_root_are_left_out_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "can_mount", lambda: False)
    left_out = {fault.name for fault in MACHINES} - {fault.name for fault in machines.possible()}
    assert left_out == {"has a full disk for everything else", "has only read-only disks"}


def test_shards_share_out_all_targets() -> None:
    parts = matrix.shards()
    assert {part.target for part in parts} == set(NAMES)
    assert all(sum(part.target == one.target for part in parts) == one.of for one in parts)


BEFORE = {"Secret/app": ("1", {"PASSWORD": "b2xk"})}
AFTER = {"Secret/app": ("2", {"PASSWORD": "bmV3"})}
REPORT = '{{"objects": [{{"kind": "Secret", "name": "app", "written": "{}"}}]}}'
FINE = Outcome(0, REPORT.format("yes"), "", 0.1)
GONE_AWAY = next(fault for fault in SERVERS if fault.name == "answers 404")
IDLE = {"Secret/app": {"PASSWORD": "bmV3"}, WORKLOAD: {"restarted": "yes"}}
UNTOLD = Outcome(5, "", "bridge: error: cannot write the report\n", 0.1)
GONE = Outcome(75, REPORT.format("no"), "bridge: error: gone\n", 0.1)
TEMPORARY = next(fault for fault in SERVERS if fault.ending is Ending.TEMPORARY)


def turn(**changes: object) -> Turn:
    """Return a turn in which a temporary fault was met and everything went well, with some changes."""
    usual: dict[str, object] = {
        "fault": TEMPORARY,
        "faulted": FINE,
        "calls": ["GET /a"],
        "met": 1,
        "was_followed": False,
        "before": BEFORE,
        "after": AFTER,
        "was_held": False,
        "wanted": {"Secret/app": {"PASSWORD": "bmV3"}},
        "repair": None,
        "again": FINE,
        "end": AFTER,
        "limit": 120.0,
        "canaries": frozenset(values(1).values()),
    }
    return Turn(**(usual | changes))  # type: ignore[arg-type]


def test_turn_without_fault_in_it_has_no_findings() -> None:
    assert judge.findings(turn()) == []
    assert judge.findings(turn(faulted=GONE, after=BEFORE, repair=FINE, again=None)) == []
    assert judge.findings(turn(fault=MACHINES[0], faulted=UNTOLD, repair=FINE)) == []
    assert judge.findings(turn(fault=GONE_AWAY, wanted=IDLE)) == []
    assert list(judge.lateness(turn())) == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"faulted": FINE._replace(status=1, err="bridge: error: x")}, "status 1, but this is a temporary failure"),
        ({"faulted": FINE._replace(status=3)}, "status 3"),
        ({"met": 0, "faulted": GONE, "after": BEFORE}, "status 75, but this is no failure of the run"),
        ({"fault": SIGNALS[1], "was_held": True, "calls": ["PATCH /b"]}, "did not give its Lease back"),
        ({"fault": SIGNALS[1], "was_held": True, "calls": ["PUT /leases/a"]}, "did not give its Lease back"),
        ({"fault": MACHINES[-1], "was_held": True}, "did not give its Lease back"),
        ({"fault": MACHINES[0]}, "status 0, but this is a report that cannot be written"),
        ({"fault": MACHINES[0], "faulted": UNTOLD._replace(err=CANARY)}, "a value or a server's own words were shown"),
        ({"fault": SIGNALS[1], "faulted": FINE._replace(status=130)}, "status 130, but this is the end of a run by"),
        ({"was_followed": True}, "followed a redirect"),
        ({"after": BEFORE}, "Secret/app is not as wanted after status 0"),
        ({"faulted": GONE}, "status 75, but something was written"),
        ({"faulted": GONE}, "Secret/app: the report says not written, and it is"),
        (
            {"faulted": FINE._replace(status=5, err="bridge: error: x"), "after": BEFORE},
            "Secret/app: the report says written, and it is not",
        ),
        (
            {
                "faulted": GONE._replace(status=5, out=REPORT.format("perhaps")),
                "after": {"Secret/app": ("3", {"PASSWORD": "bw=="})},
            },
            "Secret/app: is neither as before nor as wanted",
        ),
        ({"wanted": IDLE}, "Deployment/agent is not as wanted after status 0"),
        ({"repair": GONE}, "the next run ended with 75: bridge: error: gone"),
        ({"end": BEFORE}, "Secret/app is not as wanted after the next run"),
        ({"again": FINE._replace(status=4)}, "a plan after the next run ended with 4"),
        ({"faulted": FINE._replace(err=values(1)["OTHER"])}, "a value or a server's own words were shown"),
        ({"repair": FINE._replace(err=CANARY)}, "a value or a server's own words were shown"),
        ({"faulted": FINE._replace(err="Traceback (most recent call last)")}, "a bug"),
        ({"faulted": FINE._replace(out="<html>")}, "the report is no JSON"),
        ({"faulted": GONE._replace(err=""), "after": BEFORE}, "status 75 without an error"),
    ],
)
def test_judge_sees_broken_promise(changes: dict[str, object], finding: str) -> None:
    assert [text for text in judge.findings(turn(**changes)) if text.startswith(finding)]


def test_judge_sees_run_that_outlasts_its_time_limit() -> None:
    assert list(judge.lateness(turn(faulted=FINE._replace(seconds=200.0)))) == ["took 200 s with a limit of 120 s"]
