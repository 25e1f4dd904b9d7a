"""Start git in the one way that all of bridge uses: a repository can start no program and fetch nothing.

bridge reads other people's branches. A checkout may contain a repository configuration that names programs for git to
run: core.fsmonitor, hooks, gpg.program (with log.showSignature), diff.external, textconv, filters, core.sshCommand,
credential helpers, and any remote of a partial clone. None of them can start, because:

- Only the plumbing commands in COMMANDS are run. `rev-parse`, `rev-list` (whose `--format` asks for no signature) and
  `cat-file` (never with `--textconv` or `--filters`) print objects and names. `diff-tree` compares trees with `--raw`,
  so it creates no patch and needs no external diff or textconv. `hash-object --no-filters` reads one file. None of them
  refreshes the index or the work tree, as `status`, `diff` and `checkout` do (fsmonitor, filters, submodules), shows a
  commit, as `log` and `show` do (signatures), writes a reference (hooks), asks for a credential, or uses a pager or an
  editor.
- git would only use a transport for an object that a partial clone lacks. GIT_NO_LAZY_FETCH prevents that. In a git
  that does not know this variable, the empty GIT_ALLOW_PROTOCOL, which no configuration overrides, refuses every
  protocol.
- A bare repository that git would discover is refused, because its configuration may be any file in a branch.
  safe.bareRepository refuses it; for a git that does not know this setting, this module does.
- The settings in `_SETTINGS` override every file, and programs started by git inherit them. A git that does not know a
  setting ignores it.
- The environment is minimal: no value and no GIT_DIR gets through. The user's and the system's configuration is read
  only if git refuses another user's repository, because safe.directory can only be there; `_SETTINGS` overrides it.
- core.worktree, include.path, alternates, grafts and replaced objects start nothing. Grafts and replaced objects, which
  hide history, are switched off. Time and output are limited, and killing git also kills the programs it started.
"""

import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bridge.named_tuple import NamedTuple

if TYPE_CHECKING:
    from subprocess import Popen

