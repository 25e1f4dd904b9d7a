"""A program's output is the document; what it gets, how long it runs and what it may print is bounded."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import (
    UNVERSIONED,
    Denied,
    Document,
    Kind,
    NotFound,
    OptionError,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
)
from bridge_providers.exec import Exec
from tests.providers.exec.conftest import Store
from tests.waiting import until


def opened(document: Document) -> Any:
    if isinstance(document.content, SecretValue):
        return document.content.reveal()
    return {name: leaf.reveal() for name, leaf in document.content[0].items() if isinstance(leaf, SecretValue)}


def test_path_is_last_argument(store: Store) -> None:
    document = store.read(store.command("""printf '{"A": "CANARY-%s-%s"}' "$2" "$#" """), "voice/app")
    assert opened(document) == {"A": b"CANARY-voice/app-2"}
    assert document.whole is not None
    assert "CANARY" not in repr(document)


def test_placeholders_are_replaced_once(store: Store) -> None:
    command = store.command('printf %s "$2 $3"', "--at={path}", "{revision}/{path}")
    assert opened(store.read(command, "{revision}", "{path}", document="text")) == b"--at={revision} {path}/{revision}"


def test_output_has_no_revision_unless_reference_names_it(store: Store) -> None:
    """So it cannot be part of an approved plan."""
    command = store.command('printf %s "$2"', "{path}", "{revision}")
    assert store.read(command, "app", "3", document="text").revision == Revision("3")
    assert store.read(store.command('printf %s "$2"'), "app", document="text").revision == UNVERSIONED


def test_no_shell_reads_the_path(store: Store, tmp_path: Path) -> None:
    path = f"$(touch {tmp_path}/made); `touch {tmp_path}/made` *"
    assert opened(store.read(store.command('printf %s "$2"'), path, document="text")) == path.encode()
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("document", "printed", "wanted"),
    [
        ("text", r"CANARY\n", b"CANARY"),
        ("text", r"CANARY\r\n", b"CANARY"),
        ("text", r"CANARY\n\n", b"CANARY\n"),
        ("text", r" CANARY", b" CANARY"),
        ("bytes", r"CANARY\377\n", b"CANARY\xff\n"),
        ("json", r"1.10\n", b"1.10"),
        ("json", r'"CANARY"', b"CANARY"),
    ],
)
def test_one_value(store: Store, document: str, printed: str, wanted: bytes) -> None:
    assert opened(store.read(store.command(f"printf '{printed}'"), document=document)) == wanted


def test_number_of_json_stays_a_number(store: Store) -> None:
    (fields,) = store.read(store.command("""printf '{"A": 1.10}'""")).content  # type: ignore[misc]
    assert (fields["A"].kind, fields["A"].reveal()) == (Kind.NUMBER, b"1.10")


@pytest.mark.parametrize(
    ("printed", "document"),
    [
        ("CANARY", "json"),
        ('["CANARY"]', "json"),
        ("", "json"),
        ('{"A": "CANARY", "A": "CANARY"}', "json"),
        (r"\377CANARY", "text"),
        (r"\377CANARY", "json"),
    ],
)
def test_output_of_another_kind_is_refused_without_a_word_of_it(store: Store, printed: str, document: str) -> None:
    assert store.failure(store.command(f"printf '{printed}'"), document=document)[0] is ProviderError


def test_program_gets_named_variables_alone(store: Store) -> None:
    assert opened(
        store.read(store.command("/usr/bin/env"), environment=["CANARY_TOKEN"], document="text")
    ).splitlines()[:1] == [b"CANARY_TOKEN=CANARY-token"]
    printed = opened(store.read(store.command("/usr/bin/env"), document="text"))
    assert b"CANARY" not in printed
    assert b"BRIDGE_TRUST" not in printed


def test_what_program_says_on_stderr_is_never_shown(
    store: Store, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store.failure(store.command("echo CANARY-said >&2; echo CANARY-printed; exit 3"))
    assert "CANARY" not in "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize(
    ("script", "kind", "what"),
    [
        ("exit 44", NotFound, "the program ended with status 44: there is no such document"),
        ("exit 13", Denied, "the program ended with status 13: access is denied"),
        ("exit 75", Unavailable, "the program ended with status 75"),
        ("exit 3", ProviderError, "the program ended with status 3"),
        ("kill -9 $$", ProviderError, "the program was killed by signal 9"),
    ],
)
def test_exit_status_is_what_section_says(store: Store, script: str, kind: type[Exception], what: str) -> None:
    statuses = {44: "not found", 13: "denied", 75: "temporary"}
    found, problem = store.failure(store.command(script), statuses=statuses)
    assert (found, problem.what) == (kind, what)


class TestBounds:
    def test_program_that_hangs_and_ignores_sigterm_is_killed_with_its_children(
        self, store: Store, tmp_path: Path
    ) -> None:
        script = f"trap '' TERM INT HUP; sleep 1000 & echo $! $$ > {tmp_path}/pids; wait; sleep 1000"
        kind, problem = store.failure(store.command(script), timeout=1)
        assert (kind, problem.what) == (Unavailable, "the program did not end within 1 s")
        for pid in (tmp_path / "pids").read_text().split():
            until(lambda pid=pid: not Path(f"/proc/{pid}").exists() or ") Z" in Path(f"/proc/{pid}/stat").read_text())

    def test_deadline_of_run_ends_it_too(self, store: Store) -> None:
        with store.session(store.command("sleep 1000"), seconds=0.2) as session, pytest.raises(Unavailable):
            session.read("app")

    @pytest.mark.parametrize("stream", ["", ">&2"])
    def test_endless_output_ends_it(self, store: Store, stream: str) -> None:
        kind, problem = store.failure(store.command(f"exec /usr/bin/yes CANARY {stream}"), timeout=120)
        assert (kind, problem.what) == (ProviderError, "the program printed more than 10240 KiB")

    def test_end_of_session_kills_it(self, store: Store, tmp_path: Path) -> None:
        with store.session(store.command(f"echo $$ > {tmp_path}/pid; exec sleep 1000"), timeout=200) as session:
            failed: list[BaseException] = []

            def read() -> None:
                with pytest.raises(ProviderError) as caught:
                    session.read("app")
                failed.append(caught.value)

            thread = threading.Thread(target=read)
            thread.start()
            until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
            session.close()
            thread.join()
        assert len(failed) == 1
        pid = int((tmp_path / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def test_program_reads_nothing(self, store: Store) -> None:
        assert opened(store.read(store.command("cat; printf over"), document="text")) == b"over"

    def test_program_has_no_terminal(self, store: Store) -> None:
        script = "if (: < /dev/tty) 2>/dev/null; then printf yes; else printf no; fi"
        assert opened(store.read(store.command(script), document="text")) == b"no"

    def test_program_that_is_missing(self, store: Store) -> None:
        store.trusted = [["/nonexistent/op", "get"]]
        kind, problem = store.failure(["/nonexistent/op", "get"])
        assert kind is ProviderError
        assert problem.what == "cannot start the program (/nonexistent/op): No such file or directory"


def _make_checkout(store: Store) -> None:
    """Make the environments' folder a repository, as far as git and bridge can see."""
    for name in ("objects", "refs"):
        (store.base / ".git" / name).mkdir(parents=True)
    (store.base / ".git" / "HEAD").write_text("ref: refs/heads/main\n")


