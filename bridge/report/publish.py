"""Publishes a run's metrics for Prometheus, in a file or on a Pushgateway.

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
"""The most seconds that a push may take, plus 50 ms for each further environment."""
LONGEST: Final = 1 << 24
"""The most bytes to read from an earlier file; a thousand environments need 3 MiB."""


def wrong_target(target: str) -> str | None:
    """Return why metrics cannot be sent to a target, without quoting it, or None if they can."""
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
    """Write the metrics of a run that ended with `status`; return a warning if that fails.

    A run of several environments has metrics for each. A run without an environment has none.
    """
    target, by_environment = record.metrics, record.samples
    if record.environment:
        by_environment = {record.environment: list(samples(record, status, time.time()))}
    if not target or not by_environment:
        return []
    wrong = _push(target, by_environment) if "://" in target else _write(Path(target), record.id, by_environment)
    return [Problem("the metrics", wrong)] if wrong else []


def _write(path: Path, run: str, by_environment: Mapping[str, Sequence[Sample]]) -> str | None:
    """Write the whole file; copy the metrics that this run cannot know from the current file."""
    # Folders may be links, but the file may not: anyone who can write to its folder could choose what is overwritten.
    fresh = path.with_name(f".{path.name}.{run}.{os.urandom(8).hex()}")  # no *.prom, which a collector would read
    new = [sample for group in by_environment.values() for sample in group]
    known = {(sample.name, sample.environment) for sample in new}
    # A run with a plan knows every age, so an age that it does not report has lost its limit.
    known |= {("bridge_key_age_seconds", environment) for name, environment in known if name == "bridge_keys_overdue"}
    try:
        earlier = parse(_earlier(path), by_environment)
        kept = [sample for sample in earlier if (sample.name, sample.environment) not in known]
        with fresh.open("xb") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask is: the collector runs as another user
            file.write(render([*new, *kept]).encode())
        fresh.replace(path)
    except OSError as error:
        return f"{path} cannot be written: {(error.strerror or 'unknown reason').lower()}"
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return None


def _earlier(path: Path) -> str:
    """Return the file's text, or "" if there is no file; OSError if it is not a regular file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(mode):
        raise OSError(0, "it is a symbolic link")
    if not stat.S_ISREG(mode):
        raise OSError(0, "it is not a regular file")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(LONGEST).decode(errors="replace")


def _push(target: str, by_environment: Mapping[str, Sequence[Sample]]) -> str | None:
    """Push each environment to its group with POST, which keeps the metrics that this run cannot know."""
    from bridge.http.proxies import proxy_from  # noqa: PLC0415 - start-up: ssl is slow to import
    from bridge.http.sockets import Address  # noqa: PLC0415 - start-up
    from bridge.http.tls import trusting_the_system  # noqa: PLC0415 - start-up
    from bridge.http.transport import Answer, Request, Transport  # noqa: PLC0415 - start-up

    parts = urlsplit(target)
    base = f"{parts.scheme}://{parts.netloc}"
    tls = trusting_the_system() if parts.scheme == "https" else None
    proxy = proxy_from(os.environ, base) if tls else None
    if proxy and proxy.wrong:
        return f"the variable {proxy.variable} is {proxy.wrong}"
    headers = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("User-Agent", f"bridge/{__version__}")]
    path = f"{parts.path.rstrip('/')}/metrics/job/bridge"
    end = time.monotonic() + LIMIT + 0.05 * (len(by_environment) - 1)
    with closing(Transport(Address(base, tls, proxy=proxy.url if proxy else None, max_answer=LONGEST))) as transport:
        for environment, group in by_environment.items():
            request = Request("POST", f"{path}/{_grouping(environment)}", headers, render(group).encode())
            answer = transport.exchange(request, max(0.01, end - time.monotonic()))
            if not isinstance(answer, Answer):
                return f"the Pushgateway at {base} {answer.what}"
            if 300 <= answer.status < 400:
                what = f"answered with a redirect ({answer.status}), which bridge does not follow"
                return f"the Pushgateway at {base} {what}"
            if answer.is_html:
                return f"the server at {base} is not a Pushgateway (it answered {answer.status})"
            if answer.status not in {200, 202}:
                return f"the Pushgateway at {base} answered {answer.status}"
    return None


def _grouping(environment: str) -> str:
    """Return the part of the path that names the environment; a name with a slash must be in base64."""
    if "/" in environment:
        return f"environment@base64/{urlsafe_b64encode(environment.encode()).decode()}"
    return f"environment/{quote(environment, safe='')}"
