"""Read kubeconfig files: find the cluster and the user of a context."""

import math
import re
from binascii import a2b_base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from bridge.config.textfile import read_bounded
from bridge.config.yaml_core_schema import TAG, UNFIT, CoreLoader
from bridge.config.yamlfile import beyond_bounds
from bridge.errors import ConfigError, Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.trust import find, refused_program

MOST: Final = 2**20
"""The largest file that a kubeconfig may name, in bytes; certificates and tokens have a few thousand."""
_KINDS: Final = {"clusters": "cluster", "contexts": "context", "users": "user"}
_HINT: Final = "pass this kubeconfig with --kubeconfig FILE, or set KUBECONFIG"
_PROGRAMS: Final = ("exec", "auth-provider")
"""Fields of a user that start a program (`auth-provider` does so with `cmd-path`)."""


class _Loader(CoreLoader):
    """Accepts the same booleans as kubectl, which has more words for them than the core schema."""


_Loader.add_implicit_resolver(
    f"{TAG}bool", re.compile(r"(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)\Z"), list("yYnNoO")
)


class KubeconfigSection(NamedTuple):
    """A mapping in a kubeconfig with typed fields; an empty or null field counts as missing.

    `where` names the file and the section. Relative paths start in the file's folder.
    """

    where: str
    file: Path
    fields: Mapping[str, object]
    deadline: float = math.inf  # a `time.monotonic()`, for files that turn out to be pipes

    def __repr__(self) -> str:
        return f"KubeconfigSection({self.where!r})"  # the fields may contain credentials

    def wrong(self, what: str, hint: str = "") -> ConfigError:
        """Return an error about this section."""
        return ConfigError(Problem(self.where, what, hint))

    def has(self, name: str) -> bool:
        """Return whether a field exists and is not empty."""
        return self.fields.get(name) not in (None, "", [], {})

    def text(self, name: str) -> str | None:
        """Return a string field."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"{name} must be a string")
        return value or None

    def flag(self, name: str) -> bool:
        """Return a boolean field."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(f"{name} must be true or false")
        return bool(value)

    def texts(self, name: str) -> list[str]:
        """Return a field that is a list of strings."""
        value = self.fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(f"{name} must be a list of strings")
        return value

    def section(self, name: str) -> "KubeconfigSection | None":
        """Return a field that is a mapping."""
        value = self.fields.get(name)
        if value is None:
            return None
        return self._replace(where=f"{self.where}: {name}", fields=self.mapping(value, name))

    def mapping(self, value: object, name: str) -> Mapping[str, object]:
        """Check that a value is a mapping with string keys, and return it."""
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.wrong(f"{name} must be a mapping")
        return value

    def content(self, name: str) -> bytes | None:
        """Return the decoded content of `NAME-data`, or else the content of the file that `NAME` names."""
        data, path = self.text(f"{name}-data"), self.text(name)
        if data is not None:
            return self._decoded(f"{name}-data", data)
        return None if path is None else self.read(self.path(path), name)

    def _decoded(self, name: str, data: str) -> bytes:
        try:
            decoded = a2b_base64("".join(data.split()), strict_mode=True)
        except ValueError:
            decoded = b""
        if not decoded:
            raise self.wrong(f"{name} is not base64")
        return decoded

    def path(self, text: str) -> Path:
        """Return a path from the kubeconfig, resolved against the kubeconfig's folder."""
        return self.file.absolute().parent / text

    def read(self, path: Path, name: str) -> bytes:
        """Return the content of the file that a field names."""
        try:
            return read_bounded(path, self.deadline, MOST)
        except OSError as error:
            raise self.wrong(f"{name}: cannot read {path}: {reason_of(error)}") from None
        except ValueError:  # a zero byte, or a character that the locale lacks
            raise self.wrong(f"{name}: its path is invalid on this system") from None


class Selection(NamedTuple):
    """A context, the files that were searched, and its cluster and user; a context may name no user.

    `by_environment` is True if the environment's file names the kubeconfig, so a branch may have chosen it.
    """

    files: tuple[Path, ...]
    context: str
    source: str
    cluster: KubeconfigSection
    user: KubeconfigSection | None
    by_environment: bool = False


def reason_of(error: OSError) -> str:
    """Return the system's text for an error, in the style of our messages."""
    reason = error.strerror or "the file cannot be read"
    return reason[:1].lower() + reason[1:]


def select(files: Sequence[Path], context: str | None, deadline: float = math.inf) -> Selection:
    """Find a context, or the current context, in one kubeconfig or in several merged files.

    Several files are merged like in kubectl: an entry, or the current-context, comes from the first file that has it.
    Missing files are ignored if at least one file exists. An empty file has no entries.
    """
    documents = [_load(path, deadline) for path in files if len(files) == 1 or not _is_missing(path)]
    if not documents:
        raise ConfigError(Problem(":".join(map(str, files)), "none of these kubeconfig files exists"))
    where = ":".join(document.where for document in documents)
    contexts = _entries(documents, "contexts")
    name = context or next(filter(None, (document.text("current-context") for document in documents)), None)
    if name is None:
        raise ConfigError(Problem(where, "has no current-context", _choice(contexts)))
    if name not in contexts:
        raise ConfigError(Problem(where, f'has no context "{name}"', _choice(contexts)))
    return _resolve(documents, contexts[name], name)


