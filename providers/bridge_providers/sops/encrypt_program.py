"""Makes new files with the `sops` program: it gets the values on its stdin, and gives the encrypted file on its stdout.

It is the one that the section names, else the first on PATH. It gets no credential of any store and no home folder, so
it can encrypt to age and PGP keys only: for other keys sops sends a credential to whatever address .sops.yaml names.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, ProviderError
from bridge.shell import command, word
from bridge_providers.sops import creation, files, gpg, origin, stores
from bridge_providers.sops.programs import Programs

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

OLDEST: Final = (3, 10)
"""The oldest release that makes files: 3.9 refuses some values, and 3.8 takes `encrypt` for the name of a file."""
KEY_TYPES: Final = frozenset({"age", "pgp"})
"""What the rule of a new file may name."""
_VERSION: Final = re.compile(rb"sops ([0-9]{1,4})\.([0-9]{1,4})\.")
_HINT: Final = "install sops {oldest} or later, or name it: providers: {{sops: {{program: /usr/local/bin/sops}}}}"
_PASSED_ON: Final = ("TMPDIR", "LANG", "LC_ALL")


class Encrypter:
    """The program, in one session."""

    def __init__(self, options: "Sops", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._programs: Final = Programs(context)

    def encrypt(self, target: Path, store: str, plaintext: bytes) -> bytes:
        """Return a new file as the rule of .sops.yaml wants it; ProviderError, Denied or Unavailable if that fails."""
        rule = creation.rule_for(target)
        others = sorted(rule.key_types - KEY_TYPES)
        by_hand = f"make it once, bridge changes it then: {empty_file(target, store)}"
        if others:
            raise ProviderError(f"{rule.where} names {', '.join(others)}: bridge makes no file for them", hint=by_hand)
        environ = {name: self._context.environ[name] for name in _PASSED_ON if name in self._context.environ}
        if "pgp" in rule.key_types:
            environ |= gpg.Gpg(self._options, self._context).for_sops()
        program = self._found()
        release = self._run((program, "--disable-version-check", "--version"), environ, b"")
        match = _VERSION.match(release or b"")
        if match is None:
            raise ProviderError(f"{program} does not say which release of sops it is", hint=_hint())
        if tuple(map(int, match.groups())) < OLDEST:
            what = f"{program} is sops {match[1].decode()}.{match[2].decode()}, which is too old to make a new file"
            raise ProviderError(what, hint=_hint())
        types = ("--input-type", store, "--output-type", store)
        begin = (program, "--disable-version-check", "--config", str(rule.config), "encrypt")
        words = (*begin, "--filename-override", str(target), *types, "/dev/stdin")
        made = self._run(words, environ, plaintext)
        if made is None:
            raise ProviderError(
                f"sops does not encrypt it by {rule.where}", hint=f"see why: {empty_file(target, store)}"
            )
        return made

    def close(self) -> None:
        """Kill what runs."""
        self._programs.close()

    def _found(self) -> str:
        """Return the path of the program; ProviderError if there is none, Denied if it is in the checkout."""
        found = self._options.program
        if found is None:
            # An entry that is not absolute would be a folder below whatever folder bridge was started in.
            entries = self._context.environ.get("PATH", os.defpath).split(os.pathsep)
            found = shutil.which("sops", path=os.pathsep.join(filter(os.path.isabs, entries)))
        if found is None:
            raise ProviderError("the file is new, and sops, which makes new files, is not on PATH", hint=_hint())
        origin.check_program("program" if self._options.program else "sops", found, self._context)
        return found

    def _run(self, words: Sequence[str], environ: Mapping[str, str], data: bytes) -> bytes | None:
        """Return what the program prints; None if it fails. Its stderr may hold a value, and leads nowhere."""
        with self._programs.started("sops", words, environ, most=files.LIMIT + 1) as program:
            program.send(data)
            program.hang_up()
            output = b"".join(iter(program.receive, b""))
            return None if program.status() else output


def empty_file(target: Path, store: str) -> str:
    """Return the command that makes an encrypted file without values, in which bridge can put some."""
    kind = stores.JSON if store == stores.YAML else store
    types = ("--input-type", kind, "--output-type", store)
    sops = command(("sops", "encrypt", "--filename-override", target, *types, "/dev/stdin"))
    return f"cd {word(target.parent)} && echo {'{}' if kind == stores.JSON else ''} | {sops} > {word(target.name)}"


def _hint() -> str:
    return _HINT.format(oldest=".".join(map(str, OLDEST)))
