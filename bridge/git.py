"""Starts git for all of bridge, in one way that lets a repository start no program and fetch nothing.

bridge looks at other people's branches. A repository's own configuration, which a checkout may bring along, names
programs that git runs: core.fsmonitor, hooks, gpg.program (with log.showSignature), diff.external, textconv, filters,
core.sshCommand, credential helpers, and any remote of a partial clone. Why none of them starts:

- Only the commands in COMMANDS are run. All are plumbing. `rev-parse`, `rev-list` and `cat-file` (never with
  `--textconv` or `--filters`) print objects and names, `diff-tree` compares trees with `--raw` (so it makes no patch,
  which is what external diffs and textconv are for), and `hash-object --no-filters` reads one file. None refreshes the
  index or the work tree as `status`, `diff` and `checkout` do (fsmonitor, filters, submodules), shows a commit as `log`
  and `show` do (signatures), writes a reference (hooks), asks for a credential, or uses a pager or an editor.
- An object that a partial clone lacks is the one way to a transport. GIT_NO_LAZY_FETCH closes it; a git that does not
  know that variable finds every protocol refused by the empty GIT_ALLOW_PROTOCOL, which no configuration overrides.
- A bare repository that git would find by itself is refused, because its configuration may be any file of a branch:
  by safe.bareRepository, and here for a git that does not know that setting.
- The settings in `_SETTINGS` win over every file, and are inherited by whatever git starts. A git that does not know
  one of them ignores it.
- The environment is short: neither a value nor GIT_DIR gets through. The user's and the system's configuration is read
  only if git refuses another user's repository, because safe.directory can be nowhere else; `_SETTINGS` win over it.
- core.worktree, include.path, alternates, grafts and replaced objects start nothing. The last two, which hide history,
  are switched off. Time and output are bounded, and a git that is ended takes with it what it has started.
"""

import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from subprocess import Popen

COMMANDS: Final = ("rev-parse", "rev-list", "cat-file", "diff-tree", "hash-object")
"""All that bridge runs. Read the module's docstring before you add one."""
MOST: Final = 2**24
"""Bytes of output that `Git.run` takes, unless its caller says otherwise."""
_EXTRA: Final = {"diff-tree": ("--no-ext-diff", "--no-textconv")}
_SETTINGS: Final = {
    "safe.bareRepository": "explicit",
    "core.fsmonitor": "",  # before 2.36 this names a program, so not `false`
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.askPass": "",
    "core.gitProxy": "none",
    "core.alternateRefsCommand": "false",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "gc.auto": "0",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}
_FIXED: Final = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_ASKPASS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
}
_ALONE: Final = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
"""No configuration but the repository's."""
_OF_USER: Final = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""Where the user's and the system's configuration are."""
_MADE_UP: Final = ("/proc", "/sys", "/dev")
_LEAST: Final = 0.1  # seconds that git gets, however late it is
_COMPLAINT: Final = 2**12  # bytes of stderr that are kept
_PIECE: Final = 2**16
_BARE: Final = "its folder is in a bare repository, whose configuration may be anyone's"
_OWNER: Final = re.compile(rb"dubious ownership|unsafe repository")
_REASONS: Final = (
    (re.compile(rb"not a git repository"), "not in a git repository"),
    (re.compile(rb"cannot use bare repository"), _BARE),
    (_OWNER, "the repository belongs to another user"),
    (re.compile(rb"bad config|bad (?:boolean|numeric) config"), "the repository's configuration is malformed"),
    (re.compile(rb"repository ?format|unknown repository extension"), "this git does not know the repository's format"),
    (re.compile(rb"bad file|Not a valid object name|missing|bad object"), "an object is missing or of another kind"),
)


class GitError(Exception):
    """git cannot do what it was asked; the text has no word of git's or of a repository's own."""


class GitLate(GitError):
    """git was not finished in time, and has been ended."""


class Done(NamedTuple):
    """What a command has said."""

    status: int
    output: bytes
    complaint: bytes  # the beginning of stderr; not for a message, because a repository has a say in it

    @property
    def text(self) -> str:
        """Return the output as names, without the last line's end."""
        return os.fsdecode(self.output).removesuffix("\n")

    @property
    def reason(self) -> str:
        """Describe in words of ours why the command failed."""
        known = (text for pattern, text in _REASONS if pattern.search(self.complaint))
        return next(known, f"git failed with status {self.status}")