def _resolve(documents: Sequence[KubeconfigSection], chosen: KubeconfigSection, name: str) -> Selection:
    cluster, user = chosen.text("cluster"), chosen.text("user")
    clusters, users = _entries(documents, "clusters"), _entries(documents, "users")
    if cluster not in clusters:
        raise chosen.wrong("its cluster is not in the file" if cluster else "names no cluster")
    if user is not None and user not in users:
        raise chosen.wrong("its user is not in the file")
    files = tuple(document.file.absolute() for document in documents)
    return Selection(files, name, f"context {name} of {chosen.file}", clusters[cluster], users[user] if user else None)


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except (OSError, ValueError):
        return False  # reading it shows the reason


def _choice(contexts: Iterable[str]) -> str:
    names = ", ".join(sorted(contexts))
    return f"choose one of {names}" if names else "add a context: the file has none"


def _entries(documents: Sequence[KubeconfigSection], kind: str) -> dict[str, KubeconfigSection]:
    entries: dict[str, KubeconfigSection] = {}
    for document in documents:
        entries = _named(document, kind) | entries
    return entries


def _named(document: KubeconfigSection, kind: str) -> dict[str, KubeconfigSection]:
    items = document.fields.get(kind) or []
    if not isinstance(items, list):
        raise document.wrong(f"{kind} must be a list")
    entries: dict[str, KubeconfigSection] = {}
    for number, item in enumerate(items):
        label = f"{kind}[{number}]"
        entry = document._replace(where=f"{document.where}: {label}", fields=document.mapping(item, label))
        name = entry.text("name")
        if name is None or name in entries:
            raise entry.wrong("has no name" if name is None else "has the same name as an earlier entry")
        singular = _KINDS[kind]
        fields = entry.mapping(entry.fields.get(singular) or {}, singular)
        entries[name] = document._replace(where=f'{document.where}: {singular} "{name}"', fields=fields)
    return entries


def _load(path: Path, deadline: float) -> KubeconfigSection:
    top = KubeconfigSection(str(path), path, {}, deadline)
    try:
        content = read_bounded(path, deadline)
    except OSError as error:
        raise top.wrong(f"cannot read this kubeconfig: {reason_of(error)}") from None
    except ValueError:  # a zero byte, or a character that the locale lacks
        raise top.wrong("cannot read this kubeconfig: its name is invalid on this system") from None
    parsed, problem = _parse(content)
    if problem:
        raise top.wrong(problem)
    return top._replace(fields=top.mapping({} if parsed is None else parsed, "a kubeconfig"))


def _parse(content: bytes) -> tuple[object, str]:
    """Return the document and a problem with the YAML, or "". The parser's own text is dropped: it quotes the file."""
    if problem := beyond_bounds(content):
        return None, problem
    try:
        return yaml.load(content, Loader=_Loader), ""  # noqa: S506 -- the loader is a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" at line {mark.line + 1}" if mark else ""
        if isinstance(error, yaml.composer.ComposerError) and "single document" in (error.context or ""):
            return None, f"has a second YAML document{line}; a kubeconfig must have one"
        return None, f"not valid YAML{line}"
    except (*UNFIT, RecursionError):
        return None, "not valid YAML"


def problem_of_token(text: str) -> str:
    """Return why a text cannot be a token in a header (only visible ASCII can), without quoting it, or ""."""
    if re.fullmatch(r"[!-~]+", text):
        return ""
    if not text.strip():
        return "contains no token"
    if len(text.splitlines()) > 1:
        return "contains more than one line"
    if text != text.strip():
        return "contains a space before or after the token"
    return "contains a space" if " " in text or "\t" in text else "contains a character that no token has"


def check_user(user: KubeconfigSection) -> None:
    """Restrict the user of a kubeconfig that the environment's file names, because a branch may have written both.

    The user may not start a program, and its `tokenFile` must be in the kubeconfig's own folder. Otherwise the token
    in any file on this machine could be sent to a server that the kubeconfig chooses.
    """
    for name in _PROGRAMS:
        if user.has(name):
            message = f"{name} is not allowed if the environment's file names the kubeconfig"
            raise Refusal(Problem(user.where, message, _HINT))
    path = user.text("tokenFile")
    if path and not _is_in_folder_of(user, path):
        message = "tokenFile must be in the kubeconfig's folder if the environment's file names the kubeconfig"
        raise Refusal(Problem(user.where, message, _HINT))


def check_start(section: KubeconfigSection, command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Refuse to start a credential plugin that the trust file does not list with these arguments."""
    if problem := refused_program(environ, command, "exec"):
        raise Refusal(problem._replace(where=section.where))


def check_auth_provider(user: KubeconfigSection, environ: Mapping[str, str]) -> None:
    """Refuse `auth-provider` if there is a trust file: it starts programs and queries servers that we cannot check."""
    if user.has("auth-provider") and (file := find(environ)):
        message = f"auth-provider may start any program and query any server, so {file} cannot allow it"
        raise Refusal(Problem(user.where, message, "use an exec plugin, as kubectl does since 1.26"))


def _is_in_folder_of(user: KubeconfigSection, path: str) -> bool:
    """Return whether a file is in the kubeconfig's folder, with links resolved."""
    try:
        return user.path(path).resolve().is_relative_to(user.file.absolute().parent.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a zero byte
        return False
