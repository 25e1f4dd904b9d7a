"""Turning the API server's answer into an object."""

import pytest

from bridge.cluster.objects import parse
from bridge.objects import LAST_APPLIED, ObjectId


@pytest.mark.parametrize(
    ("note", "names_keys"),
    [
        ('{"data":{"A":"CANARY"}}', True),
        ('{"stringData":{"A":"CANARY"}}', True),
        ('{"binaryData":{"A":"CANARY"}}', True),
        ('{"metadata":{"labels":{"a":"b"}},"data":{}}', False),
        ('{"data":null}', False),
        ("CANARY {", True),
        ("[1]", True),
    ],
)
def test_last_applied_annotation_is_reported_but_not_kept(note: str, names_keys: bool) -> None:
    metadata = {"annotations": {LAST_APPLIED: note, "other": "x"}}
    live = parse({"metadata": metadata}, ObjectId("Secret", "s"))
    assert (live.last_applied, live.applied_keys) == (True, names_keys)
    assert live.annotations == {"other": "x"}


def test_without_last_applied_nothing_is_reported() -> None:
    live = parse({"metadata": {}}, ObjectId("Secret", "s"))
    assert (live.last_applied, live.applied_keys) == (False, False)
