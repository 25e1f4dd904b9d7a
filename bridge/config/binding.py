"""Binds an environment to its cluster: writes `cluster.namespace_uid` into the environment's file."""

from typing import Any, Final

from bridge.config.environment import Environment
from bridge.config.rewriting import present, rewrite
from bridge.config.yaml_changes import Insert, Put
from bridge.config.yaml_editor import edited
from bridge.config.yaml_writer import scalar
from bridge.config.yamlfile import load_yaml_documents

KEY: Final = "namespace_uid"


def bind(environment: Environment, uid: str) -> None:
    """Write a namespace's uid into the environment's file: in place of the only one there, or into the list of them.

    Refusal if that cannot be done, or would change anything else in the file, which is as it was then.
    """
    path, shown = environment.file, environment.shown(environment.file)
    before = present(path, shown)
    content: Any = load_yaml_documents(path, shown)[0].content
    location, value = (0, "cluster", KEY), scalar(uid)
    known = (content.get("cluster") or {}).get(KEY)
    change = Insert(location, 0, value) if isinstance(known, list) else Put(location, value)
    by_hand = f"write by hand: {KEY}: {uid} under `cluster:`"
    rewrite(path, shown, before=before, after=edited(before, [change]), by_hand=by_hand)
