"""Finds a variable, or a key from a manifest, in the layers. The first match wins and is cached."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import Entry, Layer, ObjectId, Origin
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.document import Source
from bridge.sources.env_layer import EnvLayer
from bridge.sources.select import FieldError, as_value, decoded, pick

FIRST: Final = -1.0  # before any source: `variables:`
LAST: Final = math.inf  # after any source: the env file

WITHOUT: Final = SecretValue(b"-")
"""Replaces a value that cannot be used, so that the search ends there. The run is refused anyway."""


class FoundValue(NamedTuple):
    """A variable's value, and how early in the search it was found."""

    entry: Entry
    position: float


class Lookup:
    """The layers of one environment. Errors that come up during a lookup are added to `problems`."""

    def __init__(
        self,
        environment: Environment,
        documents: Mapping[Reference, Document],
        sources: Sequence[Source],
        env_layer: EnvLayer,
        problems: list[Problem],
    ) -> None:
        self.looked_up: dict[str, FoundValue | None] = {}
        self._environment = environment
        self._documents = documents
        self._sources = sources
        self._env_layer = env_layer
        self._problems = problems

    def variable(self, name: str) -> FoundValue | None:
        """Return a variable's value, or None if only a template's own default could give it."""
        if name not in self.looked_up:
            self.looked_up[name] = self._exception(name) or self._in_sources(name) or self._in_env_file(name)
        return self.looked_up[name]

    def manifest(self, id_: ObjectId, key: str, before: float) -> Entry | None:
        """Return a key's value from the first manifest ahead of position `before`, or None if there is none."""
        for source in self._sources:
            if source.manifests is not None and source.position < before:
                value = source.manifests.get(id_, {}).get(key)
                if value is not None:
                    return Entry(value, source.origin)
        return None

    def _exception(self, name: str) -> FoundValue | None:
        """Look under `variables:`. A field named there must exist: falling through would hide its loss."""
        variable = self._environment.variables.get(name)
        if variable is None:
            return None
        document = self._documents[variable.reference.document]
        try:
            value = pick(document, variable.reference.field)
            value = decoded(value) if variable.decode else value
        except FieldError as error:
            self._problems.append(Problem(str(variable.reference.document), f"{error} (for {name})"))
            value = WITHOUT
        origin = Origin(Layer.SOURCE, str(variable.reference), revision=document.revision.id)
        return FoundValue(Entry(value, origin), FIRST)

    def _in_sources(self, name: str) -> FoundValue | None:
        for source in self._sources:
            if name not in source.fields:
                continue
            try:
                value = as_value(source.fields[name])
            except FieldError as error:
                self._problems.append(Problem(source.name, f"{name} {error}"))
                value = WITHOUT
            return FoundValue(Entry(value, source.origin), source.position)
        return None

    def _in_env_file(self, name: str) -> FoundValue | None:
        value = (self._env_layer.values or {}).get(name)
        if value is None:
            return None
        return FoundValue(Entry(value, Origin(Layer.ENV_FILE, self._env_layer.shown)), LAST)
