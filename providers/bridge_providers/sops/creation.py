"""Finds the rule of `.sops.yaml` for a new file (sops config/config.go)."""

import os
from pathlib import Path
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Kind, NotFound, ProviderError, SecretValue
from bridge_providers.sops import damage, files, metadata, store_yaml
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.regex import Unsupported, compile_regex
from bridge_providers.sops.tree import Tree

CONFIG: Final = ".sops.yaml"
_MAX_DEPTH: Final = 100  # folders that sops looks in
TYPES: Final = {"azure_keyvault": "azure_kv", "hc_vault_transit_uri": "hc_vault"}
"""The types of keys that have another name in a file's metadata."""
_EXAMPLE: Final = "add to .sops.yaml: creation_rules: [{path_regex: '…', age: age1…}]"
MERGE: Final = "merge"


class Rule(NamedTuple):
    """A rule of `.sops.yaml`: the keys of a file, and what is encrypted in it."""

    config: Path
    where: str
    age: tuple[str, ...]
    others: tuple[str, ...]  # the types of other keys, as the metadata names them
    selector: tuple[str, str]  # one of metadata.RULES, and its pattern

    @property
    def key_types(self) -> frozenset[str]:
        """Return the types of all its keys."""
        return frozenset({*self.others, *(["age"] if self.age else [])})


def rule_for(path: Path) -> Rule:
    """Return the rule of a new file; ProviderError if there is none, or it lists no key."""
    rule = find_rule(path)
    if rule is None:
        raise ProviderError(
            f"cannot create the file: no {CONFIG} in its folder or above lists its recipients", hint=_EXAMPLE
        )
    if not rule.key_types:
        raise ProviderError(f"{rule.where} lists no recipient", hint=_EXAMPLE)
    return rule


def block_for(path: Path) -> metadata.Metadata:
    """Return metadata that only has the rule for what is encrypted in a new file."""
    name, pattern = rule_for(path).selector
    return metadata.Metadata((), GoTime.from_unix(0), "", name, pattern, mac_only_encrypted=False, version="")


def find_rule(path: Path) -> Rule | None:
    """Return the rule of a file, or None without a configuration; ProviderError if no rule matches or it is invalid."""
    config = _find(path)
    if config is None:
        return None
    matching = match(_content(config), config, path)
    if matching is None:
        raise ProviderError(f"no rule of {config} matches {path.relative_to(config.parent)}", hint=_EXAMPLE)
    rule, where = matching
    age: list[str] = []
    others: list[str] = []
    for part in (part for group in groups_of(rule, where) for part in group):
        age += texts(part, "age", where)
        names = {TYPES.get(name, name) for name in part if not is_empty(part[name])}
        others += sorted(names & {*metadata.KEY_TYPES} - {"age"})
    return Rule(config, where, tuple(age), tuple(dict.fromkeys(others)), selector_of(rule, where))


def groups_of(rule: dict[str, Tree], where: str) -> list[list[dict[str, Tree]]]:
    """Return the key groups of a rule, each as the parts that sops combines; without `key_groups`, the rule itself."""
    groups = rule.get("key_groups")
    if groups is None or is_empty(groups):
        return [[rule]]
    return [merged(group, where) for group in (groups if isinstance(groups, list) else [groups])]


def match(rules: list[dict[str, Tree]], config: Path, path: Path) -> tuple[dict[str, Tree], str] | None:
    """Return the first rule that matches a file, and its place; None if no rule matches."""
    for number, rule in enumerate(rules, 1):
        where = f"{config}: rule {number}"
        if _matches(rule, path, config.parent, where):
            return rule, where
    return None


def _find(path: Path) -> Path | None:
    """Return the configuration in the file's folder, or in the nearest folder above that has one."""
    for folder in list(path.parents)[:_MAX_DEPTH]:
        if os.path.exists(folder / CONFIG):  # noqa: PTH110 - Path.exists raises if a folder is inaccessible
            return folder / CONFIG
    return None


def _content(config: Path) -> list[dict[str, Tree]]:
    try:
        data = files.read(config)
    except NotFound:
        raise
    except ProviderError as error:
        problem = error.problems[0]
    else:
        return rules_in(data, config)
    raise ProviderError(f"{config}: {problem.what}", hint=problem.hint)


def rules_in(data: bytes, config: Path) -> list[dict[str, Tree]]:
    """Return the rules of a configuration with this content."""
    try:
        damage.check_conflict(data)
        documents = store_yaml.documents(data)
    except ProviderError as error:
        problem = error.problems[0]
    else:
        rules = documents[0].get("creation_rules") if documents else None
        if isinstance(rules, list) and rules and all(isinstance(rule, dict) for rule in rules):
            return [rule for rule in rules if isinstance(rule, dict)]
        raise ProviderError(f"{config} has no list `creation_rules`", hint=_EXAMPLE)
    raise ProviderError(f"{config}: {problem.what}", hint=problem.hint)


def _matches(rule: dict[str, Tree], path: Path, folder: Path, where: str) -> bool:
    """Return whether a rule is for a file; a rule without `path_regex` is for all files."""
    if "<<" in rule:
        raise ProviderError(f"{where} has a merge key (`<<`), which bridge does not support")
    pattern = _text(rule, "path_regex", where)
    try:
        return not pattern or compile_regex(pattern)(str(path.relative_to(folder)))
    except Unsupported as error:
        raise ProviderError(f"{where}: its `path_regex` cannot be used: {error}") from error


def selector_of(rule: dict[str, Tree], where: str) -> tuple[str, str]:
    """Return the name and the pattern of the rule that says what is encrypted."""
    selectors = [(name, pattern) for name in metadata.RULES if (pattern := _text(rule, name, where))]
    if len(selectors) > 1:
        raise ProviderError(f"{where} has more than one rule for what is encrypted: {', '.join(dict(selectors))}")
    return selectors[0] if selectors else ("unencrypted_suffix", "_unencrypted")


def _text(rule: dict[str, Tree], name: str, where: str) -> str:
    node = rule.get(name)
    if is_empty(node):
        return ""
    if not isinstance(node, SecretValue) or not node.is_text():
        raise ProviderError(f"{where}: its `{name}` must be a string")
    return node.reveal().decode()


def is_empty(node: "Tree | None") -> bool:
    """Return whether an entry is absent, null or empty."""
    return node is None or (node.is_empty() if isinstance(node, SecretValue) else not node)


def merged(group: "Tree", where: str) -> list[dict[str, Tree]]:
    """Return a key group as sops combines it: first the groups that it merges, in order, then itself."""
    parts = group.get(MERGE) if isinstance(group, dict) else None
    if not isinstance(group, dict) or not (is_empty(parts) or isinstance(parts, list)):
        raise ProviderError(f"{where} has an invalid key group, or an invalid `{MERGE}` in one")
    inner = parts if isinstance(parts, list) else []
    if "<<" in group:
        raise ProviderError(f"{where} has a merge key (`<<`) in a key group, which bridge does not support")
    return [*(one for part in inner for one in merged(part, where)), group]


def texts(block: dict[str, Tree], name: str, where: str) -> list[str]:
    """Read a string with commas, or a list of such strings."""
    node = block.get(name)
    if node is None or is_empty(node):
        return []
    items = node if isinstance(node, list) else [node]
    if not all(isinstance(item, SecretValue) and item.kind is Kind.TEXT for item in items):
        raise ProviderError(f"{where}: its `{name}` must be a string or a list of strings")
    lines = [item.reveal().decode() for item in items if isinstance(item, SecretValue)]
    return [part.strip() for text in lines for part in text.split(",") if part.strip()]
