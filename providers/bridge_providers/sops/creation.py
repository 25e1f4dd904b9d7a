"""Finds the rule of `.sops.yaml` that a new file is encrypted by (sops config/config.go)."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from bridge.provider import Kind, NotFound, ProviderError, SecretValue
from bridge_providers.sops import damage, files, metadata, recipients, store_yaml, stores
from bridge_providers.sops.key_types import Group
from bridge_providers.sops.regex import Unsupported, compile_regex
from bridge_providers.sops.tree import Tree

CONFIG: Final = ".sops.yaml"
_MAX_DEPTH: Final = 100  # folders that sops looks in
_TYPES: Final = {"azure_keyvault": "azure_kv", "hc_vault_transit_uri": "hc_vault"}
"""The types of keys whose name in a rule is another than in a file's metadata."""
_LAYOUTS: Final = {stores.BINARY: "json_binary"}
"""The stores whose name in a configuration is another."""
_MOST_COLUMNS: Final = 100
_YAML_COLUMNS: Final = range(2, 10)
_EXAMPLE: Final = "write there: creation_rules: [{path_regex: '…', age: age1…}]"


class Rule(NamedTuple):
    """How a new file is encrypted."""

    groups: tuple[Group, ...]  # of keys that hold nothing yet
    threshold: int  # how many groups it takes
    selector: tuple[str, str] | None  # one of metadata.RULES, and its pattern
    mac_only_encrypted: bool
    indent: int | None  # the columns of a level; None where sops's own number counts


class Holders(NamedTuple):
    """What a rule says of a file that is there: who is to be able to open it, and what is to be encrypted."""

    where: str
    age: tuple[str, ...]
    others: tuple[str, ...]  # the types of other keys, as the metadata names them
    selector: tuple[str, str] | None


def rule_for(path: Path) -> Rule:
    """Return the rule of a file; ProviderError where none says how to encrypt it, or none that can be followed."""
    config = _find(path)
    if config is None:
        raise ProviderError(
            f"the file is new, and no {CONFIG} in its folder or above says for whom to encrypt it", hint=_EXAMPLE
        )
    rules, layouts = _content(config)
    rule, where = _match(rules, config, path)
    return _read(rule, where, _indent(layouts, config, stores.store_of(path.name)))


def holders_for(path: Path) -> Holders | None:
    """Return what the rule of a file says; None without a configuration, ProviderError where that does not say it."""
    config = _find(path)
    if config is None:
        return None
    rule, where = _match(_content(config)[0], config, path)
    groups = rule.get("key_groups")
    parts = [rule]
    if groups is not None and not recipients.is_empty(groups):
        parts = [
            one
            for group in (groups if isinstance(groups, list) else [groups])
            for one in recipients.merged(group, where)
        ]
    age: list[str] = []
    others: list[str] = []
    for part in parts:
        age += recipients.texts(part, "age", where)
        names = {_TYPES.get(name, name) for name in part if not recipients.is_empty(part[name])}
        others += sorted(names & {*metadata.KEY_TYPES} - {"age"})
    return Holders(where, tuple(age), tuple(dict.fromkeys(others)), _selector(rule, where))


def _match(rules: list[dict[str, Tree]], config: Path, path: Path) -> tuple[dict[str, Tree], str]:
    """Return the first rule that is for a file, and its place."""
    for number, rule in enumerate(rules, 1):
        where = f"{config}: rule {number}"
        if _matches(rule, path, config.parent, where):
            return rule, where
    relative = path.relative_to(config.parent)
    raise ProviderError(f"no rule of {config} is for {relative}, so nobody says for whom to encrypt it", hint=_EXAMPLE)


def _find(path: Path) -> Path | None:
    """Find the configuration: in the file's folder, or the nearest above that has one."""
    for folder in list(path.parents)[:_MAX_DEPTH]:
        if os.path.exists(folder / CONFIG):  # noqa: PTH110 - Path.exists raises where a folder is not ours to read
            return folder / CONFIG
    return None


