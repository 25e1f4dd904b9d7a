"""The values that go into the store: where each stands there, and what speaks against it."""

from collections.abc import Iterator
from typing import Final

from bridge.config.reference import Reference
from bridge.config.sections import Variable
from bridge.config.template_value import looks_encrypted
from bridge.errors import Problem
from bridge.importing.items import Item, Scene, State
from bridge.importing.plaintext import Given
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.shell import word
from bridge.sources.placeholder_values import leftover
from bridge.sources.select import is_manifests
from bridge.stores.slots import Slot, value_at

ENCRYPTED: Final = "looks encrypted"


class Secrets:
    """Decides about the values of Secrets, one after the other; what speaks against one is added to `problems`."""

    def __init__(self, scene: Scene, problems: list[Problem]) -> None:
        self._scene = scene
        self._problems = problems
        self._decided: dict[Slot, Given] = {}
        self.holds_manifests = scene.document is not None and is_manifests(scene.document)

    def decide(self, given: Given, object_: ObjectId | None, key: str, variable: str | None) -> Item | None:
        """Return what becomes of the value of a Secret's key, or (no object) of a variable; None for a problem."""
        exception = self._scene.environment.variables.get(variable) if variable else None
        if exception and exception.reference.document != self._scene.to:
            return self._elsewhere(given, exception, variable)
        slot = self._slot(object_, key, variable, exception)
        if slot is None:
            what = "its value in the template is not one placeholder, so nothing names the variable"
            self._problems.append(Problem(str(given), what, f"write {key}: ${{NAME}} in the template"))
            return None
        first = self._decided.setdefault(slot, given)
        if not first.value.same_as(given.value):
            what = f"has another value than {first}, and one variable ({variable or key}) gives both"
            self._problems.append(Problem(str(given), what, "use two variables in the templates"))
            return None
        earlier = None if exception else self._earlier(given, object_, key, variable)
        if earlier:
            return earlier
        return self._in_place(given, slot, variable, exception)

    def _slot(
        self, object_: ObjectId | None, key: str, variable: str | None, exception: Variable | None
    ) -> Slot | None:
        if exception:
            return Slot(exception.reference.field, base64=exception.decode == "base64")
        if self.holds_manifests:
            return Slot(key, object_) if object_ else None
        return Slot(variable) if variable else None

    def _elsewhere(self, given: Given, exception: Variable, variable: str | None) -> Item | None:
        """Judge a value that `variables` takes from another document: it is there already, or refused."""
        reference = exception.reference
        slot = Slot(reference.field, base64=exception.decode == "base64")
        found = value_at(self._scene.documents[reference.document], slot)
        if found is not None and found.same_as(given.value):
            return Item(given, State.SAME, str(reference), variable)
        what = f"`variables` takes {variable} from {reference}, which has {'nothing' if found is None else 'another'}"
        self._problems.append(Problem(str(given), what, self._set(variable)))
        return None

    def _earlier(self, given: Given, object_: ObjectId | None, key: str, variable: str | None) -> Item | None:
        """Judge what an earlier source gives: with another value, what is imported would have no effect."""
        for reference in self._sources_before():
            found = stands(self._scene.documents[reference], object_, key, variable)
            if found is not None and found.same_as(given.value):
                return Item(given, State.SAME, str(reference), variable)
            if found is not None:
                what = f"{reference} comes before {self._scene.to} and has another value"
                self._problems.append(Problem(str(given), what, f"{self._set(variable)}, or take it out there"))
        return None

    def _set(self, variable: str | None) -> str:
        """Return the hint that writes a variable where it comes from now."""
        return f"`bridge set {word(self._scene.environment.name)} {variable or 'NAME'}` writes there"

    def _sources_before(self) -> Iterator[Reference]:
        for reference in self._scene.environment.sources:
            if reference == self._scene.to:
                return
            yield reference

    def _in_place(self, given: Given, slot: Slot, variable: str | None, exception: Variable | None) -> Item | None:
        place = str(self._scene.to) if slot.object else slot.within(self._scene.to)
        value = given.value
        seen = value_at(self._scene.document, slot)
        if seen is not None and seen.same_as(value):
            return Item(given, State.SAME, place, variable)
        reason = leftover(value, is_public=False)
        if reason:
            return Item(given, State.LEFT, reason)
        if looks_encrypted(value) and not (exception and exception.literal):
            self._problems.append(Problem(str(given), ENCRYPTED, "import the file that it was made from"))
            return None
        if not (value.is_text() or slot.base64 or slot.object):
            example = f'{variable}: {{from: "{place}", decode: base64}}'
            what = "is no text, and the store's document holds texts"
            self._problems.append(Problem(str(given), what, f"add under `variables`: {example}"))
            return None
        return Item(given, State.NEW if seen is None else State.DIFFERENT, place, variable, slot, seen)


def stands(document: Document | None, object_: ObjectId | None, key: str, variable: str | None) -> SecretValue | None:
    """Return what a document gives as a source: a key where it consists of manifests, else a variable."""
    if document is None:
        return None
    if is_manifests(document):
        return value_at(document, Slot(key, object_)) if object_ else None
    return value_at(document, Slot(variable)) if variable else None
