"""Adds this run's own flags to the commands in reports and hints, so that they can be pasted."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from bridge.report.record import Record
from bridge.shell import command, program

_CLUSTER: Final = frozenset(
    {"sync", "plan", "check", "status", "history", "set", "restart", "rollback", "import", "adopt", "doctor"}
)
_OTHERS: Final = frozenset({"init", "exec", "scan", "diff", "offboard"})
_ANY: Final = r"bridge (?=[a-z-])"
# Patterns are compiled on first use, because most runs print no command.
_QUOTED: Final = r"`([^`]+)`"
_PIPED: Final = r"( \| | && )"
_BRIDGE: Final = r"bridge ([a-z]+)((?s:.*))"
_KUBECTL: Final = r"kubectl (?=-n |--namespace |get |create |apply |describe |delete )"


def completed(record: Record, text: str) -> str:
    """Complete each command in backticks with this run's flags, and with the environment's name if it is missing."""
    return re.sub(_QUOTED, lambda match: f"`{with_flags(record, match[1])}`", text) if "`" in text else text


def with_flags(record: Record, text: str) -> str:
    """Complete a command, or several commands joined by pipes or `&&`."""
    return "".join(map(partial(_completed, record), re.split(_PIPED, text)))


def with_hints(record: Record, data: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    """Complete the commands in each hint of a report's data."""
    if isinstance(data, dict):
        return {
            key: completed(record, value) if key == "hint" else with_hints(record, value) for key, value in data.items()
        }
    return [with_hints(record, one) for one in data] if isinstance(data, list) else data


def _kubectl_flags(record: Record) -> str:
    """Return the flags that selected this run's cluster, each after a space; kubectl has the same flags."""
    return "".join(f" {command(pair)}" for pair in _cluster(record))


def _completed(record: Record, part: str) -> str:
    match = re.fullmatch(_BRIDGE, part)
    if match and match[1] in _CLUSTER | _OTHERS:
        name, rest = match[1], _with_environment(record, match[2])
        flags = "".join(f" {command(pair)}" for pair in _flags(record, name) if f" {pair[0]}" not in rest)
        rest, end, child = rest.partition(" -- ")
        return f"{program()} {name}{rest}{flags}{end}{child}"
    if re.match(_ANY, part):  # such as `bridge help`
        return f"{program()}{part.removeprefix('bridge')}"
    return re.sub(_KUBECTL, lambda _: f"kubectl{_kubectl_flags(record)} ", part)


def _with_environment(record: Record, rest: str) -> str:
    args = record.args
    argument = getattr(args, "environment", None)
    known = "" if getattr(args, "all", False) else record.environment
    words = rest.split()
    if argument and (not words or words[0].startswith("-")):
        return f" {command([argument])}{rest}"
    return re.sub(r"^ ENV\b", f" {command([known])}", rest) if known else rest


def _flags(record: Record, name: str) -> Iterator[tuple[str, ...]]:
    args = record.args
    if config := getattr(args, "config", None):
        yield "--config", config
    if name in _CLUSTER:
        yield from _cluster(record)
        if getattr(args, "in_cluster", False):
            yield ("--in-cluster",)


def _cluster(record: Record) -> Iterator[tuple[str, ...]]:
    args = record.args
    for flag in ("kubeconfig", "context"):
        if value := getattr(args, flag, None):
            yield f"--{flag}", str(value)
