"""A desk and a namespace for each case of a property."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.desk import Desk, Target, set_up_desk
from tests.servers.client import Client

NUMBERS: Final = itertools.count(1)
NewTarget: TypeAlias = Callable[[], Target]
NewDesk: TypeAlias = Callable[[Target], Desk]


@pytest.fixture
def new_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], third_party: Path
) -> NewDesk:
    """Return what sets up a desk in a folder of its own."""

    def new(target: Target) -> Desk:
        folder = tmp_path / str(next(NUMBERS))
        folder.mkdir()
        return set_up_desk(target, folder, monkeypatch, capfd)

    return new


@pytest.fixture
def embedded_namespace() -> Iterator[NewTarget]:
    """Return what makes a namespace of an embedded cluster."""
    with EmbeddedCluster() as cluster:
        client = Client(cluster.url, cluster.token)

        def new() -> Target:
            name = f"test-{next(NUMBERS)}"
            reply = client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            assert reply.status == 201
            return Target(name, client, cluster.write_kubeconfig, cluster)

        yield new
