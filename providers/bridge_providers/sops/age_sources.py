"""Where one environment's age identities come from, in the order of what they cost."""

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, ProviderError, Unavailable
from bridge_providers.sops import identities, origin
from bridge_providers.sops.failures import Failure
from bridge_providers.sops.identities import Found
from bridge_providers.sops.key_types import AgeKey
from bridge_providers.sops.passphrase import Passphrase
from bridge_providers.sops.programs import Programs

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

SSH: Final = "ssh-"
"""How a recipient begins that is an ssh key."""


class Sources:
    """Each is looked at once: files and variables at first, the others when a file needs them."""

    def __init__(self, options: "Sops", context: Context, programs: Programs) -> None:
        origin.check_files(options, context)
        extra = options.age_key_file
        self._context: Final = context
        self._programs: Final = programs
        self._passphrase: Final = Passphrase(options, context)
        self._allowed: Final = frozenset(options.age_commands or ())
        self._found = identities.load(context.environ, context.base / extra if extra else None)
        self._lock: Final = threading.Lock()
        self._ssh: Found | None = None
        self._unlocked: Found | None = None
        self._said: Final[dict[tuple[str, str], Found | Failure]] = {}

    def of(self, keys: Sequence[AgeKey], errors: list[Failure]) -> Iterator[Found]:
        """Yield what may open one of these keys; the next is asked for where nothing so far did."""
        yield self._found
        if any(key.recipient.startswith(SSH) for key in keys):
            yield self._ssh_keys()
        if self._found.locked:
            yield self._unlocked_files()
        yield from self._said_by_commands(keys, errors)

    def forget(self) -> None:
        """Forget the identities."""
        self._found = Found()
        self._ssh = self._unlocked = None
        self._said.clear()

    def _ssh_keys(self) -> Found:
        from bridge_providers.sops import ssh_keys  # noqa: PLC0415 # few files have such recipients

        with self._lock:
            if self._ssh is None:
                self._ssh = ssh_keys.load(self._context, self._passphrase)
            return self._ssh

    def _unlocked_files(self) -> Found:
        with self._lock:
            if self._unlocked is None:
                self._unlocked = identities.opened(self._found.locked, self._passphrase)
            return self._unlocked

    def _said_by_commands(self, keys: Sequence[AgeKey], errors: list[Failure]) -> Iterator[Found]:
        for variable in identities.COMMANDS:
            if not self._context.environ.get(variable):
                continue
            if variable not in self._allowed:
                yield Found(places=(f"{variable}: not run, because age_commands does not name it",))
                continue
            for key in keys:
                if key.recipient.startswith(SSH) == (variable == identities.SSH_COMMAND):
                    said = self._run(variable, key.recipient)
                    if isinstance(said, Found):
                        yield said
                    else:
                        errors.append(said)
                        if isinstance(said, Unavailable):
                            break  # which it would be for the next recipient too

    def _run(self, variable: str, recipient: str) -> Found | Failure:
        """Run a command once for a recipient, whatever comes of it."""
        from bridge_providers.sops import age_commands  # noqa: PLC0415 # few environments have such a command

        with self._lock:
            asked = (variable, recipient)
            if asked not in self._said:
                try:
                    output = age_commands.output(variable, recipient, self._context.environ, self._programs)
                    self._said[asked] = self._read(variable, output)
                except (ProviderError, Unavailable) as error:
                    self._said[asked] = error
            return self._said[asked]

    def _read(self, variable: str, output: bytes) -> Found:
        if variable == identities.SSH_COMMAND:
            from bridge_providers.sops import ssh_keys  # noqa: PLC0415 # as above

            return ssh_keys.parsed(variable, output, self._passphrase)
        found = identities.parsed(variable, output)
        return identities.opened(found.locked, self._passphrase) if found.locked else found
