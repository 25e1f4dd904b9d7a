"""Runs the `sops` program. It makes new files, and decrypts those that bridge cannot open itself.

New files are made by the program that the section names, or else by the first `sops` on PATH. Only a program that the
section names decrypts. The program gets documents on its stdin and prints the result: nothing is written to disk, and
nobody is asked. It verifies the MAC, because no option tells it to ignore that. Its stderr is never shown, since it may
quote values.

Its environment decides which keys it may use. A document and .sops.yaml say where sops asks for its keys, so whoever
writes them could have credentials sent elsewhere: sops sends VAULT_TOKEN, or the token in ~/.vault-token, to whatever
address they name. Therefore:

- to make a file, it gets no credential and no home folder; and the trusted gpg if the file is for PGP keys;
- to decrypt, it gets `_PASSED_ON`, and what `program_environment` of the section lists, such as
  GOOGLE_APPLICATION_CREDENTIALS;
- it never gets a Vault token, and does not start for a document that names a Vault which `hc_vault` does not list;
- it does not see AWS's configuration, unless `program_environment` lists one of AWS's variables;
- to decrypt, it has no gpg and no gpg-agent, which could open a window to ask for a passphrase.

Bridge itself opens the keys of these three, within the bounds of `hc_vault`, `kms` and `gpg`. What sops starts to
decrypt (age plugins that it finds in PATH, the commands in SOPS_AGE_KEY_CMD and SOPS_AGE_SSH_PRIVATE_KEY_CMD) has
sops's environment, and a line for sops in the trust file covers it.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.programs import Ended, Programs
from bridge.provider import Context, Denied, ProviderError
from bridge_providers.sops import files, origin, sections, stores
from bridge_providers.sops.metadata import Metadata

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

OLDEST: Final = (3, 10)
"""The oldest release that makes files: 3.9 refuses some values, and 3.8 takes `encrypt` for the name of a file."""
_NAME: Final = "the sops program"
_VERSION: Final = re.compile(rb"sops ([0-9]{1,4})\.([0-9]{1,4})\.")
_SECTION: Final = "providers: {sops: {program: /usr/local/bin/sops}}"
_INSTALL: Final = f"install sops {'.'.join(map(str, OLDEST))} or later, or set its path: {_SECTION}"
_KEY_FILE: Final = "SOPS_AGE_KEY_FILE"
_PASSED_ON: Final = (
    *("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
    *("SOPS_AGE_KEY", _KEY_FILE, "SOPS_AGE_KEY_CMD"),
    *("SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"),
)
_PASSED_ON_TO_ENCRYPT: Final = ("TMPDIR", "LANG", "LC_ALL")
_WITHOUT_TOKEN: Final = {"VAULT_TOKEN": "withheld"}  # a token that is set keeps sops from looking for a file with one
_WITHOUT_GPG: Final = {"SOPS_GPG_EXEC": os.devnull, "GNUPGHOME": os.devnull, "GPG_AGENT_INFO": ":"}
_WITHOUT_AWS: Final = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_NO_KEY: Final = 128  # exit statuses of sops (cmd/sops/codes)
_WRONG_MAC: Final = 51


class SopsProgram:
    """The program of one session."""

    def __init__(self, options: "Sops", context: Context) -> None:
        self.is_configured: Final = options.program is not None
        self._options: Final = options
        self._context: Final = context
        self._programs: Final = Programs(context)

    def decrypt(self, data: bytes, store: str, block: Metadata) -> bytes:
        """Return a decrypted file, as YAML unless it is a binary file.

        Raises Denied if the program may not start or has no key, Unavailable if it does not end in time, and
        ProviderError if it fails. Call it only if the program `is_configured`.

        YAML is the one type that keeps what all others hold: several documents, bytes that are not text, line ends and
        backslashes of dotenv values, numbers beyond those of JSON. (Not an ini section that a file has twice.)
        """
        assert self._options.program is not None
        self._check_vaults(block)
        origin.check_files(self._options, self._context)
        output = stores.BINARY if store == stores.BINARY else stores.YAML
        # Releases before 3.9 have no `decrypt`, and all read this path as their stdin.
        words = ("-d", "--input-type", store, "--output-type", output, "/dev/stdin")
        ended = self._run(self._options.program, words, self._environ_to_decrypt(), data)
        if ended.status == 0:
            return ended.stdout
        hint = "run `sops decrypt FILE` to see why"
        if ended.status == _NO_KEY:
            raise Denied(f"{_NAME} cannot open its keys either", hint=f"{hint}; see program_environment")
        wrong = "reports that its MAC is wrong" if ended.status == _WRONG_MAC else f"failed with status {ended.status}"
        raise ProviderError(f"{_NAME} {wrong}", hint=hint)

    def encrypt(self, config: Path, target: Path, store: str, plaintext: bytes, *, with_gpg: bool) -> bytes | None:
        """Return a new file, encrypted by the rule that `config` has for it, or None if the program fails.

        Raises Denied if the program or gpg may not start, Unavailable if it does not end in time, and ProviderError if
        it is missing or too old.
        """
        environ = self._environ_to_encrypt(with_gpg=with_gpg)
        program = self._find()
        self._check_release(program, environ)
        words = ("--disable-version-check", "--config", str(config), "encrypt", "--filename-override", str(target))
        ended = self._run(
            program, (*words, "--input-type", store, "--output-type", store, "/dev/stdin"), environ, plaintext
        )
        return None if ended.status else ended.stdout

    def close(self) -> None:
        """Kill what runs."""
        self._programs.close()

    def _find(self) -> str:
        """Return the path of the program; ProviderError if there is none."""
        program = self._options.program
        if program is None:
            # A relative entry would be a folder below whatever folder bridge was started in.
            entries = self._context.environ.get("PATH", os.defpath).split(os.pathsep)
            program = shutil.which("sops", path=os.pathsep.join(filter(os.path.isabs, entries)))
        if program is None:
            raise ProviderError("cannot create the file: sops, which creates files, is not on PATH", hint=_INSTALL)
        return program

    def _check_release(self, program: str, environ: Mapping[str, str]) -> None:
        """Raise ProviderError if a release is too old to make files."""
        ended = self._run(program, ("--disable-version-check", "--version"), environ, b"")
        match = _VERSION.match(ended.stdout) if ended.status == 0 else None
        if match is None:
            raise ProviderError(f"{program} does not report a version of sops", hint=_INSTALL)
        if tuple(map(int, match.groups())) < OLDEST:
            message = f"{program} is sops {match[1].decode()}.{match[2].decode()}, which is too old to create files"
            raise ProviderError(message, hint=_INSTALL)

    def _run(self, program: str, arguments: Sequence[str], environ: Mapping[str, str], stdin: bytes) -> Ended:
        """Run the program, unless it is in the checkout or the trust file does not list it; see `Programs.run`."""
        origin.check_program("program" if self.is_configured else "sops", program, self._context)
        return self._programs.run(_NAME, (program, *arguments), environ, stdin, files.LIMIT)

    def _environ_to_decrypt(self) -> Mapping[str, str]:
        listed = self._options.program_environment or ()
        environ = self._variables(*_PASSED_ON, *listed)
        if self._options.age_key_file:
            environ.setdefault(_KEY_FILE, str((self._context.base / self._options.age_key_file).absolute()))
        aws = {} if any(name.startswith("AWS_") for name in listed) else _WITHOUT_AWS
        return {**_WITHOUT_GPG, **aws, **environ, **_WITHOUT_TOKEN}

    def _environ_to_encrypt(self, *, with_gpg: bool) -> Mapping[str, str]:
        environ = self._variables(*_PASSED_ON_TO_ENCRYPT)
        if with_gpg:
            from bridge_providers.sops import gpg  # noqa: PLC0415 - few files are for PGP keys

            environ |= gpg.Gpg(self._options, self._context).for_sops()
        return environ

    def _variables(self, *names: str) -> dict[str, str]:
        environ = self._context.environ
        return {name: environ[name] for name in names if name in environ}

    def _check_vaults(self, block: Metadata) -> None:
        listed = {(vault.address or "").rstrip("/") for vault in sections.vaults(self._options)}
        if any(key.address.rstrip("/") not in listed for group in block.groups for key in group.hc_vault):
            message = f"{_NAME} would ask a Vault that is not in hc_vault, so it is not started"
            raise Denied(message, hint=sections.LIST_VAULT)
