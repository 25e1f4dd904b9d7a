"""The command line's words: every command, its arguments and their help."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge import __version__
from bridge.arguments import (
    allow,
    allow_loss,
    cluster,
    first,
    lock,
    many,
    metrics_target,
    name_alone,
    seconds,
    variable,
    wait,
)

if TYPE_CHECKING:
    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no other name

TIMEOUT: Final = 120.0
OPTION: Final = re.compile(r"--[a-z][a-z-]{0,30}(?=\Z|=)")

EPILOG: Final = """\
exit status:
  0    done
  1    refused or failed, nothing was written; or an admission rule drops a key
  2    the arguments, the environment file, a template or the env file are wrong
  3    a bug of bridge
  4    changes are pending (plan --exit-code)
  5    stopped between writes, run again
  75   only temporary failures, nothing was written, try again
  130  interrupted (143: terminated, 129: its terminal was closed)

credentials:
  An environment's file names servers that get credentials, and whoever may push a branch can change
  the file. Set VAULT_ADDR, or list what you trust in $BRIDGE_TRUST, ~/.config/bridge/trust.yaml or
  /etc/bridge/trust.yaml: then nothing else gets a credential or starts.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; what stands behind the first `--` of `exec` is a command of its own, and stays as it is."""
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if words[:1] == ["exec"] and "--" in words else len(words)
    parser = build_parser()
    args, left = parser.parse_known_args(words[:cut])
    args.child = words[cut + 1 :]
    command: argparse.ArgumentParser = args.parser  # its usage is what a misuse is told with
    if args.command == "scan":  # argparse takes positionals in one go, and an option may stand between them
        args.paths += [word for word in left if not word.startswith("-")]
        left = [word for word in left if word.startswith("-")]
    if left:
        command.error(f"unrecognized arguments: {_without_values(left)}")
    if getattr(args, "metrics", None) and args.dry_run:
        command.error("--metrics tells of runs that write, so it does not go with --dry-run")
    if getattr(args, "in_cluster", False) and (args.kubeconfig or args.context):
        command.error("--in-cluster cannot be combined with --kubeconfig or --context")
    if args.command == "exec" and not args.child:
        command.error("write the command to run after --")
    return args


def _without_values(words: Sequence[str]) -> str:
    """Return what nobody asked for, with ... in place of all but options: it may be a value."""
    found = (OPTION.match(word) for word in words)
    return " ".join(option[0] if option else "..." for option in found)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bridge",
        description="Fetches values from secret stores and writes them into Kubernetes Secrets and ConfigMaps.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bridge {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _sync(commands)
    _plan(commands)
    _check(commands)
    _status(commands)
    _set(commands)
    _restart(commands)
    _rollback(commands)
    _init(commands)
    _import(commands)
    _adopt(commands)
    _exec(commands)
    _scan(commands)
    _demo(commands)
    return parser


def _command(commands: "_Commands", name: str, text: str, forms: tuple[str, ...]) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    command.set_defaults(parser=command)
    command.add_argument("environment", nargs="?", metavar="ENV", help="name of the environment (default: $K8_ENV)")
    command.add_argument(
        "--config", metavar="DIR", help="folder of the environments (default: $BRIDGE_CONFIG or ./config)"
    )
    if forms:
        command.add_argument("--output", choices=forms, default="text", help="form of the report (default: text)")
        text = "form of the lines on stderr (default: text)"
        command.add_argument("--log-format", choices=("text", "json"), default="text", help=text)
    command.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"limit of the run (default: {TIMEOUT:.0f})",
    )
    return command


def _sync(commands: "_Commands") -> None:
    sync = _command(commands, "sync", "make the cluster's objects equal to the sources", ("text", "json", "markdown"))
    cluster(sync)
    first(sync)
    many(sync)
    allow(sync)
    sync.add_argument("--dry-run", action="store_true", help="write nothing; the same as plan")
    lock(sync)
    sync.add_argument("--restart", action="store_true", help="then restart the workloads that use a changed key")
    wait(sync)
    text = "write metrics of this run to a file (Prometheus's text format) or a Pushgateway's URL, however it ends"
    sync.add_argument("--metrics", type=metrics_target, metavar="TARGET", help=text)


def _plan(commands: "_Commands") -> None:
    plan = _command(commands, "plan", "show what sync would do, without any value", ("text", "json", "markdown"))
    cluster(plan)
    many(plan)
    allow(plan)
    plan.add_argument("--show-config", action="store_true", help="show ConfigMap values that stand in plain files")
    plan.add_argument("--exit-code", action="store_true", help="exit with 4 when something would change")


def _check(commands: "_Commands") -> None:
    text = "find what is wrong with the files, without cluster, network or key"
    check = _command(commands, "check", text, ("text", "json"))
    cluster(check)
    check.add_argument(
        "--manifests", metavar="FILE", help="what `kustomize build` makes (-: stdin): would it undo what bridge writes?"
    )
    check.add_argument("--live", action="store_true", help="read the sources and the cluster too; writes nothing")
    check.add_argument(
        "--files",
        nargs="+",
        metavar=("PROVIDER", "FILE"),
        help="check documents of a provider, without any environment: --files sops FILE...",
    )


def _status(commands: "_Commands") -> None:
    text = "show where each variable comes from and what the cluster has"
    cluster(_command(commands, "status", text, ("text", "json")))


def _set(commands: "_Commands") -> None:
    command = _command(commands, "set", "put one value into the source that gives it", ("text", "json"))
    command.description = (
        "Puts one value into the source that gives it now. The value is asked for without an echo, or read from stdin "
        "where that is no terminal: all bytes, without one line feed at the end."
    )
    command.add_argument("name", type=name_alone, metavar="NAME", help="the variable")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _restart(commands: "_Commands") -> None:
    restart = _command(commands, "restart", "restart the workloads that use a changed key", ("text", "json"))
    cluster(restart)
    first(restart)
    restart.add_argument("--dry-run", action="store_true", help="restart nothing; show which workloads are behind")
    restart.add_argument("--all", action="store_true", help="restart all that use any object of the environment")
    wait(restart)


def _rollback(commands: "_Commands") -> None:
    text = "copy an earlier revision of a source forward as the newest, and sync"
    rollback = _command(commands, "rollback", text, ("text", "json"))
    cluster(rollback)
    first(rollback)
    rollback.add_argument(
        "--source", required=True, metavar="REF", help="a document of the environment, such as vault:app/staging"
    )
    rollback.add_argument(
        "--to", required=True, metavar="REVISION", help="what the store calls it; for a SOPS file, what git does"
    )
    allow_loss(rollback)
    rollback.add_argument("--dry-run", action="store_true", help="write nothing, neither store nor cluster")
    rollback.add_argument("--yes", action="store_true", help="do not ask")
    lock(rollback)


def _init(commands: "_Commands") -> None:
    text = "draft a new environment from a kustomize layout or like another"
    init = _command(commands, "init", text, ("text", "json"))
    source = init.add_mutually_exclusive_group()
    source.add_argument(
        "--from", dest="layout", metavar="DIR", help="folder of the layout (default: where the environments' folder is)"
    )
    source.add_argument("--like", metavar="ENV", help="another environment of the same folder")
    source.add_argument(
        "--fix-kustomize",
        nargs="?",
        const="",
        metavar="OVERLAY",
        help="take what bridge writes out of an overlay's build (default: overlays/ENV beside the templates' base)",
    )
    source.add_argument(
        "--deploy",
        nargs="?",
        const="",
        metavar="DIR",
        help="render the CronJob that runs ENV in the cluster (default: deploy/ENV beside the environments' folder)",
    )


def _import(commands: "_Commands") -> None:
    command = _command(commands, "import", "move the values of a plaintext file into a store", ("text", "json"))
    cluster(command)
    command.set_defaults(module="importing")  # `import` can be no module's name
    command.add_argument(
        "file", nargs="?", metavar="FILE", help="manifests or patches (.yaml, .yml, .json), or else a dotenv file"
    )
    command.add_argument("--to", required=True, metavar="REF", help="the store's document, such as vault:app/staging")
    command.add_argument("--from-cluster", action="store_true", help="take the live Secrets in place of FILE")
    command.add_argument("--replace", action="store_true", help="overwrite values that differ")
    command.add_argument("--dry-run", action="store_true", help="write nothing")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _adopt(commands: "_Commands") -> None:
    text = "take the templates' keys over from kubectl and others, without changing a value"
    adopt = _command(commands, "adopt", text, ("text", "json"))
    cluster(adopt)
    first(adopt)
    adopt.add_argument("--dry-run", action="store_true", help="only show what would change hands")
    adopt.add_argument("--yes", action="store_true", help="do it without asking")
    text = (
        "bind the environment to the namespace as it is now: write its uid into the environment's file, in place of "
        "the old one; with --yes without asking. A restored backup of etcd has the same uids, so they do not tell it "
        "from the original"
    )
    adopt.add_argument("--rebind", action="store_true", help=text)
    lock(adopt)


def _exec(commands: "_Commands") -> None:
    exec_ = _command(commands, "exec", "run a command with the infrastructure variables in its environment", ())
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
        help="also this variable, a secret one too; repeatable",
    )


def _scan(commands: "_Commands") -> None:
    scan = _command(commands, "scan", "look for secret values that lie about in clear", ("text", "json"))
    scan.description = (
        "Looks for each secret value as it is, in base64, in UTF-16, percent-encoded, and escaped for JSON or YAML. "
        "Not found: what is compressed or encrypted, base64 broken into lines, and a value escaped for a shell (\\$) "
        "or Compose ($$)."
    )
    scan.add_argument("paths", nargs="*", metavar="PATH", help="a file or a folder with all that is in it")
    scan.add_argument("--git", action="store_true", help="the whole history of the repository of each PATH, or of this")


def _demo(commands: "_Commands") -> None:
    demo = commands.add_parser("demo", help="the whole story in seconds, on an embedded cluster", allow_abbrev=False)
    demo.set_defaults(parser=demo)
    demo.description = "Shows plan, sync, drift, healing and a refusal on an embedded cluster; needs no account."
