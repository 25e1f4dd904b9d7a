"""Reads the trust file: the only servers that get a credential, and the only programs that start.

    stores:                                    # each with the credentials that it may get
      - {address: "https://vault.internal:8200", credentials: [kubernetes, VAULT_TOKEN]}
      - {address: scaleway, credentials: [scaleway]}
      - {address: aws, credentials: [aws]}
    servers: ["https://10.0.0.1:6443"]         # API servers
    kubeconfigs: [~/.kube/config]
    programs:                                  # the absolute path, and the first arguments if they matter
      - [/usr/local/bin/aws, eks, get-token]
      - [/usr/bin/gpg]
    packages: [acme_bridge]                    # of providers that bridge does not bring along

Every key may be left out, and then lists nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bridge.config.names import did_you_mean, is_variable, quoted
from bridge.config.problems import Findings, as_list, as_mapping, as_text
from bridge.config.server_url import split
from bridge.config.writable import writable_by_others
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.git import place_of

KEYS: Final = ("stores", "servers", "kubeconfigs", "programs", "packages")
STORE_KEYS: Final = ("address", "credentials")
VENDORS: Final = ("aws", "scaleway")
"""Words for all addresses of a vendor, which has one in each region."""
LOGINS: Final = ("token", "kubernetes", "jwt", "approle", "userpass", "cert")
"""The credentials of a Vault, by the method that logs in with them."""


class TrustedStore(NamedTuple):
    """A server of values. `credentials` are login methods, vendors, packages, variables and paths of files."""

    address: str
    credentials: frozenset[str]


class TrustFile(NamedTuple):
    """What the operator trusts. `programs` are paths, each with the arguments that have to come first."""

    path: str
    stores: tuple[TrustedStore, ...]
    servers: tuple[str, ...]
    kubeconfigs: frozenset[str]
    programs: tuple[tuple[str, ...], ...]
    packages: frozenset[str]


def load_trust_file(path: Path, home: str) -> TrustFile:
    """Read the file; ConfigError with all that is wrong in it, or if another user could change it.

    `home` is the folder that `~/` means.
    """
    _check_owner(path)
    findings = Findings(str(path))
    documents = [one.content for one in load_yaml_documents(path, str(path))] or [None]
    if len(documents) > 1:
        findings.note("must be one YAML document")
    content = {} if documents[0] is None else as_mapping(documents[0], findings, KEYS)
    reader = _Reader(content, home, findings)
    found = TrustFile(
        str(path), reader.stores(), reader.servers(), reader.kubeconfigs(), reader.programs(), reader.packages()
    )
    if findings:
        findings.fail()
    return found


def _check_owner(path: Path) -> None:
    try:
        problem = writable_by_others(path)
    except FileNotFoundError:
        problem = Problem(str(path), "no such file")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "its name is not one of this system").lower()
        problem = Problem(str(path), f"cannot be read: {reason}")
    if problem is None:
        return
    if problem.where == str(path):
        raise ConfigError(problem)
    raise ConfigError(Problem(str(path), f"{problem.where} {problem.what}", problem.hint))


class _Reader:
    """The keys of the file. What is wrong is noted, and left out."""

    def __init__(self, content: Mapping[str, object], home: str, findings: Findings) -> None:
        self._content: Final = content
        self._home: Final = home
        self._findings: Final = findings

    def stores(self) -> tuple[TrustedStore, ...]:
        found = (self._store(value, at) for value, at in self._items("stores", "mappings"))
        return tuple(one for one in found if one is not None)

    def servers(self) -> tuple[str, ...]:
        return tuple(url for value, at in self._items("servers", "URLs") if (url := _url(value, at)))

    def kubeconfigs(self) -> frozenset[str]:
        found = (self._path(value, at) for value, at in self._items("kubeconfigs", "paths"))
        return frozenset(place_of(path) for path in found if path)

    def programs(self) -> tuple[tuple[str, ...], ...]:
        found = (self._program(value, at) for value, at in self._items("programs", "programs with their arguments"))
        return tuple(one for one in found if one)

    def packages(self) -> frozenset[str]:
        found = (as_text(value, at, "a Python package's name") for value, at in self._items("packages", "names"))
        return frozenset(name for name in found if name)

    def _store(self, value: object, at: Findings) -> TrustedStore | None:
        content = as_mapping(value, at, STORE_KEYS)
        for key in STORE_KEYS:
            if content and key not in content:
                at.note(f"{key} is missing", "write {address: URL, credentials: [token]}")
        if len(content) < len(STORE_KEYS):
            return None
        address, where = content["address"], at.at(".credentials")
        url = str(address) if address in VENDORS else _url(address, at.at(".address"), f"{' or '.join(VENDORS)}, or ")
        items = as_list(content["credentials"], where, "login methods, variables or files")
        given = [self._credential(one, where.at(f"[{number}]")) for number, one in enumerate(items)]
        return TrustedStore(url, frozenset(one for one in given if one)) if url else None

    def _credential(self, value: object, at: Findings) -> str | None:
        text = as_text(value, at, "a login method, a variable or a file")
        if text is None or text in {*LOGINS, *VENDORS} or (is_variable(text) and text.isupper()):
            return text
        if text.startswith(("/", "~/")):
            return self._path(text, at)
        packages = self._content.get("packages")
        if isinstance(packages, list) and text in packages:
            return text
        known = f"known here: {', '.join((*LOGINS, *VENDORS))}, a variable, a path, or one of `packages`"
        at.note(f"unknown credential {quoted(text)}", did_you_mean(text, LOGINS + VENDORS) or known)
        return None

    def _program(self, value: object, at: Findings) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else as_list(value, at, "texts, first the program's path")
        if isinstance(value, list) and not words:
            at.note("is empty", "write [/usr/bin/gpg]")
        texts = [as_text(word, at.at(f"[{number}]")) for number, word in enumerate(words)]
        if not texts or None in texts:
            return ()
        path = self._path(texts[0], at)
        return (path, *(text for text in texts[1:] if text)) if path else ()

    def _path(self, value: object, at: Findings) -> str | None:
        text = as_text(value, at, "a path")
        if text is None:
            return None
        if text.startswith("~/") and self._home:
            return os.path.join(self._home, text[2:])  # noqa: PTH118 - compared as text
        if not text.startswith("/"):
            at.note("must be an absolute path, or begin with ~/")
            return None
        return text

    def _items(self, key: str, expected: str) -> list[tuple[object, Findings]]:
        items = as_list(self._content.get(key, []), self._findings.at(key), expected)
        return [(item, self._findings.at(f"{key}[{number}]")) for number, item in enumerate(items)]


def _url(value: object, at: Findings, other: str = "") -> str | None:
    parts = split(value) if isinstance(value, str) and value.isprintable() else None
    if parts is None or "@" in parts.netloc or " " in str(value):
        at.note(f"must be {other}a URL such as https://host:8200, without a user or a password")
        return None
    return str(value)
