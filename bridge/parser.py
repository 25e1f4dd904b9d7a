"""The command line: every command, its arguments and their help."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bridge import __version__

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    _Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse has no public name for it

TIMEOUT: Final = 120.0
_OPTION: Final = r"--[a-z][a-z-]{0,30}(?=\Z|=)"

EPILOG: Final = """\
exit status:
  0    done
  1    refused or failed, nothing was written; or an admission rule drops a key
  2    invalid arguments, environment file, template or env file
  3    a bug in bridge; please report it
  4    changes are pending (plan --exit-code)
  5    stopped between writes; run again
  75   temporary failure; nothing was written, retry
  130  interrupted (143: terminated, 129: its terminal was closed)

credentials:
  An environment's file names the servers that get credentials, and anyone who can push a branch can
  change the file. Set VAULT_ADDR, or list what you trust in $BRIDGE_TRUST, ~/.config/bridge/trust.yaml
  or /etc/bridge/trust.yaml. With such a file, nothing else gets a credential or starts.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line. Words after the first `--` of `exec` are a separate command and stay unchanged."""
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if words[:1] == ["exec"] and "--" in words else len(words)
    parser = build_parser(words[0] if words else "")
    args, left = parser.parse_known_args(words[:cut])
    args.child = words[cut + 1 :]
    command: argparse.ArgumentParser = args.parser  # errors show this command's usage
    if args.command == "scan":  # argparse takes positionals only in one group, but options may come between them
        args.paths += [word for word in left if not word.startswith("-")]
        left = [word for word in left if word.startswith("-")]
    if left:
        command.error(f"unrecognized arguments: {_without_values(left)}")
    if getattr(args, "metrics", None) and args.dry_run:
        command.error("--metrics cannot be combined with --dry-run")
    if getattr(args, "in_cluster", False) and (args.kubeconfig or args.context):
        command.error("--in-cluster cannot be combined with --kubeconfig or --context")
    if args.command == "exec" and not args.child:
        command.error("no command: write it after --")
    return args


def usage(command: str) -> str | None:
    """Return a command's usage and options, or None if there is no such command."""
    if command not in _COMMANDS:
        return None
    return _add_command(argparse.ArgumentParser(prog="bridge").add_subparsers(), command).format_help()


def command_names() -> tuple[str, ...]:
    """Return the names of all commands."""
    return tuple(_COMMANDS)


def _without_values(words: Sequence[str]) -> str:
    """Format unrecognized arguments, with ... instead of everything but options, because it may be a value."""
    options = (re.match(_OPTION, word) for word in words)
    return " ".join(option[0] if option else "..." for option in options)


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


