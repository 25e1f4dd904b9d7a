"""Parses and checks the text of single arguments. No error shows the text, because it may be a value."""

import argparse
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

DAY: Final = 86_400


def seconds(text: str) -> float:
    """Parse a limit in seconds, less than a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < DAY:
        raise argparse.ArgumentTypeError(f"must be a number of seconds greater than 0 and less than {DAY}")
    return value


def duration(text: str) -> float:
    """Parse a duration such as 600, 600s, 10m or 1h30m."""
    from bridge.config.durations import parse_duration  # noqa: PLC0415 - start-up: few commands have a duration

    value = parse_duration(re.sub(r"(\d)\Z", r"\1s", text))
    if not 0 < value < DAY:
        raise argparse.ArgumentTypeError("must be a duration such as 600s, 10m or 1h30m, less than a day")
    return float(value)


def metrics_target(text: str) -> str:
    """Parse a file's path or the URL of a Pushgateway."""
    from bridge.report.publish import wrong_target  # noqa: PLC0415 - start-up

    if wrong := wrong_target(text):
        raise argparse.ArgumentTypeError(wrong)
    return text


def name_alone(text: str) -> str:
    """Parse a name without a value."""
    if "=" in text:
        raise argparse.ArgumentTypeError("must be only a name: set prompts for the value or reads it from stdin")
    return text


def variable(text: str) -> str:
    """Parse a variable name."""
    if not (text.isascii() and text.isidentifier()):
        raise argparse.ArgumentTypeError("must be a variable name")
    return text


def name(text: str) -> str:
    """Parse a name. Refuse an empty name, which comes from an unset shell variable and must not mean the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def file(text: str) -> "Path":
    """Parse a file's path."""
    from pathlib import Path  # noqa: PLC0415 - start-up: `--version` needs none

    return Path(name(text))
