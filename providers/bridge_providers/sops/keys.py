"""Opens a file's data key: with local keys first, and without the network if they are enough."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from bridge.provider import Context, Denied, Problem, ProviderError, Unavailable
from bridge_providers.sops import mac
from bridge_providers.sops.cipher import KEY_BYTES, Cipher
from bridge_providers.sops.key_types import Failure, Group, joined
from bridge_providers.sops.metadata import Metadata

if TYPE_CHECKING:
    from bridge_providers.sops import Sops
    from bridge_providers.sops.sops_program import SopsProgram

LOCAL: Final = ("age", "pgp")
REMOTE: Final = ("kms", "hc_vault")
"""The types of keys that bridge opens, in the order in which sops tries them."""
SET_PROGRAM: Final = "add to the provider's section: program: /usr/local/bin/sops"


class Way(Protocol):
    """Opens one type of keys; made once, for any number of threads."""

    def open(self, group: Group) -> bytes:
        """Return what a key of this type contains; raises Denied, ProviderError or Unavailable if none opens."""
        ...

    def close(self) -> None:
        """Forget the keys, and close connections."""
        ...

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Warnings for every file that was opened in this way."""
        ...

    @property
    def left(self) -> tuple[Problem, ...]:
        """What `close` could not return, such as tokens."""
        ...


class Keyring:
    """The keys of one environment. Each way is made when it is first needed, and no data key is opened twice."""

    def __init__(self, options: "Sops", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._closed = False
        self._ways: Final[dict[str, Way]] = {}
        self._turns: Final[dict[object, threading.Lock]] = {}
        self._opened: Final[dict[object, bytes]] = {}
        self._warnings: Final[dict[Group, tuple[Problem, ...]]] = {}
        self._program: SopsProgram | None = None
        self.left: tuple[Problem, ...] = ()

    def data_key(self, block: Metadata) -> bytes:
        """Return the data key of a file; Denied if no key opens it, else raises as `Way.open`."""
        if not block.groups:
            raise ProviderError("it has no keys in its sops metadata, so nobody can decrypt it")
        wrapped = (block.groups, block.threshold)
        with self._lock:
            turn = self._turns.setdefault(wrapped, threading.Lock())
        with turn:
            if wrapped not in self._opened:
                self._opened[wrapped] = self._open(block)
            return self._opened[wrapped]

    @property
    def program(self) -> "SopsProgram":
        """The sops program."""
        from bridge_providers.sops import sops_program  # noqa: PLC0415 - few files need it

        with self._lock:
            if self._program is None:
                self._program = sops_program.SopsProgram(self._options, self._context)
                if self._closed:  # and `close` may have come too early to see it
                    self._program.close()
            return self._program

    def warnings(self, block: Metadata) -> tuple[Problem, ...]:
        """Return the warnings of the ways in which a file's data key was opened."""
        return tuple(dict.fromkeys(one for group in block.groups for one in self._warnings.get(group, ())))

    def close(self) -> None:
        """Forget all keys, and close connections; `left` is what could not be returned."""
        # Without the lock: a read that hangs may hold it.
        self._closed = True
        self._opened.clear()
        if self._program is not None:
            self._program.close()
        for way in list(self._ways.values()):
            way.close()
            self.left += way.left
        self._ways.clear()

    def _open(self, block: Metadata) -> bytes:
        wanted = len(block.groups[1:]) and _threshold(block)
        shares, errors = self._shares(block.groups, wanted or 1, KEY_BYTES + bool(wanted))
        if len(shares) < (wanted or 1):
            raise _failure(block, len(shares), errors, SET_PROGRAM if self._options.program is None else "")
        return _joined(shares, block) if wanted else shares[0]

    def _shares(self, groups: Sequence[Group], wanted: int, size: int) -> tuple[list[bytes], list[Failure]]:
        """Open as many groups as are needed: first with local keys, then with the others."""
        shares: list[bytes] = []
        errors: list[Failure] = []
        closed = groups
        for kinds in (LOCAL, REMOTE):
            left = []
            for group in closed:
                share = self._share(group, kinds, size, errors) if len(shares) < wanted else None
                if share is None:
                    left.append(group)
                else:
                    shares.append(share)
            closed = left
        return shares, errors

    def _share(self, group: Group, kinds: Sequence[str], size: int, errors: list[Failure]) -> bytes | None:
        """Open a group with the first key that works; if none does, return None and add the reasons to `errors`."""
        for kind in kinds:
            if not getattr(group, kind):
                continue
            try:
                way = self._way(kind)
                content = way.open(group)
            except (ProviderError, Unavailable) as error:
                errors.append(error)
                continue
            if len(content) == size:
                self._warnings[group] = way.warnings
                return content
            errors.append(ProviderError(f"its {kind} key contains {len(content)} bytes instead of {size}"))
        return None

    def _way(self, kind: str) -> Way:
        with self._lock:
            if kind not in self._ways:
                self._ways[kind] = _made(kind, self._options, self._context)
                if self._closed:  # and `close` may have come too early to see it
                    self._ways[kind].close()
            return self._ways[kind]


def _made(kind: str, options: "Sops", context: Context) -> Way:
    """Make a way; import only what a file needs."""
    if kind == "age":
        from bridge_providers.sops import age  # noqa: PLC0415 - as every import here

        return age.Age(options, context)
    if kind == "pgp":
        from bridge_providers.sops import gpg  # noqa: PLC0415 - start-up

        return gpg.Gpg(options, context)
    if kind == "kms":
        from bridge_providers.sops import kms  # noqa: PLC0415 - start-up

        return kms.Kms(options, context)
    from bridge_providers.sops import transit  # noqa: PLC0415 - start-up

    return transit.Transit(options, context)


def _threshold(block: Metadata) -> int:
    count = len(block.groups)
    threshold = block.threshold or count
    if not 2 <= threshold <= count:
        raise ProviderError(f"its `shamir_threshold` is {threshold}, which is not possible with {count} key groups")
    return threshold


def _joined(shares: Sequence[bytes], block: Metadata) -> bytes:
    """Join shares, and check by the MAC that they belong together."""
    from bridge_providers.sops import shamir  # noqa: PLC0415 - start-up: few files have key groups

    key = shamir.join(shares)
    if block.mac and not mac.opens(block, Cipher(key)):
        raise ProviderError(
            "the shares of its key groups do not give its data key: one is damaged or from another file, "
            "or `mac` or `lastmodified` was changed"
        )
    return key


def for_program(block: Metadata) -> str:
    """Return the message about keys that only the sops program opens; empty if the file has none."""
    kinds = dict.fromkeys(kind for group in block.groups for kind in group.for_program)
    return f"only the sops program can open its {' and '.join(kinds)} keys" if kinds else ""


def _failure(block: Metadata, opened: int, errors: Sequence[Failure], hint: str) -> Failure:
    """Return an error with what went wrong for each kind of key, and where keys were looked for."""
    before = ""
    if len(block.groups) > 1:
        before = f"{opened} of its {len(block.groups)} key groups opened, and {_threshold(block)} are needed"
    others = for_program(block)
    return joined([*errors, *([Denied(others, hint=hint)] if others else [])], before=before)
