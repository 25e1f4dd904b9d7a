"""Reads an operator's file or piped input as text: limited in time and size, and UTF-8."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final

from bridge import process
from bridge.errors import ConfigError, Problem, Unavailable, shortage
from bridge.parallel import Once
from bridge.shell import word

LIMIT: Final = 16 * 1024 * 1024
"""In bytes. An object holds 1 MiB at most, and a file of 1,000 typical objects is about 0.3 MiB."""

LONGEST_WAIT: Final = 3600.0  # seconds for the next piece of a pipe, if no deadline is set
_PIPES: Final[Once[tuple[int, int], bytes]] = Once()
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LOOKED_AT: Final = 4096
"""How many bytes of a text are inspected to detect its encoding."""
CONFLICT: Final = "unresolved git conflict"
UTF16: Final = "is UTF-16, not UTF-8"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_ASCII: Final = frozenset((*b"\t\n\r", *range(0x20, 0x7F)))
# All three marks at the start of a line, in this order: no valid file has them.
_CONFLICT: Final = r"^<{7} .*?^={7}\r?$.*?^>{7} "


def read_text(path: Path, shown: str, limit: int = LIMIT) -> str:
    """Return the text of a file of at most `limit` bytes, without a byte order mark.

    - FileNotFoundError: the file does not exist.
    - ConfigError: it cannot be read, is not a regular file (opening a pipe could block forever), is too large, or is
      not
    UTF-8.
    - Unavailable: the system is short of open files or memory.
    """
    return decoded(read_content(path, shown, limit), shown, path)


def read_text_stream(descriptor: int, shown: str, deadline: float) -> str:
    """Return the text from a pipe or a redirected file; ConfigError for the same reasons.

    `deadline` is a `time.monotonic()` value: the writer may never close the pipe.
    """
    import select  # noqa: PLC0415 - start-up: most runs read files only
    import time  # noqa: PLC0415 - start-up

    content = b""
    while len(content) <= LIMIT:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ConfigError(Problem(shown, "not closed by its writer in time", "allow more time with --timeout"))
        chunk = os.read(descriptor, 1024 * 1024)
        if not chunk:
            return decoded(content, shown)
        content += chunk
    raise too_large(shown, LIMIT)


def read_bounded(path: Path, deadline: float, most: int = LIMIT) -> bytes:
    """Return the content of a file, or of a pipe such as a shell's `<(command)`.

    A pipe can be read only once, so its content is kept for the rest of the run.

    OSError, with a reason in `strerror`, if it cannot be read, is neither a file nor a pipe, is larger than `most`
    bytes, or is a pipe that is still open at the deadline, a `time.monotonic()` value.
    """
    status = os.stat(path)  # noqa: PTH116 - as below
    if not stat.S_ISFIFO(status.st_mode) or not process.is_owned():
        return _read_bounded(path, deadline, most)
    content = _PIPES.get((status.st_dev, status.st_ino), lambda: _read_bounded(path, deadline, LIMIT))
    if len(content) > most:
        raise _oversized(most)
    return content


process.at_end(_PIPES.clear)


def _oversized(most: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {most // 2**20} MiB")


def _read_bounded(path: Path, deadline: float, most: int) -> bytes:
    # Opening a pipe without a writer would block forever, hence O_NONBLOCK.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        mode = status.st_mode
        if os.path.samestat(status, os.stat(os.devnull)):  # noqa: PTH116 - not a path of ours; it means an empty file
            return b""
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise OSError(errno.EINVAL, "neither a regular file nor a pipe")
        content = bytearray()
        while len(content) <= most:
            if stat.S_ISFIFO(mode):
                _wait(descriptor, deadline)
            chunk = os.read(descriptor, 2**16)
            if not chunk:
                return bytes(content)
            content += chunk
        raise _oversized(most)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, deadline: float) -> None:
    """Wait until a pipe has data or is closed. Before its first writer opens it, it has neither."""
    import select  # noqa: PLC0415 - start-up: most runs read files only
    import time  # noqa: PLC0415 - start-up

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    left = min(max(0.0, deadline - time.monotonic()), LONGEST_WAIT)
    if not poll.poll(left * 1000):
        raise OSError(errno.ETIMEDOUT, "no data from the pipe in time")


def _pasted(path: Path | None) -> str:
    """Return a path quoted for a shell, for use in a hint."""
    return "FILE" if path is None else word(path)


def decoded(content: bytes, shown: str, path: Path | None = None) -> str:
    """Return the text of a file, without a byte order mark; ConfigError if it is not UTF-8 or has a git conflict."""
    if is_utf16(content):
        raise ConfigError(Problem(shown, UTF16, utf16_hint(_pasted(path))))
    try:
        text = content.decode("utf-8-sig")
        line = conflict_line(text)
        if line is None:
            return text
        problem = Problem(f"{shown} line {line}", CONFLICT, conflict_hint(_pasted(path)))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(f"{shown} line {line}", "not valid UTF-8")
    # Raise outside the handler, so that the codec error, which contains the text, is not chained.
    raise ConfigError(problem)


def read_content(path: Path, shown: str, limit: int = LIMIT) -> bytes:
    """Return the content of a regular file; raise what `read_text` raises."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(Problem(shown, "not a regular file"))
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        if shortage(error):  # raised now: collecting it with other file errors would hide that it is temporary
            raise Unavailable(Problem(shown, f"cannot be read: {reason}")) from None
        raise ConfigError(Problem(shown, f"cannot be read: {reason}")) from None
    except UnicodeEncodeError:
        hint = "set LC_ALL=C.UTF-8 or PYTHONUTF8=1"
        raise ConfigError(Problem(shown, "the file name cannot be encoded in this locale", hint)) from None
    except ValueError:
        raise ConfigError(Problem(shown, "the path contains a NUL byte")) from None
    if len(content) > limit:
        raise too_large(shown, limit)
    return content


def too_large(shown: str, limit: int = LIMIT) -> ConfigError:
    """Return the error for a file of more than `limit` bytes."""
    return ConfigError(Problem(shown, f"larger than {limit // 1024 // 1024} MiB"))


def is_utf16(content: bytes) -> bool:
    """Whether bytes are UTF-16 text, with a byte order mark or (ASCII only) without.

    Random bytes may start with the mark by chance, so half of what follows has to be ASCII.
    """
    start = content[: min(LOOKED_AT, len(content) // 2 * 2)]
    if start.startswith(_UTF16_MARKS):
        text = start.decode("utf-16", errors="replace")
        return sum(map(_ASCII.__contains__, map(ord, text))) * 2 >= len(text)
    first, second = start[::2], start[1::2]
    return len(start) > 2 and (
        (not any(first) and _ASCII.issuperset(second)) or (not any(second) and _ASCII.issuperset(first))
    )


def conflict_line(text: str) -> int | None:
    """Return the line on which an unresolved git conflict starts, or None."""
    if "<<<<<<< " not in text:  # much faster than the pattern
        return None
    match = re.search(_CONFLICT, text, re.MULTILINE | re.DOTALL)
    return text.count("\n", 0, match.start()) + 1 if match else None


def conflict_hint(file: str = "FILE") -> str:
    """Return a hint for resolving a conflict; a file's name is quoted for the shell."""
    return f"resolve it, or take one side: `git checkout --ours {file}` or `git checkout --theirs {file}`"


def utf16_hint(file: str = "FILE") -> str:
    """Return a hint for converting UTF-16; a file's name is quoted for the shell."""
    return f"save it as UTF-8; `iconv -f UTF-16 -t UTF-8 {file}` prints the converted text"
