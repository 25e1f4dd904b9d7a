"""One value that is to be set: what changes in the store, the question, the write, and what a report says of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Document, Provider
from bridge.run.inputs import Files, Run
from bridge.stores.locate import ValueLocation
from bridge.stores.rotation import Rotation
from bridge.stores.update import Edit, Written, put

if TYPE_CHECKING:
    from bridge.run.unfinished_rotation import Unfinished


class NewValue(NamedTuple):
    """One value that is to be set.

    - `edits`: what changes in the document; empty if there is nothing to write.
    - `documents`: what was read while the value was located.
    - `rotation`: the old value is kept; `unfinished`: an earlier rotation is to be finished instead of a new one.
    """

    name: str
    location: ValueLocation
    edits: Sequence[Edit]
    files: Files
    documents: Mapping[Reference, Document]
    is_generated: bool = False
    rotation: Rotation | None = None
    unfinished: "Unfinished | None" = None

    @property
    def reference(self) -> Reference:
        """The document that has the value."""
        return self.location.reference

    @property
    def provider(self) -> Provider:
        """The provider of the document."""
        return self.files.providers[self.reference.provider]

    @property
    def places(self) -> list[str]:
        """Where the value is in the document."""
        return _places(self.location)


def context_of(environment: Environment, run: Run) -> Context:
    """Return what a provider needs to know of a run."""
    return Context(environment.base, run.environ, run.deadline)


def question(new_value: NewValue, then: str) -> str:
    """Return the question before the write; `then` says where and what follows, such as `, for namespace voice`."""
    name, location = new_value.name, new_value.location
    places = " and ".join(new_value.places)
    value = " with a generated value" if new_value.is_generated else ""
    if location.document is None:
        return f"Write {name} to {places}, a document that does not exist yet{value and ','}{value}{then}?"
    now = f"now at revision {location.document.revision.id}"
    if location.is_new:
        return f"Write {name}, which no source gives yet, to {places}{value}, {now}{then}?"
    kept = f", keep the old value in {' and '.join(_places(new_value.rotation.kept))}" if new_value.rotation else ""
    return f"Replace {name} in {places}{value}{kept}, {now}{then}?"


def write(new_value: NewValue, environment: Environment, run: Run) -> Written | None:
    """Write what changes and read it back; return None if nothing changes."""
    if not new_value.edits:
        return None
    written = put(new_value.provider, new_value.reference, new_value.edits, context_of(environment, run))
    run.record.touched.append([new_value.reference])
    return written


def new_value_data(new_value: NewValue, written: Written | None) -> dict[str, Any]:
    """Return what was set, as data without the value."""
    document = new_value.location.document
    before = document.revision.id if document else None
    if written:
        before = written.before.id if written.before else None
    data: dict[str, Any] = {
        "name": new_value.name,
        "places": new_value.places,
        "result": "written" if written else "unchanged",
        "before": before,
        "after": written.after.id if written else before,
    }
    return data | (_rotation_data(new_value.rotation, new_value.unfinished) if new_value.rotation else {})


def _rotation_data(rotation: Rotation, unfinished: "Unfinished | None") -> dict[str, Any]:
    left = {name: list(places) for name, places in unfinished._asdict().items()} if unfinished else None
    return {"previous": {"name": rotation.previous, "places": _places(rotation.kept)}, "unfinished": left}


def new_value_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report as text, from `new_value_data`."""
    if unfinished := data.get("unfinished"):
        yield from (f"{place}: unchanged, an earlier rotation is not finished" for place in data["places"])
        yield from (f"    {key}: does not have the store's value yet" for key in unfinished["keys"])
        yield from (f"    {workload}: its pods may use an older value" for workload in unfinished["workloads"])
    elif data["result"] == "unchanged":
        yield from (f"{place}: unchanged, it already has this value" for place in data["places"])
    else:
        revisions = f"revision {data['before'] or 'none'} -> {data['after']}"
        yield from (f"{place}: written, {revisions}" for place in data["places"])
        if "previous" in data:
            yield from (f"{place}: has the old value" for place in data["previous"]["places"])


def _places(location: ValueLocation) -> list[str]:
    return [slot.within(location.reference) for slot in location.slots]
