"""Runs the optional `sops` program, which opens the keys that bridge does not open itself.

It gets documents on its stdin and answers on its stdout: nothing is written to disk, and nobody is asked. It verifies
the MAC, because no option tells it to ignore that. Its stderr is never shown, since it may quote values.

Which keys it may use is decided by its environment. A document says where sops asks for its keys, so whoever writes the
document could have credentials sent elsewhere: sops sends VAULT_TOKEN, or the token in ~/.vault-token, to whatever
address a document names. Therefore:

- it gets `_PASSED_ON`, and what `program_environment` of the section names, such as GOOGLE_APPLICATION_CREDENTIALS;
- it never gets a Vault token, and is not started for a document that names a Vault which `hc_vault` does not list;
- it does not see AWS's configuration, unless `program_environment` names one of AWS's variables;
- it has no gpg and no gpg-agent, which could open a window to ask for a passphrase.

Bridge itself opens the keys of these three, within the bounds of `hc_vault`, `kms` and `gpg`. What sops starts (age
plugins that it finds in PATH, the commands in SOPS_AGE_KEY_CMD and SOPS_AGE_SSH_PRIVATE_KEY_CMD) has sops's
environment, and a line for sops in the trust file covers it.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, ProviderError
from bridge_providers.sops import files, origin, sections, stores
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.programs import Programs

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_NAME: Final = "the sops program"
_KEY_FILE: Final = "SOPS_AGE_KEY_FILE"
_PASSED_ON: Final = (
    *("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
    *("SOPS_AGE_KEY", _KEY_FILE, "SOPS_AGE_KEY_CMD"),
    *("SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"),
)
_WITHOUT_TOKEN: Final = {"VAULT_TOKEN": "withheld"}  # a token that is set keeps sops from looking for a file with one
_WITHOUT_GPG: Final = {"SOPS_GPG_EXEC": os.devnull, "GNUPGHOME": os.devnull, "GPG_AGENT_INFO": ":"}
_WITHOUT_AWS: Final = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_MOST: Final = files.LIMIT
"""What the program may answer, in bytes: no more than an encrypted file may have."""
_NO_KEY: Final = 128  # exit statuses of sops (cmd/sops/codes)
_WRONG_MAC: Final = 51


class SopsProgram:
    """The program that the section names, for one session."""

    def __init__(self, options: "Sops", context: Context) -> None:
        self.path: Final = options.program
        self._options: Final = options
        self._context: Final = context
        self._programs: Final = Programs(context)

    def decrypt(self, data: bytes, store: str, block: Metadata) -> bytes:
        """Return a file in clear: as YAML, but for binary files; raises as `run`.

        YAML is the one type that keeps what all others hold: several documents, bytes that are not text, line ends and
        backslashes of dotenv values, numbers beyond those of JSON. (Not an ini section that a file has twice.)
        """
        self._check_vaults(block)
        output = stores.BINARY if store == stores.BINARY else stores.YAML
        # Releases before 3.9 have no `decrypt`, and all read this path as their stdin.
        return self.run(["-d", "--input-type", store, "--output-type", output, "/dev/stdin"], data)

    def run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        path: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run sops, and return its stdout; the caller may give another `path` and another whole environment.

        Raises Denied if the program may not be started or has no key, Unavailable if it does not end in time, and
        ProviderError if it fails.
        """
        program = path or self.path
        assert program is not None
        origin.check_program("program", program, self._context)
        origin.check_files(self._options, self._context)
        ended = self._programs.run(
            _NAME, (program, *arguments), self._environ() if environ is None else environ, stdin, _MOST
        )
        if ended.status == 0:
            return ended.stdout
        hint = "run `sops decrypt FILE` by hand to see why"
        if ended.status == _NO_KEY:
            raise Denied(f"{_NAME} cannot open its keys either", hint=f"{hint}; see program_environment")
        wrong = "says that its MAC is wrong" if ended.status == _WRONG_MAC else f"ended with status {ended.status}"
        raise ProviderError(f"{_NAME} {wrong}", hint=hint)

    def close(self) -> None:
        """Kill what runs."""
        self._programs.close()

    def _environ(self) -> Mapping[str, str]:
        named = self._options.program_environment or ()
        found = {name: text for name in (*_PASSED_ON, *named) if (text := self._context.environ.get(name)) is not None}
        if self._options.age_key_file:
            found.setdefault(_KEY_FILE, str((self._context.base / self._options.age_key_file).absolute()))
        aws = {} if any(name.startswith("AWS_") for name in named) else _WITHOUT_AWS
        return {**_WITHOUT_GPG, **aws, **found, **_WITHOUT_TOKEN}

    def _check_vaults(self, block: Metadata) -> None:
        listed = {(one.address or "").rstrip("/") for one in sections.vaults(self._options)}
        if any(key.address.rstrip("/") not in listed for group in block.groups for key in group.hc_vault):
            what = f"{_NAME} is not started: it would ask a Vault that hc_vault does not list"
            raise Denied(what, hint="hc_vault: {address: …} in the provider's section, if you trust that server")
