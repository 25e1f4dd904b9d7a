"""Writes the comments of drafted files, and their manifests."""

from collections.abc import Iterable, Mapping

from bridge.config.yaml_writer import dumped
from bridge.named_tuple import NamedTuple


class Commented(NamedTuple):
    """A text or a mapping on one line, and its comment."""

    value: object
    comment: str = ""


def aligned(items: Iterable[tuple[str, str]]) -> str:
    """Return lines with their comments in one column."""
    lines = list(items)
    width = max((len(line) for line, comment in lines if comment), default=0)
    return "".join(f"{line:<{width}}   {comments(comment)}" if comment else f"{line}\n" for line, comment in lines)


def comments(text: str) -> str:
    """Return a text as comment lines; unprintable lines, such as paths with special characters, are escaped."""
    return "".join(f"# {line if line.isprintable() else ascii(line)}\n" for line in text.split("\n"))


def manifest(content: Mapping[str, object]) -> str:
    """Return an object's manifest."""
    head = {key: value for key, value in content.items() if key not in {"data", "stringData", "binaryData"}}
    text = dumped(head)
    for section in ("data", "stringData", "binaryData"):
        values = content.get(section)
        if not isinstance(values, Mapping):
            continue
        text += f"{section}:\n" if values else f"{section}: {{}}\n"
        for key, value in values.items():
            lines = dumped({key: value}).splitlines(keepends=True)
            text += "".join(f"  {line}" if line.strip() else line for line in lines)
    return text
