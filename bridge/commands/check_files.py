"""`bridge check --files PROVIDER FILE...`: documents without an environment, as a pre-commit hook lists them."""

import argparse
import os
import time
from pathlib import Path

from bridge.config.reference import Reference
from bridge.errors import ConfigError, Problem
from bridge.provider import Checker, Context
from bridge.report import streams
from bridge.report.data import SCHEMA, problems
from bridge.report.record import Record
from bridge.report.talk import printable, say
from bridge.report.write import write_json
from bridge.sources.offline import about, joined
from bridge.sources.providers import build_plain


def check_files(args: argparse.Namespace, record: Record) -> int:
    """Print what each document is; what is wrong goes to stderr, and makes the status 1. Paths start here."""
    provider = _provider(args)
    context = Context(Path.cwd(), os.environ, time.monotonic() + args.timeout)
    kind, *paths = args.files
    shown: dict[str, str] = {}
    found: list[Problem] = []
    for path in dict.fromkeys(paths):
        shown[path], told = about(provider, Reference(kind, path), context)
        found += told
    warnings = list(joined(one for one in found if one.warning))
    errors = [one for one in found if not one.warning]
    if args.output == "json":
        files = [{"file": path, "about": text} for path, text in shown.items()]
        write_json(
            record, {"schema": SCHEMA, "files": files, "warnings": problems(warnings), "errors": problems(errors)}
        )
    else:
        streams.report().write(
            "".join(f"{printable(path)}: {printable(text)}\n" for path, text in shown.items() if text)
        )
        streams.report().flush()
    say(record, "warning", warnings)
    say(record, "error", errors)
    return 1 if errors else 0


def _provider(args: argparse.Namespace) -> Checker:
    """Return the provider that is named first; ConfigError where it is none, or the arguments do not fit."""
    if args.environment or args.manifests or args.live:
        raise ConfigError(Problem("--files", "goes with no environment, `--manifests` or `--live`"))
    kind, *paths = args.files
    if not paths:
        raise ConfigError(Problem("--files", "names no file", "--files sops FILE..."))
    try:
        provider = build_plain(kind)
    except ConfigError as error:
        raise ConfigError(*(one._replace(where=f"--files {kind}") for one in error.problems)) from None
    if not isinstance(provider, Checker):
        raise ConfigError(Problem(f"--files {kind}", "this provider can tell nothing without reading"))
    return provider
