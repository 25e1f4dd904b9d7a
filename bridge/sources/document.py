"""One listed document: either manifests, which give keys of objects, or fields, which give variables."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.objects import Layer, ObjectId, Origin
from bridge.provider import Document, Node, Revision
from bridge.secret import SecretValue
from bridge.sources.select import FieldError, is_manifests, top_level

STAND_IN = SecretValue(b"c3RhbmQtaW4=")  # for values that were not read; valid base64, as some variables are decoded


class Source(NamedTuple):
    """A document at its position in the list; `manifests` is None if it has fields."""

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
        """The provenance of a value from this source."""
        return Origin(Layer.SOURCE, self.name, self.manifests is not None, revision=self.revision.id)


def open_sources(
    environment: Environment, namespace: str, documents: Mapping[Reference, Document], problems: list[Problem]
) -> Iterator[Source]:
    """Yield the listed documents in order; problems are added to `problems`."""
    for position, reference in enumerate(environment.sources):
        document, name = documents[reference], str(reference)
        try:
            source = _open(position, name, document, namespace)
        except FieldError as error:
            hint = "move it to `variables`" if isinstance(document.content, SecretValue) else ""
            problems.append(Problem(name, str(error), hint))
            continue
        except Refusal as error:
            problems.extend(error.problems)
            continue
        if not source.fields and not source.manifests:
            problems.append(Problem(name, "is empty", "restore its values, or remove it from `sources`"))
        yield source


def _open(position: int, name: str, document: Document, namespace: str) -> Source:
    if is_manifests(document):
        from bridge.sources.manifest_document import manifest_values  # noqa: PLC0415 - start-up: most are mappings

        return Source(position, name, document.revision, manifest_values(document, namespace, name))
    return Source(position, name, document.revision, None, top_level(document))