def _content(config: Path) -> tuple[list[dict[str, Tree]], "Tree | None"]:
    """Return the rules of a configuration, and what it says of stores."""
    try:
        data = files.read(config)
        damage.check_conflict(data)
        documents = store_yaml.documents(data)
    except NotFound:
        raise
    except ProviderError as error:
        problem = error.problems[0]
    else:
        found = documents[0].get("creation_rules") if documents else None
        if isinstance(found, list) and found and all(isinstance(rule, dict) for rule in found):
            return [rule for rule in found if isinstance(rule, dict)], documents[0].get("stores")
        raise ProviderError(f"{config} has no list of `creation_rules`", hint=_EXAMPLE)
    raise ProviderError(f"{config}: {problem.what}", hint=problem.hint)


def _indent(layouts: "Tree | None", config: Path, store: str) -> int | None:
    """Return what `stores` says for one of them (sops stores/yaml and stores/json, which differ on 0)."""
    node = layouts
    for name in (_LAYOUTS.get(store, store), "indent"):
        if node is None or recipients.is_empty(node):
            return None
        if not isinstance(node, dict):
            raise ProviderError(f"{config}: its `stores` is not a mapping of mappings")
        node = node.get(name)
    if node is None or recipients.is_empty(node):
        return None
    text = node.reveal().decode() if isinstance(node, SecretValue) and node.kind is Kind.NUMBER else ""
    if text == "-1" and store != stores.YAML:
        return None
    if not text.isdecimal() or int(text) > _MOST_COLUMNS:
        raise ProviderError(f"{config}: `indent` of `stores` is not a number of columns for {store}")
    if store == stores.YAML:
        # As go-yaml, which indents by 2 where it cannot as it is told.
        return None if text == "0" else int(text) if int(text) in _YAML_COLUMNS else 2
    return int(text)


def _matches(rule: dict[str, Tree], path: Path, folder: Path, where: str) -> bool:
    """Say whether a rule is for a file; one without `path_regex` is for all."""
    if "<<" in rule:
        raise ProviderError(f"{where} has a merge key (`<<`), which this version does not follow")
    pattern = _text(rule, "path_regex", where)
    try:
        return not pattern or compile_regex(pattern)(str(path.relative_to(folder)))
    except Unsupported as error:
        raise ProviderError(f"{where}: its `path_regex` cannot be followed: {error}") from error


def _read(rule: dict[str, Tree], where: str, indent: int | None) -> Rule:
    groups = recipients.groups(rule, where)
    if not groups:
        raise ProviderError(f"{where} names no recipient, or a key group without one", hint=_EXAMPLE)
    threshold = _threshold(rule, len(groups), where)
    return Rule(groups, threshold, _selector(rule, where), _boolean(rule, "mac_only_encrypted", where), indent)


def _selector(rule: dict[str, Tree], where: str) -> tuple[str, str] | None:
    selectors = [(name, pattern) for name in metadata.RULES if (pattern := _text(rule, name, where))]
    if len(selectors) > 1:
        raise ProviderError(f"{where} has several rules for what is encrypted: {', '.join(dict(selectors))}")
    return selectors[0] if selectors else None


def _threshold(rule: dict[str, Tree], count: int, where: str) -> int:
    text = _text(rule, "shamir_threshold", where) or "0"
    threshold = (int(text) if text.isdecimal() and len(text) < 4 else -1) or count
    if count > 1 and not 2 <= threshold <= count:
        raise ProviderError(f"{where}: its `shamir_threshold` is not a number from 2 to {count}, that of its groups")
    return threshold


def _text(rule: dict[str, Tree], name: str, where: str) -> str:
    found = rule.get(name)
    if recipients.is_empty(found):
        return ""
    if not isinstance(found, SecretValue) or not found.is_text():
        raise ProviderError(f"{where}: its `{name}` is not a text")
    return found.reveal().decode()


def _boolean(rule: dict[str, Tree], name: str, where: str) -> bool:
    text = _text(rule, name, where)
    if text not in {"", "true", "false"}:
        raise ProviderError(f"{where}: its `{name}` is not true or false")
    return text == "true"
