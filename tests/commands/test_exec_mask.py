"""`bridge exec --mask`: what the command prints has no value in it, and everything else is as without it."""

import fcntl
import hashlib
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.waiting import until

KEY = "CANARY-registry-0123456789"
Program = subprocess.Popen[bytes]
Start = Callable[..., Program]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.environment(infrastructure={"CLUSTER_NAME": "required", "SCW_SECRET_KEY": "secret"})
    offline_desk.values(SCW_SECRET_KEY=KEY, PIN="123")
    return offline_desk


@pytest.fixture
def start(desk: Desk, tmp_path: Path, third_party: Path) -> Iterator[Start]:
    """Start a masked command in a session of its own: a terminal that the tests run in sends it nothing."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BRIDGE_CONFIG": str(desk.folder)}
    environ["PYTHONPATH"] = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    started: list[Program] = []

    def start(*words: str, names: tuple[str, ...] = ("SCW_SECRET_KEY",), **settings: object) -> Program:
        given = [word for name in names for word in ("--with", name)]
        command = [sys.executable, "-m", "bridge", "exec", "staging", "--mask", *given, "--", *words]
        pipe = subprocess.PIPE
        usual = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "start_new_session": True, "env": environ}
        started.append(subprocess.Popen(command, **(usual | settings)))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def script(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", f"import os, signal, sys, time\n{text}"


def finished(process: Program, typed: bytes = b"") -> tuple[int, bytes, bytes]:
    out, err = process.communicate(typed, timeout=120)
    return process.returncode, out, err


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Read what comes until it contains something."""
    seen = b""
    while wanted not in seen:
        assert select.select([descriptor], [], [], 240)[0], f"only {seen!r} came"
        seen += os.read(descriptor, 65536)
    return seen


def test_values_are_masked_in_both_outputs(start):
    text = "key = os.environ['SCW_SECRET_KEY']; print('out', key, key[::-1]); print('err', key, file=sys.stderr)"
    assert finished(start(*script(text))) == (0, f"out ******** {KEY[::-1]}\n".encode(), b"err ********\n")


def test_value_that_is_written_in_parts_is_masked(start):
    text = """
for byte in os.environ['SCW_SECRET_KEY'].encode():
    os.write(1, bytes([byte]))
os.write(1, b'.')
"""
    assert finished(start(*script(text))) == (0, b"********.", b"")


def test_command_itself_has_the_value(start):
    text = "import hashlib; print(hashlib.sha256(os.environ['SCW_SECRET_KEY'].encode()).hexdigest())"
    assert finished(start(*script(text)))[1].decode().strip() == hashlib.sha256(KEY.encode()).hexdigest()


def test_public_variables_are_not_masked_and_short_ones_are_named(start):
    status, out, err = finished(start("sh", "-c", "echo $CLUSTER_NAME $PIN", names=("PIN",)))
    assert (status, out) == (0, b"demo 123\n")
    assert err == b"bridge: warning: PIN: is not masked: it has fewer than 4 bytes\n"


def test_stdin_and_status_are_passed_on(start):
    assert finished(start("sh", "-c", "cat; exit 42"), b"\0given\xff") == (42, b"\0given\xff", b"")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_signal_that_ends_the_command_ends_the_run(start, name):
    number = signal.Signals[name]
    assert finished(start("sh", "-c", f"echo said; kill -{number.value} $$")) == (-number, b"said\n", b"")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_signals_are_passed_on(start, name):
    text = f"""
def end(number, _):
    os.write(1, b'got %d' % number)
    os._exit(7)
signal.signal(signal.{name}, end)
os.write(1, b'ready\\n')
while True:
    time.sleep(0.01)  # not `pause`, which a signal just before it does not end
"""
    process = start(*script(text))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.Signals[name])
    assert finished(process) == (7, f"got {signal.Signals[name].value}".encode(), b"")


