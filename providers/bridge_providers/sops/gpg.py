"""Decrypts data keys with PGP keys, with a `gpg` whose absolute path is configured (sops pgp/keysource.go).

gpg gets the message on its stdin and prints the data key: nothing is written, and nobody is asked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.programs import Ended, Programs
from bridge.provider import Context, Denied
from bridge_providers.sops import origin, tree
from bridge_providers.sops.key_types import Group

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

VARIABLE: Final = "SOPS_GPG_EXEC"
_MOST: Final = 2**16  # bytes; a data key has 32, and an encrypted data key a few thousand
_OPTIONS: Final = (
    *("--batch", "--no-tty", "--pinentry-mode", "error"),  # gpg-agent may not ask for a passphrase
    "--disable-dirmngr",  # nor fetch anything
    *("--status-fd", "2"),
)
_OPEN: Final = ("--max-output", "4096", "--decrypt")
_STATUS: Final = "[GNUPG:] "
_PASSED_ON: Final = ("HOME", "GNUPGHOME", "PATH", "XDG_RUNTIME_DIR")
_SHOWN: Final = 10


class Gpg:
    """The program, and the environment in which it finds its keys."""

    warnings: Final = ()
    left: Final = ()

    def __init__(self, options: "Sops", context: Context) -> None:
        if options.gpg:
            origin.check_program("gpg", options.gpg, context)
        self._program: Final = _program(options.gpg, context.environ)
        self._environ: Final = {name: context.environ[name] for name in _PASSED_ON if name in context.environ}
        self._folder: Final = Path(self._environ.get("GNUPGHOME") or f"{self._environ.get('HOME', '')}/.gnupg")
        self._context: Final = context
        self._programs: Final = Programs(context)

    def open(self, group: Group) -> bytes:
        """Decrypt with the first key that gpg has; Denied if it has none."""
        names = ", ".join(tree.shown(key.fingerprint[:40]) for key in group.pgp[:_SHOWN])
        self._check(f"encrypted to PGP keys {names}")
        reasons = []
        for key in group.pgp:
            done = self._run(_OPEN, key.enc.encode())
            if done.status == 0 and done.stdout:
                return done.stdout
            reasons.append(_reason(done.stderr))
        reason = next(filter(None, reasons), "")
        message = f"gpg has no secret key for its PGP keys {names}"
        raise Denied(
            f"gpg cannot decrypt it: {reason}" if reason else message,
            hint=f"looked for PGP keys with {self._program} in {self._folder}",
        )

    def for_sops(self) -> dict[str, str]:
        """Return the variables that make sops start this gpg; Denied if it is not configured or not trusted."""
        self._check("the rule lists PGP keys")
        assert self._program is not None
        origin.check_start("gpg", (self._program,), self._context.environ, is_whole=False)
        return {VARIABLE: self._program, "GNUPGHOME": str(self._folder)}

    def close(self) -> None:
        """Kill what runs."""
        self._programs.close()

    def _check(self, reason: str) -> None:
        """Raise Denied if gpg is not configured, or would create its folder; `reason` is why it is needed."""
        if self._program is None:
            raise Denied(
                f"{reason}, but no path to gpg is configured",
                hint="add to the provider's section: gpg: /usr/bin/gpg; or set SOPS_GPG_EXEC to an absolute path",
            )
        if not self._folder.is_dir():
            raise Denied(f"{reason}, but gpg's folder {self._folder} does not exist", hint="set GNUPGHOME")

    def _run(self, command: tuple[str, ...], content: bytes) -> Ended:
        assert self._program is not None
        return self._programs.run("gpg", (self._program, *_OPTIONS, *command), self._environ, content, _MOST)


def _program(option: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the path of gpg, or None if it is not absolute: PATH is not searched."""
    path = option or environ.get(VARIABLE, "")
    return path if path.startswith("/") else None


def _reason(stderr: bytes) -> str:
    """Return the reason in gpg's status lines (doc/DETAILS); its own words are never shown."""
    lines = [line.removeprefix(_STATUS) for line in stderr.decode(errors="replace").splitlines()]
    words = {line.split(" ")[0] for line in lines if line}
    if "NO_SECKEY" in words:
        return ""
    if words & {"NODATA", "BADARMOR", "BADMDC"}:
        return "the message is damaged"
    return "its key exists, but gpg-agent may not have its passphrase"
