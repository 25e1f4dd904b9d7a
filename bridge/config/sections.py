"""Reads the keys of an environment file, one by one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from bridge.config.names import is_dns_label, is_variable, quoted
from bridge.config.problems import Findings, as_list, as_mapping, as_text
from bridge.config.reference import Reference, is_provider_name, parse_reference
from bridge.config.server_url import split
from bridge.errors import ConfigError

KEYS: Final = (
    "id",
    "namespace",
    "templates",
    "env_file",
    "secrets_from",
    "infrastructure",
    "sources",
    "variables",
    "providers",
    "accept_older",
    "cluster",
)
REQUIRED: Final = ("id", "templates")
BINDINGS: Final = ("namespace_uid", "server")
VARIABLE_KEYS: Final = ("from", "decode", "literal")


class Variable(NamedTuple):
    """An exception for one variable. `literal` admits a value that looks encrypted."""

    reference: Reference
    decode: Literal["base64"] | None = None
    literal: bool = False


class ClusterChoice(NamedTuple):
    """Which cluster: `kubeconfig` and `context` select it, the others bind the environment to it.

    The namespace has one of the uids; outside pods the API server has one of the URLs in `server`.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace_uid: tuple[str, ...] = ()
    server: tuple[str, ...] = ()


class ClusterFlags(NamedTuple):
    """The cluster that the command line names: it counts more than an environment's file and KUBECONFIG."""

    kubeconfig: Path | None = None
    context: str | None = None
    in_cluster: bool = False  # the pod's own service account, whatever else is named


