"""Call the Kubernetes API: decide what to retry, and what a failure means for the caller."""

import math
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bridge import __version__
from bridge.cluster.answers import (
    ApiError,
    ApiRequest,
    Cause,
    Forbidden,
    Foreign,
    Invalid,
    LostAnswer,
    ObjectConflict,
    ObjectNotFound,
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
from bridge.http.ahead import Ahead
from bridge.http.response import http_date
from bridge.http.transport import Answer, Failed, Request, Transport
from bridge.named_tuple import NamedTuple

__all__ = [
    "Api",
    "ApiError",
    "Cause",
    "Forbidden",
    "Foreign",
    "Invalid",
    "LostAnswer",
    "ObjectConflict",
    "ObjectNotFound",
    "Unreachable",
    "Untrusted",
]

TRIES: Final = 4
"""The maximum number of attempts, including the first; a request that timed out is sent at most twice."""
BACKOFF: Final = 0.2
"""Seconds before the second attempt if the server names no delay; doubled for each further attempt."""
STEP: Final = 1.0
"""While waiting, how often (in seconds) to ask `turn` again whether the request may still be sent."""
_METHODS: Final = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


class _Call(NamedTuple):
    """One call of `Api.request`."""

    asked: ApiRequest
    method: str
    path: str
    body: bytes | None
    content_type: str
    until: float
    turn: Callable[[], float] | None

    def __repr__(self) -> str:
        return f"_Call({self.method} {self.path})"  # without the body, which contains values


class Api:
    """One API server, usable from any number of threads.

    `deadline` is the `time.monotonic()` at which all calls end. `call_timeout` is how many seconds one attempt may
    take, from connecting to the last byte. With `transport`, it uses another Api's connections. `ahead` may already be
    making connections.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        deadline: float,
        call_timeout: float = 10.0,
        transport: Transport | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self._endpoint: Final = endpoint
        self._deadline = deadline
        self._call_timeout: Final = call_timeout
        self._prefix: Final = urlsplit(endpoint.url).path.rstrip("/")
        self._transport: Final = transport or Transport(endpoint.address, ahead)
        self._server: Final = _name_server(endpoint)
        self._dates: Final[set[str]] = set()  # few entries, because they have a resolution of one second

    def request(  # noqa: PLR0913 -- the parts of an HTTP request, passed by name
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
        """Make one call and return the requested object from the answer.

        `verb` is the Kubernetes verb (get, list, create, update, patch, delete); `target` names the object in messages.

        Raises:
        - ApiError if the server refuses the request;
        - Foreign if something other than the API server answers;
        - Untrusted if the certificate is not trusted;
        - Unreachable for a temporary failure;
        - LostAnswer if a write may have been carried out.

        With `dry_run`, the server must not change anything. The query says so, except for a deletion with options in
        its body, where the body has to say so.

        Reads and dry runs are retried after any failure that may be temporary. Writes are retried only after a 429, or
        if the request cannot have been sent completely.

        The call ends at `until`, a `time.monotonic()`. `turn` is called before each attempt and while waiting for the
        next. It returns the time by which the attempt must end, and raises the call's error if nothing may be sent now.
        """
        asked = ApiRequest(verb, path, target, self._server, self._endpoint.source, dry_run)
        dry = {"dryRun": "All"} if dry_run and verb != "delete" else {}
        parameters = urlencode({**(query or {}), **dry})
        full = f"{self._prefix}{path}{'?' if parameters else ''}{parameters}"
        result = self._settle(_Call(asked, _METHODS[verb], full, body, content_type, until, turn))
        if isinstance(result, BridgeError):
            raise result  # raised here, where no local variable holds an answer's body
        return result

    def server_time(self) -> datetime | None:
        """Return the server's own time from its latest answer, to the second, or None if no answer had it."""
        dates = self._dates.copy()  # in one step: other threads add to it meanwhile
        return max(filter(None, map(http_date, dates)), default=None)

    def until(self, deadline: float) -> "Api":
        """Return an Api with another deadline, on the same connections: it ends with this one's, so do not close it."""
        return Api(self._endpoint, deadline=deadline, call_timeout=self._call_timeout, transport=self._transport)

    @property
    def is_far(self) -> bool:
        """Whether requests are better sent side by side. This may wait a moment for a connection made ahead."""
        return self._transport.is_far

    def end(self) -> None:
        """Stop sending requests from any thread, as if the deadline had passed."""
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
            return Failed("was not asked: the run's time limit is used up", sent=False, timed_out=True)
        answer = self._transport.exchange(Request(call.method, call.path, headers, call.body), limit)
        if isinstance(answer, Answer) and 200 <= answer.status < 300 and "date" in answer.headers:
            self._dates.add(answer.headers["date"])
        return answer

    def _judge(self, outcome: Answer | Failed, call: _Call) -> dict[str, Any] | BridgeError:
        if isinstance(outcome, Failed):
            return self._failure(outcome, call.asked)
        if 200 <= outcome.status < 300:
            return self._received(outcome, call.asked)
        from bridge.cluster.refusals import refusal  # noqa: PLC0415 - start-up: its patterns cost 2 ms

        return refusal(outcome.status, read_status(outcome.body), call.asked, outcome.retry_after)

    def _received(self, answer: Answer, asked: ApiRequest) -> dict[str, Any] | BridgeError:
        """Return the requested object. If a write gets any other answer, it may have been carried out."""
        parsed = parse_object(answer.body)
        if parsed is not None and is_answer(parsed, asked):
            return parsed
        if parsed is None and answer.body.startswith(b"{"):
            return unclear("sent an incomplete answer", asked)
        reason = f"this is not a Kubernetes API server (status {answer.status})"
        foreign = Foreign(Problem(self._server, reason, f"check the server in {asked.source}"))
        return lost(f"{self._server} did not return this object", asked, foreign)

    def _failure(self, failed: Failed, asked: ApiRequest) -> BridgeError:
        if failed.untrusted:
            hint = f"compare its certificate with the certificate authority in {asked.source}"
            return Untrusted(Problem(self._server, failed.what, hint))
        if failed.refused:
            hint = f"put a valid client certificate into {asked.source}"
            return ApiError(Problem(f"the credentials of {asked.source}", f"{self._server} {failed.what}", hint))
        if failed.too_long:
            foreign = Foreign(Problem(self._server, failed.what, f"check the server in {asked.source}"))
            return lost(f"{self._server} {failed.what}", asked, foreign)
        return unclear(failed.what, asked) if failed.sent else unreachable(failed.what, asked)


def _name_server(endpoint: Endpoint) -> str:
    """Name the server and its proxy, without the proxy's credentials."""
    if endpoint.proxy is None or endpoint.tls is None:
        return f"the API server at {endpoint.url}"
    proxy = urlsplit(endpoint.proxy)
    return f"the API server at {endpoint.url} (proxy {proxy.hostname}:{proxy.port or 80})"


def _refuses_us(outcome: Answer | Failed) -> bool:
    return outcome.refused if isinstance(outcome, Failed) else outcome.status == 401


def _delay(outcome: Answer | Failed, call: _Call, tries: int) -> float | None:
    """Return how many seconds to wait before the next attempt, or None if there must not be one."""
    if tries >= TRIES or not _is_temporary(outcome, call):
        return None
    if isinstance(outcome, Failed):
        return None if outcome.timed_out and tries > 1 else _backoff(tries)
    return outcome.retry_after if outcome.retry_after is not None else _backoff(tries)


def _wait(delay: float, turn: Callable[[], float] | None) -> BridgeError | None:
    """Wait for the next attempt; return an error if `turn` forbids that attempt in the meantime."""
    end = time.monotonic() + delay
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, STEP) if turn else left)
        over = _ask(turn) if turn else None
        if isinstance(over, BridgeError):
            return over
    return None


def _ask(turn: Callable[[], float]) -> float | BridgeError:
    """Ask `turn` for the end of an attempt. No local variable here holds a header or body that an error could keep."""
    try:
        return turn()
    except BridgeError as error:
        return error


def _is_temporary(outcome: Answer | Failed, call: _Call) -> bool:
    if isinstance(outcome, Failed):
        return not outcome.lasts and not (outcome.sent and call.asked.writes)
    if outcome.status == 500:  # for an apply, it may also mean permanently invalid content
        return call.method == "GET"
    return outcome.status == 429 or (outcome.status > 500 and not call.asked.writes)


def _backoff(tries: int) -> float:
    """Return a random delay that doubles with each attempt, so that runs do not retry in lockstep."""
    return BACKOFF * 2.0 ** (tries - 1) * (0.5 + os.urandom(1)[0] / 510)
