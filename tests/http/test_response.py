"""Answers in the forms that HTTP admits, and in some that it does not: read whole, or told as a failure."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from bridge.http.response import HEAD, INTERIM, Response
from bridge.http.sockets import Address
from bridge.http.transport import Answer, Failed, Request, Transport
from tests.cluster.wire import Step, Wire, raw

BODY = b'{"a": 1}'
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
WRONG = "did not send a valid HTTP answer"


@contextmanager
def serving(*steps: Step) -> Iterator[tuple[Wire, Transport]]:
    with Wire(*steps) as server, closing(Transport(Address(server.url, None))) as transport:
        yield server, transport


def exchange(content: bytes) -> Answer | Failed:
    with serving(raw(content)) as (_, transport):
        return transport.exchange(Request("PATCH", "/", (), b"{}"), 10)


def body_of(outcome: Answer | Failed) -> bytes:
    assert isinstance(outcome, Answer), outcome
    return outcome.body


def failure_of(outcome: Answer | Failed) -> str:
    assert isinstance(outcome, Failed), outcome
    assert outcome.sent
    return outcome.what


@pytest.mark.parametrize(
    "interim",
    [
        EARLY,
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
        b"HTTP/1.1 199 Whatever\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n",
        EARLY * INTERIM,
    ],
)
def test_interim_answers_are_skipped(interim: bytes) -> None:
    outcome = exchange(interim + FINE)
    assert body_of(outcome) == BODY
    assert isinstance(outcome, Answer)
    assert (outcome.status, "link" in outcome.headers) == (200, False)


def test_final_answer_that_comes_late_is_not_left_to_next_request() -> None:
    answered = threading.Event()

    def early(sock: object, _: threading.Event) -> bool:
        sock.sendall(EARLY)  # type: ignore[attr-defined]
        threading.Timer(0.05, lambda: (sock.sendall(FINE), answered.set())).start()  # type: ignore[attr-defined]
        return True

    def second(sock: object, _: threading.Event) -> bool:
        assert answered.wait(120)
        sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]
        return True

    with serving(early, second) as (_, transport):
        answers = [transport.exchange(Request("PATCH", "/", (), b"{}"), 10) for _ in range(2)]
    assert [one.status for one in answers if isinstance(one, Answer)] == [200, 201]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (EARLY * (INTERIM + 1) + FINE, WRONG),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + FINE, WRONG),
        (EARLY, "dropped the connection"),
        (EARLY[:-2], "dropped the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "dropped the connection"),
        (b"HTTP/1.1 200 OK\r\n", "dropped the connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD + b"\r\n\r\n", WRONG),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (HEAD // 6 + 1) + b"\r\n", WRONG),
        ((b"HTTP/1.1 103 X\r\nX: " + b"x" * (HEAD // 4) + b"\r\n\r\n") * 5 + FINE, WRONG),
        (b"HTTP/1.1 099 X\r\n\r\n", WRONG),
        (b"HTTP/1.1 OK\r\n\r\n", WRONG),
        (b"HTTP/2 200\r\n\r\n", WRONG),
        (b"\r\n\r\n", WRONG),
    ],
)
def test_missing_final_answer_is_failure(content: bytes, what: str) -> None:
    assert failure_of(exchange(content)) == what


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"X-%d: y\r\n" % number for number in range(120)),
        b"X: " + b"x" * 200_000 + b"\r\n",
        "X: naïve ☃\r\n".encode(),
        b"X: \xff\xfe\x00\r\n",
        b"no colon at all\r\n",
        b": no name\r\n",
        b" continued before anything\r\n",
        b"X: a\r\n b\r\n",
        b"X: a\r\r\n",
        b"Content-Type: application/json; charset=no-such; charset=\xff\r\n",
        b"Content-Length: 8\r\n",
        b"Content-Length: 8, 8\r\n",
        b"Connection: close\r\nConnection: keep-alive\r\n",
        b"Date: Fri, 31 Dec 9999 23:59:59 -2359\r\nRetry-After: -1e999\r\n",
    ],
)
def test_no_header_keeps_answer_from_being_read(headers: bytes) -> None:
    outcome = exchange(FINE.replace(b"OK\r\n", b"OK\r\n" + headers))
    assert body_of(outcome) == BODY
    assert isinstance(outcome, Answer)
    assert outcome.retry_after is None


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 8\r\nContent-Length: 9",
        b"Content-Length: 8, 9",
        b"Content-Length: -8",
        b"Content-Length: +8",
        b"Content-Length: 0x8",
        b"Content-Length: 1_0",
        b"Content-Length: 8.0",
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: \xb2",
        b"Transfer-Encoding: gzip, chunked",
    ],
)
def test_body_with_ambiguous_length_is_refused(framing: bytes) -> None:
    assert failure_of(exchange(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + BODY)) == WRONG


def test_chunked_encoding_overrides_content_length() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: Chunked\r\n\r\n"
    assert body_of(exchange(head + b"8\r\n" + BODY + b"\r\n0\r\n\r\n")) == BODY


@pytest.mark.parametrize("ending", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\n\n", b"HTTP/1.1  200\r\n\r\n"])
def test_without_length_end_of_connection_is_that_of_body(ending: bytes) -> None:
    assert body_of(exchange(ending + BODY)) == BODY


@pytest.mark.parametrize(
    "content",
    [
        FINE,
        FINE[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx",
        b"nonsense\r\n\r\n",
    ],
)
def test_no_answer_is_left_to_its_finalizer(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Python runs our code there, and a signal that arrives meanwhile is lost, and from 3.13 on printed."""
    made: list[Response] = []
    init = Response.__init__

    def remember(response: Response, *given: object, **more: object) -> None:
        made.append(response)
        init(response, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Response, "__init__", remember)
    exchange(content)
    assert [one.closed for one in made] == [True]


def test_answer_that_is_interrupted_while_it_is_made_can_be_finalized() -> None:
    Response.__new__(Response).close()
