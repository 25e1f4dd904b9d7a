"""Runs kustomize, or kubectl's built-in kustomize. Its output may contain secrets and is never shown.

A kustomization may come from an untrusted branch, so the program gets no credentials of the stores or the cluster.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import Problem, Refusal
from bridge.secret import SecretValue
from bridge.trust import refused_program

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSED_ON: Final = (
    *("HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
    # For git, which fetches remote bases.
    *("SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
    *("https_proxy", "http_proxy", "no_proxy"),
)
"""The only environment variables that it gets, besides PATH."""
MOST: Final = 2**28
"""The largest build in bytes."""
LIMIT: Final = 60.0
"""The most seconds that one build may take."""


class Kustomize:
    """The program, located once so that all builds of a run use the same program."""

    def __init__(self, environ: "Mapping[str, str]", deadline: float) -> None:
        """Find the program; Refusal if there is none. `deadline` is a `time.monotonic()` value."""
        from shutil import which  # noqa: PLC0415 - start-up: one command needs it

        # A relative entry would refer to a folder below the current folder.
        entries = environ.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join(entry for entry in entries if os.path.isabs(entry))  # noqa: PTH117 - start-up
        kustomize, kubectl = which("kustomize", path=path), which("kubectl", path=path)
        if kustomize:
            self._command = [str(Path(kustomize).absolute()), "build"]
        elif kubectl:
            self._command = [str(Path(kubectl).absolute()), "kustomize"]
        else:
            hint = "install one of them; bridge compares the builds before and after"
            raise Refusal(Problem("PATH", "neither kustomize nor kubectl was found", hint))
        if problem := refused_program(environ, self._command, "--fix-kustomize"):
            raise Refusal(problem)
        self._environ: Final = {name: environ[name] for name in PASSED_ON if name in environ} | {"PATH": path}
        self._deadline: Final = deadline

    def build(self, folder: Path) -> SecretValue | None:
        """Return a kustomization's build, or None if it fails. Refusal if it takes too long."""
        from bridge.bounded import ChildProgram, TooMuch  # noqa: PLC0415 - start-up: one command needs it

        limit = max(0.0, min(LIMIT, self._deadline - time.monotonic()))
        # Its children, such as git for a remote base, end with it.
        program = ChildProgram([*self._command, str(folder.absolute())], self._environ, time.monotonic() + limit)
        try:
            ended = program.finish(b"", MOST)
        except TimeoutError:
            problem = Problem(str(folder), f"was not built within {limit:.3g} s", "raise --timeout")
        except TooMuch:
            hint = "build a smaller kustomization"
            problem = Problem(str(folder), f"its build is larger than {MOST // 2**20} MiB", hint)
        else:
            return None if ended.status else SecretValue(ended.stdout)
        finally:
            program.end()
        raise Refusal(problem)