class Git:
    """git in one folder. `environ` is the process's environment, of which git gets next to nothing."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Find git and look at the folder; GitError if there is no git, or the folder is in a bare repository."""
        self.folder: Final = folder
        path = _absolute(environ)
        self._program: Final = _find(path)
        self._environ: Mapping[str, str] = {"PATH": path, **_passed(environ, "HOME"), **_FIXED, **_ALONE}
        self._trusting: Final = {"PATH": path, **_passed(environ, *_OF_USER), **_FIXED}
        if is_bare(folder):
            raise GitError(_BARE)

    def start(self, *words: str, stdin: "IO[bytes] | int | None" = None, stderr: int | None = None) -> "Popen[bytes]":
        """Start a command; the caller reads its stdout, and calls `end` in any case."""
        from subprocess import DEVNULL, PIPE, Popen  # noqa: PLC0415 - start-up: few runs need git

        assert words[0] in COMMANDS, words[0]
        options = [word for name, text in _SETTINGS.items() for word in ("-c", f"{name}={text}")]
        words = (words[0], *_EXTRA.get(words[0], ()), *words[1:])
        # In two steps: a signal may come once the program runs, and before there is anything to end it by.
        process = Popen.__new__(Popen)
        try:
            process.__init__(  # type: ignore[misc]
                [self._program, "--no-pager", *options, "-C", str(self.folder), *words],
                env=self._environ,
                stdin=DEVNULL if stdin is None else stdin,
                stdout=PIPE,
                stderr=DEVNULL if stderr is None else stderr,
                start_new_session=True,  # so that what it starts ends with it, and none reaches the terminal
            )
        except OSError as error:  # raised from it, so that it can be told whether it is temporary
            raise GitError(f"git cannot be started: {(error.strerror or 'unknown reason').lower()}") from error
        except ValueError:
            raise GitError("git cannot be started: an argument holds a zero byte") from None
        except BaseException:
            if getattr(process, "pid", None):
                end(process)
            raise
        return process

    def run(self, *words: str, deadline: float, feed: bytes = b"", most: int = MOST) -> Done:
        """Run a command to its end, by `deadline` (a `time.monotonic()`); GitError if it is late or says too much."""
        from subprocess import PIPE  # noqa: PLC0415 - as above

        process = self.start(*words, stdin=PIPE if feed else None, stderr=PIPE)
        done = _finish(process, feed, max(deadline, time.monotonic() + _LEAST), most)
        if done.status and self._environ is not self._trusting and _OWNER.search(done.complaint):
            self._environ = self._trusting
            return self.run(*words, deadline=deadline, feed=feed, most=most)
        return done


def work_tree(folder: Path) -> Path | None:
    """Return the top folder of the work tree that a folder lies in, or None; git is not started."""
    return next((one for one in _upwards(folder) if _is_repository(one / ".git")), None)


def checkout(folder: Path) -> Path:
    """Return the folder that whoever may push a branch fills: the outermost work tree, or `folder` outside of git.

    The outermost, because a submodule's superproject is filled by a branch too.
    """
    found = folder.resolve()
    return next((one for one in reversed([*_upwards(found)]) if _is_repository(one / ".git")), found)


