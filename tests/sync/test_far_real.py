"""Runs against a real kube-apiserver that is far away: waves, connections made ahead, and what goes wrong in them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.cluster.waves import FAR_WIDTH
from bridge.http.sockets import open_socket
from bridge.http.transport import Answer, Failed, Request, Transport
from tests.bench.distance import Distance
from tests.desk import Desk, Target, set_up_desk
from tests.lease.leases import holder
from tests.lease.test_turns import ordered
from tests.servers.apiserver import RealCluster
from tests.sync.test_admission import admit, probe
from tests.team import VALUES

pytestmark = [pytest.mark.real, pytest.mark.timeout(func_only=True)]

ROUND_TRIP = 0.02  # seconds; connecting takes two of them, so the server counts as far away however fast it answers
WRITTEN = {
    "Secret/shared-secrets",
    "Secret/agent-secrets",
    "ConfigMap/shared-config",
    "ConfigMap/agent-config",
    "ConfigMap/front-config",
}


class Sent(list[tuple[str, str]]):
    """The requests that were sent: method and path."""

    def writes(self) -> list[str]:
        """Return the paths of the objects that were written, without dry runs, Leases and Events."""
        paths = [path for method, path in self if method == "PATCH" and "dryRun" not in path]
        return [path.partition("?")[0].rpartition("/")[2] for path in paths]


@pytest.fixture
def far_desk(  # noqa: PLR0917 - fixtures
    real_cluster: RealCluster,
    real_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
) -> Iterator[Desk]:
    """A desk whose kubeconfig leads to the real API server over a relay that delays every byte."""
    monkeypatch.setattr("bridge.http.ahead.FAR", ROUND_TRIP)
    with Distance(real_cluster.url, ROUND_TRIP) as relay:

        def write_kubeconfig(path: Path) -> None:
            real_cluster.kubeconfig(path)
            path.write_text(path.read_text().replace(real_cluster.url, relay.url))

        desk = set_up_desk(replace(real_target, write_kubeconfig=write_kubeconfig), tmp_path, monkeypatch, capfd)
        desk.environment(cluster={"kubeconfig": "kubeconfig", "server": relay.url})
        yield desk


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What is sent, each time a transport is asked."""
    noted, exchange = Sent(), Transport.exchange

    def noting(transport: Transport, request: Request, limit: float) -> Answer | Failed:
        assert transport.is_far
        noted.append((request.method, request.path))
        return exchange(transport, request, limit)

    monkeypatch.setattr(Transport, "exchange", noting)
    return noted


def bound(desk: Desk) -> dict[str, str]:
    """Return the `cluster` section that leads over the relay."""
    return {"kubeconfig": "kubeconfig", "server": desk.cluster["server"]}


def test_first_write_change_and_nothing_to_change(far_desk: Desk, sent: Sent) -> None:
    desk = far_desk
    ordered(desk, "v1", 1, cluster=bound(desk))
    assert desk.run("sync", "staging").status == 0
    assert desk.target.versions().keys() >= WRITTEN
    assert len(sent.writes()) == len(WRITTEN) + 2  # the state comes before and after the objects
    assert holder(desk) == ""

    before = desk.target.versions()
    sent.clear()
    assert desk.run("sync", "staging").status == 0
    assert {method for method, _ in sent} == {"GET"}
    assert desk.target.versions() == before

    ordered(desk, "v2", 2, cluster=bound(desk))
    sent.clear()
    assert desk.run("sync", "staging").status == 0
    assert sent.writes() == ["bridge-voice-agent-staging", "agent-secrets", "bridge-voice-agent-staging"]
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-v2"
    assert holder(desk) == ""


def test_lease_is_given_back_if_dry_run_is_refused(far_desk: Desk, sent: Sent) -> None:
    desk = far_desk
    ordered(desk, "v1", 1, cluster=bound(desk))
    spec = {"validations": [{"expression": "!has(object.data) || !('DOMAIN' in object.data)"}]}
    admit(
        desk,
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        spec,
        lambda: probe(desk, {"DOMAIN": "x"}).status == 422,
    )
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0].startswith(f"bridge: error: ConfigMap/shared-config in namespace {desk.target.namespace}: ")
    assert desk.target.versions() == {}
    assert len([path for method, path in sent if method == "PUT" and "/leases/" in path]) == 2  # taken and given back
    assert holder(desk) == ""


@pytest.mark.parametrize("is_written", [True, False])
def test_write_whose_answer_is_lost_is_settled(
    far_desk: Desk, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    desk, lost, exchange = far_desk, list[str](), Transport.exchange

    def losing(transport: Transport, request: Request, limit: float) -> Answer | Failed:
        is_write = request.method == "PATCH" and "dryRun" not in request.path and "/agent-secrets" in request.path
        if not is_write or lost:
            return exchange(transport, request, limit)
        lost.append(request.path)
        if is_written:
            assert isinstance(exchange(transport, request, limit), Answer)
        return Failed("dropped the connection", sent=True)

    monkeypatch.setattr(Transport, "exchange", losing)
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, len(lost)) == (0, 1)
    written = {f"{one['kind']}/{one['name']}" for one in result.data["objects"] if one["written"] == "yes"}
    assert written == WRITTEN
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert holder(desk) == ""


def test_many_objects_are_written_over_bounded_number_of_connections(far_desk: Desk) -> None:
    """API priority and fairness lets them wait, so that none is refused with 429."""
    desk = far_desk
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"DOMAIN": "${DOMAIN}"}}
    items = [manifest | {"metadata": {"name": f"many-{number:02}"}} for number in range(80)]
    desk.write("base/configmap.yml", "\n---\n".join(map(json.dumps, items)))
    made: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        for module in ("ahead", "transport"):
            patch.setattr(
                f"bridge.http.{module}.open_socket", lambda *asked: (made.append(asked), open_socket(*asked))[1]
            )
        assert desk.run("sync", "staging").status == 0
    assert {f"ConfigMap/many-{number:02}" for number in range(80)} <= desk.target.versions().keys()
    assert len(made) <= FAR_WIDTH
