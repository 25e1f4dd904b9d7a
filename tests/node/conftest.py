"""Fixtures: a namespace on the real node. Every test of this folder is one of `make cluster-test`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.place import PYTHON, WAITS, Place
from tests.node.stores import READ, Living, vault_for
from tests.servers.node import Node
from tests.servers.vault import DevVault

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.node)
            item.add_marker(pytest.mark.timeout(900, func_only=True))


@pytest.fixture(scope="session", autouse=True)
def _early(request: pytest.FixtureRequest) -> None:
    """Start at once what a selected test waits for during ten minutes, so that the others run meanwhile."""
    if any("living" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("living")


@pytest.fixture(scope="session")
def living(node: Node, openbao: DevVault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A pod of the CronJob that does not end, and its first token for OpenBao."""
    place = Place(node, node.cluster.namespace(), tmp_path_factory.mktemp("living"))
    with vault_for(place, openbao):
        place.variant("living", PYTHON, "-c", WAITS)
        pod = place.running("living")
        yield Living(place, pod, place.exec(pod, PYTHON, "-c", READ))


@pytest.fixture
def place(node: Node, tmp_path: Path) -> Place:
    """A fresh namespace."""
    return Place(node, node.cluster.namespace(), tmp_path)
