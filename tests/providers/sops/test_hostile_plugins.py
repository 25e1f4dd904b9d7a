"""What plugins say and do: scripts in the place of real ones, most of them hostile."""

import signal
import threading
import time
from pathlib import Path

import pytest

from bridge.provider import Context, ProviderError, Unavailable
from bridge_providers.sops import Sops, age_file, age_plugin, bech32, programs
from tests.providers.sops import sealing
from tests.providers.sops.ended import gone
from tests.providers.sops.folder import everything_told_by
from tests.waiting import LIMIT, with_enough_time

NAME = "scripted"
IDENTITY = bech32.encode(f"age-plugin-{NAME}-", b"CANARY-identity").upper()
FILE_KEY = b"k" * 16
FILE = sealing.seal(b"CANARY-data-key", FILE_KEY, age_file.Stanza("x", ("y",), b"wrapped"))
ANSWERS = 'while read -r line; do [ "$line" = "-> done" ] && break; done; read -r line\n'
"""What a script begins with that waits until it was asked."""


def says(*stanzas, log="/dev/null"):
    """Return lines of a script that say stanzas, and wait for the reply to each but the last."""
    lines = [f"cat <<'END'\n{age_file.text(age_file.Stanza(*stanza))}END\n" for stanza in stanzas]
    return f'read -r line; echo "$line" >> {log}; read -r line\n'.join(lines)


DONE = ("done", (), b"")
KEY = ("file-key", ("0",), FILE_KEY)


@pytest.fixture
def plugin(folder):
    """Runs one script as the plugin, by itself."""

    def run(script, ask=lambda plugins: plugins.open(age_plugin.identity(IDENTITY), FILE)):
        path = folder.program("plugin", f"#!/bin/sh\n{script}")
        context = folder.context()
        started = programs.Programs(context)
        try:
            return ask(age_plugin.Plugins(Sops(age_plugins={NAME: str(path)}), context, started))
        finally:
            assert not started._running

    return run


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("script", "kind", "what"),
    [
        ("sleep 600", Unavailable, "did not end within 2 s"),
        ("exec sleep 600 >&- <&-", ProviderError, "ended without an answer"),
        ("cat > /dev/null; sleep 600", Unavailable, "did not end within 2 s"),
        ("(sleep 600) & exit 0", Unavailable, "did not end within 2 s"),
        ("while :; do echo; sleep 0.01; done", ProviderError, "does not speak as a plugin does"),
        ("yes CANARY", ProviderError, "does not speak as a plugin does"),
        ("yes CANARY | tr -d '\\n'", ProviderError, "says more than 64 KiB"),
        (f"{ANSWERS}yes -- '-> x\n'", Unavailable, "did not end within 2 s"),
        (f"{ANSWERS}yes -- '-> msg\n' & cat > /dev/null", ProviderError, "says more than 64 KiB"),
        ("echo CANARY >&2; exit 3", ProviderError, "ended without an answer"),
        ("kill -9 $$", ProviderError, "ended without an answer"),
        (ANSWERS + says(("error", ("internal",), b"CANARY")), ProviderError, "fails"),
        (ANSWERS + says(KEY, KEY, DONE), ProviderError, "does not speak as a plugin does"),
        (ANSWERS + says(("file-key", ("1",), FILE_KEY), DONE), ProviderError, "does not speak as a plugin does"),
        (ANSWERS + says(("file-key", ("0",), b"w" * 16), DONE), ProviderError, "gives another key than the file's"),
        (ANSWERS + says(("file-key", ("0",), b"CANARY" * 99), DONE), ProviderError, "gives another key than the"),
        (ANSWERS + says(("file-key", ("0",), b""), DONE), ProviderError, "gives another key than the file's"),
        (ANSWERS + "printf -- '-> file-key 0\\n!!\\n'", ProviderError, "does not speak as a plugin does"),
        (ANSWERS + "printf -- '-> file-key 0\\n'", ProviderError, "does not speak as a plugin does"),
        (ANSWERS + "printf -- '-> file-key'", ProviderError, "ended without an answer"),
        ("exec /none", ProviderError, "ended without an answer"),
    ],
)
def test_a_hostile_plugin_is_an_error_that_tells_nothing(plugin, capfd, monkeypatch, *, script, kind, what):
    if kind is not Unavailable:
        monkeypatch.setattr(programs, "LIMIT", LIMIT)
    with pytest.raises((ProviderError, Unavailable)) as caught:
        plugin(script)
    assert type(caught.value) is kind
    assert caught.value.problems[0].what.startswith(f"the age plugin {NAME} {what}")
    told = everything_told_by(caught.value)
    assert "CANARY" not in told
    assert IDENTITY not in told
    assert capfd.readouterr() == ("", "")