class Sections:
    """The keys of one environment file. What is wrong is noted, and something harmless stands in for it."""

    def __init__(self, content: Mapping[str, object], base: Path, findings: Findings) -> None:
        self.content = content
        self.base = base
        self.findings = findings

    def id(self) -> str:
        """Return who the environment is in the cluster; it must be given."""
        if "id" not in self.content:
            self.findings.note("id is missing", "choose a DNS label once and for ever, such as voice-agent-staging")
            return ""
        return self._label("id", "it names the owner in the cluster, and never changes") or ""

    def namespace(self) -> str | None:
        """Return the namespace, or None where the file leaves it to K8S_NAMESPACE."""
        return self._label("namespace", "it is the namespace's name in the cluster")

    def templates(self) -> tuple[Path, ...]:
        """Return the templates' paths; they must be given."""
        if "templates" not in self.content:
            self.findings.note("templates is missing", "list the manifests that say which objects and keys there are")
            return ()
        items = self._items("templates", "paths")
        return tuple(path for item, at in items if (path := self._path(item, at)) is not None)

    def env_file(self) -> Path | Literal["environment"] | None:
        """Return the env file's path, the word for the process's environment, or None."""
        if "env_file" not in self.content:
            return None
        value = self.content["env_file"]
        return "environment" if value == "environment" else self._path(value, self.findings.at("env_file"))

    def secrets_from(self) -> Literal["sources", "any"]:
        """Return which layers may fill a Secret's key."""
        value = self.content.get("secrets_from", "sources")
        if value == "any":
            return "any"
        if value != "sources":
            self.findings.at("secrets_from").note("must be sources or any")
        return "sources"

    def infrastructure(self) -> Mapping[str, Literal["required", "secret"]]:
        """Return the infrastructure variables."""
        found: dict[str, Literal["required", "secret"]] = {}
        for name, value, at in self._named("infrastructure", is_variable, "a variable's name"):
            if value == "required":
                found[name] = "required"
            elif value == "secret":
                found[name] = "secret"
            else:
                at.note("must be required or secret")
        return found

    def sources(self) -> tuple[Reference, ...]:
        """Return the sources, whole documents, each once."""
        found: dict[Reference, None] = {}
        for item, at in self._items("sources", "references"):
            reference = _reference(item, at)
            if reference is None:
                continue
            if reference.field is not None:
                at.note("a source is a whole document", "take a single field under variables")
            elif reference in found:
                at.note("this source is listed already")
            found[reference] = None
        return tuple(found)

    def variables(self) -> Mapping[str, Variable]:
        """Return the exceptions for single variables."""
        named = self._named("variables", is_variable, "a variable's name")
        found = {name: _variable(value, at) for name, value, at in named}
        return {name: variable for name, variable in found.items() if variable is not None}

    def accept_older(self) -> Mapping[str, str]:
        """Return the older revision that is admitted of a document, by the document's reference."""
        at = self.findings.at("accept_older")
        found: dict[str, str] = {}
        for name, value in as_mapping(self.content.get("accept_older", {}), at).items():
            reference = _reference(name, at)
            revision = as_text(str(value) if type(value) is int else value, at.at(f".{name}"), "a revision")
            if reference is not None and revision is not None:
                found[str(reference.document)] = revision
        return found

    def providers(self) -> Mapping[str, Mapping[str, object]]:
        """Return the providers' sections as they are; what is in them is each provider's own affair."""
        named = self._named("providers", is_provider_name, "a provider's name")
        return {name: as_mapping(value, at) for name, value, at in named}

    def cluster(self) -> ClusterChoice:
        """Return which cluster is meant."""
        at = self.findings.at("cluster")
        given = as_mapping(self.content.get("cluster", {}), at, ClusterChoice._fields)
        kubeconfig = self._path(given["kubeconfig"], at.at(".kubeconfig")) if "kubeconfig" in given else None
        context = as_text(given["context"], at.at(".context")) if "context" in given else None
        uids, servers = (_texts(given[key], at.at(f".{key}")) if key in given else () for key in BINDINGS)
        for url in servers:
            parts = split(url)
            if parts is None or "@" in parts.netloc:
                at.at(".server").note("must be a URL such as https://host:6443, without a user or a password")
        return ClusterChoice(kubeconfig, context, uids, servers)

    def _label(self, key: str, hint: str) -> str | None:
        if key not in self.content:
            return None
        value = self.content[key]
        if isinstance(value, str) and is_dns_label(value):
            return value
        self.findings.at(key).note("must be a DNS label: at most 63 of a to z, 0 to 9 and -, no - at an end", hint)
        return None

    def _path(self, value: object, at: Findings) -> Path | None:
        text = as_text(value, at, "a path")
        return None if text is None else self.base / text

    def _items(self, key: str, expected: str) -> list[tuple[object, Findings]]:
        items = as_list(self.content.get(key, []), self.findings.at(key), expected)
        return [(item, self.findings.at(f"{key}[{number}]")) for number, item in enumerate(items)]

    def _named(self, key: str, is_name: Callable[[str], bool], expected: str) -> Iterator[tuple[str, object, Findings]]:
        for name, value in as_mapping(self.content.get(key, {}), self.findings.at(key)).items():
            if is_name(name):
                yield name, value, self.findings.at(f"{key}.{name}")
            else:
                self.findings.at(key).note(f"{quoted(name)} is not {expected}")


def _texts(given: object, at: Findings) -> tuple[str, ...]:
    """Return one text, or a list of them that is not empty."""
    if not isinstance(given, list) or not given:
        text = as_text(given, at, "a text, or a list of texts")
        return () if text is None else (text,)
    texts = (as_text(one, at.at(f"[{number}]")) for number, one in enumerate(given))
    return tuple(text for text in texts if text is not None)


def _reference(given: object, at: Findings) -> Reference | None:
    try:
        return parse_reference(given, at.where)
    except ConfigError as error:
        at.take(error)
        return None


def _variable(given: object, at: Findings) -> Variable | None:
    if not isinstance(given, Mapping) or "provider" in given:
        reference = _reference(given, at)
        return None if reference is None else Variable(reference)
    content = as_mapping(given, at, VARIABLE_KEYS)
    if "from" not in content:
        at.note("from is missing", "write {from: REFERENCE, decode: base64} or the reference alone")
        return None
    decode, literal = content.get("decode"), content.get("literal", False)
    if "decode" in content and decode != "base64":
        at.at(".decode").note("must be base64")
    if not isinstance(literal, bool):
        at.at(".literal").note("must be true or false")
    reference = _reference(content["from"], at.at(".from"))
    return None if reference is None else Variable(reference, "base64" if decode else None, literal is True)
