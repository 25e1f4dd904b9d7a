"""The tables on the page `faults`, and the record that they are made of."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import bridge
from tests.faults.commands import COMMAND_NAMES, OF_COMMANDS
from tests.faults.kinds import OF_BOTO3, SERVERS, SIGNALS, Fault
from tests.faults.machines import MACHINES
from tests.faults.matrix import Found
from tests.faults.programs import PROGRAMS
from tests.faults.targets import MACHINE, NAMES, PROCESS, PROGRAM, SERVER_NAMES

PAGE: Final = Path(bridge.__file__).parent / "help" / "faults.md"
RECORD: Final = Path(__file__).parent / "record.json"
BLOCK: Final = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)
_OTHERS: Final = {"AWS": OF_BOTO3, "S3": OF_BOTO3, PROGRAM: PROGRAMS, PROCESS: SIGNALS, MACHINE: MACHINES}
FAULTS: Final = dict.fromkeys(SERVER_NAMES, SERVERS) | _OTHERS | dict.fromkeys(COMMAND_NAMES, OF_COMMANDS)
"""The faults of each target."""

Record = Mapping[str, Any]


def recorded(found: Sequence[Found], before: Record | None = None) -> Record:
    """Return what was found of each target: how many runs, the calls of a clean run, and the exit statuses.

    Targets and faults that were not run keep what is recorded of them `before`, and so do the counts of a target if
    only some of its faults were run.
    """
    record = {name: dict(target) for name, target in (before or {}).items()}
    for name in dict.fromkeys(one.target for one in found):
        own = [one for one in found if one.target == name]
        kept = record.get(name, {}).get("statuses", {})
        statuses = {
            fault.name: _statuses([one for one in own if one.fault == fault.name]) or kept.get(fault.name, {})
            for fault in FAULTS[name]
        }
        is_part = name in record and len({one.fault for one in own}) < len(FAULTS[name])
        counts = {"runs": len(own), "calls": own[0].calls, "tried": _tried(own)}
        record[name] = (record[name] if is_part else counts) | {"statuses": statuses}
    return {name: record[name] for name in NAMES if name in record}


def _tried(found: Sequence[Found]) -> int:
    """Return how many calls a fault has met."""
    return max(Counter((one.fault, one.lasting) for one in found).values())


def _statuses(found: Sequence[Found]) -> dict[str, list[int]]:
    if not found:
        return {}
    met = [one for one in found if one.met]
    return {
        "once": sorted({one.status for one in met if not one.lasting}),
        "lasting": sorted({one.status for one in met if one.lasting}),
    }


def tables(record: Record) -> str:
    """Format a record as the tables of the page."""
    servers = [name for name in SERVER_NAMES if name in record]
    missing = [name for name in SERVER_NAMES if name not in record]
    lines = [
        f"{sum(target['runs'] for target in record.values()):,} runs. A clean one makes {_calls(record)}.",
        *_calls_of_commands(record),
        *([f"Not recorded here: {', '.join(missing)}."] if missing else []),
        "",
        f"| what the server does | {' | '.join(servers)} |",
        f"|---|{'---|' * len(servers)}",
        *_rows(record, SERVERS, servers),
        "",
        "| what the program does | exit status |",
        "|---|---|",
        *_rows(record, PROGRAMS, [PROGRAM]),
        "",
        "| what happens to bridge | exit status |",
        "|---|---|",
        *_rows(record, SIGNALS, [PROCESS]),
        "",
        "| what the machine does | exit status |",
        "|---|---|",
        *_rows(record, MACHINES, [MACHINE]),
        "",
        f"| what happens to another command | {' | '.join(f'`{name}`' for name in COMMAND_NAMES)} |",
        f"|---|{'---|' * len(COMMAND_NAMES)}",
        *_rows(record, OF_COMMANDS, COMMAND_NAMES),
        "",
    ]
    return "\n".join(lines)


def _calls(record: Record) -> str:
    names = [name for name in (*SERVER_NAMES, PROGRAM) if name in record]
    counts = [_count(record[name]["calls"], record[name]["tried"], name) for name in names]
    return f"{', '.join(counts[:-1])}, and {counts[-1]}"


def _calls_of_commands(record: Record) -> Iterable[str]:
    commands = [record[name] for name in COMMAND_NAMES if name in record]
    if commands:
        calls, tried = (sorted(one[what] for one in commands) for what in ("calls", "tried"))
        some = "" if calls == tried else f" (each fault met {tried[0]} of them)"
        yield f"The other commands make {calls[0]} to {calls[-1]} calls to the API server{some}."


def _count(calls: int, tried: int, name: str) -> str:
    if name == PROGRAM:
        return "starts the program once"
    some = "" if tried == calls else f" (each fault met {tried} of them)"
    return f"{calls} {'call' if calls == 1 else 'calls'} to {'the ' * (name == 'API server')}{name}{some}"


def _rows(record: Record, faults: Iterable[Fault], targets: Sequence[str]) -> Iterable[str]:
    for fault in faults:
        cells = [record.get(name, {}).get("statuses", {}).get(fault.name, {}) for name in targets]
        yield f"| {fault.name} | {' | '.join(map(_cell, cells))} |"


def _cell(cell: Mapping[str, list[int]]) -> str:
    once, lasting = (", ".join(map(str, cell.get(which, ()))) for which in ("once", "lasting"))
    return once if lasting in {once, ""} else f"{once} / {lasting}"


def replaced(page: str, block: str) -> str:
    """Return the page with other tables."""
    (found,) = BLOCK.finditer(page)
    return page[: found.start()] + block + page[found.end() :]


def read() -> Record:
    """Return the record; empty if there is none yet."""
    record: Record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return record


def write(record: Record) -> None:
    """Write the record, and its tables on the page."""
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), tables(record)))