def test_a_plugin_that_hangs_is_killed_with_all_that_it_started(plugin, monkeypatch, tmp_path):
    pids = tmp_path / "pids"
    script = f"trap '' TERM INT HUP\nsleep 600 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait\n"

    def attempt(limit):
        monkeypatch.setattr(programs, "LIMIT", limit)
        with pytest.raises(Unavailable):
            plugin(script)

    with_enough_time(attempt, pids.exists)
    assert gone(*map(int, pids.read_text().split()))


def test_a_plugin_may_tidy_up(plugin, monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "_GRACE", 60.0)
    assert plugin(f"{ANSWERS}{says(KEY, DONE)}cat > /dev/null; echo tidy > {tmp_path}/tidy") == b"CANARY-data-key"
    assert (tmp_path / "tidy").read_text() == "tidy\n"


def test_whatever_a_plugin_asks_is_answered_with_no(plugin, tmp_path):
    replies = tmp_path / "replies"
    asks = [
        ("msg", (), b"CANARY"),
        ("confirm", ("eWVz",), b"CANARY"),
        ("request-secret", (), b"CANARY"),
        ("request-public", (), b"CANARY"),
        ("grease-1", ("x",), b"CANARY"),
        KEY,
        DONE,
    ]
    assert plugin(ANSWERS + says(*asks, log=replies)) == b"CANARY-data-key"
    assert replies.read_text().splitlines() == ["-> fail"] * 4 + ["-> unsupported", "-> ok"]


def test_a_plugin_is_told_the_identity_and_all_stanzas(plugin, tmp_path):
    asked = tmp_path / "asked"
    script = f'while read -r line; do echo "$line" >> {asked}; [ "$line" = "-> done" ] && break; done; read -r line\n'
    assert plugin(script + says(DONE)) is None
    wrapped = age_file.encoded(b"wrapped")
    assert asked.read_text().splitlines() == [
        f"-> add-identity {IDENTITY}",
        "",
        "-> recipient-stanza 0 x y",
        wrapped,
        "-> done",
    ]


def test_what_is_no_age_file_is_not_given_to_a_plugin(plugin):
    assert plugin("exit 1", lambda plugins: plugins.open(age_plugin.identity(IDENTITY), "CANARY")) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text", "Exec format error"),
        ("none", "No such file or directory"),
        ("plain", "Permission denied"),
        ("x\0y", "a zero byte is in its path or its arguments"),
    ],
)
def test_a_plugin_that_cannot_be_started(folder, name, reason):
    there = folder.program("text", "CANARY").parent
    folder.program("plain", "CANARY").chmod(0o644)
    context = folder.context()
    section = Sops(age_plugins={NAME: f"{there}/{name}"})
    plugins = age_plugin.Plugins(section, context, programs.Programs(context))
    with pytest.raises(ProviderError) as caught:
        plugins.open(age_plugin.identity(IDENTITY), FILE)
    assert str(caught.value) == f"the age plugin {NAME} cannot be started: {reason}"


@pytest.mark.usefixtures("soon")
def test_a_program_that_never_ceases_to_speak_is_stopped_in_time(monkeypatch):
    monkeypatch.setattr(programs, "MOST", 2**60)
    started = programs.Programs(Context(Path(), {}, time.monotonic() + 60)).started("x", ["/bin/sh", "-c", "yes"], {})
    with started as program, pytest.raises(Unavailable, match="x did not end within 2 s"):
        all(iter(program.receive, b""))


def test_a_program_that_is_started_while_the_session_closes_is_killed(monkeypatch):
    closing = programs.Programs(Context(Path(), {}, time.monotonic() + 60))
    start = programs._start
    monkeypatch.setattr(programs, "_start", lambda *given: (start(*given), closing.close())[0])
    with closing.started("x", ["/bin/sleep", "600"], {}) as program:
        assert program.receive() == b""
        assert program.status() < 0


def test_closing_waits_for_a_program_that_is_being_started(monkeypatch):
    """Otherwise the process might end before the program can be killed."""
    monkeypatch.setattr(programs, "_GRACE", LIMIT)
    closing = programs.Programs(Context(Path(), {}, time.monotonic() + 60))
    order = []
    closer = threading.Thread(target=lambda: (closing.close(), order.append("closed")))
    start, kill = programs._start, programs.Program.kill

    def slowly(*given):
        process = start(*given)
        closer.start()
        closer.join(0.5)  # which it outlasts
        return process

    monkeypatch.setattr(programs, "_start", slowly)
    monkeypatch.setattr(programs.Program, "kill", lambda program: (order.append("killed"), kill(program)))
    with closing.started("x", ["/bin/sleep", "600"], {}) as program:
        closer.join(LIMIT)
        assert program.status() == -signal.SIGKILL
    assert order.index("killed") < order.index("closed")


def test_no_program_is_started_once_the_session_is_closed():
    closed = programs.Programs(Context(Path(), {}, time.monotonic() + 60))
    closed.close()
    with pytest.raises(ProviderError, match="x is not started: the run is over"), closed.started("x", ["/bin/sh"], {}):
        pass
