"""The guard of the two streams, by itself."""

import os
import pty
import sys

import pytest

from bridge.report.streams import Sink, guarded, report


def test_guarded_stream_is_same_file_and_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="ascii") as stream, os.fdopen(controller, "rb") as reader:
        monkeypatch.setattr(sys, "stdout", stream)
        with guarded() as sink:
            out = report()
            assert (out.fileno(), out.isatty(), out.encoding) == (terminal, True, "ascii")
            out.write("é\n")
        assert reader.readline() == b"\\xe9\r\n"
        assert sink is not None
        assert sink.error is None


def test_first_failure_is_kept_and_rest_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = Sink(writer)
    assert sink.write(b"abc") == 3
    assert isinstance(sink.error, BrokenPipeError)
    os.close(writer)
    assert sink.write(b"abc") == 3
    assert isinstance(sink.error, BrokenPipeError)


def test_what_caller_had_written_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as end:
        monkeypatch.setattr(sys, "stdout", stream)
        stream.write("first ")
        with guarded():
            report().write("second ")
        stream.write("last")
        stream.close()
        assert end.read() == "first second last"
