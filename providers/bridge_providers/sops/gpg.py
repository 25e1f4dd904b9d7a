"""Opens what is encrypted to PGP keys, with a `gpg` whose absolute path is configured (sops pgp/keysource.go).

gpg gets the message on its stdin and gives the data key on its stdout: nothing is written, and nobody is asked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied
from bridge_providers.sops import origin, tree
from bridge_providers.sops.key_types import Group
from bridge_providers.sops.programs import Ended, Programs

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

VARIABLE: Final = "SOPS_GPG_EXEC"
_MOST: Final = 2**16  # bytes; a data key has 32, and a message for it some thousand
_OPTIONS: Final = (
    *("--batch", "--no-tty", "--pinentry-mode", "error"),  # an agent that has no passphrase may not ask
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
        """Open with the first key that gpg has; Denied where it has none."""
        names = ", ".join(tree.shown(key.fingerprint[:40]) for key in group.pgp[:_SHOWN])
        self._check(names)
        reasons = []
        for key in group.pgp:
            done = self._run(_OPEN, key.enc.encode())
            if done.status == 0 and done.stdout:
                return done.stdout
            reasons.append(_reason(done.stderr))
        reason = next(filter(None, reasons), "")
        what = f"gpg has the secret key of none of its PGP keys {names}"
        raise Denied(
            f"gpg cannot open it: {reason}" if reason else what,
            hint=f"looked for PGP keys with {self._program} in {self._folder}",
        )

    def for_sops(self) -> dict[str, str]:
        """Return the variables that make sops start this gpg; Denied if it is not configured or not trusted."""
        self._check("of the rule")
        assert self._program is not None
        origin.check_start("gpg", (self._program,), self._context.environ, is_whole=False)
        return {VARIABLE: self._program, "GNUPGHOME": str(self._folder)}

    def close(self) -> None:
        """Kill what runs."""
        self._programs.close()

    def _check(self, names: str) -> None:
        """Refuse to start what is not configured, or would make its own folder."""
        if self._program is None:
            raise Denied(
                f"its PGP keys {names} are used only where the path of gpg is configured",
                hint="gpg: /usr/bin/gpg in the provider's section, or an absolute path in SOPS_GPG_EXEC",
            )
        if not self._folder.is_dir():
            raise Denied(f"its PGP keys {names} cannot be used: {self._folder} is not there", hint="see GNUPGHOME")

    def _run(self, command: tuple[str, ...], content: bytes) -> Ended:
        assert self._program is not None
        return self._programs.run("gpg", (self._program, *_OPTIONS, *command), self._environ, content, _MOST)


def _program(option: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the path of gpg; a name that would be looked for in PATH does not count."""
    found = option or environ.get(VARIABLE, "")
    return found if found.startswith("/") else None


def _reason(stderr: bytes) -> str:
    """Read gpg's status lines (doc/DETAILS); its words are for people, and not shown."""
    lines = [line.removeprefix(_STATUS) for line in stderr.decode(errors="replace").splitlines()]
    words = {line.split(" ")[0] for line in lines if line}
    if "NO_SECKEY" in words:
        return ""
    if words & {"NODATA", "BADARMOR", "BADMDC"}:
        return "the message is damaged"
    return "its key is there and did not decrypt (does it want a passphrase that gpg-agent does not hold?)"
