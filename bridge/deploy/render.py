"""Renders the kustomize folder that runs one environment in the cluster."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from bridge.config.environment import Environment
from bridge.config.yaml_writer import dumped, inline
from bridge.deploy.needs import AWS_KEYS, TOKEN, Needs
from bridge.deploy.packing import MOUNT, Packed
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId

CONFIGURATION: Final = "configuration.yaml"
FILE: Final = "kustomization.yaml"
COMPONENTS: Final = ("vault", "scaleway", "aws", "sops", "bucket", "prune", "restart")
"""The kustomize components: what each store or option adds to the CronJob and its rights."""
AGE: Final = PurePosixPath("/var/run/secrets/age/keys.txt")
_FILES: Final = (
    "cronjob.yaml",
    "rights.yaml",
    "network.yaml",
    *(f"components/{name}/{FILE}" for name in COMPONENTS),
)
_LONGEST: Final = 52
"""The longest name of a CronJob: its Jobs' names are eleven characters longer, and limited to 63."""
_PLACEHOLDER: Final = re.compile(r"\$([a-z_]+)")
_COMMENT: Final = re.compile(r"(?:^|\s)#")


class ObjectNames(NamedTuple):
    """What the objects are called. `object` is the CronJob, ServiceAccount, Role and NetworkPolicy."""

    environment: str
    namespace: str
    id: str
    object: str
    config_map: str

    def secret(self, store: str) -> str:
        """Return the name of the Secret with a store's credential; no `bridge-<id>` has a dot, so it is free."""
        return f"{self.object}.{store}"


def names_of(environment: Environment, namespace: str) -> ObjectNames:
    """Return what the objects are called: after the `id`, so that environments may share a namespace."""
    name = f"bridge-{environment.id}"
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    # The state is in the ConfigMap `bridge-<id>`, and no id has a dot: this name is no environment's state.
    return ObjectNames(environment.name, namespace, environment.id, name, f"{name}.config")


class Deployment(NamedTuple):
    """One environment's CronJob: its names, files, stores, and the objects that it may write."""

    names: ObjectNames
    packed: Packed
    needs: Needs
    objects: tuple[ObjectId, ...]
    own_namespace: bool  # whether the namespace's UID is checked, which requires the right to read it


def render(deployment: Deployment, command: str) -> Mapping[str, str]:
    """Return every file's text by its path below the folder; `command` is the command that renders them again."""
    items = deployment.packed.items()
    data = {items[place]: text for place, text in deployment.packed.texts.items()}
    values = {
        "command": command,
        "environment": deployment.names.environment,
        "namespace": deployment.names.namespace,
        "id": deployment.names.id,
        "object": deployment.names.object,
        "config_map": deployment.names.config_map,
        "mount": str(MOUNT),
        "folder": str(deployment.packed.folder),
        "file_key": tuple(items.values()),
        "file_path": tuple(items),
        **_rights(deployment),
        **_stores(deployment.names, deployment.needs),
    }
    return {
        CONFIGURATION: fill(template(CONFIGURATION), values) + dumped({"data": data}),
        **{name: fill(template(name), values) for name in _FILES},
        FILE: _with_used(fill(template(FILE), values), deployment.needs.components),
    }


def _rights(deployment: Deployment) -> Mapping[str, object]:
    """Return the names of the objects that may be written. A rule without a name would apply to all objects."""
    state = f"bridge-{deployment.names.id}"
    secrets = [one.name for one in deployment.objects if one.kind == "Secret"]
    config_maps = [one.name for one in deployment.objects if one.kind == "ConfigMap"]
    return {
        "state": state,
        "secrets": (secrets,) if secrets else (),
        "config_maps": (config_maps,) if config_maps else (),
        "config_maps_and_state": [*config_maps, state],
        "own_namespace": (deployment.names.namespace,) if deployment.own_namespace else (),
    }


def _stores(names: ObjectNames, needs: Needs) -> Mapping[str, object]:
    tokens = needs.tokens or (TOKEN,)
    return {
        "token_volume": tuple(
            f"vault-token-{number + 1}" if number else "vault-token" for number in range(len(tokens))
        ),
        "token_folder": tuple(str(one.parent) for one in tokens),
        "token_file": tuple(one.name for one in tokens),
        "vault_port": needs.vault_port,
        "scaleway_secret": names.secret("scaleway"),
        "aws_secret": names.secret("aws"),
        "aws_key": AWS_KEYS,
        "age_secret": names.secret("age"),
        "age_file": str(AGE),
        "age_folder": str(AGE.parent),
        "age_key": AGE.name,
        "bucket_secret": names.secret("bucket"),
        "bucket_key": needs.bucket_keys,
        "bucket_port": needs.bucket_port,
    }


def _with_used(text: str, used: Iterable[str]) -> str:
    """Comment out the components that the environment does not use."""
    unused = [name for name in COMPONENTS if name not in used]
    for name in unused:  # two spaces fewer after it keep the comments aligned
        text = re.sub(rf"^  - (components/{name})  ", r"  # - \1", text, flags=re.MULTILINE)
    return text if len(unused) < len(COMPONENTS) else text.replace("components:\n", "components: []\n")


def template(name: str) -> str:
    """Return the text of a template of this package."""
    return files("bridge.deploy").joinpath("templates", *name.split("/")).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, object]) -> str:
    """Return a template with its values, so that every value is read back as exactly that value.

    A template is YAML in which `$name` is a placeholder for a whole value. The value is written as one line of YAML,
    quoted if necessary; after a `#` it is plain text without line breaks. If a placeholder's value is a tuple, its line
    is written once for each item, or left out if there are no items.
    """
    return "".join(filled for line in text.splitlines(keepends=True) for filled in _lines(line, values))


def _lines(line: str, values: Mapping[str, object]) -> Iterator[str]:
    needed = {name: values[name] for name in _PLACEHOLDER.findall(line)}
    repeated = {name: value for name, value in needed.items() if isinstance(value, tuple)}
    if not repeated:
        yield _line(line, needed)
        return
    for items in zip(*repeated.values(), strict=True):
        yield _line(line, {**needed, **dict(zip(repeated, items, strict=True))})


def _line(line: str, values: Mapping[str, object]) -> str:
    comment = _COMMENT.search(line)
    end = comment.start() if comment else len(line)
    yaml = _PLACEHOLDER.sub(lambda match: _value(values[match[1]]), line[:end])
    return yaml + _PLACEHOLDER.sub(lambda match: _plain(str(values[match[1]])), line[end:])


def _value(value: object) -> str:
    return inline([value])[1:-1]  # as in a list, so that it fits into brackets too


def _plain(text: str) -> str:
    """Return text that is safe in a comment: a path may contain any character."""
    return text if text.isprintable() else ascii(text)
