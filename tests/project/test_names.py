"""Names say one thing: no two classes, and no two modules, of one name that mean different things."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = {"Unavailable"}
"""The contract with providers has its own errors; bridge has this one too, for what is not a provider's."""
TOPICS = {
    *(
        "adopt",
        "adoption",
        "check",
        "doctor",
        "events",
        "fix_kustomize",
        "fleet",
        "history",
        "importing",
        "objects",
        "offboard",
        "plan",
        "restart",
        "review",
    ),
    *("rollback", "state", "status", "workloads"),
}
"""Features with a module in each layer that they pass: the command, the run, the plan, the cluster, the report."""
OF_EACH_ROOM = {"api", "answers", "credentials", "files", "git", "identity", "metadata", "session", "tls"}
"""The same part of different rooms, such as the cluster's and a provider's credentials."""


def modules() -> Iterator[Path]:
    """Yield the product's modules, without the embedded cluster, which has the API server's names."""
    for folder in (ROOT / "bridge", ROOT / "providers/bridge_providers"):
        for file in folder.rglob("*.py"):
            if "testing" not in file.relative_to(ROOT).parts and not file.name.startswith("__"):
                yield file.relative_to(ROOT)


def room(file: Path) -> str:
    """Return the package that a module is in."""
    return str(file.parent)


@pytest.mark.slow
def test_class_names_mean_one_thing() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for file in modules():
        for node in ast.parse((ROOT / file).read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(room(file))
    shared = {name: rooms for name, rooms in places.items() if len(rooms) > 1}
    # Each store has its own settings, paths and so on, in a package that knows no other provider's.
    unclear = {
        name: rooms
        for name, rooms in shared.items()
        if any(not place.startswith("providers/") for place in rooms) and name not in CONTRACT
    }
    assert not unclear


def test_class_is_defined_once_in_its_room() -> None:
    places: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for file in modules():
        for name in re.findall(r"^class ([A-Z]\w+)", (ROOT / file).read_text(), re.MULTILINE):
            places[room(file), name].append(file)
    twice = {name: files for (_, name), files in places.items() if len(files) > 1}
    assert twice.keys() <= CONTRACT


def test_module_names_mean_one_thing() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for file in modules():
        places[file.stem].add(room(file))
    unclear = {
        name: rooms
        for name, rooms in places.items()
        if len(rooms) > 1 and any(not place.startswith("providers/") for place in rooms)
    }
    assert set(unclear) <= TOPICS | OF_EACH_ROOM
