"""Writes the drafted files as text: the environment's own file, and the examples beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.config.schema import FILE
from bridge.config.yaml_writer import dumped, inline
from bridge.draft.text import Commented, aligned, comments

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
"""What git should never see of an environment's folder: env files, plaintext patches, decrypted files, age keys."""


@dataclass
class EnvironmentDraft:
    """What an environment's file is going to say. `more` are the keys that are taken as they are."""

    name: str
    origin: str
    id: str
    namespace: str | None
    templates: list[Commented] = field(default_factory=list)
    env_file: str | None = None
    env_file_exists: bool = True
    infrastructure: Mapping[str, str] = field(default_factory=dict)
    sources: list[Commented] = field(default_factory=list)
    choices: Iterable[str] = ()  # references that are written as comments
    more: Mapping[str, object] = field(default_factory=dict)

    def text(self) -> str:
        """Return the file's text."""
        head = [
            (f"id: {inline(self.id)}", "who this environment is in the cluster, for ever: never change it"),
            (f"namespace: {inline(self.namespace)}", "") if self.namespace else _NO_NAMESPACE,
        ]
        origin = self.origin if self.origin.isprintable() else ascii(self.origin)
        text = comments(f"yaml-language-server: $schema=./{FILE}\nThe environment {self.name}, {origin}.")
        text += (
            aligned(head) + "\n# The objects that bridge may write, and all their keys; a later file's key counts.\n"
        )
        text += _list("templates", self.templates)
        if self.env_file:
            text += "\n# The second layer: what no source gives. It is not in git.\n"
            comment = "" if self.env_file_exists else "TO DO: it does not exist yet"
            text += aligned([(f"env_file: {inline(self.env_file)}", comment)])
        if self.infrastructure:
            text += "\n# What your scripts need, for `bridge check`; secret = required, and masked.\n"
            text += dumped({"infrastructure": dict(self.infrastructure)})
        text += "\n# The first layer: where the secrets are. The first that has a field wins.\n"
        text += _list("sources", self.sources)
        text += aligned((f"  # - {choice}", "") for choice in self.choices)
        return text + "".join(f"\n{dumped({key: value})}" for key, value in self.more.items())


_NO_NAMESPACE: Final = ("# namespace: voice-agent-staging", "TO DO: neither the overlay nor the env file names it")


def _list(key: str, items: Iterable[Commented]) -> str:
    lines = [(f"  - {inline(item.value)}", item.comment) for item in items]
    return f"{key}:\n{aligned(lines)}" if lines else f"{key}: []\n"


def env_example(path: str, names: Iterable[str]) -> str:
    """Return an env file without values; `path` is where the real one is looked for."""
    lines = "".join(f"{one}=\n" for one in dict.fromkeys(names))
    return f"# Copy this to {path}, which stays out of git, and fill it in: NAME=value, nothing is expanded.\n{lines}"


def sops_example(name: str, names: Iterable[str]) -> str:
    """Return a source without values, and how the real one is made without a plaintext file."""
    lines = "".join(f'{one}: ""\n' for one in dict.fromkeys(names))
    return (
        f"# The secrets of {name}, by name. The real file is {name}.sops.yaml; make it in your editor, encrypted\n"
        f"# from the first byte on, with the public keys (age1…) of all who may read it:\n"
        f"#   EDITOR='cp {name}.sops.example.yaml' sops --age age1… {name}.sops.yaml   # the names\n"
        f"#   sops {name}.sops.yaml                                          # the values\n"
        f"{lines or '{}' + chr(10)}"
    )
