"""Decrypts data keys with Vault's transit engine, only at addresses that the section lists (sops hcvault).

The Vault provider logs in.
"""

import binascii
import threading
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, Problem, ProviderError, SecretValue, Unavailable
from bridge_providers.sops import sections
from bridge_providers.sops.key_types import Failure, Group, TransitKey, joined
from bridge_providers.vault import answers, paths

if TYPE_CHECKING:
    from bridge_providers.sops import Sops
    from bridge_providers.vault.session import VaultSession


class Transit:
    """The sessions of the servers that the section lists."""

    def __init__(self, options: "Sops", context: Context) -> None:
        self._servers: Final = {_normal(one.address or ""): one for one in sections.vaults(options)}
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._sessions: Final[dict[str, VaultSession]] = {}
        self.left: tuple[Problem, ...] = ()

    def open(self, group: Group) -> bytes:
        """Decrypt with the first key whose server is configured and can decrypt it."""
        errors: list[Failure] = []
        for key in group.hc_vault:
            error: Failure
            try:
                return self._decrypt(key)
            except (ProviderError, Unavailable) as caught:
                error = caught
            errors.append(error)
        raise joined(errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return the Vault provider's warnings about the servers that were asked."""
        return tuple(dict.fromkeys(warning for one in list(self._sessions.values()) for warning in one.notes))

    def close(self) -> None:
        """Revoke the tokens that were issued."""
        for session in list(self._sessions.values()):
            session.close()
            self.left += session.warnings
        self._sessions.clear()

    def _decrypt(self, key: TransitKey) -> bytes:
        plaintext = self._asked(key, "decrypt", {"ciphertext": key.enc}, "plaintext")
        try:
            return binascii.a2b_base64(plaintext.reveal(), strict_mode=True)
        except ValueError:
            pass
        raise ProviderError(answers.FOREIGN)

    def _asked(self, key: TransitKey, verb: str, body: dict[str, str], wanted: str) -> SecretValue:
        """Send a request to the key's server, and return one text of the answer."""
        engine, name = key.engine.strip("/"), key.name
        for part in (engine, name):
            if not part or set("%?#") & set(part) or paths.problem_of_path(part):
                raise ProviderError("one of its hc_vault keys has an invalid path")
        problem: Failure
        try:
            session = self._session(key.address)
            step = answers.Step(
                f"{verb}ing with transit key {engine}/{name}", answers.grant(f"{engine}/{verb}/{name}", "update")
            )
            reply = session.ask(lambda client: client.adapter.post(f"/v1/{engine}/{verb}/{name}", json=body), step)
            value = answers.part(reply.body, "data", wanted)
            if reply.is_ok and isinstance(value, SecretValue):
                return value
            problem = answers.foreign(reply) if reply.is_ok else answers.failure(reply)
        except (ProviderError, Unavailable) as caught:
            problem = caught
        details = problem.problems[0]
        address = _shown(key.address)
        message = (
            details.what
            if details.what.startswith(address)
            else f"{address}: transit key {engine}/{name}: {details.what}"
        )
        if isinstance(problem, Unavailable):
            raise Unavailable(message, hint=details.hint)
        raise type(problem)(message, hint=details.hint)

    def _session(self, address: str) -> "VaultSession":
        normal = _normal(address)
        server = self._servers.get(normal)
        if server is None:
            raise Denied("this address is not in hc_vault, so it is not asked", hint=sections.LIST_VAULT)
        with self._lock:
            if normal not in self._sessions:
                self._sessions[normal] = server.open(self._context)
            return self._sessions[normal]


def _normal(address: str) -> str:
    return address.rstrip("/")


def _shown(address: str) -> str:
    return _normal(address) if address.isprintable() and len(address) < 200 and "@" not in address else "its Vault"
