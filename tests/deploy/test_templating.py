"""Filling the templates of the CronJob's manifests: whatever a value is, it stays a value."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.deploy.render import fill, template

FOLDER = Path(str(files("bridge.deploy"))) / "templates"
NAMES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml"))
REPEATED = {
    *("file_key", "file_path", "secrets", "config_maps", "own_namespace"),
    *("token_volume", "token_folder", "token_file", "bucket_key"),
}
HOSTILE = [
    "x\nkind: Pod",
    "x, y: z}",
    "] #",
    "- a",
    "a: b",
    "'\"",
    "1e3",
    "yes",
    "",
    " x ",
    "$object",
    "\u2028\x85",
    "*a",
    "!!int 1",
    "#",
    "---",
    "é",
]


def read(tree: Any) -> Any:
    """Parse the patches within a parsed manifest."""
    if isinstance(tree, dict):
        return {key: read(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [read(value) for value in tree]
    is_patch = isinstance(tree, str) and tree.startswith(("apiVersion:", "- {op:"))
    return read(yaml.safe_load(tree)) if is_patch else tree


def replaced(tree: Any, new: str) -> Any:
    if isinstance(tree, dict):
        return {key: replaced(value, new) for key, value in tree.items()}
    if isinstance(tree, list):
        return [replaced(value, new) for value in tree]
    return new if tree == "harmless" else tree


def manifests(text: str, value: str) -> Any:
    """Return what a template says with a value for every placeholder, twice where it may have several."""
    values: dict[str, Any] = dict.fromkeys(re.findall(r"\$([a-z_]+)", text), value)
    values |= dict.fromkeys(values.keys() & REPEATED, (value, value))
    values |= {key: ([value, value],) for key in values.keys() & {"secrets", "config_maps"}}
    return read(list(yaml.safe_load_all(fill(text, values))))


@pytest.mark.slow
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", NAMES)
def test_value_is_read_as_itself_in_every_template(name: str, hostile: str) -> None:
    text = template(name)
    assert manifests(text, hostile) == replaced(manifests(text, "harmless"), hostile)
    assert "harmless" in str(manifests(text, "harmless")) or "restart" in name


def test_line_of_several_values_is_written_for_each_and_for_none_not_at_all() -> None:
    text = "a: # $why\n  - {b: $b, c: $c} # $b\n"
    assert fill(text, {"why": "x\ny", "b": ("1", "z"), "c": ([1], {"d": "e, f"})}) == (
        "a: # 'x\\ny'\n  - {b: '1', c: [1]} # 1\n  - {b: z, c: {d: 'e, f'}} # z\n"
    )
    assert fill(text, {"why": "", "b": (), "c": ()}) == "a: # \n"


def test_every_template_is_yaml_that_editor_can_read() -> None:
    assert len(NAMES) == 12
    for name in NAMES:
        assert all(isinstance(one, dict) for one in yaml.safe_load_all(template(name)))
