"""Formats the drafted files: the environment's own file, and the example files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.config.schema import FILE
from bridge.config.yaml_writer import dumped, inline
from bridge.draft.comments import Commented, aligned, comments

IGNORED: Final = (
    ".env.k8s.*",
    "!.env.k8s.*.example",
    "*-secret-config-patch.yml",
    "*-secret-config-patch.yaml",
    "*.dec.*",
    "*.decrypted.*",
    "*.agekey",
    "keys.txt",
)
"""What should never be in git from an environment's folder: env files, plaintext patches, decrypted files, age keys."""


@dataclass
class EnvironmentDraft:
    """The content of a drafted environment file. `more` are keys that are written unchanged."""

    name: str
    origin: str
    id: str
    namespace: str | None
    templates: list[Commented] = field(default_factory=list)
    env_file: str | None = None
    env_file_exists: bool = True
    infrastructure: Mapping[str, str] = field(default_factory=dict)
    sources: list[Commented] = field(default_factory=list)
    choices: Iterable[str] = ()  # references written as comments
    more: Mapping[str, object] = field(default_factory=dict)

    def text(self) -> str:
        """Return the file's text."""
        head = [
            (f"id: {inline(self.id)}", "the environment's identity in the cluster; never change it"),
            (f"namespace: {inline(self.namespace)}", "") if self.namespace else _NO_NAMESPACE,
        ]
        origin = self.origin if self.origin.isprintable() else ascii(self.origin)
        text = comments(f"yaml-language-server: $schema=./{FILE}\nThe environment {self.name}, {origin}.")
        text += (
            aligned(head)
            + "\n# The objects that bridge may write, with all their keys; a later file's key takes precedence.\n"
        )
        text += _list("templates", self.templates)
        if self.env_file:
            text += "\n# The second layer, for what no source gives. It is not in git.\n"
            comment = "" if self.env_file_exists else "TO DO: it does not exist yet"
            text += aligned([(f"env_file: {inline(self.env_file)}", comment)])
        if self.infrastructure:
            text += "\n# The variables that your scripts need, for `bridge check`; secret = required and masked.\n"
            text += dumped({"infrastructure": dict(self.infrastructure)})
        text += "\n# The first layer: where the secrets are. The first source with a field takes precedence.\n"
        text += _list("sources", self.sources)
        text += aligned((f"  # - {choice}", "") for choice in self.choices)
        return text + "".join(f"\n{dumped({key: value})}" for key, value in self.more.items())


_NO_NAMESPACE: Final = ("# namespace: voice-agent-staging", "TO DO: set it; neither the overlay nor the env file does")


def _list(key: str, items: Iterable[Commented]) -> str:
    lines = [(f"  - {inline(item.value)}", item.comment) for item in items]
    return f"{key}:\n{aligned(lines)}" if lines else f"{key}: []\n"


def env_example(path: str, names: Iterable[str]) -> str:
    """Return an env file without values; `path` is where the real file is expected."""
    lines = "".join(f"{name}=\n" for name in dict.fromkeys(names))
    return f"# Copy this to {path}, which stays out of git, and fill in NAME=value; nothing is expanded.\n{lines}"


def sops_example(name: str, names: Iterable[str]) -> str:
    """Return a source without values, with instructions for creating the real file without plaintext on disk."""
    lines = "".join(f'{one}: ""\n' for one in dict.fromkeys(names))
    return (
        f"# The secrets of {name}, by name. The real file is {name}.sops.yaml; create it in your editor, encrypted\n"
        f"# from the start, with the public keys (age1…) of everyone who may read it:\n"
        f"#   EDITOR='cp {name}.sops.example.yaml' sops --age age1… {name}.sops.yaml   # the names\n"
        f"#   sops {name}.sops.yaml                                          # the values\n"
        f"{lines or '{}' + chr(10)}"
    )
