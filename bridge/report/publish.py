"""Takes a run's metrics to where Prometheus finds them: a file, or a Pushgateway.

The file is the textfile collector's: https://github.com/prometheus/node_exporter#textfile-collector. The
Pushgateway's API: https://github.com/prometheus/pushgateway#api.
"""

import os
import stat
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from bridge import __version__
from bridge.errors import Problem
from bridge.report.metrics import parse, render, samples
from bridge.report.record import Record, Sample

LIMIT: Final = 5.0
"""Seconds that a push may take, and 50 ms more for each further environment."""
LONGEST: Final = 1 << 24
"""Bytes of an earlier file that are read; a thousand environments have 3 MiB."""


def wrong_target(target: str) -> str | None:
    """Say why metrics cannot be sent there, without any part of it; None where they may be."""
    if "://" not in target:
        return None if target else "must be a file or a Pushgateway's URL"
    try:
        parts = urlsplit(target)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not (target.isascii() and target.isprintable() and " " not in target):
        return "must be a file or a Pushgateway's URL, such as http://host:9091"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "must be a URL without credentials, query or fragment"
    return None


def publish(record: Record, status: int) -> Iterable[Problem]:
    """Write the metrics of a run that ended with `status`; returns a warning where that fails.

    A run of many environments has those of each, and one that names no environment has none.
    """
    target, found = record.metrics, record.samples
    if record.environment:
        found = {record.environment: list(samples(record, status, time.time()))}
    if not target or not found:
        return []
    wrong = _push(target, found) if "://" in target else _write(Path(target), record.id, found)
    return [Problem("the metrics", wrong)] if wrong else []


def _write(path: Path, run: str, found: Mapping[str, Sequence[Sample]]) -> str | None:
    """Write the file whole; what this run cannot know is taken over from the file that is there."""
    # Folders may be links, the file may not: whoever can write to its folder would choose what is overwritten.
    fresh = path.with_name(f".{path.name}.{run}.{os.urandom(8).hex()}")  # no *.prom, which a collector would read
    told = [one for several in found.values() for one in several]
    known = {(one.name, one.environment) for one in told}
    try:
        kept = [one for one in parse(_earlier(path), found) if (one.name, one.environment) not in known]
        with fresh.open("xb") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask is: the collector is somebody else
            file.write(render([*told, *kept]).encode())
        fresh.replace(path)
    except OSError as error:
        return f"{path} cannot be written: {(error.strerror or 'unknown reason').lower()}"
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return None


def _earlier(path: Path) -> str:
    """Return the file's text, none where there is no file; OSError where it is something else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(mode):
        raise OSError(0, "is a link, which is not followed")
    if not stat.S_ISREG(mode):
        raise OSError(0, "is not a file")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(LONGEST).decode(errors="replace")


def _push(target: str, found: Mapping[str, Sequence[Sample]]) -> str | None:
    """Push each environment to its group by POST, which keeps the metrics that this run cannot know."""
    from bridge.http.proxies import proxy_from  # noqa: PLC0415 - start-up: ssl is slow to import
    from bridge.http.tls import trusting_the_system  # noqa: PLC0415
    from bridge.http.transport import Address, Answer, Request, Transport  # noqa: PLC0415

    parts = urlsplit(target)
    base = f"{parts.scheme}://{parts.netloc}"
    tls = trusting_the_system() if parts.scheme == "https" else None
    proxy = proxy_from(os.environ, base) if tls else None
    if proxy and proxy.wrong:
        return f"the variable {proxy.variable} is {proxy.wrong}"
    headers = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("User-Agent", f"bridge/{__version__}")]
    path = f"{parts.path.rstrip('/')}/metrics/job/bridge"
    end = time.monotonic() + LIMIT + 0.05 * (len(found) - 1)
    with closing(Transport(Address(base, tls, proxy=proxy.url if proxy else None, max_answer=LONGEST))) as transport:
        for environment, told in found.items():
            request = Request("POST", f"{path}/{_grouping(environment)}", headers, render(told).encode())
            answer = transport.exchange(request, max(0.01, end - time.monotonic()))
            if not isinstance(answer, Answer):
                return f"the Pushgateway at {base} {answer.what}"
            if 300 <= answer.status < 400:
                return f"the Pushgateway at {base} answers with a redirect ({answer.status}), which is not followed"
            if answer.is_html:
                return f"what answers at {base} ({answer.status}) is not a Pushgateway"
            if answer.status not in {200, 202}:
                return f"the Pushgateway at {base} answers {answer.status}"
    return None


def _grouping(environment: str) -> str:
    """Return the part of the path that names the environment; a slash can only stand in base64 there."""
    if "/" in environment:
        return f"environment@base64/{urlsafe_b64encode(environment.encode()).decode()}"
    return f"environment/{quote(environment, safe='')}"
