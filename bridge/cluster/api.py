"""Calls of the Kubernetes API: what is tried again, and what a failure means for the caller."""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bridge import __version__
from bridge.cluster.answers import (
    ApiError,
    Asked,
    Cause,
    Conflict,
    Forbidden,
    Foreign,
    Invalid,
    LostAnswer,
    NotFound,
    Unreachable,
    Untrusted,
    lost,
    parse_object,
    read_status,
    unclear,
    unreachable,
)
from bridge.cluster.endpoint import Endpoint
from bridge.cluster.shapes import is_answer
from bridge.errors import BridgeError, Problem
from bridge.http.headers import http_date
from bridge.http.transport import Address, Answer, Failed, Request, Transport

__all__ = [
    "Api",
    "ApiError",
    "Cause",
    "Conflict",
    "Forbidden",
    "Foreign",
    "Invalid",
    "LostAnswer",
    "NotFound",
    "Unreachable",
    "Untrusted",
]

TRIES: Final = 4
"""How often a request is sent at most, the first time included; one that got no answer in time, twice."""
BACKOFF: Final = 0.2
"""Seconds before the second try where the server names none; doubled for each further one."""
STEP: Final = 1.0
"""Seconds of a wait after which it is asked again whether the request may still be sent."""
_METHODS: Final = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of `Api.request`."""

    asked: Asked
    method: str
    path: str
    body: bytes | None = field(repr=False)
    content_type: str
    until: float
    turn: Callable[[], float] | None


class Api:
    """One API server, for any number of threads.

    `deadline` is the `time.monotonic()` at which all calls end, `call_timeout` the seconds that one try
    may take from connecting to the last byte.
    """

    def __init__(self, endpoint: Endpoint, *, deadline: float, call_timeout: float = 10.0) -> None:
        self._endpoint: Final = endpoint
        self._deadline = deadline
        self._call_timeout: Final = call_timeout
        self._prefix: Final = urlsplit(endpoint.url).path.rstrip("/")
        self._transport: Final = Transport(Address(endpoint.url, endpoint.tls, endpoint.server_name, endpoint.proxy))
        self._server: Final = _name_server(endpoint)
        self._dates: Final[set[str]] = set()  # few, for they are whole seconds

    def request(  # noqa: PLR0913 -- what HTTP has, by name
        self,
        verb: str,
        path: str,
        *,
        target: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        dry_run: bool = False,
        until: float = math.inf,
        turn: Callable[[], float] | None = None,
    ) -> dict[str, Any]:
        """Make one call and return the object that the server answers: the one that was asked for, and no other.

        `verb` is Kubernetes's (get, list, create, update, patch, delete), `target` what messages call
        the object. Raises ApiError where the server refuses, Foreign where something else answers,
        Untrusted for a wrong certificate, Unreachable for what is temporary, LostAnswer where a write
        may have been carried out.

        With `dry_run` the server is to change nothing. The query says so to it, only not for a deletion
        with options in its body: there the body has to say it.

        Reads and dry runs are tried again after what may be temporary, writes after a 429 only or
        where they cannot have been sent whole.

        The call ends at `until`, a `time.monotonic()`. `turn` is called before each try and while waiting
        for one: it returns when that try has to be over, and raises what the call is to fail with if nothing
        may be sent now.
        """
        asked = Asked(verb, path, target, self._server, self._endpoint.source, dry_run)
        told = {"dryRun": "All"} if dry_run and verb != "delete" else {}
        parameters = urlencode({**(query or {}), **told})
        full = f"{self._prefix}{path}{'?' if parameters else ''}{parameters}"
        result = self._settle(_Call(asked, _METHODS[verb], full, body, content_type, until, turn))
        if isinstance(result, BridgeError):
            raise result  # from here, where no local variable holds an answer's body
        return result

    def server_time(self) -> datetime | None:
        """Return the server's own time in its latest answer, to the second; None where no answer told it."""
        return max(filter(None, map(http_date, self._dates)), default=None)

    def end(self) -> None:
        """Send nothing any more, whichever thread asks: as if the deadline had come."""
        self._deadline = -math.inf

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _settle(self, call: _Call) -> dict[str, Any] | BridgeError:
        tries, renewed = 1, False
        while True:
            outcome = self._try(call)
            if isinstance(outcome, BridgeError):
                return outcome
            if _refuses_us(outcome) and not renewed:
                renewed = True
                self._endpoint.renew()
                self._transport.forget()
                continue
            delay = _delay(outcome, call, tries)
            if delay is None or time.monotonic() + delay >= min(self._deadline, call.until):
                return self._judge(outcome, call)
            over = _wait(delay, call.turn)
            if over:
                return over
            tries += 1

    def _try(self, call: _Call) -> Answer | Failed | BridgeError:
        headers = [("User-Agent", f"bridge/{__version__}"), ("Accept", "application/json")]
        headers += [*self._endpoint.headers().items(), *self._endpoint.impersonation]
        if call.body is not None:
            headers.append(("Content-Type", call.content_type))
        until = min(self._deadline, call.until)
        if call.turn and time.monotonic() < until:
            over = _ask(call.turn)
            if isinstance(over, BridgeError):
                return over
            until = min(until, over)
        limit = min(self._call_timeout, until - time.monotonic())
        if limit <= 0:
            return Failed("was not asked: the time of this run is over", sent=False, timed_out=True)
        answer = self._transport.exchange(Request(call.method, call.path, headers, call.body), limit)
        if isinstance(answer, Answer) and 200 <= answer.status < 300 and "date" in answer.headers:
            self._dates.add(answer.headers["date"])
        return answer

    def _judge(self, outcome: Answer | Failed, call: _Call) -> dict[str, Any] | BridgeError:
        if isinstance(outcome, Failed):
            return self._failure(outcome, call.asked)
        if 200 <= outcome.status < 300:
            return self._received(outcome, call.asked)
        from bridge.cluster.refusals import refusal  # noqa: PLC0415 -- start-up: its patterns cost 2 ms

        return refusal(outcome.status, read_status(outcome.body), call.asked, outcome.retry_after)

    def _received(self, answer: Answer, asked: Asked) -> dict[str, Any] | BridgeError:
        """Return the object that was asked for. A write that is answered with anything else may have been made."""
        found = parse_object(answer.body)
        if found is not None and is_answer(found, asked):
            return found
        if found is None and answer.body.startswith(b"{"):
            return unclear("breaks its answer off", asked)
        what = f"what answers ({answer.status}) is not the API server of a Kubernetes cluster"
        foreign = Foreign(Problem(self._server, what, f"check the server in {asked.source}"))
        return lost(f"{self._server} answers with something other than this object", asked, foreign)

    def _failure(self, failed: Failed, asked: Asked) -> BridgeError:
        if failed.untrusted:
            hint = f"compare it with the certificate authority of {asked.source}"
            return Untrusted(Problem(self._server, failed.what, hint))
        if failed.refused:
            hint = f"put a valid client certificate into {asked.source}"
            return ApiError(Problem(f"the credentials of {asked.source}", f"{self._server} {failed.what}", hint))
        return unclear(failed.what, asked) if failed.sent else unreachable(failed.what, asked)