COMMANDS: Final = ("rev-parse", "rev-list", "cat-file", "diff-tree", "hash-object")
"""All git commands that bridge runs. Read the module's docstring before you add a command."""
MOST: Final = 2**24
"""The maximum output of `Git.run`, in bytes, unless the caller sets another limit."""
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
"""Use only the repository's configuration."""
_OF_USER: Final = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""The variables that locate the user's and the system's configuration."""
_VIRTUAL: Final = ("/proc", "/sys", "/dev")
_LEAST: Final = 0.1  # seconds that git gets even after the deadline
_COMPLAINT: Final = 2**12  # how many bytes of stderr are kept
_BARE: Final = "it is in a bare repository, whose configuration may come from anyone"
# Patterns, compiled when git fails: most runs import this module only to learn where a file is.
_OWNER: Final = rb"dubious ownership|unsafe repository"
_REASONS: Final = (
    (rb"not a git repository", "not in a git repository"),
    (rb"cannot use bare repository", _BARE),
    (_OWNER, "the repository belongs to another user"),
    (rb"bad config|bad (?:boolean|numeric) config", "the repository's configuration is invalid"),
    (
        rb"repository ?format|unknown repository extension",
        "git does not support the repository's format",
    ),
    (rb"could not fetch|lazy fetching", "the clone is partial and lacks an object"),
    (rb"bad file|Not a valid object name|missing|bad object", "an object is missing or has the wrong type"),
)
LIMIT: Final = 10.0
"""How many seconds each query may take; a long history takes one or two."""


class GitError(Exception):
    """git failed; the text quotes neither git nor the repository."""


class GitLate(GitError):
    """git did not finish in time and was killed."""


class Done(NamedTuple):
    """The result of a command."""

    status: int
    output: bytes
    complaint: bytes  # the beginning of stderr; never shown, because a repository can influence it

    @property
    def text(self) -> str:
        """Return the output as text, without the last newline."""
        return os.fsdecode(self.output).removesuffix("\n")

    @property
    def reason(self) -> str:
        """Describe in our own words why the command failed."""
        known = (text for pattern, text in _REASONS if re.search(pattern, self.complaint))
        return next(known, f"git failed with exit status {self.status}")


class Git:
    """git in one folder. `environ` is the process's environment; git gets almost none of it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Find git and check the folder; raise GitError if git is missing or the folder is in a bare repository."""
        self.folder: Final = folder
        path = _absolute(environ)
        self._program: Final = _find(path)
        self._environ: Mapping[str, str] = {"PATH": path, **_passed(environ, "HOME"), **_FIXED, **_ALONE}
        self._trusting: Final = {"PATH": path, **_passed(environ, *_OF_USER), **_FIXED}
        if is_bare(folder):
            raise GitError(_BARE)

    def start(self, *words: str, stdin: "IO[bytes] | int | None" = None, stderr: int | None = None) -> "Popen[bytes]":
        """Start a command; the caller must read its stdout and always call `end`."""
        from subprocess import DEVNULL, PIPE, Popen  # noqa: PLC0415 - start-up: few runs need git

        assert words[0] in COMMANDS, words[0]
        options = [word for name, text in _SETTINGS.items() for word in ("-c", f"{name}={text}")]
        words = (words[0], *_EXTRA.get(words[0], ()), *words[1:])
        # In two steps, because a signal may arrive after the program has started but before we could kill it.
        process = Popen.__new__(Popen)
        try:
            process.__init__(  # type: ignore[misc]
                [self._program, "--no-pager", *options, "-C", str(self.folder), *words],
                env=self._environ,
                stdin=DEVNULL if stdin is None else stdin,
                stdout=PIPE,
                stderr=DEVNULL if stderr is None else stderr,
                start_new_session=True,  # so that its children end with it, and none can use the terminal
            )
        except OSError as error:  # chained, so that callers can tell whether it is temporary
            raise GitError(f"cannot start git: {(error.strerror or 'unknown reason').lower()}") from error
        except ValueError:
            raise GitError("cannot start git: an argument contains a zero byte") from None
        except BaseException:
            if getattr(process, "pid", None):
                end(process)
            raise
        return process

    def run(self, *words: str, deadline: float, feed: bytes = b"", most: int = MOST) -> Done:
        """Run a command until `deadline` (a `time.monotonic()`); raise GitError if it is late or prints too much."""
        from subprocess import PIPE  # noqa: PLC0415 - as above

        process = self.start(*words, stdin=PIPE if feed else None, stderr=PIPE)
        done = _finish(process, feed, max(deadline, time.monotonic() + _LEAST), most)
        if done.status and self._environ is not self._trusting and re.search(_OWNER, done.complaint):
            self._environ = self._trusting
            return self.run(*words, deadline=deadline, feed=feed, most=most)
        return done


def work_tree(folder: Path) -> Path | None:
    """Return the top folder of the work tree that contains a folder, or None. git is not started."""
    return next((parent for parent in _upwards(folder) if _is_repository(parent / ".git")), None)


def checkout(folder: Path) -> Path:
    """Return the folder whose content a branch can change: the outermost work tree, or `folder` outside git.

    It is the outermost, because a branch can also change a submodule's superproject.
    """
    real = folder.resolve()
    return next((parent for parent in reversed([*_upwards(real)]) if _is_repository(parent / ".git")), real)


