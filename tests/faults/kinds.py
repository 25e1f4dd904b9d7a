"""The faults of a server: what each is called in the table, what it does, and how a run may end that meets it."""

import json
import signal
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from tests.faults.proxy import ELSEWHERE, Exchange, Reply, head

CANARY: Final = "CANARY-of-the-server"
"""In each answer that a fault makes up: no output may quote a server."""
HTML: Final = f"<!DOCTYPE html><html><body>{CANARY}: log in</body></html>".encode()
_PIECE: Final = 1 << 20
_MOST: Final = 80  # MiB; more than bridge reads of any server
_PAUSE: Final = 0.02


class Ending(Enum):
    """How a run may end that meets a fault. A fault that comes once may always be overcome."""

    DONE = "no failure of the run"
    TEMPORARY = "a temporary failure"
    REFUSED = "a failure that stays"
    EITHER = "a failure of either kind"
    ENDED = "the end of a run by a signal"
    UNREPORTED = "a report that cannot be written"


class Machine(NamedTuple):
    """What a machine does to the process that runs bridge."""

    hook: str = ""
    """Python that the process runs before bridge; it is formatted with the fault's `place`, `lasting` and `met`."""
    places: tuple[int, ...] = ()
    """The places where the fault may come, which the hook counts; empty if it comes at a call of the API server."""
    can_last: bool = False
    """Whether it may come once, or from then on."""
    stdout: str = ""
    stderr: str = ""
    """The files that stdout and stderr go to."""
    mount: str = ""
    """A shell command that mounts something at `$disk`, where all that bridge writes to a disk would go."""


class Fault(NamedTuple):
    """A fault of a connection (`on_connection`), of one exchange (`act`, which says if the connection stays open), of a
    program (`script`), of bridge's own process (`signal`), or of its machine (`machine`)."""

    name: str
    ending: Ending
    act: Callable[[Exchange], bool] | None = None
    on_connection: str | None = None
    script: str = ""
    signal: int = 0
    """What bridge's own process gets. The call is then carried out."""
    machine: Machine | None = None
    is_early: bool = False
    """Whether it comes before the request's body is read."""
    is_slow: bool = False
    """Whether a run waits until its own time limit."""
    is_costly: bool = False
    """Whether it takes so much processor time that the table has it at fewer calls."""

    @property
    def can_last(self) -> bool:
        """Whether it may come once, or from then on."""
        return self.machine.can_last if self.machine else not self.signal


def _half_line(exchange: Exchange) -> bool:
    exchange.sock.sendall(b"HTTP/1.1 ")
    return exchange.reset()


def _after(exchange: Exchange) -> bool:
    exchange.real()
    return exchange.reset()


def _hang(exchange: Exchange) -> bool:
    exchange.over.wait()
    return False


def _hang_after(exchange: Exchange) -> bool:
    exchange.real()
    return _hang(exchange)


def _error(status: int, exchange: Exchange, headers: tuple[tuple[str, str], ...] = ()) -> bool:
    return exchange.send(exchange.error(status), *headers)


def _too_many(retry_after: str, exchange: Exchange) -> bool:
    return _error(429, exchange, (("Retry-After", retry_after), ("Date", "Sun, 29 Nov 2026 09:00:00 GMT")))


