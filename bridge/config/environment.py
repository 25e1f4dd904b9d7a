"""The environment file: find it, and parse it into an Environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from bridge.config.age_limits import NO_LIMIT, AgeLimit
from bridge.config.environment_fields import KEYS, ClusterChoice, ClusterFlags, Sections, Variable
from bridge.config.folder import is_environment_file
from bridge.config.names import did_you_mean, quoted
from bridge.config.problems import Findings, as_mapping
from bridge.config.reference import Reference
from bridge.config.textfile import read_text
from bridge.config.yamlfile import Read, load_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

__all__ = [
    "ClusterChoice",
    "ClusterFlags",
    "Environment",
    "Variable",
    "check_k8_env",
    "environment_names",
    "load_environment",
]

DRAFT: Final = "create one from your kustomize layout: `bridge init ENV --from .`"
_TOP_LEVEL_KEY: Final = r"^(apiVersion|kind|id|templates|sources)\s*:"


class Environment(NamedTuple):
    """The content of one environment file. Its paths are relative to the file's folder."""

    name: str
    file: Path
    id: str
    namespace: str | None
    templates: tuple[Path, ...]
    env_file: Path | Literal["environment"] | None
    secrets_from: Literal["sources", "any"]
    infrastructure: Mapping[str, Literal["required", "secret"]]
    sources: tuple[Reference, ...]
    variables: Mapping[str, Variable]
    accept_older: Mapping[str, str]
    providers: Mapping[str, Mapping[str, object]]
    cluster: ClusterChoice
    max_age: int | None = None
    age_limits: Mapping[str, AgeLimit] = MappingProxyType({})

    def __repr__(self) -> str:
        # Without `providers`: someone may write a credential there, although none belongs there.
        return f"Environment({self.name!r})"

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self.file.parent

    def provider_kind(self, name: str) -> str:
        """Return the kind of the provider that references call `name`: what its section says, else the name itself."""
        return str(self.providers.get(name, {}).get("provider", name))

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every reference in the file: the sources, then the variables' own references."""
        return (*self.sources, *(variable.reference for variable in self.variables.values()))

    @property
    def limits_ages(self) -> bool:
        """Whether the file limits how old values may become."""
        return self.max_age is not None or any(one.max_age or one.expires for one in self.age_limits.values())

    def age_limit(self, name: str, *, secret: bool) -> AgeLimit | None:
        """Return a variable's age limit, or None. The limit of the environment is for variables that fill Secrets."""
        own = self.age_limits.get(name, NO_LIMIT)
        default = self.max_age if secret and not own.unlimited else None
        limit = own._replace(max_age=own.max_age or default)
        return limit if limit.max_age or limit.expires else None

    def shown(self, path: Path) -> str:
        """Return a path as it is written in the file."""
        return str(path.relative_to(self.base) if path.is_relative_to(self.base) else path)


def environment_names(folder: Path) -> tuple[str, ...]:
    """Return the environments in a folder, sorted; ConfigError if the folder cannot be listed.

    An environment's name has no dot, so `staging.public.yaml` and `staging.sops.yaml` are excluded, as are plaintext
    patches and Kubernetes manifests.
    """
    return tuple(_environments(_files(folder)))


def load_environment(folder: Path, name: str) -> Environment:
    """Read the file of an environment; ConfigError lists everything that is wrong with it."""
    return load_environment_file(name, _find(folder, name, _files(folder)))


def load_all(folder: Path, *, but: str = "") -> Mapping[str, Environment | ConfigError]:
    """Read the files of all environments except `but`, by name. An invalid file's entry is its ConfigError."""
    files = _environments(_files(folder))
    loaded: dict[str, Environment | ConfigError] = {}
    for name in [name for name in files if name != but]:
        try:
            loaded[name] = load_environment_file(name, _find(folder, name, files))
        except ConfigError as error:
            loaded[name] = error
    return loaded


def load_environment_file(name: str, file: Path, read: Read = read_text) -> Environment:
    """Parse the file of an environment; ConfigError lists everything that is wrong with it."""
    findings = Findings(str(file))
    documents = [document.content for document in load_yaml_documents(file, str(file), read=read)] or [None]
    if len(documents) > 1:
        findings.note("must be one YAML document")
    content = {} if documents[0] is None else as_mapping(documents[0], findings, KEYS)
    environment = _environment(name, file, Sections(content, file.parent, findings))
    if findings:
        findings.fail()
    return environment


def check_k8_env(environment: Environment, values: Mapping[str, SecretValue], shown: str) -> None:
    """Refuse an env file with a K8_ENV that names a different environment."""
    declared = values.get("K8_ENV")
    if declared is not None and not declared.same_as(SecretValue.of(environment.name)):
        what = f"K8_ENV names a different environment than {environment.name}"
        raise ConfigError(Problem(shown, what, f"check `env_file` in {environment.file}"))


def _files(folder: Path) -> Mapping[str, list[Path]]:
    try:
        paths = sorted(path for path in folder.iterdir() if is_environment_file(path))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = "no such folder" if missing else f"cannot be listed: {(error.strerror or 'unknown reason').lower()}"
        hint = (
            f"give the folder of environment files with --config or $BRIDGE_CONFIG{f', or {DRAFT}' if missing else ''}"
        )
        raise ConfigError(Problem(str(folder), what, hint)) from None
    files: dict[str, list[Path]] = {}
    for path in paths:
        files.setdefault(path.stem, []).append(path)
    return dict(sorted(files.items()))


def _environments(files: Mapping[str, list[Path]]) -> Mapping[str, list[Path]]:
    """Return the files that are not Kubernetes manifests."""
    return {name: paths for name, paths in files.items() if not all(map(_is_manifest, paths))}


def _is_manifest(path: Path) -> bool:
    """Whether a file is certainly a manifest. If in doubt it is not, so that a broken environment is noticed."""
    try:
        keys = set(re.findall(_TOP_LEVEL_KEY, read_text(path, str(path)), re.MULTILINE))
    except (OSError, ConfigError):
        return False
    return keys == {"apiVersion", "kind"}


def _find(folder: Path, name: str, files: Mapping[str, list[Path]]) -> Path:
    if name not in files:
        existing = _environments(files)
        listed = f"found {', '.join(existing)}" if existing else "no environments found"
        hint = (
            "an environment's name has no dot" if "." in name else did_you_mean(name, existing) if existing else DRAFT
        )
        raise ConfigError(Problem(str(folder), f"no environment {quoted(name)}; {listed}", hint))
    if len(files[name]) > 1:
        both = " and ".join(path.name for path in files[name])
        raise ConfigError(Problem(str(folder), f"{both} both exist", "remove one of them"))
    return files[name][0]


def _environment(name: str, file: Path, sections: Sections) -> Environment:
    return Environment(
        name=name,
        file=file,
        id=sections.id(),
        namespace=sections.namespace(),
        templates=sections.templates(),
        env_file=sections.env_file(),
        secrets_from=sections.secrets_from(),
        infrastructure=sections.infrastructure(),
        sources=sections.sources(),
        variables=sections.variables(),
        accept_older=sections.accept_older(),
        providers=sections.providers(),
        cluster=sections.cluster(),
        max_age=sections.max_age(),
        age_limits=sections.age_limits(),
    )