def test_command_gets_the_usual_signals_and_no_descriptor(start):
    _, out, _ = finished(start("sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd"))
    lines = out.decode().split()
    standard = (1 << 31) - 1  # the C library uses those above for itself
    assert [int(lines[at], 16) & standard for at in (1, 3)] == [0, 0]
    assert lines[4:] == ["0", "1", "2", "3"]  # ls itself has opened the last


@pytest.mark.parametrize(("word", "status", "what"), [
    ("/no/where", 127, "command (or the interpreter in its first line) not found"),
    ("/", 126, "cannot be run: permission denied"),
])  # fmt: skip
def test_command_that_cannot_be_started(start, word, status, what):
    assert finished(start(word)) == (status, b"", f"bridge: error: {word}: {what}\n".encode())


def test_outputs_that_are_one_keep_their_order(start):
    text = "for number in range(500): os.write(1 + number % 2, f'{number}\\n'.encode())"
    _, out, _ = finished(start(*script(text), stderr=subprocess.STDOUT))
    assert out.decode().split() == [str(number) for number in range(500)]


def test_command_notices_that_no_one_reads(start):
    process = start("sh", "-c", "echo ready; exec yes")
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    assert process.wait(120) == -signal.SIGPIPE


def test_full_disk_is_an_error(start):
    with Path("/dev/full").open("wb") as full:
        status, _, err = finished(start("echo", "said", stdout=full))
    assert (status, err.splitlines()[0]) == (
        1, b"bridge: error: the command's output: cannot be written: no space left on device",
    )  # fmt: skip


def test_closed_output_is_discarded(start):
    command = ("sh", "-c", "echo said; echo complained >&2")
    process = start(*command, stdout=None, preexec_fn=lambda: os.close(1))
    assert finished(process)[::2] == (0, b"complained\n")


def test_output_of_what_the_command_leaves_behind_is_masked(start):
    """The command ends first; then its child gets something to read, and prints."""
    text = """
if os.fork() == 0:
    os.read(0, 1)
    print('late', os.environ['SCW_SECRET_KEY'], flush=True)
    os._exit(0)
print('first', flush=True)
os._exit(3)
"""
    process = start(*script(text))
    assert process.stdout.readline() == b"first\n"
    assert finished(process, b"x") == (3, b"late ********\n", b"")


@pytest.mark.parametrize("prompt", ["Name: ", "Name: C", "Name: CAN"])
def test_prompt_is_shown_before_the_answer(start, prompt):
    """Even if it ends as a value begins."""
    process = start("sh", "-c", f"printf '{prompt}'; read answer; echo $answer $SCW_SECRET_KEY")
    assert read_until(process.stdout.fileno(), prompt.encode()) == prompt.encode()
    assert finished(process, b"Ada\n") == (0, b"Ada ********\n", b"")


@pytest.mark.slow
def test_long_output_takes_no_memory(start):
    size = 100 << 20
    process = start("sh", "-c", f"head -c {size} /dev/zero; echo $SCW_SECRET_KEY; read end")
    last = b""
    while not last.endswith(b"\n"):
        last = (last + os.read(process.stdout.fileno(), 1 << 20))[-20:]
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])  # in KiB
    assert last.endswith(b"\0********\n")
    assert peak < size >> 11
    assert finished(process, b"\n") == (0, b"", b"")


class Outside:
    """The user's terminal, in which only bridge runs."""

    def __init__(self, start: Start, *words: str, rows: int = 33, columns: int = 91, **settings: object) -> None:
        self.screen, inside = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(inside)

        def take() -> None:
            fcntl.ioctl(inside, termios.TIOCSCTTY, 0)

        usual = {"stdin": inside, "stdout": inside, "stderr": inside, "preexec_fn": take}
        self.process = start(*words, **(usual | settings))
        self.inside = inside

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, wanted: str) -> str:
        return read_until(self.screen, wanted.encode()).decode()

    def type(self, text: bytes) -> None:
        os.write(self.screen, text)

    def settings(self) -> list[object]:
        return termios.tcgetattr(self.inside)

    def close(self) -> None:
        os.close(self.screen)
        os.close(self.inside)


