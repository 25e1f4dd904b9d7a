"""Every command: its arguments, its description, and the parser that they make."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bridge import __version__
from bridge.parser.argument_types import container, file, metrics_target, name_alone, value_format, variable, workload
from bridge.parser.argument_types import name as any_name
from bridge.parser.options import (
    allow,
    allow_loss,
    approve,
    approved,
    cluster,
    common,
    display,
    first,
    lock,
    many,
    wait,
    yes,
)
from bridge.shell import program

if TYPE_CHECKING:
    from typing import TypeAlias

    _Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse has no public name for it

EPILOG: Final = """\
start here:
  {bridge} demo                    # needs no cluster, account or network
  {bridge} help getting-started    # your first sync; `{bridge} help` lists all pages

exit status:
  0    done
  1    refused or failed, nothing was written; or an admission rule drops a key
  2    invalid arguments, environment file, template or env file
  3    a bug in bridge; please report it
  4    changes are pending (plan --exit-code), or something differs (diff --exit-code)
  5    stopped between writes; run again
  75   temporary failure; nothing was written, retry
  130  interrupted (143: terminated, 129: its terminal was closed)

credentials:
  An environment's file names the servers that get credentials, and anyone who can push a branch can
  change the file. Set VAULT_ADDR, or list what you trust in $BRIDGE_TRUST, ~/.config/bridge/trust.yaml
  or /etc/bridge/trust.yaml. With such a file, nothing else gets a credential or starts.
"""
SHELLS: Final = ("bash", "zsh", "fish", "environments")
"""What `bridge completion` prints; the last one, which help does not show, lists the environments for the scripts."""
_ECHO: Final = r"(ignored explicit argument) .*"


class _Formatter(argparse.HelpFormatter):
    """Wraps help to the terminal. argparse makes one for each argument, and would import shutil for the width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class _RawFormatter(_Formatter, argparse.RawDescriptionHelpFormatter):
    """Leaves the epilog's lines as they are."""


def _columns() -> int:
    """Return the width of help: $COLUMNS or 80. A run has diverted stdout, so its terminal cannot be asked."""
    with suppress(KeyError, ValueError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    return 80


class Parser(argparse.ArgumentParser):
    """The parser of one command or of all. A mistake shows its usage, and a hint if there is one."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(**settings)
        self.color = False  # for Python 3.14, which knows neither --color nor the stream that help goes to

    def error(self, message: str) -> NoReturn:
        """Report a mistake that argparse has found, without the text of an argument that it quotes."""
        self.fail(re.sub(_ECHO, r"\1", message, flags=re.DOTALL))

    def fail(self, message: str, hint: str = "") -> NoReturn:
        """Print the usage, the mistake and the hint, and exit."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n" + (f"bridge: hint: {hint}\n" if hint else ""))


