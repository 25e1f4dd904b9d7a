"""`bridge check --files PROVIDER FILE...`: documents without an environment, as passed by a pre-commit hook."""

import argparse
import os
import time
from pathlib import Path

from bridge.config.reference import Reference
from bridge.errors import ConfigError, Problem
from bridge.provider import Checker, Context
from bridge.report.data import SCHEMA, problems
from bridge.report.output import write_json, write_text
from bridge.report.record import Record
from bridge.report.talk import printable, say
from bridge.sources.offline import about, joined
from bridge.sources.providers import build_plain


def check_files(args: argparse.Namespace, record: Record) -> int:
    """Print what each document is. Problems go to stderr and set status 1. Paths are relative to the current folder."""
    provider = _provider(args)
    context = Context(Path.cwd(), os.environ, time.monotonic() + args.timeout)
    kind, *paths = args.files
    shown: dict[str, str] = {}
    all_problems: list[Problem] = []
    for path in dict.fromkeys(paths):
        shown[path], problems_of_file = about(provider, Reference(kind, path), context)
        all_problems += problems_of_file
    warnings = list(joined(problem for problem in all_problems if problem.warning))
    errors = [problem for problem in all_problems if not problem.warning]
    if args.output == "json":
        files = [{"file": path, "about": text} for path, text in shown.items()]
        write_json(
            record, {"schema": SCHEMA, "files": files, "warnings": problems(warnings), "errors": problems(errors)}
        )
    else:
        write_text("".join(f"{printable(path)}: {printable(text)}\n" for path, text in shown.items() if text))
    say(record, "warning", warnings)
    say(record, "error", errors)
    return 1 if errors else 0


def _provider(args: argparse.Namespace) -> Checker:
    """Return the named provider; ConfigError if it does not exist, or if the arguments do not fit."""
    if args.environment or args.manifests or args.live or args.age:
        others = "an environment, `--manifests`, `--live` or `--age`"
        raise ConfigError(Problem("--files", f"cannot be combined with {others}"))
    kind, *paths = args.files
    if not paths:
        raise ConfigError(Problem("--files", "no files given", "pass files: `bridge check --files sops FILE...`"))
    try:
        provider = build_plain(kind)
    except ConfigError as error:
        raise ConfigError(*(problem._replace(where=f"--files {kind}") for problem in error.problems)) from None
    if not isinstance(provider, Checker):
        raise ConfigError(Problem(f"--files {kind}", "this provider cannot check documents offline"))
    return provider