@pytest.fixture
def outside(start: Start) -> Iterator[Callable[..., Outside]]:
    opened: list[Outside] = []

    def outside(*words: str, **settings: object) -> Outside:
        opened.append(Outside(start, *words, **settings))
        return opened[-1]

    yield outside
    for one in opened:
        one.process.kill()
        one.process.wait()
        one.close()


def test_command_has_a_terminal_of_the_same_size(outside):
    text = "for n in 0 1 2; do test -t $n && echo terminal $n; done; stty size; echo $SCW_SECRET_KEY; tty; exit 5"
    terminal = outside("sh", "-c", text)
    seen = terminal.read_until("/dev/pts/")
    assert seen.splitlines()[:5] == ["terminal 0", "terminal 1", "terminal 2", "33 91", "********"]
    assert terminal.process.wait(120) == 5
    assert terminal.settings() == terminal.before


def test_change_of_size_is_passed_on(outside):
    terminal = outside("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do read line; done")
    terminal.read_until("ready")
    terminal.resize(50, 120)
    assert "50 120" in terminal.read_until("50 120")


def test_what_is_typed_reaches_the_command_and_is_masked_on_the_screen(outside):
    terminal = outside("sh", "-c", "printf 'Name: '; read name; echo hello $name $SCW_SECRET_KEY")
    terminal.read_until("Name: ")
    until(lambda: terminal.settings() != terminal.before)
    terminal.type(b"Ada\r")
    assert terminal.read_until("********").split() == ["Ada", "hello", "Ada", "********"]
    assert terminal.process.wait(120) == 0


def test_command_decides_about_echo(outside):
    terminal = outside(sys.executable, "-c", "import getpass; print(len(getpass.getpass()), 'typed')")
    terminal.read_until("Password: ")
    terminal.type(b"hidden\r")
    assert terminal.read_until("typed").split() == ["6", "typed"]


@pytest.mark.parametrize(("key", "name"), [(b"\x03", "INT"), (b"\x1c", "QUIT")])
def test_key_interrupts_only_the_command(outside, key, name):
    terminal = outside("sh", "-c", f"trap 'echo caught; exit 9' {name}; echo ready; while :; do read line; done")
    terminal.read_until("ready")
    until(lambda: terminal.settings() != terminal.before)
    terminal.type(key)
    assert terminal.read_until("caught").count("caught") == 1
    assert terminal.process.wait(120) == 9
    assert terminal.settings() == terminal.before


def test_terminal_is_restored_after_a_signal(outside):
    terminal = outside("sh", "-c", "echo ready; exec sleep 600")
    terminal.read_until("ready")
    until(lambda: terminal.settings() != terminal.before)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.process.wait(120) == -signal.SIGTERM
    assert terminal.settings() == terminal.before


def test_piped_input_stays_a_pipe_at_a_terminal(outside):
    text = "test -t 0 || echo piped; test -t 1 && cat && stty size <&1 && echo $SCW_SECRET_KEY"
    terminal = outside("sh", "-c", text, stdin=subprocess.PIPE)
    terminal.process.stdin.write(b"given\n")
    terminal.process.stdin.close()
    seen = terminal.read_until("********\r\n")
    assert seen == "piped\r\ngiven\r\n33 91\r\n********\r\n"
    assert terminal.settings() == terminal.before


def test_interrupt_is_delivered_once_without_a_terminal_for_output(outside):
    """The terminal sends it to bridge and to the command: bridge must not send it again."""
    text = """
count = 0
def caught(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, caught)
os.write(1, b'ready')
while not count:
    time.sleep(0.01)  # not `pause`, which a signal just before it does not end
os.read(0, 1)
os.write(1, b'%d interrupts' % count)
"""
    terminal = outside(*script(text), stdout=subprocess.PIPE)
    out = terminal.process.stdout.fileno()
    read_until(out, b"ready")
    terminal.type(b"\x03")
    terminal.type(b"\r")
    assert read_until(out, b"interrupts") == b"1 interrupts"