def _interim(exchange: Exchange) -> bool:
    for status in (b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </a>"):
        exchange.sock.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
    return exchange.send(exchange.real())


def _only_interim(exchange: Exchange) -> bool:
    exchange.sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    return False


def _switching(exchange: Exchange) -> bool:
    exchange.sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    return False


def _in_pieces(exchange: Exchange) -> bool:
    reply = exchange.real()
    content = head(reply) + reply.body
    step = max(1, len(content) // 20)
    for start in range(0, len(content), step):
        exchange.sock.sendall(content[start : start + step])
        time.sleep(0.002)
    return True


def _drip(exchange: Exchange) -> bool:
    reply = exchange.real()
    exchange.sock.sendall(head(reply, ("Content-Length", str(1 << 20))))
    while not exchange.over.wait(_PAUSE):
        exchange.sock.sendall(b" ")
    return False


def _drip_head(exchange: Exchange) -> bool:
    exchange.sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not exchange.over.wait(_PAUSE):
        exchange.sock.sendall(b"a")
    return False


def _content(content: bytes, kind: str, exchange: Exchange, status: int = 200) -> bool:
    return exchange.send(Reply(status, [("Content-Type", kind)], content))


def _truncated(exchange: Exchange) -> bool:
    reply = exchange.real()
    exchange.sock.sendall(head(reply) + reply.body[: len(reply.body) // 2])
    return False


def _cut(exchange: Exchange) -> bool:
    reply = exchange.real()
    return exchange.send(reply._replace(body=reply.body[: len(reply.body) // 2]))


def _empty(exchange: Exchange) -> bool:
    return exchange.send(exchange.real()._replace(body=b""))


def _garbage(exchange: Exchange) -> bool:
    exchange.sock.sendall(f"SSH-2.0-{CANARY}\r\n\r\n".encode())
    return False


def _huge(exchange: Exchange) -> bool:
    start = Reply(200, [("Content-Type", "application/json")], b"")
    exchange.sock.sendall(head(start, ("Content-Length", str(_MOST * _PIECE))) + b'{"a": "')
    for _ in range(_MOST):
        exchange.sock.sendall(b"a" * _PIECE)
    return False


def _huge_head(exchange: Exchange) -> bool:
    exchange.sock.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-A: " + b"a" * 8000 + b"\r\n"
    for _ in range(300):
        exchange.sock.sendall(line)
    return False


def _many_headers(exchange: Exchange) -> bool:
    return exchange.send(exchange.real(), *((f"X-Number-{number}", "a") for number in range(300)))


def _typed(kind: str, exchange: Exchange) -> bool:
    return exchange.send(exchange.real(), ("Content-Type", kind))


def _redirect(exchange: Exchange) -> bool:
    reply = Reply(307, [("Content-Type", "text/html")], HTML)
    return exchange.send(reply, ("Location", ELSEWHERE))


def _old(exchange: Exchange) -> bool:
    exchange.send(exchange.real(), ("Connection", "close"), version="1.0", has_length=False)
    return False


def _with(headers: tuple[tuple[str, str], ...], exchange: Exchange) -> bool:
    """Send the real answer with headers of its own; they are no reason to read it in another way."""
    return exchange.send(exchange.real(), *headers)


def _twice(exchange: Exchange) -> bool:
    reply = exchange.real()
    same = [("Content-Length", str(len(reply.body)))] * 2
    return exchange.send(reply, *same, *reply.headers)


def _lengths(lengths: tuple[str, ...], exchange: Exchange) -> bool:
    reply = exchange.real()
    exchange.send(reply, *(("Content-Length", length) for length in lengths))
    return False


def struck(exchange: Exchange) -> bool:
    """Let something happen outside of the exchange, and answer as usual."""
    exchange.strike()
    return exchange.send(exchange.real())


def _unknown_status(exchange: Exchange) -> bool:
    return exchange.send(Reply(999, [("Content-Type", "application/json")], json.dumps({"a": CANARY}).encode()))


DONE, TEMPORARY, REFUSED, EITHER, ENDED, UNREPORTED = Ending
_JSON: Final = "application/json"
_ODD: Final = (
    ("Retry-After", "99999999999999999999"),
    ("Date", "Tue, 99 Foo 0000 99:99:99 GMT"),
    ("Age", "-1"),
    ("Keep-Alive", "timeout=-1, max=99999999999999999999"),
)

CONNECTIONS: Final = (
    Fault("refuses the connection", TEMPORARY, on_connection="refuse"),
    Fault("resets the connection before the request", TEMPORARY, on_connection="reset"),
    Fault("ends the TLS handshake", TEMPORARY, on_connection="no handshake"),
    Fault("has a certificate for another name", REFUSED, on_connection="wrong name"),
    Fault("has an expired certificate", REFUSED, on_connection="expired"),
    Fault("has a self-signed certificate", REFUSED, on_connection="self-signed"),
)
EXCHANGES: Final = (
    Fault("resets the connection in the middle of the request", TEMPORARY, Exchange.reset, is_early=True),
    Fault("resets the connection after the request, and does not carry it out", TEMPORARY, _half_line),
    Fault("resets the connection after the request, and carries it out", TEMPORARY, _after),
    Fault("never answers", TEMPORARY, _hang, is_slow=True),
    Fault("carries out the request and never answers", TEMPORARY, _hang_after, is_slow=True),
    *(Fault(f"answers {status}", REFUSED, partial(_error, status)) for status in (401, 403)),
    *(Fault(f"answers {status}", EITHER, partial(_error, status)) for status in (404, 409, 412)),
    Fault("answers 429 without Retry-After", TEMPORARY, partial(_error, 429)),
    Fault("answers 429, Retry-After in seconds", TEMPORARY, partial(_too_many, "1")),
    Fault("answers 429, Retry-After 0", TEMPORARY, partial(_too_many, "0")),
    Fault("answers 429, Retry-After as a date", TEMPORARY, partial(_too_many, "Sun, 29 Nov 2026 09:00:01 GMT")),
    Fault("answers 429, Retry-After a date next year", TEMPORARY, partial(_too_many, "Mon, 29 Nov 2027 09:00:00 GMT")),
    Fault("answers 429, Retry-After negative", TEMPORARY, partial(_too_many, "-5")),
    Fault("answers 429, Retry-After huge", TEMPORARY, partial(_too_many, "9" * 30)),
    Fault("answers 429, Retry-After not a number", TEMPORARY, partial(_too_many, "soon")),
    *(Fault(f"answers {status}", TEMPORARY, partial(_error, status)) for status in (500, 503)),
    Fault("sends interim answers (1xx) first", DONE, _interim),
    Fault("sends nothing but interim answers", EITHER, _only_interim),
    Fault("switches protocols (101)", EITHER, _switching),
    Fault("sends its answer in small pieces", DONE, _in_pieces),
    Fault("drips an answer without an end", TEMPORARY, _drip, is_slow=True),
    Fault("drips a header without an end", TEMPORARY, _drip_head, is_slow=True),
    Fault("answers with a web page", REFUSED, partial(_content, HTML, "text/html")),
    Fault("answers 503 with a web page", TEMPORARY, partial(_content, HTML, "text/html", status=503)),
    Fault("drops the connection in the middle of the answer", TEMPORARY, _truncated),
    Fault("answers with half a document", EITHER, _cut),
    Fault("answers with nothing", EITHER, _empty),
    Fault("answers with another JSON", REFUSED, partial(_content, f'{{"message": "{CANARY}"}}'.encode(), _JSON)),
    Fault("answers with something that is not HTTP", EITHER, _garbage),
    Fault("answers with far too much", EITHER, _huge, is_costly=True),
    Fault("answers with headers without an end", EITHER, _huge_head),
    Fault("answers with 300 headers", DONE, _many_headers),
    Fault("answers with a wrong Content-Type", EITHER, partial(_typed, "text/plain")),
    Fault("redirects", REFUSED, _redirect),
    Fault("answers in HTTP/1.0, without a length", DONE, _old),
    Fault("repeats every header", DONE, _twice),
    Fault("sends headers out of range", DONE, partial(_with, _ODD)),
    Fault("sends two different lengths", EITHER, partial(_lengths, ("5", "6"))),
    Fault("sends a negative length", EITHER, partial(_lengths, ("-1",))),
    Fault("sends a length out of range", EITHER, partial(_lengths, ("9" * 30,))),
    Fault("answers with an unknown status (999)", EITHER, _unknown_status),
)
SERVERS: Final = (*CONNECTIONS, *EXCHANGES)
"""Every fault of a server, in the order of the table."""
_UNREADABLE: Final = {
    "answers with 300 headers",
    "drops the connection in the middle of the answer",
    "repeats every header",
    "sends interim answers (1xx) first",
}
OF_BOTO3: Final = tuple(one._replace(ending=EITHER) if one.name in _UNREADABLE else one for one in SERVERS)
"""The same for servers that boto3 talks to. It reads 100 headers at most, and no header that comes twice, and takes an
interim answer other than 100, and half an answer, for the whole one. All of that is an error, never a value."""
SIGNALS: Final = (
    Fault("is interrupted (Ctrl-C, SIGINT)", ENDED, struck, signal=signal.SIGINT),
    Fault("is terminated (SIGTERM)", ENDED, struck, signal=signal.SIGTERM),
    Fault("loses its terminal (SIGHUP)", ENDED, struck, signal=signal.SIGHUP),
    Fault("is killed (SIGKILL)", ENDED, struck, signal=signal.SIGKILL),
)
"""Every signal, in the order of its table."""