def _name_server(endpoint: Endpoint) -> str:
    """Name the server and the proxy in front of it, without the proxy's credentials."""
    if endpoint.proxy is None or endpoint.tls is None:
        return f"the API server at {endpoint.url}"
    proxy = urlsplit(endpoint.proxy)
    return f"the API server at {endpoint.url} (proxy {proxy.hostname}:{proxy.port or 80})"


def _refuses_us(outcome: Answer | Failed) -> bool:
    return outcome.refused if isinstance(outcome, Failed) else outcome.status == 401


def _delay(outcome: Answer | Failed, call: _Call, tries: int) -> float | None:
    """Return the seconds to wait before the next try, or None where there should be none."""
    if tries >= TRIES or not _is_temporary(outcome, call):
        return None
    if isinstance(outcome, Failed):
        return None if outcome.timed_out and tries > 1 else _backoff(tries)
    return outcome.retry_after if outcome.retry_after is not None else _backoff(tries)


def _wait(delay: float, turn: Callable[[], float] | None) -> BridgeError | None:
    """Wait until the next try; return why there must be none if `turn` says so meanwhile."""
    end = time.monotonic() + delay
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, STEP) if turn else left)
        over = _ask(turn) if turn else None
        if isinstance(over, BridgeError):
            return over
    return None


def _ask(turn: Callable[[], float]) -> float | BridgeError:
    """Ask until when a try may last; here, where no local variable holds a header or a body for an error to keep."""
    try:
        return turn()
    except BridgeError as error:
        return error


def _is_temporary(outcome: Answer | Failed, call: _Call) -> bool:
    if isinstance(outcome, Failed):
        return not outcome.untrusted and not outcome.refused and not (outcome.sent and call.asked.writes)
    if outcome.status == 500:  # of an apply it may also mean content that is wrong for ever
        return call.method == "GET"
    return outcome.status == 429 or (outcome.status > 500 and not call.asked.writes)


def _backoff(tries: int) -> float:
    """Return seconds between half and all of what doubles with each try, so that runs do not march in step."""
    return BACKOFF * 2.0 ** (tries - 1) * (0.5 + os.urandom(1)[0] / 510)
