"""Reads the keys of an environment file, one by one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from bridge.config import age_limits
from bridge.config.age_limits import AgeLimit, age_limit_of, max_age_of
from bridge.config.names import is_dns_label, is_variable, quoted
from bridge.config.problems import Findings, as_list, as_mapping, as_text
from bridge.config.reference import Reference, is_provider_name, parse_reference
from bridge.errors import ConfigError
from bridge.http.servers import split
from bridge.named_tuple import NamedTuple

KEYS: Final = (
    "id",
    "namespace",
    "templates",
    "env_file",
    "secrets_from",
    "infrastructure",
    "sources",
    "variables",
    "max_age",
    "providers",
    "accept_older",
    "cluster",
)
REQUIRED: Final = ("id", "templates")
BINDINGS: Final = ("namespace_uid", "server")
VARIABLE_KEYS: Final = ("from", "decode", "literal", *age_limits.KEYS)
_OF_REFERENCE: Final = ("decode", "literal")
"""The keys of a variable that only make sense with `from`."""


class Variable(NamedTuple):
    """An exception for one variable. `literal` allows a value that looks encrypted."""

    reference: Reference
    decode: Literal["base64"] | None = None
    literal: bool = False


class ClusterChoice(NamedTuple):
    """Which cluster to use: `kubeconfig` and `context` select it, the other fields bind the environment to it.

    The namespace must have one of the UIDs. Outside pods, the API server must have one of the URLs in `server`.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace_uid: tuple[str, ...] = ()
    server: tuple[str, ...] = ()


class ClusterFlags(NamedTuple):
    """The cluster named on the command line, which takes precedence over the environment's file and KUBECONFIG."""

    kubeconfig: Path | None = None
    context: str | None = None
    in_cluster: bool = False  # use the pod's own service account, whatever else is named