def place_of(path: str) -> str:
    """Return where a file or a link itself is: only the links of its folder are followed."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - joined as text, as `realpath` gives it


def is_in_checkout(path: str, folder: Path) -> bool:
    """Return whether a path is in the checkout that a folder is in, as it is written or once links are followed."""
    top = checkout(folder)
    return any(Path(at).is_relative_to(top) for at in (os.path.normpath(path), os.path.realpath(path), place_of(path)))


def is_in_reach(path: Path, folder: Path) -> bool:
    """Return whether a file of a branch may name a path with values: one in the same checkout, once links are followed.

    Outside of git no branch has brought the file; only what the system makes up is refused, /proc/self/environ for one.
    """
    real = Path(os.path.realpath(path))
    if work_tree(folder):
        return real.is_relative_to(checkout(folder))
    return not any(real.is_relative_to(top) for top in _MADE_UP)


def is_bare(folder: Path) -> bool:
    """Return whether git would take the folder, or one above it, for a repository without a work tree."""
    for one in _upwards(folder):
        if _is_repository(one / ".git") or (one.name == ".git" and _is_repository(one.parent / ".git")):
            return False
        if _is_repository(one) and (one / "refs").is_dir():
            return True
    return False


def kill(process: "Popen[bytes]") -> None:
    """Kill a git, if it still runs, and all that it has started; for any thread."""
    if process.returncode is None:
        for send in (os.killpg, os.kill):  # the second for one that has no group yet
            with suppress(ProcessLookupError, PermissionError):  # macOS refuses if it is dead
                send(process.pid, signal.SIGKILL)


def end(process: "Popen[bytes]") -> None:
    """Kill a git, and close what leads to it; for the thread that reads from it."""
    kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with suppress(BrokenPipeError):
                pipe.close()


def _upwards(folder: Path) -> tuple[Path, ...]:
    real = Path(os.path.realpath(folder))
    return (real, *real.parents)


def _is_repository(place: Path) -> bool:
    """Return whether a path looks like a repository, or like the file that leads to one."""
    if place.name == ".git" and place.is_file():
        return True
    return os.path.lexists(place / "HEAD") and (
        (place / "objects").is_dir() or os.path.lexists(place / "commondir")  # which a worktree has
    )


def _absolute(environ: Mapping[str, str]) -> str:
    """Return PATH without relative entries, which would be looked up in the folder that bridge runs in."""
    entries = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if os.path.isabs(entry))  # noqa: PTH117 - start-up


def _passed(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: environ[name] for name in names if name in environ}


def _find(path: str) -> str:
    for entry in filter(None, path.split(os.pathsep)):
        program = os.path.join(entry, "git")  # noqa: PTH118 - start-up
        if os.path.isfile(program) and os.access(program, os.X_OK):  # noqa: PTH113 - start-up
            return program
    raise GitError("git is not in a folder of PATH")


def _finish(process: "Popen[bytes]", feed: bytes, deadline: float, most: int) -> Done:
    """Write `feed` to a process, read what it says, and wait for its end."""
    from subprocess import TimeoutExpired  # noqa: PLC0415 - as above

    try:
        output, complaint = _exchange(process, feed, deadline, most)
        status = process.wait(timeout=max(_LEAST, deadline - time.monotonic()))
        return Done(status, output, complaint)
    except TimeoutExpired:
        pass
    finally:
        end(process)
    raise GitLate("git gave no answer in time")


def _exchange(process: "Popen[bytes]", feed: bytes, deadline: float, most: int) -> tuple[bytes, bytes]:
    from select import PIPE_BUF  # noqa: PLC0415 - as above
    from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector  # noqa: PLC0415 - as above

    output, complaint, left = bytearray(), bytearray(), memoryview(feed)
    assert process.stdout
    assert process.stderr
    with DefaultSelector() as selector:
        selector.register(process.stdout, EVENT_READ, output)
        selector.register(process.stderr, EVENT_READ, complaint)
        if process.stdin:
            selector.register(process.stdin, EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready or time.monotonic() > deadline:
                raise GitLate("git gave no answer in time")
            for key, _ in ready:
                if key.data is None:
                    # A pipe that is ready takes as much without blocking.
                    left = left[_write(key.fd, left[:PIPE_BUF]) :]
                    if not left:
                        selector.unregister(key.fileobj)
                        with suppress(BrokenPipeError):
                            process.stdin.close()  # type: ignore[union-attr] # it was registered
                    continue
                piece = os.read(key.fd, _PIECE)
                if not piece:
                    selector.unregister(key.fileobj)
                key.data.extend(piece)
                if len(output) > most:
                    raise GitError(f"git says more than {most // 2**10} KiB")
                del complaint[_COMPLAINT:]
    return bytes(output), bytes(complaint)


def _write(descriptor: int, data: memoryview) -> int:
    try:
        return os.write(descriptor, data)
    except BrokenPipeError:
        return len(data)
