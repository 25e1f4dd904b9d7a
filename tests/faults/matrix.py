"""Every turn of the table, shared out among processes, and what each of them found."""

import itertools
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.commands import COMMAND_NAMES
from tests.faults.judge import findings, lateness
from tests.faults.kinds import Fault
from tests.faults.targets import MACHINE, NAMES, PROCESS, Servers, forms, values
from tests.faults.turns import Table, table
from tests.thirdparty.install import install

SHARDS: Final = {"API server": 24, "Vault": 6, "AWS": 4, PROCESS: 4, MACHINE: 4} | dict.fromkeys(COMMAND_NAMES, 6)
"""Into how many parts a target's turns are divided; 2 for all others."""
COSTLY: Final = 6
"""A fault that costs much meets only every sixth call, from the first on."""
FEW: Final = 4
"""Into how many parts a target's turns are divided if a fault meets only some of the calls."""


class Case(NamedTuple):
    """A fault at a call (counted from 1), once or from then on."""

    fault: Fault
    call: int
    """Or the place, if the fault's machine has places of its own."""
    lasting: bool


class Shard(NamedTuple):
    """A part of a target's cases."""

    target: str
    number: int
    of: int
    faults: tuple[str, ...] = ()
    """The names of the faults; empty for all."""
    some: int = 0
    """How many calls a fault meets, drawn from all with a fixed seed; 0 for every call."""


class Found(NamedTuple):
    """What a case came to. Plain values, as it travels between processes."""

    target: str
    fault: str
    call: int
    lasting: bool
    calls: int
    """How many calls a clean run makes."""
    asked: str
    """The one of them that met the fault."""
    met: bool
    status: int
    seconds: float
    late: float
    """Seconds beyond the run's time limit."""
    wrong: tuple[str, ...]


def cases(faults: Sequence[Fault], calls: int, some: int = 0) -> Iterator[Case]:
    """Yield every case of a target whose clean run makes so many calls, or only some for each fault."""
    for fault in faults:
        own = fault.machine.places if fault.machine else ()
        places = own or range(1, calls + 1, COSTLY if fault.is_costly else 1)
        drawn = random.Random(fault.name)
        for lasting in (False, True) if fault.can_last else (False,):
            chosen = sorted(drawn.sample(places, some)) if 0 < some < len(places) else places
            yield from (Case(fault, call, lasting) for call in chosen)


def case_at(fault: Fault, part: float, calls: int, *, lasting: bool) -> Case:
    """Return the case of a fault at a part (0 to 1) of all calls or places."""
    places = (fault.machine.places if fault.machine else ()) or range(1, calls + 1)
    return Case(fault, places[int(part * len(places))], lasting and fault.can_last)


def shards(targets: Sequence[str] = NAMES, faults: Sequence[str] = (), some: int = 0) -> list[Shard]:
    """Return the parts of the whole table, or of some targets, faults and calls."""
    counts = {name: min(SHARDS.get(name, 2), FEW if some else 100) for name in targets}
    return [Shard(name, number, of, tuple(faults), some) for name, of in counts.items() for number in range(of)]


def run_case(made: Table, case: Case, asked: Sequence[str]) -> Found:
    """Run one case, and judge it."""
    turn = made.turn(case.fault, case.call, lasting=case.lasting)
    wrong = [*findings(turn), *lateness(turn)]
    has_places = case.fault.machine and case.fault.machine.places
    where = f"number {case.call}" if has_places else asked[case.call - 1]
    return Found(
        *(made.target.name, case.fault.name, case.call, case.lasting, len(asked), where, turn.met > 0),
        *(turn.faulted.status, turn.faulted.seconds, turn.faulted.seconds - turn.limit),
        tuple(dict.fromkeys(wrong)),
    )


def in_events(made: Table) -> Iterator[str]:
    """Yield a finding if the namespace's Events show a value of any turn."""
    shown = made.events()
    for number in range(made.turns + 1):
        for value in values(number).values():
            if any(form in shown for form in forms(value)):
                yield "a value is in an Event"


def run_shard(shard: Shard, servers: Servers, site: str) -> list[Found]:
    """Run a shard in this process."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        signal.signal(number, handler)  # a shell's background job ignores them, and so would its children
    if site not in sys.path:
        sys.path.insert(0, site)
    name = f"faults-{shard.target.lower().replace(' ', '-')}-{shard.number}-{os.getpid()}"
    with (
        tempfile.TemporaryDirectory(prefix="bridge-faults-") as folder,
        table(shard.target, servers, Path(folder, name), name) as made,
    ):
        asked = made.start()
        chosen = [one for one in made.target.faults if not shard.faults or one.name in shard.faults]
        own = itertools.islice(cases(chosen, len(asked), shard.some), shard.number, None, shard.of)
        found = [run_case(made, case, asked) for case in own]
        shown = tuple(dict.fromkeys(in_events(made)))
        return [*found, Found(shard.target, "any", 0, False, 0, "Events", False, 0, 0, 0, shown)] if shown else found


def run_all(parts: Sequence[Shard], servers: Servers, processes: int) -> Iterator[list[Found]]:
    """Run shards in processes of their own; yield what each has found, as soon as it is done."""
    with tempfile.TemporaryDirectory(prefix="bridge-faults-site-") as site:
        install(Path(__file__).parents[1] / "thirdparty", Path(site))
        with get_context("spawn").Pool(processes) as pool:
            yield from pool.imap_unordered(_run_shard, [(part, servers, site) for part in parts])


def _run_shard(given: tuple[Shard, Servers, str]) -> list[Found]:
    return run_shard(*given)
