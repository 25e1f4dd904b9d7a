"""`bridge help`: list the help pages, or show one of them or a command's usage."""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Final

import bridge
from bridge.errors import ConfigError, Problem
from bridge.parser import command_names, usage
from bridge.process import descriptor
from bridge.report import streams
from bridge.report.record import Record
from bridge.report.style import width_of

TOPICS: Final = (
    "getting-started",
    "migrating",
    "from-external-secrets",
    "environment-file",
    "everyday",
    "review",
    "promises",
    "threat-model",
    "exit-codes",
    "faults",
    "in-the-cluster",
    "pipelines",
    "monitoring",
    "many-environments",
    "sops",
    "vault",
    "scaleway",
    "aws",
    "programs",
    "writing-a-provider",
    "troubleshooting",
    "performance",
    "tested-with",
)
"""The pages in the order in which they are listed."""
WIDEST: Final = 100
"""The columns that text is wrapped to on a terminal that has more."""

_FENCE: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_MARK: Final = re.compile(r"^<!-- /?[\w-]+ -->\n", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\[\]]+)\]\(([^()\s]+)\)")
_PAGE: Final = re.compile(r"([\w-]+)\.md(?:#.*)?")


def run(args: argparse.Namespace, _record: Record) -> int:
    """Show a page or a command's usage, or list the pages; raise ConfigError if there is no such topic."""
    if args.topic is None:
        streams.report().write(_contents())
    elif args.topic in TOPICS:
        _show(_page(args.topic))
    elif text := usage(args.topic):
        streams.report().write(text)
    else:
        raise ConfigError(_unknown(args.topic, [*TOPICS, *command_names()]))
    streams.report().flush()
    return 0


def as_text(page: str, width: int | None = None) -> str:
    """Format a page as text, wrapped if there is a width. A link to another page becomes the command that shows it."""
    parts = _FENCE.split(_MARK.sub("", page))
    return "".join(part if part.startswith("```") else _text(_LINK.sub(_link, part), width) for part in parts)


def _text(part: str, width: int | None) -> str:
    if width is None:
        return part
    from bridge.report.wrapping import wrapped  # noqa: PLC0415 - start-up: only a terminal needs it

    return wrapped(part, width)


def _link(link: re.Match[str]) -> str:
    text, target = link.groups()
    if page := _PAGE.fullmatch(target):
        command = f"`bridge help {page[1]}`"
        return command if text == command else f"{text} ({command})"
    return f"{text} ({target})" if target.startswith("https://") else text


def _page(topic: str) -> str:
    return (Path(bridge.__file__).parent / "help" / f"{topic}.md").read_text(encoding="utf-8")


def _contents() -> str:
    width = max(map(len, TOPICS))
    lines = [f"  {topic:{width}}  {_page(topic).splitlines()[2]}" for topic in TOPICS]
    head = "Show a page with `bridge help TOPIC`, or a command's options with `bridge help COMMAND`."
    return "\n".join([head, "", *lines, ""])


def _unknown(topic: str, known: list[str]) -> Problem:
    from bridge.config.names import did_you_mean, shown  # noqa: PLC0415 - only a mistake needs it

    hint = did_you_mean(topic, known) or "list the topics with `bridge help`"
    return Problem("help", f"no topic {shown(topic)}", hint)


def _show(page: str) -> None:
    """Write a page to stdout, or on a terminal to $PAGER."""
    report = streams.report()
    width = width_of(report)
    if width is None:
        report.write(as_text(page))
        return
    text = as_text(page, min(width, WIDEST))
    pager = os.environ.get("PAGER", "")
    if not (pager.strip() and sys.stdin and sys.stdin.isatty() and _page_with(pager, text)):
        report.write(text)


def _page_with(pager: str, text: str) -> bool:
    """Show a text in a pager. Return False if the pager cannot be started."""
    import shlex  # noqa: PLC0415 - start-up: most runs show no page
    import signal  # noqa: PLC0415 - start-up
    import subprocess  # noqa: PLC0415 - start-up

    try:
        words = shlex.split(pager)
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=descriptor(1), stderr=descriptor(2))  # noqa: S603 - the user's own
    except (OSError, ValueError):
        return False
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the pager's to handle
    try:
        child.communicate(text.encode())
    finally:
        signal.signal(signal.SIGINT, previous)
    return True
