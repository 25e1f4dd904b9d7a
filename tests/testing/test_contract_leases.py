"""Leases: asserted of the embedded cluster and of a real kube-apiserver."""

import pytest

from tests.testing.subject import STALE, Subject, lease, refusal, version

NOW = "2026-01-02T03:04:05.678901Z"


def test_put_creates_lease_and_needs_version_afterwards(subject: Subject) -> None:
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 30, "renewTime": NOW, "acquireTime": NOW}
    created = subject.put(lease(**spec))
    assert (created.status, created.body["spec"]) == (201, spec)
    message = (
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: '
        "must be specified for an update"
    )
    status, reason, told = refusal(subject.put(lease(holderIdentity="you")))
    assert (status, reason, told.replace("0x0", "0")) == (422, "Invalid", message)  # 1.32 has 0x0
    read = version(created)
    taken = subject.put(lease(version=read, holderIdentity="you"))
    assert (taken.status, taken.body["spec"]) == (200, {"holderIdentity": "you"})
    late = subject.put(lease(version=read, holderIdentity="she"))
    expected = f'Operation cannot be fulfilled on leases.coordination.k8s.io "l": {STALE}'
    assert refusal(late) == (409, "Conflict", expected)
    assert late.body["details"] == {"name": "l", "group": "coordination.k8s.io", "kind": "leases"}


def test_version_of_lease_that_no_longer_exists_is_ignored(subject: Subject) -> None:
    read = version(subject.put(lease(holderIdentity="me")))
    subject.delete("l", "leases")
    assert subject.put(lease(version=read, holderIdentity="you")).status == 201


def test_uid_of_deleted_lease_creates_none(subject: Subject) -> None:
    meta = subject.put(lease(holderIdentity="me")).body["metadata"]
    body = lease(version=meta["resourceVersion"], holderIdentity="you")
    body["metadata"]["uid"] = meta["uid"]
    assert subject.put(body).status == 200
    subject.delete("l", "leases")
    assert refusal(subject.put(body))[:2] == (409, "Conflict")
    assert subject.get("l", "leases").status == 404


def test_empty_holder_is_kept(subject: Subject) -> None:
    assert subject.put(lease(holderIdentity="")).body["spec"] == {"holderIdentity": ""}


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"renewTime": "2026-01-02T03:04:05Z"}, 400),
        ({"renewTime": "soon"}, 400),
        ({"leaseDurationSeconds": "x"}, 400),
        ({"leaseDurationSeconds": 0}, 422),
        ({"leaseTransitions": -1}, 422),
    ],
)
def test_bad_lease_is_refused(subject: Subject, spec: dict, status: int) -> None:
    assert subject.put(lease(holderIdentity="me", **spec)).status == status


def test_absent_lease_is_named_with_its_group(subject: Subject) -> None:
    reply = subject.get("l", "leases")
    assert refusal(reply) == (404, "NotFound", 'leases.coordination.k8s.io "l" not found')
    assert reply.body["details"] == {"name": "l", "group": "coordination.k8s.io", "kind": "leases"}
