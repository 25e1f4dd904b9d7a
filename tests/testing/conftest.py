"""The two clusters that the tests of this folder hold to the same behaviour."""

from collections.abc import Iterator

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.servers.client import Client
from tests.testing.subject import Subject


@pytest.fixture
def embedded() -> Iterator[Subject]:
    """A fresh embedded cluster with a namespace of its own."""
    with EmbeddedCluster() as cluster:
        subject = Subject(Client(cluster.url, cluster.token), "test")
        subject.request("POST", "/api/v1/namespaces", {"metadata": {"name": "test"}})
        yield subject


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def subject(request: pytest.FixtureRequest) -> Subject:
    """One of the two clusters, with a fresh namespace."""
    if request.param == "embedded":
        return request.getfixturevalue("embedded")
    cluster = request.getfixturevalue("real_cluster")
    return Subject(cluster.client, cluster.namespace())