class Sections:
    """The keys of one environment file. An invalid value is noted and replaced with a harmless one."""

    def __init__(self, content: Mapping[str, object], base: Path, findings: Findings) -> None:
        self.content = content
        self.base = base
        self.findings = findings

    def id(self) -> str:
        """Return the environment's identity in the cluster, which is required."""
        if "id" not in self.content:
            self.findings.note(
                "id is missing", "add `id:` with a DNS label that never changes, such as voice-agent-staging"
            )
            return ""
        return self._label("id", "choose an id that never changes, such as voice-agent-staging") or ""

    def namespace(self) -> str | None:
        """Return the namespace, or None if the file leaves it to K8S_NAMESPACE."""
        return self._label("namespace", "use the name of the namespace in the cluster")

    def templates(self) -> tuple[Path, ...]:
        """Return the templates' paths, which are required."""
        if "templates" not in self.content:
            self.findings.note("templates is missing", "list the manifests of the objects and keys that bridge writes")
            return ()
        items = self._items("templates", "paths")
        return tuple(path for item, at in items if (path := self._path(item, at)) is not None)

    def env_file(self) -> Path | Literal["environment"] | None:
        """Return the env file's path, "environment" for the process's environment, or None."""
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
        rules: dict[str, Literal["required", "secret"]] = {}
        for name, value, at in self._named("infrastructure", is_variable, "a valid variable name"):
            if value == "required":
                rules[name] = "required"
            elif value == "secret":
                rules[name] = "secret"
            else:
                at.note("must be required or secret")
        return rules

    def sources(self) -> tuple[Reference, ...]:
        """Return the sources: whole documents, without duplicates."""
        listed: dict[Reference, None] = {}
        for item, at in self._items("sources", "references"):
            reference = _reference(item, at)
            if reference is None:
                continue
            if reference.field is not None:
                at.note("a source must be a whole document", "move a single field to `variables`")
            elif reference in listed:
                at.note("this source is already listed")
            listed[reference] = None
        return tuple(listed)

    def variables(self) -> Mapping[str, Variable]:
        """Return the exceptions for single variables; a variable with only an age limit is none."""
        named = self._named("variables", is_variable, "a valid variable name")
        variables = {name: _variable(value, at) for name, value, at in named}
        return {name: variable for name, variable in variables.items() if variable is not None}

    def max_age(self) -> int | None:
        """Return how old the variables that fill Secrets may become, in seconds, or None if there is no limit."""
        return max_age_of(self.content["max_age"], self.findings.at("max_age")) if "max_age" in self.content else None

    def age_limits(self) -> Mapping[str, AgeLimit]:
        """Return the age limits of single variables. `variables` has already noted what else is wrong there."""
        variables = self.content.get("variables")
        listed = variables.items() if isinstance(variables, Mapping) else ()
        limits = {
            name: age_limit_of(value, self.findings.at(f"variables.{name}"))
            for name, value in listed
            if isinstance(value, Mapping) and "provider" not in value and is_variable(name)
        }
        return {name: limit for name, limit in limits.items() if limit != age_limits.NO_LIMIT}

    def accept_older(self) -> Mapping[str, str]:
        """Return the older revision that is allowed for a document, by the document's reference."""
        at = self.findings.at("accept_older")
        revisions: dict[str, str] = {}
        for name, value in as_mapping(self.content.get("accept_older", {}), at).items():
            reference = _reference(name, at)
            revision = as_text(str(value) if type(value) is int else value, at.at(f".{name}"), "a revision")
            if reference is not None and revision is not None:
                revisions[str(reference.document)] = revision
        return revisions

    def providers(self) -> Mapping[str, Mapping[str, object]]:
        """Return the providers' sections unchanged; each provider validates its own."""
        named = self._named("providers", is_provider_name, "a valid provider name")
        return {name: as_mapping(value, at) for name, value, at in named}

    def cluster(self) -> ClusterChoice:
        """Return which cluster to use."""
        at = self.findings.at("cluster")
        fields = as_mapping(self.content.get("cluster", {}), at, ClusterChoice._fields)
        kubeconfig = self._path(fields["kubeconfig"], at.at(".kubeconfig")) if "kubeconfig" in fields else None
        context = as_text(fields["context"], at.at(".context")) if "context" in fields else None
        uids, servers = (_texts(fields[key], at.at(f".{key}")) if key in fields else () for key in BINDINGS)
        for url in servers:
            parts = split(url)
            if parts is None or "@" in parts.netloc:
                at.at(".server").note("must be a URL such as https://host:6443, without a user or password")
        return ClusterChoice(kubeconfig, context, uids, servers)

    def _label(self, key: str, hint: str) -> str | None:
        if key not in self.content:
            return None
        value = self.content[key]
        if isinstance(value, str) and is_dns_label(value):
            return value
        self.findings.at(key).note(
            "must be a DNS label: at most 63 of a to z, 0 to 9 and -, with no - at either end", hint
        )
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
    """Return one string, or a non-empty list of strings."""
    if not isinstance(given, list) or not given:
        text = as_text(given, at, "a string, or a list of strings")
        return () if text is None else (text,)
    texts = (as_text(item, at.at(f"[{number}]")) for number, item in enumerate(given))
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
        if any(key in content for key in age_limits.KEYS) and not any(key in content for key in _OF_REFERENCE):
            return None
        at.note("from is missing", "write {from: REFERENCE, decode: base64} or only the reference")
        return None
    decode, literal = content.get("decode"), content.get("literal", False)
    if "decode" in content and decode != "base64":
        at.at(".decode").note("must be base64")
    if not isinstance(literal, bool):
        at.at(".literal").note("must be true or false")
    reference = _reference(content["from"], at.at(".from"))
    return None if reference is None else Variable(reference, "base64" if decode else None, literal is True)


def provider_fields(type_: type) -> Mapping[str, bool] | None:
    """Return each field's name and whether it is required, or None if `type_` is no dataclass and no NamedTuple."""
    if issubclass(type_, tuple) and hasattr(type_, "_field_defaults"):
        return {name: name not in type_._field_defaults for name in getattr(type_, "_fields", ())}
    # Start-up: with `inspect`, this is a tenth of a run. The providers that come with bridge do without it if they can.
    from dataclasses import MISSING, fields, is_dataclass  # noqa: PLC0415 - start-up, as above

    if not is_dataclass(type_):
        return None
    return {
        field.name: field.default is MISSING and field.default_factory is MISSING
        for field in fields(type_)
        if field.init
    }
