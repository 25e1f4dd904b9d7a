"""One listed document: either manifests, which give keys of objects, or fields, which give variables."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import Problem, Refusal
from bridge.objects import Layer, ObjectId, Origin
from bridge.provider import Document, Node, Revision
from bridge.secret import SecretValue
from bridge.sources.manifest_document import manifest_values
from bridge.sources.select import FieldError, is_manifests, top_level


class Source(NamedTuple):
    """A document in its place of the list; `manifests` is None where it has fields."""

    position: int
    name: str
    revision: Revision
    manifests: Mapping[ObjectId, Mapping[str, SecretValue]] | None = None
    fields: Mapping[str, Node] = MappingProxyType({})

    @property
    def keys(self) -> frozenset[tuple[ObjectId, str]]:
        """The keys of objects that the manifests give."""
        return frozenset((id_, key) for id_, values in (self.manifests or {}).items() for key in values)

    @property
    def origin(self) -> Origin:
        """The provenance of a value that this source gives."""
        return Origin(Layer.SOURCE, self.name, self.manifests is not None, revision=self.revision.id)


def open_sources(
    environment: Environment, namespace: str, documents: Mapping[Reference, Document], problems: list[Problem]
) -> Iterator[Source]:
    """Yield the listed documents in order; what is wrong with one is added to `problems`."""
    for position, reference in enumerate(environment.sources):
        document, name = documents[reference], str(reference)
        try:
            source = _open(position, name, document, namespace)
        except FieldError as error:
            hint = "name it under variables" if isinstance(document.content, SecretValue) else ""
            problems.append(Problem(name, str(error), hint))
            continue
        except Refusal as error:
            problems.extend(error.problems)
            continue
        if not source.fields and not source.manifests:
            problems.append(Problem(name, "is empty", "a source that has lost everything is not written"))
        yield source


def _open(position: int, name: str, document: Document, namespace: str) -> Source:
    if is_manifests(document):
        return Source(position, name, document.revision, manifest_values(document, namespace, name))
    return Source(position, name, document.revision, None, top_level(document))
