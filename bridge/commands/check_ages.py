"""`bridge check --age`: how old the values in the sources are, for a pipeline that runs on a schedule."""

from datetime import UTC, datetime
from typing import Any, Final

from bridge.config.durations import in_short
from bridge.config.environment import Environment
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.plan.ages import ValueAge, complaints, overdue_problems, unknown_problems, worst
from bridge.plan.change_times import FORMAT
from bridge.plan.measure_ages import ages
from bridge.plan.model import Plan
from bridge.report.status import age_data
from bridge.report.style import table
from bridge.run.inputs import Run, gather, sound_files
from bridge.shell import word

_DAY: Final = len("2027-01-31")


class Measured(NamedTuple):
    """The ages as data, and what is wrong with them."""

    data: list[dict[str, Any]]
    warnings: tuple[Problem, ...]
    errors: tuple[Problem, ...]


def measure(environment: Environment, run: Run, plan: Plan | None) -> Measured:
    """Measure the values that have a limit, and all certificates; raise what would stop a sync.

    With a `plan` of this run, its ages are used. Otherwise the sources are read and the cluster is not asked.
    """
    if plan:
        found, warnings = plan.ages, tuple[Problem, ...]()
    else:
        wanted = gather(environment, sound_files(environment, run), run)
        found = ages(wanted.stored, None, datetime.now(UTC).strftime(FORMAT))
        warnings = wanted.resolution.warnings
    limited = [age for age in found if age.limited or age.expires]
    sync = f"run `bridge sync {word(environment.name)}`, or set `expires` instead of `max_age`"
    unknown = unknown_problems(limited, sync if plan else "add `--live` to ask the cluster too")
    errors = tuple(overdue_problems(limited, environment.name))
    return Measured(
        [_data(age) for age in worst(limited)],
        (*warnings, *(one for one in complaints(limited, environment.name) if one not in errors), *unknown),
        errors,
    )


def _data(age: ValueAge) -> dict[str, Any]:
    return {
        "name": age.name,
        "object": str(age.object) if age.object else None,
        "key": age.key or None,
        **age_data(age),
    }


def ages_text(data: list[dict[str, Any]]) -> str:
    """Return a table of the ages and their limits."""
    rows = [(row["name"], _age(row), _limit(row), _state(row)) for row in data]
    return table([("VARIABLE", "AGE", "LIMIT", "STATE"), *rows]) if rows else ""


def _age(row: dict[str, Any]) -> str:
    if row["seconds"] is None:
        return "-"
    return f"{'at least ' if row['at_least'] else ''}{in_short(row['seconds'])}"


def _limit(row: dict[str, Any]) -> str:
    limits = [in_short(row["limit"])] if row["limit"] is not None else []
    return " and ".join([*limits, *([row["expires"][:_DAY]] if row["expires"] else [])])


def _state(row: dict[str, Any]) -> str:
    if row["overdue"]:
        return "overdue"
    if row["soon"]:
        return "soon"
    return "unknown" if row["limit"] is not None and row["seconds"] is None else "ok"
