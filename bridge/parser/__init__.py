"""The command line: which command, with which options."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from bridge.parser.commands import COMMANDS, Parser, build_parser, command_parser

__all__ = ["build_parser", "command_names", "parse", "usage"]

_OPTION: Final = r"(?:--[a-z][a-z-]{0,30}|-[a-zA-Z])(?=\Z|=)"
_TAKE_VALUE: Final = frozenset(
    {"--config", "--output", "-o", "--log-format", "--timeout", "--color", "--kubeconfig", "--context"}
)
"""The options with a value that may come before the command."""
_VERSION: Final = frozenset({"-V", "--version"})


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line. Words after the first `--` of `exec` are a separate command and stay unchanged."""
    words = _command_first(list(sys.argv[1:] if argv is None else argv))
    if not words or words[0] not in COMMANDS:
        _without_command(words)
    name = words[0]
    cut = words.index("--") if name == "exec" and "--" in words else len(words)
    command = command_parser(name)
    args = _in_any_order(command, words[1:cut])
    args.command, args.child = name, words[cut + 1 :]
    _check(args, command)
    return args


def usage(command: str) -> str | None:
    """Return a command's usage and options, or None if there is no such command."""
    return command_parser(command).format_help() if command in COMMANDS else None


def command_names() -> tuple[str, ...]:
    """Return the names of all commands."""
    return tuple(COMMANDS)


def _command_first(words: list[str]) -> list[str]:
    """Move the options that come before the command to the place after it."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in _TAKE_VALUE else 1
    if at >= len(words) or _VERSION & set(words[:at]):
        return words
    return [words[at], *words[:at], *words[at + 1 :]]


def _in_any_order(command: Parser, words: list[str]) -> argparse.Namespace:
    """Parse options before, between and after positionals. argparse alone takes positionals only if they are together.

    Its way to take them from anywhere costs more, so it is used only if positionals are left over.
    """
    args, left = command.parse_known_args(words)
    if "--" not in words and any(not word.startswith("-") for word in left):
        args, left = command.parse_known_intermixed_args(words)
    if left:
        from bridge.parser.mistakes import hint_for_arguments  # noqa: PLC0415 - start-up: only a mistake needs it

        name = command.prog.rpartition(" ")[2]
        command.fail(f"unrecognized arguments: {_without_values(left)}", hint_for_arguments(name, command, left))
    return args


def _check(args: argparse.Namespace, command: Parser) -> None:
    """Refuse options that contradict each other."""
    if getattr(args, "metrics", None) and args.dry_run:
        command.error("--metrics cannot be combined with --dry-run")
    if args.command == "sync" and args.wait and not args.restart:
        command.error("--wait follows rollouts, so it needs --restart")
    if getattr(args, "in_cluster", False) and (args.kubeconfig or args.context):
        command.error("--in-cluster cannot be combined with --kubeconfig or --context")
    if getattr(args, "expires", None) and not args.out:
        command.error("--expires can only be used with --out")
    if getattr(args, "plan_sha256", None) and not args.plan:
        command.error("--plan-sha256 can only be used with --plan")
    if args.command == "exec":
        _check_exec(args, command)


def _check_exec(args: argparse.Namespace, command: Parser) -> None:
    if not args.child:
        command.error("no command: write it after --")
    if args.workload and args.names:
        command.error("--as cannot be combined with --with: a workload's container has its own variables")
    options = ("container", "manifests", "kubeconfig", "context", "in_cluster")
    lonely = next((option for option in options if getattr(args, option)), None)
    if lonely and not args.workload:
        command.error(f"--{lonely.replace('_', '-')} needs --as")


def _without_command(words: list[str]) -> NoReturn:
    """Print help, the version, or what is wrong with a command line that has no known command; then exit."""
    main = build_parser(with_arguments=False)
    if not words:
        main.print_help()
        main.exit(2)  # as git does: a script whose variable is empty has not succeeded
    wanted = next((word for word in words if word in {"-h", "--help"} | _VERSION), None)
    if wanted and words[0].startswith("-"):
        main.parse_args([wanted])  # exits
    from bridge.parser.mistakes import hint_for_arguments, no_command  # noqa: PLC0415 - start-up: only a mistake needs it

    if words[0].startswith("-") and words[0] != "--" and not set(words) & _TAKE_VALUE:
        main.fail(f"unrecognized arguments: {_without_values(words)}", hint_for_arguments("", main, words))
    main.fail(*no_command(words))


def _without_values(words: Sequence[str]) -> str:
    """Format unrecognized arguments, with ... instead of everything but options, because it may be a value."""
    options = (re.match(_OPTION, word) for word in words)
    return " ".join(option[0] if option else "..." for option in options)
