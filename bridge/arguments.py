"""The arguments that several commands share, and the parsers for option values."""

import argparse
import re
from pathlib import Path
from typing import Final

LOCK_WAIT: Final = 30.0
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
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text, re.ASCII)
    h, m, s = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    value = 3600 * h + 60 * m + s
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
    """Parse a name without a value. The error does not show the text, which may be a value."""
    if "=" in text:
        raise argparse.ArgumentTypeError("must be only a name: set prompts for the value or reads it from stdin")
    return text


def variable(text: str) -> str:
    """Parse a variable name."""
    if not (text.isascii() and text.isidentifier()):
        raise argparse.ArgumentTypeError("must be a variable name")
    return text


def _name(text: str) -> str:
    """Parse a name. Refuse an empty name, which comes from an unset shell variable and must not mean the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _file(text: str) -> Path:
    """Parse a file's path."""
    return Path(_name(text))


def cluster(command: argparse.ArgumentParser) -> None:
    """Add the options that select the cluster."""
    group = command.add_argument_group(
        "cluster selection",
        "Without these options, bridge uses `cluster:` in the environment's file, $KUBECONFIG, ~/.kube/config or, in "
        "a pod, its service account.",
    )
    group.add_argument("--kubeconfig", type=_file, metavar="FILE", help="use this kubeconfig")
    group.add_argument("--context", type=_name, metavar="NAME", help="use this context of the kubeconfig")
    text = "use only the pod's service account, and do not ask"
    group.add_argument("--in-cluster", action="store_true", help=text)


def first(command: argparse.ArgumentParser) -> None:
    """Add --first."""
    text = "write even if the environment is not bound to this cluster and was never written to it"
    command.add_argument("--first", action="store_true", help=text)


def wait(command: argparse.ArgumentParser) -> None:
    """Add --wait."""
    text = "wait this long for the rollouts, for example 10m (default: do not wait)"
    command.add_argument("--wait", type=duration, metavar="DURATION", help=text)


def many(command: argparse.ArgumentParser) -> None:
    """Add --all and --shard."""
    command.add_argument("--all", action="store_true", help="all environments in the folder, each on its own")
    text = "with --all: only this part of the environments, such as 0/8; auto/8 uses $JOB_COMPLETION_INDEX"
    command.add_argument("--shard", metavar="INDEX/COUNT", help=text)


def lock(command: argparse.ArgumentParser) -> None:
    """Add --lock-wait."""
    command.add_argument(
        "--lock-wait",
        type=seconds,
        default=LOCK_WAIT,
        metavar="SECONDS",
        help=f"how long to wait for another run that is writing (default: {LOCK_WAIT:.0f})",
    )


def allow_loss(command: argparse.ArgumentParser) -> None:
    """Add the options that allow losing something."""
    command.add_argument("--allow-shrink", action="store_true", help="allow keys or objects to be removed")
    text = "allow a key to come from a lower layer than last time"
    command.add_argument("--allow-fallback", action="store_true", help=text)


def allow(command: argparse.ArgumentParser) -> None:
    """Add all options that allow what a run otherwise refuses."""
    allow_loss(command)
    command.add_argument("--allow-older", action="store_true", help="allow sources to be older than those last written")
    command.add_argument("--prune", action="store_true", help="delete objects that are no longer in the templates")
    command.add_argument(
        "--recreate",
        action="append",
        default=[],
        metavar="KIND/NAME",
        help="delete and recreate an object that is immutable or has the wrong type; repeatable",
    )
