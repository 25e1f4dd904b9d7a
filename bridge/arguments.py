"""The arguments that several commands share, and what the words behind an option may be."""

import argparse
import re
from pathlib import Path
from typing import Final

LOCK_WAIT: Final = 30.0
DAY: Final = 86_400


def seconds(text: str) -> float:
    """Read a limit in seconds, less than a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < DAY:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, more than 0 and less than {DAY}")
    return value


def duration(text: str) -> float:
    """Read 600, 600s, 10m or 1h30m."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text, re.ASCII)
    h, m, s = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    value = 3600 * h + 60 * m + s
    if not 0 < value < DAY:
        raise argparse.ArgumentTypeError("must be a duration such as 600s, 10m or 1h30m, less than a day")
    return float(value)


def metrics_target(text: str) -> str:
    """Read a file's path, or the URL of a Pushgateway."""
    from bridge.report.publish import wrong_target  # noqa: PLC0415 - start-up

    if wrong := wrong_target(text):
        raise argparse.ArgumentTypeError(wrong)
    return text


def name_alone(text: str) -> str:
    """Read a name that no value stands behind; what is refused is not shown."""
    if "=" in text:
        raise argparse.ArgumentTypeError("must be a name alone: the value is asked for, or read from stdin")
    return text


def variable(text: str) -> str:
    """Read a variable's name."""
    if not (text.isascii() and text.isidentifier()):
        raise argparse.ArgumentTypeError("must be a variable's name")
    return text


def _given(text: str) -> str:
    """Read a name; an empty one comes from a variable that is not set, and must not mean the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _file(text: str) -> Path:
    """Read a file's path."""
    return Path(_given(text))


def cluster(command: argparse.ArgumentParser) -> None:
    """Add what selects the cluster."""
    group = command.add_argument_group(
        "which cluster",
        "Else `cluster:` of the environment's file, $KUBECONFIG, ~/.kube/config, and in a pod without any of these "
        "its own service account.",
    )
    group.add_argument("--kubeconfig", type=_file, metavar="FILE", help="the kubeconfig")
    group.add_argument("--context", type=_given, metavar="NAME", help="the kubeconfig's context")
    text = "the pod's own service account; nothing else counts, and nothing is asked"
    group.add_argument("--in-cluster", action="store_true", help=text)


def first(command: argparse.ArgumentParser) -> None:
    """Add --first."""
    text = "write although nothing binds the environment to this cluster, or shows that it was written to it before"
    command.add_argument("--first", action="store_true", help=text)


def wait(command: argparse.ArgumentParser) -> None:
    """Add --wait."""
    text = "follow the rollouts for so long, for example 10m (default: do not wait)"
    command.add_argument("--wait", type=duration, metavar="DURATION", help=text)


def many(command: argparse.ArgumentParser) -> None:
    """Add --all and --shard."""
    command.add_argument("--all", action="store_true", help="every environment of the folder, each for itself")
    text = "with --all: only this run's part of them, such as 0/8; auto/8 takes $JOB_COMPLETION_INDEX"
    command.add_argument("--shard", metavar="INDEX/COUNT", help=text)


def lock(command: argparse.ArgumentParser) -> None:
    """Add --lock-wait."""
    command.add_argument(
        "--lock-wait",
        type=seconds,
        default=LOCK_WAIT,
        metavar="SECONDS",
        help=f"how long to wait for another run that writes (default: {LOCK_WAIT:.0f})",
    )


def allow_loss(command: argparse.ArgumentParser) -> None:
    """Add what admits that something is lost."""
    command.add_argument("--allow-shrink", action="store_true", help="admit that keys or objects are lost")
    command.add_argument("--allow-fallback", action="store_true", help="admit that a lower layer gives a key now")


def allow(command: argparse.ArgumentParser) -> None:
    """Add all that admits what a run refuses otherwise."""
    allow_loss(command)
    command.add_argument("--allow-older", action="store_true", help="admit sources older than what was written last")
    command.add_argument("--prune", action="store_true", help="delete objects that left the templates")
    command.add_argument(
        "--recreate",
        action="append",
        default=[],
        metavar="KIND/NAME",
        help="delete and create anew an object whose type must change, or that is immutable",
    )
