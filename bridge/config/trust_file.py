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
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.config.names import did_you_mean, is_variable, quoted
from bridge.config.problems import Findings, as_list, as_mapping, as_text
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.git import place_of
from bridge.http.servers import split
from bridge.named_tuple import NamedTuple

KEYS: Final = ("stores", "servers", "kubeconfigs", "programs", "packages")
STORE_KEYS: Final = ("address", "credentials")
VENDORS: Final = ("aws", "scaleway")
"""The names that cover all addresses of a vendor, which has one in each region."""
LOGINS: Final = ("token", "kubernetes", "jwt", "approle", "userpass", "cert")
"""Credentials for Vault, named by the login method that uses them."""
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS: Final = 40  # the limit in Linux


class TrustedStore(NamedTuple):
    """A server of values. `credentials` are login methods, vendors, packages, variables and file paths."""

    address: str
    credentials: frozenset[str]


class TrustFile(NamedTuple):
    """What the operator trusts. `programs` are paths, each followed by the required first arguments."""

    path: str
    stores: tuple[TrustedStore, ...]
    servers: tuple[str, ...]
    kubeconfigs: frozenset[str]
    programs: tuple[tuple[str, ...], ...]
    packages: frozenset[str]


def load_trust_file(path: Path, home: str) -> TrustFile:
    """Read the file; ConfigError lists everything that is wrong with it, or says that another user could change it.

    `home` is the folder that `~/` refers to.
    """
    _check_owner(path)
    findings = Findings(str(path))
    documents = [document.content for document in load_yaml_documents(path, str(path))] or [None]
    if len(documents) > 1:
        findings.note("must be one YAML document")
    content = {} if documents[0] is None else as_mapping(documents[0], findings, KEYS)
    reader = _Reader(content, home, findings)
    trusted = TrustFile(
        str(path), reader.stores(), reader.servers(), reader.kubeconfigs(), reader.programs(), reader.packages()
    )
    if findings:
        findings.fail()
    return trusted


def _check_owner(path: Path) -> None:
    try:
        problem = writable_by_others(path)
    except FileNotFoundError:
        problem = Problem(str(path), "no such file")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "invalid file name").lower()
        problem = Problem(str(path), f"cannot be read: {reason}")
    if problem is None:
        return
    if problem.where == str(path):
        raise ConfigError(problem)
    raise ConfigError(Problem(str(path), f"{problem.where} {problem.what}", problem.hint))


class _Reader:
    """The keys of the file. Invalid entries are noted and left out."""

    def __init__(self, content: Mapping[str, object], home: str, findings: Findings) -> None:
        self._content: Final = content
        self._home: Final = home
        self._findings: Final = findings

    def stores(self) -> tuple[TrustedStore, ...]:
        stores = (self._store(value, at) for value, at in self._items("stores", "mappings"))
        return tuple(store for store in stores if store is not None)

    def servers(self) -> tuple[str, ...]:
        return tuple(url for value, at in self._items("servers", "URLs") if (url := _url(value, at)))

    def kubeconfigs(self) -> frozenset[str]:
        paths = (self._path(value, at) for value, at in self._items("kubeconfigs", "paths"))
        return frozenset(place_of(path) for path in paths if path)

    def programs(self) -> tuple[tuple[str, ...], ...]:
        programs = (self._program(value, at) for value, at in self._items("programs", "programs with their arguments"))
        return tuple(program for program in programs if program)

    def packages(self) -> frozenset[str]:
        names = (as_text(value, at, "a Python package name") for value, at in self._items("packages", "names"))
        return frozenset(name for name in names if name)

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
        credentials = [self._credential(item, where.at(f"[{number}]")) for number, item in enumerate(items)]
        return TrustedStore(url, frozenset(name for name in credentials if name)) if url else None

    def _credential(self, value: object, at: Findings) -> str | None:
        text = as_text(value, at, "a login method, a variable or a file")
        if text is None or text in {*LOGINS, *VENDORS} or (is_variable(text) and text.isupper()):
            return text
        if text.startswith(("/", "~/")):
            return self._path(text, at)
        packages = self._content.get("packages")
        if isinstance(packages, list) and text in packages:
            return text
        known = f"use one of {', '.join((*LOGINS, *VENDORS))}, a variable, a path, or one of `packages`"
        at.note(f"unknown credential {quoted(text)}", did_you_mean(text, LOGINS + VENDORS) or known)
        return None

    def _program(self, value: object, at: Findings) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else as_list(value, at, "strings, starting with the program's path")
        if isinstance(value, list) and not words:
            at.note("is empty", "write the program's path, such as [/usr/bin/gpg]")
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
            at.note("must be an absolute path, or start with ~/")
            return None
        return text

    def _items(self, key: str, expected: str) -> list[tuple[object, Findings]]:
        items = as_list(self._content.get(key, []), self._findings.at(key), expected)
        return [(item, self._findings.at(f"{key}[{number}]")) for number, item in enumerate(items)]


def _url(value: object, at: Findings, other: str = "") -> str | None:
    parts = split(value) if isinstance(value, str) and value.isprintable() else None
    if parts is None or "@" in parts.netloc or " " in str(value):
        at.note(f"must be {other}a URL such as https://host:8200, without a user or password")
        return None
    return str(value)


def writable_by_others(path: Path) -> Problem | None:
    """Return the reason why another user can change a file, or None; OSError if the file does not exist.

    The file, every folder above it and every link on the way must belong to root or to this user, and must not be
    writable by their group or by others. Folders with the sticky bit, such as /tmp, may be writable: nobody can replace
    someone else's file there.
    """
    here, left = "/", _parts(str(path.absolute()))
    problem = _problem(here)
    links = 0
    while left and problem is None:
        part = left.pop()
        here = os.path.dirname(here) if part == ".." else os.path.join(here, part)  # noqa: PTH118, PTH120 - links matter
        problem = _problem(here)
        if os.path.islink(here):  # noqa: PTH114 - as above
            links += 1
            if links > _MOST_LINKS:
                raise OSError(None, "too many symbolic links")
            target = os.readlink(here)  # noqa: PTH115 - as above
            here = "/" if target.startswith("/") else os.path.dirname(here)  # noqa: PTH120 - as above
            left += _parts(target)
    return problem


def _parts(path: str) -> list[str]:
    """Return the parts of a path in reverse order."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _problem(path: str) -> Problem | None:
    status = os.lstat(path)
    if status.st_uid not in {0, os.geteuid()}:
        return Problem(path, "belongs to another user", f"sudo chown root {path}")
    is_sticky_folder = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if not stat.S_ISLNK(status.st_mode) and status.st_mode & _WRITABLE and not is_sticky_folder:
        return Problem(path, "can be changed by other users", f"chmod go-w {path}")
    return None
