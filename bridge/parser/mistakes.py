"""Hints for mistakes in a command line: typos, and the words of other tools. No hint contains a given word's value."""

import os
import re
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence
from typing import Final

from bridge.config.names import did_you_mean
from bridge.parser.commands import COMMANDS, Parser, command_parser
from bridge.shell import command as pasteable
from bridge.shell import program

_WORD: Final = r"[a-z][a-z-]{0,20}"
_LIST: Final = "list the commands with `bridge --help`"

# Words of other tools, and what bridge has instead.
_COMMANDS: Final = (
    ("preview drift compare", "run `bridge plan ENV`: it shows what a sync would change"),
    ("apply deploy push update upgrade refresh reconcile", "run `bridge sync ENV`"),
    ("get describe show view cat read", "run `bridge status ENV`: it shows every variable, and no value"),
    ("list ls", "run `bridge status ENV` for its variables, or `bridge status --all` for all environments"),
    (
        "rotate",
        "run `bridge set ENV NAME --generate base64:32 --keep-previous NAME_PREVIOUS --sync --restart`",
    ),
    ("edit put add write patch replace", "run `bridge set ENV NAME`: it sets one value in its source"),
    (
        "delete rm remove unset destroy prune",
        "remove the key from its template and run `bridge sync ENV`; with --prune it deletes whole objects",
    ),
    (
        "login logout auth",
        "bridge uses the credentials of your store and kubeconfig; see `bridge help vault`, `scaleway`, `aws`, `sops`",
    ),
    ("create new generate scaffold", "run `bridge init ENV --from DIR`"),
    ("validate lint verify test", "run `bridge check ENV`"),
    ("run env shell", "run `bridge exec ENV -- CMD`"),
    ("undo revert restore", "run `bridge rollback ENV --source REF --to REVISION`"),
    ("migrate convert", "run `bridge help migrating`"),
    ("decrypt reveal", "bridge never prints a value; use your store's own program, such as `sops decrypt`"),
    ("encrypt", "run `bridge set ENV NAME`: it encrypts the value if its source is a SOPS file"),
    ("version", "run `bridge --version`"),
    ("man manual docs usage topics", "run `bridge help`"),
    ("search grep find audit leaks", "run `bridge scan ENV PATH`"),
    ("rollout reload", "run `bridge restart ENV`"),
    ("completions autocomplete", "run `bridge completion bash`"),
    ("install setup start quickstart", "run `bridge help getting-started`"),
    ("config configure", "run `bridge help environment-file`"),
)
_OPTIONS: Final = (
    ("-n --namespace", "the namespace is in the environment's file: run `bridge help environment-file`"),
    ("-e --env --environment", "write the environment without an option: `bridge COMMAND ENV`"),
    ("-f --file --filename", "write the environment's name; --config selects the folder of its file"),
    ("--json", "use --output json"),
    ("--format", "use --output"),
    ("--no-color --no-colour", "use --color never"),
    ("--colour", "use --color"),
    ("-s --silent", "use --quiet"),
    ("-y --assume-yes --auto-approve", "use --yes"),
    ("-v --verbose --debug", "there is no more to print; run `bridge help troubleshooting` for what messages mean"),
    ("-V --version", "run `bridge --version`"),
    ("-w --watch", "run bridge at intervals: `bridge help in-the-cluster`"),
    ("--dry-run", "run `bridge plan ENV`: it shows what a sync would change"),
)

_IPROUTE2: Final = frozenset({"link", "fdb", "mdb", "vlan", "vni", "mst", "monitor"})
"""The commands of another program of this name, which configures network bridges."""
_PLACES: Final = ("/usr/sbin/bridge", "/sbin/bridge", "/usr/bin/bridge", "/bin/bridge")


def no_command(words: Sequence[str]) -> tuple[str, str]:
    """Return the message and the hint for a command line whose first word is not a command."""
    word = words[0]
    if word.startswith("-"):
        return "no command given", _named(_LIST)
    if word in _IPROUTE2:
        return _other_program(word)
    message = f"no command {word}" if re.fullmatch(_WORD, word) else "no such command"
    if any(other in COMMANDS for other in words[1:]):
        name = next(other for other in words[1:] if other in COMMANDS)
        return message, f"write the command first: `{program()} {name} ENV`"
    return message, _named(_answer(word, _COMMANDS) or did_you_mean(word, COMMANDS) or _LIST)


def hint_for_arguments(name: str, parser: Parser, words: Sequence[str]) -> str:
    """Return a hint for arguments that a command does not know, or that came before any command."""
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    if name == "exec" and len(options) < len(words):
        return _named("write `--` before the command: `bridge exec ENV -- CMD`")
    if not options:
        return _too_many(name)
    option = options[0]
    others = [other for other in COMMANDS if other != name and option in _options(command_parser(other))]
    answer = _answer(option, _OPTIONS)
    if others and not name:
        return _named(f"write a command before it: `bridge COMMAND {option}`")
    if others and option != "--dry-run":
        return f"{option} is an option of {_listed([f'`{program()} {other}`' for other in others])}"
    return _named(answer or did_you_mean(option, _options(parser)))


def no_environment(args: Namespace, names: Sequence[str], none: str) -> tuple[str, str]:
    """Return the message and the hint for a command line without an environment; `none` is the hint without `names`.

    A single argument of `set` and `offboard` is NAME or RECIPIENT for argparse, even if it is an environment's name.
    """
    for argument in ("name", "recipient"):
        if (environment := getattr(args, argument, None)) in names:
            wanted = pasteable(("bridge", args.command, environment, argument.upper()))
            return f"no {argument.upper()} given", f"write `{wanted}`"
    return "no environment given", f"pass one of {', '.join(names)}, or set K8_ENV" if names else none


def _too_many(name: str) -> str:
    if name == "set":
        return _named("leave out the value: `bridge set ENV NAME` prompts for it, or reads it from stdin")
    return f"see `{program()} {name} --help`"


def _other_program(word: str) -> tuple[str, str]:
    """Return the message and the hint for a command of the other program that is also called bridge."""
    ours = os.path.realpath(sys.argv[0])
    place = next((path for path in _PLACES if os.path.exists(path) and os.path.realpath(path) != ours), None)  # noqa: PTH110 - start-up
    message = f"{word} is a command of the bridge that comes with iproute2; this is bridge-secrets"
    if place:
        return message, f"run `{pasteable([place, word])}`"
    return message, f"install iproute2 and run `{pasteable([_PLACES[0], word])}`"


def _answer(word: str, answers: Sequence[tuple[str, str]]) -> str:
    return next((hint for known, hint in answers if word in known.split()), "")


def _options(parser: Parser) -> list[str]:
    """Return the options that a parser shows in its help."""
    actions = parser._option_string_actions.items()  # noqa: SLF001 - argparse has no public list
    return [option for option, action in actions if action.help != SUPPRESS]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _named(text: str) -> str:
    """Write each command with the name that this program was called by."""
    return text.replace("`bridge ", f"`{program()} ")
