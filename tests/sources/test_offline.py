"""What is found without reading any document: which warnings are combined into one."""

from bridge.errors import Problem
from bridge.sources.offline import MOST_PLACES, UNREAD, joined


def test_warnings_that_differ_only_in_their_document_are_one() -> None:
    warnings = [Problem(place, "is old", "renew it", warning=True) for place in ("sops:a", "sops:b")]
    others = [Problem("sops:c", "is old", warning=True), Problem("sops:d", "is odd", "renew it", warning=True)]
    assert list(joined([*warnings, *others])) == [warnings[0]._replace(where="sops:a, sops:b"), *others]


def test_errors_and_documents_that_were_not_read_stay_apart() -> None:
    errors = [Problem(place, "is broken", "mend it") for place in ("sops:a", "sops:b")]
    unread = [Problem(place, UNREAD, warning=True) for place in ("sops:a", "sops:b")]
    assert list(joined([*errors, *unread])) == [*errors, *unread]


def test_of_many_documents_the_first_are_named_and_the_rest_counted() -> None:
    places = [f"sops:{number}" for number in range(MOST_PLACES + 2)]
    warnings = [Problem(place, "is old", warning=True) for place in places]
    named = ", ".join(places[:MOST_PLACES])
    assert [one.where for one in joined(warnings[:MOST_PLACES])] == [named]
    assert [one.where for one in joined(warnings[:-1])] == [f"{named} and 1 more"]
    assert [one.where for one in joined(warnings)] == [f"{named} and 2 more"]
