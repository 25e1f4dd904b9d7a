"""The values that go into the store: their slots, and what prevents writing them."""

from collections.abc import Iterator
from typing import Final

from bridge.config.environment_fields import Variable
from bridge.config.reference import Reference
from bridge.config.template_value import looks_encrypted
from bridge.errors import Problem
from bridge.importing.items import Item, Scene, State
from bridge.importing.plaintext import PlainEntry
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.shell import word
from bridge.sources.doubtful_values import why_no_value
from bridge.sources.select import is_manifests
from bridge.stores.slots import Slot, value_at

ENCRYPTED: Final = "looks encrypted"


class Secrets:
    """Decides what to do with the values of Secrets, one after the other; errors are added to `problems`."""

    def __init__(self, scene: Scene, problems: list[Problem]) -> None:
        self._scene = scene
        self._problems = problems
        self._decided: dict[Slot, PlainEntry] = {}
        self.holds_manifests = scene.document is not None and is_manifests(scene.document)

    def decide(self, entry: PlainEntry, object_: ObjectId | None, key: str, variable: str | None) -> Item | None:
        """Return what happens to the value of a Secret's key, or (no object) of a variable; None for a problem."""
        exception = self._scene.environment.variables.get(variable) if variable else None
        if exception and exception.reference.document != self._scene.to:
            return self._elsewhere(entry, exception, variable)
        slot = self._slot(object_, key, variable, exception)
        if slot is None:
            what = "the template's value is not a single placeholder, so the variable is unknown"
            self._problems.append(Problem(str(entry), what, f"write {key}: ${{NAME}} in the template"))
            return None
        first = self._decided.setdefault(slot, entry)
        if not first.value.same_as(entry.value):
            what = f"differs from {first}, but one variable ({variable or key}) fills both"
            self._problems.append(Problem(str(entry), what, "use two different variables in the templates"))
            return None
        earlier = None if exception else self._earlier(entry, object_, key, variable)
        if earlier:
            return earlier
        return self._in_place(entry, slot, variable, exception)

    def _slot(
        self, object_: ObjectId | None, key: str, variable: str | None, exception: Variable | None
    ) -> Slot | None:
        if exception:
            return Slot(exception.reference.field, base64=exception.decode == "base64")
        if self.holds_manifests:
            return Slot(key, object_) if object_ else None
        return Slot(variable) if variable else None

    def _elsewhere(self, entry: PlainEntry, exception: Variable, variable: str | None) -> Item | None:
        """Decide on a value that `variables` takes from another document: it is either there already, or refused."""
        reference = exception.reference
        slot = Slot(reference.field, base64=exception.decode == "base64")
        stored = value_at(self._scene.documents[reference.document], slot)
        if stored is not None and stored.same_as(entry.value):
            return Item(entry, State.SAME, str(reference), variable)
        has = "no value" if stored is None else "a different value"
        what = f"`variables` takes {variable} from {reference}, which has {has}"
        self._problems.append(Problem(str(entry), what, self._set(variable)))
        return None

    def _earlier(self, entry: PlainEntry, object_: ObjectId | None, key: str, variable: str | None) -> Item | None:
        """Decide on a value that an earlier source gives: if its value differs, importing would have no effect."""
        for reference in self._sources_before():
            stored = value_in_source(self._scene.documents[reference], object_, key, variable)
            if stored is not None and stored.same_as(entry.value):
                return Item(entry, State.SAME, str(reference), variable)
            if stored is not None:
                what = f"{reference} comes before {self._scene.to} and has a different value"
                self._problems.append(Problem(str(entry), what, f"{self._set(variable)}, or remove it there"))
        return None

    def _set(self, variable: str | None) -> str:
        """Return a hint to set a variable in its current source."""
        return f"change it with `bridge set {word(self._scene.environment.name)} {variable or 'NAME'}`"

    def _sources_before(self) -> Iterator[Reference]:
        for reference in self._scene.environment.sources:
            if reference == self._scene.to:
                return
            yield reference

    def _in_place(self, entry: PlainEntry, slot: Slot, variable: str | None, exception: Variable | None) -> Item | None:
        place = str(self._scene.to) if slot.object else slot.within(self._scene.to)
        value = entry.value
        seen = value_at(self._scene.document, slot)
        if seen is not None and seen.same_as(value):
            return Item(entry, State.SAME, place, variable)
        reason = why_no_value(value, is_public=False)
        if reason:
            return Item(entry, State.LEFT, reason)
        if looks_encrypted(value) and not (exception and exception.literal):
            self._problems.append(Problem(str(entry), ENCRYPTED, "import the unencrypted file"))
            return None
        if not (value.is_text() or slot.base64 or slot.object):
            example = f'{variable}: {{from: "{place}", decode: base64}}'
            what = "is not text, and the store's document only holds text"
            self._problems.append(Problem(str(entry), what, f"add under `variables`: {example}"))
            return None
        return Item(entry, State.NEW if seen is None else State.DIFFERENT, place, variable, slot, seen)


def value_in_source(
    document: Document | None, object_: ObjectId | None, key: str, variable: str | None
) -> SecretValue | None:
    """Return the value that a document gives as a source: a key if it consists of manifests, else a variable."""
    if document is None:
        return None
    if is_manifests(document):
        return value_at(document, Slot(key, object_)) if object_ else None
    return value_at(document, Slot(variable)) if variable else None
