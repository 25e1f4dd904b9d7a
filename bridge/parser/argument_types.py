"""Parses and checks the text of single arguments. No error shows the text, because it may be a value."""

import argparse
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.stores.generate import ValueFormat

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


def lifetime(text: str) -> float:
    """Parse how long a plan is valid, such as 30m, 24h or 7d, at most 30 days."""
    parts = re.fullmatch(r"([0-9]{1,7})([mhd])", text)
    value = int(parts[1]) * {"m": 60, "h": 3600, "d": DAY}[parts[2]] if parts else 0
    if not 0 < value <= 30 * DAY:
        raise argparse.ArgumentTypeError("must be a duration such as 30m, 24h or 7d, at most 30d")
    return float(value)


def sha256(text: str) -> str:
    """Parse a SHA-256 hash."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("must be a SHA-256 hash: 64 hexadecimal digits")
    return text.lower()


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


def value_format(text: str) -> "ValueFormat":
    """Parse the format of a value to generate."""
    from bridge.stores.generate import FORMS, parse_format  # noqa: PLC0415 - start-up: few runs generate a value

    wanted = parse_format(text)
    if wanted is None:
        raise argparse.ArgumentTypeError(f"must be {FORMS}")
    return wanted


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


def workload(text: str) -> str:
    """Parse a workload's kind and name."""
    if not re.fullmatch(r"[A-Za-z]{1,30}/[a-z0-9][-.a-z0-9]{0,252}", text):
        raise argparse.ArgumentTypeError("must be KIND/NAME, such as Deployment/agent")
    return text


def container(text: str) -> str:
    """Parse a container's name."""
    if not re.fullmatch(r"[a-z0-9][-a-z0-9]{0,62}", text):
        raise argparse.ArgumentTypeError("must be the name of a container")
    return text


def file(text: str) -> "Path":
    """Parse a file's path."""
    from pathlib import Path  # noqa: PLC0415 - start-up: `--version` needs none

    return Path(name(text))