class TestTrust:
    @pytest.mark.parametrize(
        "trusted", [[], [["/bin/sh"]], [["{program}"]], [["{program}", "set"]], [["{program}", "get", "other"]]]
    )
    def test_program_starts_only_with_its_first_argument(
        self, store: Store, trusted: list[list[str]], tmp_path: Path
    ) -> None:
        command = store.command(f"touch {tmp_path}/made")
        store.trusted = [[word.format(program=command[0]) for word in one] for one in trusted]
        kind, problem = store.failure(command)
        assert (kind, (tmp_path / "made").exists()) == (Denied, False)
        assert f'- ["{command[0]}", "get"]' in problem.hint

    def test_program_never_starts_without_trust_file(self, store: Store, tmp_path: Path) -> None:
        store.trusted = None
        command = store.command(f"touch {tmp_path}/made")
        kind, problem = store.failure(command)
        assert (kind, (tmp_path / "made").exists()) == (Denied, False)
        assert "only if a trust file lists it" in problem.what

    def test_program_without_arguments_needs_its_path_alone(self, store: Store) -> None:
        command = store.command("printf %s CANARY")[:1]
        store.trusted = [command]
        for arguments in ([], ["{path}"], ["{revision}", "{path}"]):
            assert opened(store.read([*command, *arguments], document="text")) == b"CANARY"

    def test_program_starts_outside_checkout(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Many programs read settings from the current folder, and `python -m` even code."""
        monkeypatch.chdir(store.base)
        assert opened(store.read(store.command("pwd"), document="text")) == b"/"

    @pytest.mark.parametrize("root", ["/", ""])
    def test_script_in_checkout_never_starts(self, store: Store, tmp_path: Path, root: str) -> None:
        _make_checkout(store)
        script = store.base / "script"
        script.write_text(f"touch {tmp_path}/made\n")
        command = ["/bin/sh", f"{root}{str(script).removeprefix('/')}"]
        store.trusted = [command]
        kind, problem = store.failure(command)
        assert (kind, (tmp_path / "made").exists()) == (Denied, False)
        assert problem.what.startswith("the first argument of command is in the checkout")

    def test_program_in_checkout_never_starts(self, store: Store, tmp_path: Path) -> None:
        _make_checkout(store)
        program = store.base / "program"
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/made\n")
        program.chmod(0o700)
        store.trusted = [[str(program), "get"]]
        kind, problem = store.failure([str(program), "get"])
        assert (kind, (tmp_path / "made").exists()) == (Denied, False)
        assert problem.what.startswith("command is in the checkout")

    @pytest.mark.parametrize(
        ("path", "revision"), [("--exec=x", None), ("-", None), ("app", "-1"), ("a\0b", None), ("app", "3")]
    )
    def test_path_that_could_be_an_option_is_refused(
        self, store: Store, path: str, revision: str | None, tmp_path: Path
    ) -> None:
        words = () if revision == "3" else ("{path}", "{revision}")
        kind, _ = store.failure(store.command(f"touch {tmp_path}/made", *words), path, revision)
        assert (kind, (tmp_path / "made").exists()) == (ProviderError, False)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"command": "op"}, "command"),
        ({"command": []}, "command"),
        ({"command": ["op", "get"]}, "command"),
        ({"command": ["/bin/{path}"]}, "command"),
        ({"command": ["/bin/op", 1]}, "command"),
        ({"command": ["/bin/op", "-c{revision}", "touch made"]}, "command"),
        ({"command": ["/bin/op", "-c{path}"]}, "command"),
        ({"command": ["/bin/op", "{path}", "--exec=x"]}, "command"),
        ({"command": ["/bin/op"], "document": "xml"}, "document"),
        ({"command": ["/bin/op"], "timeout": 0}, "timeout"),
        ({"command": ["/bin/op"], "timeout": 301}, "timeout"),
        ({"command": ["/bin/op"], "timeout": True}, "timeout"),
        ({"command": ["/bin/op"], "environment": "HOME"}, "environment"),
        ({"command": ["/bin/op"], "environment": ["A=b"]}, "environment"),
        ({"command": ["/bin/op"], "statuses": {0: "denied"}}, "statuses"),
        ({"command": ["/bin/op"], "statuses": {1: "gone"}}, "statuses"),
        ({"command": ["/bin/op"], "statuses": ["denied"]}, "statuses"),
    ],
)
def test_section_that_is_wrong(section: dict[str, Any], field: str) -> None:
    with pytest.raises(OptionError) as caught:
        Exec(**section)
    assert caught.value.field == field


def test_programs_run_side_by_side(store: Store, tmp_path: Path) -> None:
    """Each waits until all of them run."""
    count = Exec.concurrency
    script = f'touch {tmp_path}/"$2".here; while [ $(ls {tmp_path}/*.here | wc -l) -lt {count} ]; do sleep 0.01; done'
    store.environ["PATH"] = os.environ["PATH"]
    command = store.command(f"{script}; printf ok")
    results: list[bytes] = []
    with store.session(command, seconds=200, timeout=200, document="text", environment=["PATH"]) as session:
        threads = [
            threading.Thread(target=lambda name=f"p{number}": results.append(opened(session.read(name))))
            for number in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [b"ok"] * count
