"""The passphrase of identity files and ssh keys: from a configured file or descriptor, never from a prompt."""

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
    """The passphrase that the section names; read when it is first needed."""

    def __init__(self, options: "Sops", context: Context) -> None:
        file, number = options.age_passphrase_file, options.age_passphrase_fd
        self.is_known: Final = file is not None or number is not None
        self.place: Final = f"age_passphrase_file {file}" if file else f"age_passphrase_fd {number}"
        self._file: Final = context.base / file if file else None
        self._number: Final = number
        self._deadline: Final = context.deadline

    def find(self) -> SecretValue:
        """Return the passphrase without its line break; ProviderError if it cannot be read."""
        if self._file is not None:
            problem = None
            try:
                data = files.read(self._file)
            except ProviderError as error:
                problem = error.problems[0].what
            if problem:
                raise ProviderError(f"{self.place}: {problem}")
            secret = SecretValue(data)
        else:
            assert self._number is not None
            secret = _received(self._number, self._deadline)
        flaw = damage.encoding_flaw(secret.reveal())
        if flaw:
            raise ProviderError(f"{self.place} {flaw}")
        text = secret.reveal().removesuffix(b"\n").removesuffix(b"\r")
        if not text or not SecretValue(text).is_text():
            raise ProviderError(f"{self.place} contains no passphrase")
        return SecretValue(text)


_received_from: Final[dict[int, SecretValue]] = {}
_receiving: Final = threading.Lock()


def _received(number: int, deadline: float) -> SecretValue:
    """Read a descriptor to its end; a pipe can only be read once, so the process keeps what it read."""
    with _receiving:
        if number not in _received_from:
            data = bytearray()
            while piece := _piece(number, deadline):
                data += piece
                if len(data) > _LIMIT:
                    raise ProviderError(f"age_passphrase_fd {number}: is too long for a passphrase")
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
    """Decrypt an identity file with a passphrase; ProviderError if that fails."""
    from pyrage import DecryptError  # noqa: PLC0415 - only with such a file
    from pyrage.passphrase import decrypt  # noqa: PLC0415 - as above

    _check_work(data)
    if not passphrase.is_known:
        raise ProviderError("is encrypted, but neither age_passphrase_file nor age_passphrase_fd is set")
    secret = passphrase.find()
    try:
        return bytes(decrypt(data, secret.reveal().decode()))
    except DecryptError:
        pass
    raise ProviderError(f"is damaged, or is not encrypted with the passphrase in {passphrase.place}")


def _check_work(data: bytes) -> None:
    """Refuse a file that would take minutes and gigabytes to decrypt."""
    from bridge_providers.sops import age_file  # noqa: PLC0415 - only with such a file

    try:
        stanzas = age_file.parse(data).stanzas
    except age_file.Malformed:
        stanzas = ()
    if len(stanzas) != 1 or stanzas[0].kind != "scrypt" or len(stanzas[0].arguments) != 2:
        raise ProviderError("is encrypted, but not to a passphrase")
    factor = stanzas[0].arguments[1]
    if not factor.isdecimal() or len(factor) > 2 or int(factor) > MAX_WORK_FACTOR:
        raise ProviderError(f"is encrypted with a work factor above {MAX_WORK_FACTOR}")
