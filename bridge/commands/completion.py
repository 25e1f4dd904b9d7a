"""`bridge completion`: print a shell's completion script, or list the environments for it."""

import argparse
import os
import re
from pathlib import Path
from typing import Final

import bridge
from bridge.errors import ConfigError
from bridge.report import streams
from bridge.report.record import Record

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""The names that a shell may complete. Other names, which may come from someone's branch, could be syntax."""


def run(args: argparse.Namespace, _record: Record) -> int:
    """Print the script that `tests/generate.py` has written, or the names of the environments."""
    report = streams.report()
    if args.shell == "environments":
        report.write("".join(f"{name}\n" for name in _environments(args.config)))
    else:
        report.write((Path(bridge.__file__).parent / "completion" / f"bridge.{args.shell}").read_text(encoding="utf-8"))
    report.flush()
    return 0


def _environments(config: str | None) -> list[str]:
    """Return the names of the environments, or none if there is no folder: completion has no place for an error."""
    from bridge.config.environment import environment_names  # noqa: PLC0415 - start-up: a script needs no YAML
    from bridge.config.folder import config_folder  # noqa: PLC0415 - as above

    try:
        names = environment_names(config_folder(config, os.environ))
    except ConfigError:
        return []
    return [name for name in names if _NAME.fullmatch(name)]