def place_of(path: str) -> str:
    """Return the path of a file or a link itself: only links in its folder are resolved."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - joined as text, as `realpath` gives it


def is_in_checkout(path: str, folder: Path) -> bool:
    """Return whether a path, as written or with links resolved, is in the same checkout as a folder."""
    top = checkout(folder)
    return any(Path(at).is_relative_to(top) for at in (os.path.normpath(path), os.path.realpath(path), place_of(path)))


def is_in_reach(path: Path, folder: Path) -> bool:
    """Return whether a file in a branch may name a path with values: with links resolved, it must be in the checkout.

    Outside git, the file does not come from a branch, so only virtual files such as /proc/self/environ are refused.
    """
    real = Path(os.path.realpath(path))
    if work_tree(folder):
        return real.is_relative_to(checkout(folder))
    return not any(real.is_relative_to(top) for top in _VIRTUAL)


def is_bare(folder: Path) -> bool:
    """Return whether git would use the folder, or a folder above it, as a repository without a work tree."""
    for place in _upwards(folder):
        if _is_repository(place / ".git") or (place.name == ".git" and _is_repository(place.parent / ".git")):
            return False
        if _is_repository(place) and (place / "refs").is_dir():
            return True
    return False


def kill(process: "Popen[bytes]") -> None:
    """Kill a git process, if it still runs, and all its children. Any thread may call this."""
    if process.returncode is None:
        for send in (os.killpg, os.kill):  # the second if it has no process group yet
            with suppress(ProcessLookupError, PermissionError):  # macOS refuses if the process is dead
                send(process.pid, signal.SIGKILL)


def end(process: "Popen[bytes]") -> None:
    """Kill a git process and close its pipes. Only the thread that reads from it may call this."""
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
    """Return whether a path looks like a repository, or like a file that points to a repository."""
    if place.name == ".git" and place.is_file():
        return True
    return os.path.lexists(place / "HEAD") and (
        (place / "objects").is_dir() or os.path.lexists(place / "commondir")  # worktrees have this file
    )


def _absolute(environ: Mapping[str, str]) -> str:
    """Return PATH without relative entries, which would be resolved against the current folder."""
    entries = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if os.path.isabs(entry))  # noqa: PTH117 - start-up


def _passed(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: environ[name] for name in names if name in environ}


def _find(path: str) -> str:
    for entry in filter(None, path.split(os.pathsep)):
        program = os.path.join(entry, "git")  # noqa: PTH118 - start-up
        if os.path.isfile(program) and os.access(program, os.X_OK):  # noqa: PTH113 - start-up
            return program
    raise GitError("git was not found in PATH")


def _finish(process: "Popen[bytes]", feed: bytes, deadline: float, most: int) -> Done:
    """Write `feed` to a process, read its output, and wait for it to finish."""
    from subprocess import TimeoutExpired  # noqa: PLC0415 - as above

    from bridge.bounded import TooMuch, exchange  # noqa: PLC0415 - as above

    try:
        output, complaint = exchange(process, feed, deadline, most, kept=_COMPLAINT)
        status = process.wait(timeout=max(_LEAST, deadline - time.monotonic()))
        return Done(status, output, complaint)
    except (TimeoutError, TimeoutExpired):
        message = "git did not answer in time"
    except TooMuch:
        raise GitError(f"git printed more than {most // 2**10} KiB") from None
    finally:
        end(process)
    raise GitLate(message)


class GitPresence(NamedTuple):
    """Whether git has seen a file, or None if unknown. `why` is the reason, or empty for files outside git."""

    by_git: bool | None
    why: str = ""
    hint: str = "rotate its values if it was ever in git"


def seen_by_git(path: Path) -> GitPresence:
    """Find out whether any commit on any branch contains this file.

    A file that had a different name then is not found.
    """
    folder, name = path.absolute().parent, path.name
    try:
        git = Git(folder, os.environ)
        if _ask(git, "rev-parse", "--is-shallow-repository").text != "false":
            return GitPresence(None, "this is a shallow clone", "run `git fetch --unshallow`, then repeat the import")
        commits = _ask(git, "rev-list", "--all", "--max-count=1", "--", name)
    except GitError as error:
        return GitPresence(None, str(error) if work_tree(folder) or is_bare(folder) else "")
    return GitPresence(bool(commits.text))


def tracked_by_git(path: Path) -> bool:
    """Return whether git's index has a file, which need not exist; False if there is no repository or no git."""
    path = path.absolute()
    folder = next(one for one in path.parents if one.is_dir())
    try:
        git = Git(folder, os.environ)
        words = ("rev-parse", "--verify", "--quiet", f":./{path.relative_to(folder)}")
        return git.run(*words, deadline=time.monotonic() + LIMIT).status == 0
    except GitError:
        return False


def _ask(git: Git, *words: str) -> Done:
    done = git.run(*words, deadline=time.monotonic() + LIMIT)
    if done.status:
        raise GitError(done.reason)
    return done
