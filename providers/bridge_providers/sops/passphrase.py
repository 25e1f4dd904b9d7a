"""The passphrase of identity files and ssh keys: from a file or descriptor that is configured, never asked for."""

import os
import select
import threading
import time
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, ProviderError, SecretValue
from bridge_providers.sops import damage, files

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

MAX_WORK_FACTOR: Final = 20  # 2**20 rounds of scrypt take a gigabyte; `age -p` writes 18
_LIMIT: Final = 2**16


class Passphrase:
    """What the section names; looked up when first needed."""

    def __init__(self, options: "Sops", context: Context) -> None:
        file, number = options.age_passphrase_file, options.age_passphrase_fd
        self.is_known: Final = file is not None or number is not None
        self.place: Final = f"age_passphrase_file {file}" if file else f"age_passphrase_fd {number}"
        self._file: Final = context.base / file if file else None
        self._number: Final = number
        self._deadline: Final = context.deadline

    def find(self) -> SecretValue:
        """Return it without the end of its line; ProviderError where it is not to be had."""
        if self._file is not None:
            problem = None
            try:
                data = files.read(self._file)
            except ProviderError as error:
                problem = error.problems[0].what
            if problem:
                raise ProviderError(f"{self.place}: {problem}")
            found = SecretValue(data)
        else:
            assert self._number is not None
            found = _received(self._number, self._deadline)
        flaw = damage.encoding_flaw(found.reveal())
        if flaw:
            raise ProviderError(f"{self.place} {flaw}")
        text = found.reveal().removesuffix(b"\n").removesuffix(b"\r")
        if not text or not SecretValue(text).is_text():
            raise ProviderError(f"{self.place} holds no passphrase")
        return SecretValue(text)


_received_from: Final[dict[int, SecretValue]] = {}
_receiving: Final = threading.Lock()


def _received(number: int, deadline: float) -> SecretValue:
    """Read a descriptor to its end; a pipe can be read once, so what it gave is kept for the process's other reads."""
    with _receiving:
        if number not in _received_from:
            data = bytearray()
            while piece := _piece(number, deadline):
                data += piece
                if len(data) > _LIMIT:
                    raise ProviderError(f"age_passphrase_fd {number}: gives more than a passphrase")
            _received_from[number] = SecretValue(bytes(data))
        return _received_from[number]


def _piece(number: int, deadline: float) -> bytes:
    try:
        os.fstat(number)  # select may wait for a descriptor that is not open
        if select.select([number], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return os.read(number, _LIMIT)
        problem = "did not end in time"
    except (OSError, ValueError):
        problem = "cannot be read"
    raise ProviderError(f"age_passphrase_fd {number}: {problem}")


def unlock(data: bytes, passphrase: Passphrase) -> bytes:
    """Open an identity file that is encrypted to a passphrase; ProviderError where that fails."""
    from pyrage import DecryptError  # noqa: PLC0415 # only with such a file
    from pyrage.passphrase import decrypt  # noqa: PLC0415 # as above

    _check_work(data)
    if not passphrase.is_known:
        raise ProviderError("is encrypted, and neither age_passphrase_file nor age_passphrase_fd is configured")
    secret = passphrase.find()
    try:
        return bytes(decrypt(data, secret.reveal().decode()))
    except DecryptError:
        pass
    raise ProviderError(f"is encrypted, and not with the passphrase of {passphrase.place}, or it is damaged")


def _check_work(data: bytes) -> None:
    """Refuse what would take minutes and gigabytes before it does."""
    from bridge_providers.sops import age_file  # noqa: PLC0415 # only with such a file

    try:
        stanzas = age_file.parse(data).stanzas
    except age_file.Malformed:
        stanzas = ()
    if len(stanzas) != 1 or stanzas[0].kind != "scrypt" or len(stanzas[0].arguments) != 2:
        raise ProviderError("is encrypted, but not to a passphrase")
    factor = stanzas[0].arguments[1]
    if not factor.isdecimal() or len(factor) > 2 or int(factor) > MAX_WORK_FACTOR:
        raise ProviderError(f"is encrypted with a work factor above {MAX_WORK_FACTOR}")