def build_parser(given: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands, or only what the command line's first word needs: the rest takes time."""
    parser = argparse.ArgumentParser(
        prog="bridge",
        description="Fetches values from secret stores and writes them into Kubernetes Secrets and ConfigMaps.",
        epilog=EPILOG,
        formatter_class=_RawFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bridge {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in [given] if given and given in _COMMANDS else _COMMANDS:
        _add_command(commands, name, with_arguments=given in {None, name})
    return parser


def _add_command(commands: "_Commands", name: str, *, with_arguments: bool = True) -> argparse.ArgumentParser:
    summary, add_arguments = _COMMANDS[name]
    text = f"{summary[0].upper()}{summary[1:]}."
    command = commands.add_parser(name, help=summary, description=text, allow_abbrev=False, formatter_class=_Formatter)
    command.set_defaults(parser=command)
    if with_arguments:
        add_arguments(command)
    return command


def _common(command: argparse.ArgumentParser, forms: tuple[str, ...]) -> None:
    command.add_argument("environment", nargs="?", metavar="ENV", help="the environment (default: $K8_ENV)")
    command.add_argument(
        "--config", metavar="DIR", help="the environments' folder (default: $BRIDGE_CONFIG or ./config)"
    )
    if forms:
        command.add_argument("--output", choices=forms, default="text", help="format of the report (default: text)")
        text = "format of the lines on stderr (default: text)"
        command.add_argument("--log-format", choices=("text", "json"), default="text", help=text)
    command.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"time limit of the run (default: {TIMEOUT:.0f})",
    )


def _sync(sync: argparse.ArgumentParser) -> None:
    _common(sync, ("text", "json", "markdown"))
    cluster(sync)
    first(sync)
    many(sync)
    allow(sync)
    sync.add_argument("--dry-run", action="store_true", help="write nothing; same as plan")
    lock(sync)
    sync.add_argument("--restart", action="store_true", help="afterwards, restart the workloads that use a changed key")
    wait(sync)
    text = "write metrics of this run, even if it fails, to a file (Prometheus text format) or to a Pushgateway URL"
    sync.add_argument("--metrics", type=metrics_target, metavar="TARGET", help=text)


def _plan(plan: argparse.ArgumentParser) -> None:
    _common(plan, ("text", "json", "markdown"))
    cluster(plan)
    many(plan)
    allow(plan)
    plan.add_argument("--show-config", action="store_true", help="show ConfigMap values that come from plain files")
    plan.add_argument("--exit-code", action="store_true", help="exit with 4 if something would change")


def _check(check: argparse.ArgumentParser) -> None:
    _common(check, ("text", "json"))
    cluster(check)
    check.add_argument(
        "--manifests",
        metavar="FILE",
        help="check that this output of `kustomize build` (-: stdin) does not undo bridge's writes",
    )
    check.add_argument("--live", action="store_true", help="also read the sources and the cluster; write nothing")
    check.add_argument(
        "--files",
        nargs="+",
        metavar=("PROVIDER", "FILE"),
        help="check a provider's documents, without an environment: --files sops FILE...",
    )


def _doctor(command: argparse.ArgumentParser) -> None:
    _common(command, ("text", "json"))
    cluster(command)
    command.set_defaults(reports_trust=True)  # an invalid trust file is a finding, not the end of the command
    command.description = (
        "Shows what is configured, found and reachable, and the cure of everything that is wrong. Writes nothing and "
        "shows no value. Use doctor if bridge does not work here, and check in a pipeline, to find out whether an "
        "environment is ready. Exits with 0 if nothing is an error."
    )


def _status(command: argparse.ArgumentParser) -> None:
    _common(command, ("text", "json"))
    cluster(command)


def _set(command: argparse.ArgumentParser) -> None:
    _common(command, ("text", "json"))
    command.description = (
        "Sets one value in the source that it comes from. Prompts for the value without echoing it. If stdin is not a "
        "terminal, reads the value from stdin and strips one trailing newline."
    )
    command.add_argument("name", type=name_alone, metavar="NAME", help="the variable")
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _restart(restart: argparse.ArgumentParser) -> None:
    _common(restart, ("text", "json"))
    cluster(restart)
    first(restart)
    restart.add_argument("--dry-run", action="store_true", help="restart nothing; show which workloads are outdated")
    restart.add_argument(
        "--all", action="store_true", help="restart every workload that uses the environment's objects"
    )
    wait(restart)


def _rollback(rollback: argparse.ArgumentParser) -> None:
    _common(rollback, ("text", "json"))
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
    rollback.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    lock(rollback)


def _init(init: argparse.ArgumentParser) -> None:
    _common(init, ("text", "json"))
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
    _common(command, ("text", "json"))
    cluster(command)
    command.set_defaults(module="importing")  # a module cannot be named `import`
    command.add_argument(
        "file", nargs="?", metavar="FILE", help="manifests or patches (.yaml, .yml, .json), or a dotenv file"
    )
    command.add_argument("--to", required=True, metavar="REF", help="the store's document, such as vault:app/staging")
    command.add_argument("--from-cluster", action="store_true", help="take the live Secrets instead of FILE")
    command.add_argument("--replace", action="store_true", help="overwrite values that differ")
    command.add_argument("--dry-run", action="store_true", help="write nothing")
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _adopt(adopt: argparse.ArgumentParser) -> None:
    _common(adopt, ("text", "json"))
    cluster(adopt)
    first(adopt)
    adopt.add_argument("--dry-run", action="store_true", help="only show which keys would be taken over")
    adopt.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    text = (
        "bind the environment to the current namespace: replace the uid in the environment's file. A restored etcd "
        "backup has the same uids, so they do not distinguish it from the original"
    )
    adopt.add_argument("--rebind", action="store_true", help=text)
    lock(adopt)


def _exec(exec_: argparse.ArgumentParser) -> None:
    _common(exec_, ())
    exec_.usage = (
        "bridge exec [ENV] [--with NAME]... [--config DIR] [--timeout SECONDS]\n                   -- CMD [ARG]..."
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


def _scan(scan: argparse.ArgumentParser) -> None:
    _common(scan, ("text", "json"))
    scan.description = (
        "Searches for each secret value as it is, percent-encoded, in base64, in UTF-16, and escaped for JSON or YAML. "
        "Does not find compressed or encrypted values, base64 with line breaks, or values escaped for a shell (\\$) "
        "or for Compose ($$)."
    )
    scan.add_argument("paths", nargs="*", metavar="PATH", help="a file, or a folder with everything in it")
    text = "search the whole history of each PATH's repository (default: the current folder's)"
    scan.add_argument("--git", action="store_true", help=text)


def _demo(demo: argparse.ArgumentParser) -> None:
    demo.description = "Shows plan, sync, drift, repair and a refusal on an embedded cluster; needs no account."


def _help(command: argparse.ArgumentParser) -> None:
    command.description = "Shows a help page or a command's usage. Without a topic, lists the pages."
    command.add_argument("topic", nargs="?", metavar="TOPIC", help="a page or a command")


_COMMANDS: Final[Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "sync": ("write the sources' values to the cluster", _sync),
    "plan": ("show what sync would do, without values", _plan),
    "check": ("find errors in the files, without a cluster, network or key", _check),
    "doctor": ("show why bridge does not work here: what is configured, found and reachable", _doctor),
    "status": ("show where each variable comes from and what the cluster has", _status),
    "set": ("set one value in its source", _set),
    "restart": ("restart the workloads that use a changed key", _restart),
    "rollback": ("write an earlier revision of a source as its newest, then sync", _rollback),
    "init": ("draft a new environment from a kustomize layout or another environment", _init),
    "import": ("move the values in a plaintext file to a store", _import),
    "adopt": ("take over the templates' keys from kubectl and others, without changing values", _adopt),
    "exec": ("run a command with the infrastructure variables in its environment", _exec),
    "scan": ("find secret values in plaintext", _scan),
    "demo": ("show bridge at work on an embedded cluster, in seconds", _demo),
    "help": ("show a help page, such as migrating or sops, or list them all", _help),
}
"""Each command's summary, and the function that adds its arguments."""


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


def _file(text: str) -> "Path":
    """Parse a file's path."""
    from pathlib import Path  # noqa: PLC0415 - start-up: `--version` needs none

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
