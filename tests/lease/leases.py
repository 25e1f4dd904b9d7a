"""The Lease of the desk's environment, as somebody other than bridge sees it."""

from typing import Any

from tests.desk import Desk

LEASE = "bridge-voice-agent-staging"


def lease(desk: Desk) -> dict[str, Any] | None:
    reply = desk.target.client.request("GET", _path(desk))
    return reply.body if reply.status == 200 else None


def holder(desk: Desk) -> str | None:
    return (lease(desk) or {"spec": {"holderIdentity": None}})["spec"]["holderIdentity"]


def hold(desk: Desk, name: str, seconds: int = 20) -> None:
    """Take the Lease, by force where somebody has it."""
    body = lease(desk) or {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}}
    body["spec"] = {"holderIdentity": name, "leaseDurationSeconds": seconds}
    assert desk.target.client.request("PUT", _path(desk), body).status in (200, 201)


def expire(desk: Desk) -> None:
    """Let the Lease of a run that was killed end after one second: the next run would wait for twenty."""
    if holder(desk):
        hold(desk, "the dead one", seconds=1)


def _path(desk: Desk) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{desk.target.namespace}/leases/{LEASE}"
