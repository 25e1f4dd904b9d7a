"""Events: asserted of the embedded cluster and of a real kube-apiserver."""

from typing import Any

from tests.testing.subject import STALE, Subject, refusal, version


def event(subject: Subject, *, uid: str = "1-2-3", count: int = 1, **meta: str) -> dict[str, Any]:
    """Make an Event on a Secret that need not be there."""
    about = {"apiVersion": "v1", "kind": "Secret", "name": "s", "namespace": subject.namespace, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "bridge-x.secret.s.synced", **meta},
        "involvedObject": about,
        "reason": "Synced",
        "message": "bridge created it",
        "type": "Normal",
        "count": count,
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "source": {"component": "bridge/x"},
    }


def test_put_creates_event_and_needs_no_version_afterwards(subject: Subject) -> None:
    created = subject.put(event(subject))
    assert created.status == 201
    for name, value in event(subject).items():
        if name != "metadata":
            assert created.body[name] == value
    counted = subject.put(event(subject, count=2))
    assert (counted.status, counted.body["count"]) == (200, 2)


def test_version_that_is_not_latest_is_conflict(subject: Subject) -> None:
    read = version(subject.put(event(subject)))
    assert subject.put(event(subject, count=2, resourceVersion=read)).status == 200
    name = "bridge-x.secret.s.synced"
    expected = f'Operation cannot be fulfilled on events "{name}": {STALE}'
    assert refusal(subject.put(event(subject, count=2, resourceVersion=read))) == (409, "Conflict", expected)


def test_event_may_turn_to_another_object_of_name(subject: Subject) -> None:
    subject.put(event(subject))
    again = subject.put(event(subject, uid="4-5-6"))
    assert (again.status, again.body["involvedObject"]["uid"]) == (200, "4-5-6")