def build_parser(*, with_arguments: bool = True) -> Parser:
    """Return the parser of all commands; without their arguments it takes less time, and its help is the same."""
    parser = Parser(
        prog=program(),
        description="Fetches values from secret stores and writes them into Kubernetes Secrets and ConfigMaps.",
        epilog=EPILOG.format(bridge=program()),
        formatter_class=_RawFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"bridge {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        _add_command(commands, name, with_arguments=with_arguments)
    return parser


def command_parser(name: str) -> Parser:
    """Return the parser of one command, which parses the words after its name."""
    summary, add_arguments = COMMANDS[name]
    parser = Parser(
        prog=f"{program()} {name}", description=_sentence(summary), allow_abbrev=False, formatter_class=_Formatter
    )
    add_arguments(parser)
    return parser


def _add_command(commands: "_Commands", name: str, *, with_arguments: bool) -> None:
    summary, add_arguments = COMMANDS[name]
    command = commands.add_parser(
        name, help=summary, description=_sentence(summary), allow_abbrev=False, formatter_class=_Formatter
    )
    if with_arguments:
        add_arguments(command)


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _sync(sync: argparse.ArgumentParser) -> None:
    common(sync, ("text", "json", "markdown"))
    cluster(sync)
    first(sync)
    many(sync)
    allow(sync)
    approved(sync)
    sync.add_argument("--dry-run", action="store_true", help="write nothing; same as plan")
    lock(sync)
    sync.add_argument("--restart", action="store_true", help="afterwards, restart the workloads that use a changed key")
    wait(sync)
    text = "write metrics of this run, even if it fails, to a file (Prometheus text format) or to a Pushgateway URL"
    sync.add_argument("--metrics", type=metrics_target, metavar="TARGET", help=text)


def _plan(plan: argparse.ArgumentParser) -> None:
    common(plan, ("text", "json", "markdown"))
    cluster(plan)
    many(plan)
    allow(plan)
    approve(plan)
    plan.add_argument("--show-config", action="store_true", help="show ConfigMap values that come from plain files")
    plan.add_argument("--exit-code", action="store_true", help="exit with 4 if something would change")


def _check(check: argparse.ArgumentParser) -> None:
    common(check, ("text", "json"))
    cluster(check)
    check.add_argument(
        "--manifests",
        metavar="FILE",
        help="check that this output of `kustomize build` (-: stdin) does not undo bridge's writes",
    )
    check.add_argument("--live", action="store_true", help="also read the sources and the cluster; write nothing")
    check.add_argument(
        "--age", action="store_true", help="also read the sources; fail if a value is older than its limit or expired"
    )
    check.add_argument(
        "--files",
        nargs="+",
        metavar=("PROVIDER", "FILE"),
        help="check a provider's documents, without an environment: --files sops FILE...",
    )


def _diff(diff: argparse.ArgumentParser) -> None:
    common(diff, ("text", "json", "markdown"))
    diff.set_defaults(module="review")
    diff.description = (
        "Shows what a change in git does to an environment: settings, objects, keys, variables, and the recipients and "
        "rules of its SOPS files. Needs no key, store or cluster. `bridge plan` shows what would change in the cluster."
    )
    text = (
        "compare A with B, or with `A...B` their merge base with B (default: the merge base with the main branch); "
        "without B, the working tree"
    )
    diff.add_argument("--git", metavar="A[..B]", help=text)
    diff.add_argument("--exit-code", action="store_true", help="exit with 4 if something differs")


def _doctor(command: argparse.ArgumentParser) -> None:
    common(command, ("text", "json"))
    cluster(command)
    command.description = (
        "Shows what is configured, found and reachable, and the cure of everything that is wrong. Writes nothing and "
        "shows no value. Use doctor if bridge does not work here, and check in a pipeline, to find out whether an "
        "environment is ready. Exits with 0 if nothing is an error."
    )


def _status(command: argparse.ArgumentParser) -> None:
    common(command, ("text", "json", "html"))
    cluster(command)
    many(command)


def _history(command: argparse.ArgumentParser) -> None:
    common(command, ("text", "json"))
    cluster(command)
    command.description = (
        "Shows when each value in the environment's SOPS files last changed and who changed it, from git and without a "
        "key. With NAME, shows every change of one variable. Never shows a value."
    )
    command.add_argument(
        "name", nargs="?", type=any_name, metavar="NAME", help="only this variable, with all its changes"
    )
    text = "also show the versions in Vault and Scaleway, and what bridge last wrote to the cluster"
    command.add_argument("--stores", action="store_true", help=text)


def _offboard(command: argparse.ArgumentParser) -> None:
    common(command, ("text", "json"))
    command.description = (
        "Lists every value that a recipient of the SOPS files could ever read, as git's history shows, and that has "
        "no new value under a new data key since, with the commands that cure it. Exits with 1 while the list is not "
        "empty."
    )
    text = "an age recipient, a PGP fingerprint, the ARN of a KMS key, or another recipient as the file names it"
    command.add_argument("recipient", type=any_name, metavar="RECIPIENT", help=text)
    text = "open old and new versions with your keys, and compare data keys and values in memory"
    command.add_argument("--with-keys", action="store_true", help=text)
    text = "follow all branches and tags of this clone (default: the current commit and those before it)"
    command.add_argument("--all-refs", action="store_true", help=text)


def _set(command: argparse.ArgumentParser) -> None:
    common(command, ("text", "json"), asks=True)
    command.description = (
        "Sets one value in the source that it comes from. Prompts for the value without echoing it. If stdin is not a "
        "terminal, reads the value from stdin and strips one trailing newline."
    )
    command.add_argument("name", type=name_alone, metavar="NAME", help="the variable")
    text = "generate the value without showing it: base64:BYTES, hex:BYTES, alnum:CHARACTERS (16 to 1024), or uuid"
    command.add_argument("--generate", type=value_format, metavar="FORMAT", help=text)
    text = (
        "also move the old value to this variable, in the same revision of the store, so that both are valid during a "
        "rollout. If an earlier rotation is not finished, finish it instead"
    )
    command.add_argument("--keep-previous", type=name_alone, metavar="NAME", help=text)
    command.add_argument("--sync", action="store_true", help="afterwards, write the cluster as `bridge sync` does")
    text = "with --sync: afterwards, restart the workloads that use a changed key"
    command.add_argument("--restart", action="store_true", help=text)
    wait(command)
    cluster(command)
    first(command)
    lock(command)


def _restart(restart: argparse.ArgumentParser) -> None:
    common(restart, ("text", "json"))
    cluster(restart)
    first(restart)
    restart.add_argument("--dry-run", action="store_true", help="restart nothing; show which workloads are outdated")
    restart.add_argument(
        "--all", action="store_true", help="restart every workload that uses the environment's objects"
    )
    wait(restart)


def _rollback(rollback: argparse.ArgumentParser) -> None:
    common(rollback, ("text", "json"), asks=True)
    cluster(rollback)
    first(rollback)
    rollback.add_argument(
        "--source", required=True, metavar="REF", help="a document of the environment, such as vault:app/staging"
    )
    rollback.add_argument(
        "--to", required=True, metavar="REVISION", help="the store's revision; for a SOPS file, a git revision"
    )
    allow_loss(rollback)
    rollback.add_argument("--dry-run", action="store_true", help="write nothing to the store or the cluster")
    lock(rollback)


def _init(init: argparse.ArgumentParser) -> None:
    common(init, ("text", "json"))
    source = init.add_mutually_exclusive_group()
    source.add_argument(
        "--from",
        dest="layout",
        metavar="DIR",
        help="the layout's folder (default: the environments' parent folder)",
    )
    source.add_argument("--like", metavar="ENV", help="copy another environment in the same folder")
    source.add_argument(
        "--fix-kustomize",
        nargs="?",
        const="",
        metavar="OVERLAY",
        help="remove what bridge writes from an overlay's build (default: overlays/ENV next to the templates' base)",
    )
    source.add_argument(
        "--deploy",
        nargs="?",
        const="",
        metavar="DIR",
        help="create the CronJob that syncs ENV in the cluster (default: deploy/ENV next to the environments' folder)",
    )


def _import(command: argparse.ArgumentParser) -> None:
    common(command, ("text", "json"), asks=True)
    cluster(command)
    command.set_defaults(module="importing")  # a module cannot be named `import`
    command.add_argument(
        "file", nargs="?", metavar="FILE", help="manifests or patches (.yaml, .yml, .json), or a dotenv file"
    )
    command.add_argument("--to", required=True, metavar="REF", help="the store's document, such as vault:app/staging")
    command.add_argument("--from-cluster", action="store_true", help="take the live Secrets instead of FILE")
    command.add_argument("--replace", action="store_true", help="overwrite values that differ")
    command.add_argument("--dry-run", action="store_true", help="write nothing")


def _adopt(adopt: argparse.ArgumentParser) -> None:
    common(adopt, ("text", "json"), asks=True)
    cluster(adopt)
    first(adopt)
    adopt.add_argument("--dry-run", action="store_true", help="only show which keys would be taken over")
    text = (
        "bind the environment to the current namespace: replace the uid in the environment's file. A restored etcd "
        "backup has the same uids, so they do not distinguish it from the original"
    )
    adopt.add_argument("--rebind", action="store_true", help=text)
    lock(adopt)


def _exec(exec_: argparse.ArgumentParser) -> None:
    common(exec_, ())
    cluster(exec_)
    exec_.usage = (
        "%(prog)s [ENV] [--with NAME]... [OPTION]... -- CMD [ARG]...\n"
        "       %(prog)s [ENV] --as KIND/NAME [OPTION]... -- CMD [ARG]..."
    )
    exec_.description = (
        "Runs a command with the infrastructure variables in its environment or, with --as, with the variables of a "
        "workload's container, as in its pod, with the values of the sources."
    )
    exec_.add_argument(
        "--with",
        dest="names",
        action="append",
        type=variable,
        default=[],
        metavar="NAME",
        help="also set this variable, which may be secret; repeatable",
    )
    text = "set the variables of this workload's container instead, as in --as Deployment/agent"
    exec_.add_argument("--as", dest="workload", type=workload, metavar="KIND/NAME", help=text)
    text = "with --as: the container (default: the one that kubectl takes)"
    exec_.add_argument("--container", type=container, metavar="NAME", help=text)
    text = "with --as: take the workload from this output of `kustomize build` (-: stdin), not from the cluster"
    exec_.add_argument("--manifests", type=file, metavar="FILE", help=text)
    text = "replace secret values in the command's output with ********"
    exec_.add_argument("--mask", action="store_true", help=text)


def _scan(scan: argparse.ArgumentParser) -> None:
    common(scan, ("text", "json"))
    scan.description = (
        "Searches for each secret value as it is, percent-encoded, in base64, in UTF-16, and escaped for JSON or YAML. "
        "Does not find compressed or encrypted values, base64 with line breaks, or values escaped for a shell (\\$) "
        "or for Compose ($$)."
    )
    scan.add_argument("paths", nargs="*", metavar="PATH", help="a file, or a folder with everything in it")
    text = "search the whole history of each PATH's repository (default: the current folder's)"
    scan.add_argument("--git", action="store_true", help=text)


def _demo(demo: argparse.ArgumentParser) -> None:
    display(demo, is_shown=False)
    yes(demo, asks=False)
    demo.description = "Shows plan, sync, drift, repair and a refusal on an embedded cluster; needs no account."


def _help(command: argparse.ArgumentParser) -> None:
    command.description = "Shows a help page or a command's usage. Without a topic, lists the pages."
    command.add_argument("topic", nargs="?", metavar="TOPIC", help="a page or a command")
    display(command, is_shown=False)


def _completion(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Prints the script that completes commands, options and environments in your shell. To load it, add one line "
        "to your shell's startup file: see `bridge help everyday`."
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS[:-1]))
    command.add_argument("--config", metavar="DIR", help=argparse.SUPPRESS)
    display(command, is_shown=False)


