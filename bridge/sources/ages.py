"""Finds out when each value was stored, and when the certificates among them end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.config.age_limits import NO_LIMIT
from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateKey, TemplateObject
from bridge.objects import Desired, Entry, Layer, ObjectId
from bridge.plan.ages import StoredValue, seconds_of
from bridge.provider import Document, Node, Place
from bridge.secret import SecretValue
from bridge.sources.document import open_sources
from bridge.sources.env_layer import EnvLayer
from bridge.sources.lookup import Lookup
from bridge.sources.manifest_document import SECTIONS, identify
from bridge.sources.select import place

if TYPE_CHECKING:
    from bridge.errors import Problem

CERTIFICATE: Final = b"-----BEGIN CERTIFICATE"
_END: Final = b"-----END CERTIFICATE-----"


class Layers(NamedTuple):
    """Everything that gives an environment's values, as `resolve` takes it."""

    namespace: str
    templates: tuple[TemplateObject, ...]
    documents: Mapping[Reference, Document]
    env_layer: EnvLayer


def stored_values(
    environment: Environment, layers: Layers, desired: tuple[Desired, ...], *, every: bool
) -> tuple[StoredValue, ...]:
    """Return the values that have an age limit; with `every`, also all others that fill a Secret's key.

    The layers must have been resolved without a problem.
    """
    namespace, templates, documents, env_layer = layers
    problems: list[Problem] = []
    sources = list(open_sources(environment, namespace, documents, problems))
    lookup = Lookup(environment, documents, sources, env_layer, problems)
    finder = _Finder(environment, documents, lookup, every=every)
    entries = {one.id: one.keys for one in desired}
    found = [
        value
        for template in templates
        for key, template_key in template.keys.items()
        if (entry := entries[template.id].get(key))
        for value in finder.of_key(template.id, key, template_key, entry)
    ]
    named = {value.name for value in found}
    return (*found, *finder.of_infrastructure(environment.infrastructure.keys() - named))


class _Finder:
    """Finds the values of one environment."""

    def __init__(
        self, environment: Environment, documents: Mapping[Reference, Document], lookup: Lookup, *, every: bool
    ) -> None:
        self._environment: Final = environment
        self._documents: Final = documents
        self._sources: Final = {str(reference): documents[reference] for reference in environment.sources}
        self._lookup: Final = lookup
        self._every: Final = every

    def of_key(self, id_: ObjectId, key: str, template_key: TemplateKey, entry: Entry) -> Iterator[StoredValue]:
        """Yield the values that a key consists of."""
        if entry.origin.manifest:
            name = _only_variable(template_key) or key
            document = self._sources[entry.origin.place]
            places = tuple(_key_places(document, id_, key))
            yield from self._value(name, (id_, key), entry.value, _time(document, places))
        elif entry.origin.parts:
            for part in entry.origin.parts:
                yield from self._variable(part.name, (id_, key), entry)
        else:
            yield from self._value(key, (id_, key), entry.value, ("", False), is_variable=False)

    def of_infrastructure(self, names: Iterable[str]) -> Iterator[StoredValue]:
        """Yield the variables that have a limit of their own and fill no key, such as a registry's password."""
        for name in sorted(names):
            found = self._lookup.variable(name) if name in self._environment.age_limits else None
            if found:
                yield from self._variable(name, (None, ""), found.entry)

    def _variable(self, name: str, at: tuple[ObjectId | None, str], entry: Entry) -> Iterator[StoredValue]:
        found = self._lookup.variable(name)
        value = found.entry.value if found else entry.value  # else a default in the template
        stored = ("", False)
        if found and found.entry.origin.layer is Layer.SOURCE:
            variable = self._environment.variables.get(name)
            if variable:
                document, field = self._documents[variable.reference.document], variable.reference.field
            else:
                document, field = self._sources[found.entry.origin.place], name
            stored = _time(document, (place(document, field),))
        yield from self._value(name, at, value, stored)

    def _value(
        self,
        name: str,
        at: tuple[ObjectId | None, str],
        value: SecretValue,
        stored: tuple[str, bool],
        *,
        is_variable: bool = True,
    ) -> Iterator[StoredValue]:
        id_, key = at
        is_secret = id_ is not None and id_.kind == "Secret"
        limit = self._environment.age_limit(name, secret=is_secret) if is_variable else None
        if limit or (self._every and is_secret):
            yield StoredValue(name, id_, key, limit or NO_LIMIT, *stored, certificate_end(value))


def _only_variable(template_key: TemplateKey) -> str | None:
    parts = template_key.parts
    return parts[0].name if len(parts) == 1 and isinstance(parts[0], Placeholder) else None


def _key_places(document: Document, id_: ObjectId, key: str) -> Iterator[Place]:
    """Yield where a document of manifests gives a key of an object."""
    assert not isinstance(document.content, SecretValue)
    for index, mapping in enumerate(document.content):
        if mapping and identify(mapping, None) == id_:
            for section in SECTIONS[id_.kind]:
                node = mapping.get(section)
                if isinstance(node, Mapping) and key in node:
                    yield index, (section, key)


def _time(document: Document, places: tuple[Place, ...]) -> tuple[str, bool]:
    """Return when the store got what is at these places, and whether that is exact and not only a latest time."""
    times = [time for place, time in document.times.items() if any(_is_within(place, wanted) for wanted in places)]
    known = [(moment, time) for time in times if (moment := seconds_of(time)) is not None]
    if known:
        return max(known)[1], True
    whole = any(keys == () for _, keys in places)
    return document.time, whole or _leaves(document.content) == 1


def _is_within(place: Place, wanted: Place) -> bool:
    return wanted[1] == () or (place[0] == wanted[0] and place[1][: len(wanted[1])] == wanted[1])


def _leaves(content: "Node | tuple[Mapping[str, Node], ...]") -> int:
    """Count the values in a document."""
    if isinstance(content, SecretValue):
        return 1
    return sum(map(_leaves, content.values() if isinstance(content, Mapping) else content))


def certificate_end(value: SecretValue) -> str:
    """Return when the first certificate in PEM ends (RFC 3339), or "" if the value has none that can be read.

    A server's own certificate is the first of a chain: https://datatracker.ietf.org/doc/html/rfc8446#section-4.4.2.
    """
    data = value.reveal()
    begin = data.find(CERTIFICATE)
    end = data.find(_END, begin)
    if begin < 0 or end < 0:
        return ""
    from cryptography import x509  # noqa: PLC0415 - start-up: few values are certificates

    try:
        certificate = x509.load_pem_x509_certificate(data[begin : end + len(_END)])
        return certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, TypeError, x509.InvalidVersion):
        return ""
