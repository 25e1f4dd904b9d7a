"""Options that several commands have."""

import argparse
from typing import Final

from bridge.parser.argument_types import duration, file, lifetime, name, seconds, sha256

TIMEOUT: Final = 120.0
LOCK_WAIT: Final = 30.0
COLORS: Final = ("auto", "always", "never")


def common(command: argparse.ArgumentParser, forms: tuple[str, ...], *, asks: bool = False) -> None:
    """Add ENV and the options of every command that has an environment.

    `forms` are the formats of its report. A command that `asks` for confirmation shows --yes in its help.
    """
    command.add_argument("environment", nargs="?", metavar="ENV", help="the environment (default: $K8_ENV)")
    text = "the environments' folder (default: $BRIDGE_CONFIG, or config here or above, up to the repository's root)"
    command.add_argument("--config", metavar="DIR", help=text)
    if forms:
        text = "format of the report (default: text)"
        command.add_argument("-o", "--output", choices=forms, default="text", help=text)
        text = "format of the lines on stderr (default: text)"
        command.add_argument("--log-format", choices=("text", "json"), default="text", help=text)
    command.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"time limit of the run (default: {TIMEOUT:.0f})",
    )
    display(command)
    yes(command, asks=asks)


def display(command: argparse.ArgumentParser, *, is_shown: bool = True) -> None:
    """Add the options for what a person sees; a command to which they do not matter accepts them without help."""
    text = "when to color text (default: auto, for terminals without $NO_COLOR, and always with $FORCE_COLOR)"
    command.add_argument("--color", choices=COLORS, default="auto", help=text if is_shown else argparse.SUPPRESS)
    text = "print only errors and questions; JSON, Markdown and HTML are still printed"
    command.add_argument("-q", "--quiet", action="store_true", help=text if is_shown else argparse.SUPPRESS)


def yes(command: argparse.ArgumentParser, *, asks: bool) -> None:
    """Add --yes. A command that asks nothing accepts it too, so that a script can add it to every command."""
    text = "do not ask for confirmation" if asks else argparse.SUPPRESS
    command.add_argument("--yes", action="store_true", help=text)


def cluster(command: argparse.ArgumentParser) -> None:
    """Add the options that select the cluster."""
    group = command.add_argument_group(
        "cluster selection",
        "Without these options, bridge uses `cluster:` in the environment's file, $KUBECONFIG, ~/.kube/config or, in "
        "a pod, its service account.",
    )
    group.add_argument("--kubeconfig", type=file, metavar="FILE", help="use this kubeconfig")
    group.add_argument("--context", type=name, metavar="NAME", help="use this context of the kubeconfig")
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


def approve(command: argparse.ArgumentParser) -> None:
    """Add the options that write a plan for an approval."""
    text = "also write the plan to this file, for an approval and `bridge sync --plan FILE`"
    command.add_argument("--out", type=file, metavar="FILE", help=text)
    text = "with --out: how long the plan is valid, such as 30m, 24h or 7d (default: 24h)"
    command.add_argument("--expires", type=lifetime, metavar="DURATION", help=text)


def approved(command: argparse.ArgumentParser) -> None:
    """Add the options that hold a run to an approved plan."""
    text = "refuse everything that differs from this plan of `bridge plan --out FILE`"
    command.add_argument("--plan", type=file, metavar="FILE", help=text)
    text = "with --plan: the SHA-256 of the approved file; refuse any other"
    command.add_argument("--plan-sha256", type=sha256, metavar="HEX", help=text)


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
