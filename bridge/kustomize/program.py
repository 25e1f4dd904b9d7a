"""Runs kustomize, or the one in kubectl. What it prints may hold secrets, and is never shown.

A kustomization may come with a branch, so the program gets none of the stores' and the cluster's credentials.
"""

import os
import time
from contextlib import suppress
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
"""All of the environment that it gets, besides PATH."""
LIMIT: Final = 60.0
"""Seconds that one build may take."""


class Kustomize:
    """The program, found once, so that every build of a run is made by the same one."""

    def __init__(self, environ: "Mapping[str, str]", deadline: float) -> None:
        """Look for the program; Refusal where there is none. `deadline` is a `time.monotonic()`."""
        from shutil import which  # noqa: PLC0415 - start-up: one command needs it

        # An entry that is not absolute would be a folder below whatever folder bridge was started in.
        entries = environ.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join(entry for entry in entries if os.path.isabs(entry))  # noqa: PTH117 - start-up
        kustomize, kubectl = which("kustomize", path=path), which("kubectl", path=path)
        if kustomize:
            self._command = [str(Path(kustomize).absolute()), "build"]
        elif kubectl:
            self._command = [str(Path(kubectl).absolute()), "kustomize"]
        else:
            hint = "install one of them; the builds before and after have to be compared"
            raise Refusal(Problem("PATH", "neither kustomize nor kubectl is there", hint))
        if problem := refused_program(environ, self._command, "--fix-kustomize"):
            raise Refusal(problem)
        self._environ: Final = {name: environ[name] for name in PASSED_ON if name in environ} | {"PATH": path}
        self._deadline: Final = deadline

    def build(self, folder: Path) -> SecretValue | None:
        """Return what a kustomization builds; None where it does not build. Refusal where that takes too long."""
        from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired  # noqa: PLC0415 - start-up: one command needs it

        limit = max(0.0, min(LIMIT, self._deadline - time.monotonic()))
        process = Popen(  # noqa: S603 - the operator's own program, on their own files
            [*self._command, str(folder.absolute())],
            env=self._environ,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,  # so that what it starts (git, for a remote base) ends with it
        )
        output: bytes | None = None
        try:
            output = process.communicate(timeout=limit)[0]
        except TimeoutExpired:
            pass  # it holds what was printed so far
        finally:
            if output is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.communicate()
        if output is None:
            raise Refusal(Problem(str(folder), f"was not built in {limit:.3g} s", "allow more with --timeout"))
        return None if process.returncode else SecretValue(output)