COMMANDS: Final[Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "sync": ("write the sources' values to the cluster", _sync),
    "plan": ("show what sync would do, without values", _plan),
    "diff": ("show what a change in git does, without a key or a cluster", _diff),
    "check": ("find errors in the files, without a cluster, network or key", _check),
    "doctor": ("show why bridge does not work here: what is configured, found and reachable", _doctor),
    "status": ("show where each variable comes from and what the cluster has", _status),
    "history": ("show when each variable last changed, and who changed it", _history),
    "offboard": ("list what a former recipient of SOPS files may still know, with the cure", _offboard),
    "set": ("set one value in its source", _set),
    "restart": ("restart the workloads that use a changed key", _restart),
    "rollback": ("write an earlier revision of a source as its newest, then sync", _rollback),
    "init": ("draft a new environment from a kustomize layout or another environment", _init),
    "import": ("move the values in a plaintext file to a store", _import),
    "adopt": ("take over the templates' keys from kubectl and others, without changing values", _adopt),
    "exec": ("run a command with an environment's variables, or as a workload's container", _exec),
    "scan": ("find secret values in plaintext", _scan),
    "demo": ("show bridge at work on an embedded cluster, in seconds", _demo),
    "help": ("show a help page, such as migrating or sops, or list them all", _help),
    "completion": ("print the script that completes commands in bash, zsh or fish", _completion),
}
"""Each command's summary, and the function that adds its arguments."""
