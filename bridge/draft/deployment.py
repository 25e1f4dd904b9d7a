"""Renders the kustomize folder that runs one environment in the cluster."""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.config.environment import Environment
from bridge.config.yaml_writer import dumped
from bridge.draft.components import FILE, components, kustomization
from bridge.draft.cronjob import Names, cronjob
from bridge.draft.packing import Packed
from bridge.draft.rights import network, rights
from bridge.draft.stores import Needs
from bridge.objects import ObjectId

CONFIGURATION: Final = "configuration.yaml"
_LONGEST: Final = 52
"""A CronJob's name: its Jobs' names are eleven characters longer, and at most 63."""


def names_of(environment: Environment, namespace: str) -> Names:
    """Return what the objects are called: after the `id`, so that environments may share a namespace."""
    name = f"bridge-{environment.id}"
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    # The memory is the ConfigMap `bridge-<id>`, and no id has a dot: this one can be nobody's memory.
    return Names(environment.name, namespace, environment.id, name, f"{name}.config")


class Deployment(NamedTuple):
    """One environment's CronJob: its names, files, stores, and the objects that it may write."""

    names: Names
    packed: Packed
    needs: Needs
    objects: tuple[ObjectId, ...]
    own_namespace: bool  # whether its uid is compared, so that it has to be read


def render(deployment: Deployment, command: str) -> Mapping[str, str]:
    """Return every file's text by its path below the folder; `command` is what renders them again."""
    names, packed, found, objects, own_namespace = deployment
    items = packed.items()
    return {
        CONFIGURATION: _configuration(names, packed, items, command),
        "cronjob.yaml": cronjob(names, items, packed.folder),
        "rights.yaml": rights(names, objects, own_namespace=own_namespace),
        "network.yaml": network(names),
        **{f"components/{name}/{FILE}": text for name, text in components(names, found, objects).items()},
        FILE: "".join(f"{line}\n" for line in kustomization(names, found, command)),
    }


def _configuration(names: Names, packed: Packed, items: Mapping[str, str], command: str) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.config_map, "labels": dict(names.labels)},
        "data": {items[place]: text for place, text in packed.texts.items()},
    }
    return (
        "# Copies of the files that the environment consists of: kustomize reads none outside its own folder.\n"
        f"# Do not edit. After a change of theirs: remove this file, and run `{command}`.\n" + dumped(content)
    )
