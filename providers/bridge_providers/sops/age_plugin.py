"""Asks the age plugins that the section names (https://c2sp.org/age-plugin): programs that hold keys of their own.

A plugin is started for one age file: it gets the stanzas and says the file key, or wraps a new one. What it asks is
answered with `fail`, and nothing that it says is shown: it might be the identity.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, ProviderError
from bridge_providers.sops import age_file, bech32, origin
from bridge_providers.sops.age_file import Stanza
from bridge_providers.sops.programs import Program, Programs

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_NAME: Final = re.compile(r"[a-z0-9+._-]+")
PASSED_ON: Final = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")
_QUESTIONS: Final = ("msg", "confirm", "request-public", "request-secret")
_ONLY_FILE: Final = "0"
_ASK_SOPS: Final = "`sops decrypt FILE` shows what a plugin says"


def is_name(name: str) -> bool:
    """Say whether a plugin may be called so (age's plugin/encode.go); no path can."""
    return _NAME.fullmatch(name) is not None and name not in {".", ".."}


@dataclass(frozen=True)
class Identity:
    """A key of a plugin, or what tells the plugin where it is."""

    name: str
    text: str = field(repr=False)


def identity(text: str) -> Identity | None:
    """Read `AGE-PLUGIN-NAME-1…`; None for what is none."""
    name = _name(text, "AGE-PLUGIN-", "-")
    return None if name is None else Identity(name, text)


def _name_of(recipient: str) -> str | None:
    """Return the plugin of a recipient `age1NAME1…`; None where it is none of a plugin."""
    return _name(recipient, "age1", "")


def _name(text: str, begin: str, end: str) -> str | None:
    prefix = text.rpartition("1")[0]
    if not prefix.startswith(begin) or not prefix.endswith(end) or bech32.decode(text, prefix.lower()) is None:
        return None
    name = prefix.removeprefix(begin).removesuffix(end).lower()
    return name if is_name(name) else None


class Plugins:
    """The plugins that the section names, one at a time: the device behind them is one."""

    def __init__(self, options: "Sops", context: Context, programs: Programs) -> None:
        self._paths: Final = dict(options.age_plugins or {})
        self._context: Final = context
        self._environ: Final = {name: context.environ[name] for name in PASSED_ON if name in context.environ}
        self._programs: Final = programs
        self._lock: Final = threading.Lock()

    def open(self, key: Identity, armored: str) -> bytes | None:
        """Return the content of an age file, None where it is not for this key; raises as `wrap`."""
        try:
            file = age_file.parse(armored.encode())
        except age_file.Malformed:
            return None
        header = [Stanza("recipient-stanza", (_ONLY_FILE, one.kind, *one.arguments), one.body) for one in file.stanzas]
        asked = [Stanza("add-identity", (key.text,), b""), *header]
        answer = self._ask(key.name, "identity-v1", asked, "file-key")
        if answer is None:
            return None
        content = age_file.unseal(file, answer.body)
        if content is None:
            raise ProviderError(f"the age plugin {key.name} gives another key than the file's")
        return content

    def _ask(self, name: str, machine: str, asked: Sequence[Stanza], wanted: str) -> Stanza | None:
        """Start a plugin, and return the one answer that is wanted."""
        what = f"the age plugin {name}"
        path = self._paths.get(name)
        if path is None:
            hint = f"age_plugins: {{{name}: /usr/local/bin/age-plugin-{name}}} in the provider's section"
            raise Denied(f"{what} is not started, because age_plugins does not name it", hint=hint)
        origin.check_program(f"age_plugins {name}", path, self._context)
        command = (path, f"--age-plugin={machine}")
        with self._lock, self._programs.started(what, command, self._environ) as program:
            try:
                return _answer(program, what, [*asked, Stanza("done", (), b"")], wanted)
            except age_file.Malformed:
                pass
            raise ProviderError(f"{what} does not speak as a plugin does", hint=_ASK_SOPS)


def _answer(program: Program, what: str, asked: Sequence[Stanza], wanted: str) -> Stanza | None:
    program.send("".join(map(age_file.text, asked)).encode())
    found = None
    for said in age_file.stanzas(_lines(program)):
        if said.kind == "done":
            return found
        reply = "fail" if said.kind in _QUESTIONS else "unsupported"
        if said.kind == wanted:
            if found is not None or said.arguments[:1] != (_ONLY_FILE,):
                raise age_file.Malformed
            found, reply = said, "ok"
        if said.kind == "error":
            raise ProviderError(f"{what} fails", hint=_ASK_SOPS)
        program.send(age_file.text(Stanza(reply, (), b"")).encode())
    raise ProviderError(f"{what} ended without an answer", hint=_ASK_SOPS)


def _lines(program: Program) -> Iterator[bytes]:
    """Yield the lines that a program says, as they come."""
    rest = b""
    while piece := program.receive():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
