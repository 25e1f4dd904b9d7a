"""Finds out when each value was stored, and when the certificates among them end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from bridge.config.age_limits import NO_LIMIT
from bridge.config.durations import MINUTE
from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateKey, TemplateObject
from bridge.named_tuple import NamedTuple
from bridge.objects import Desired, Entry, Layer, ObjectId
from bridge.plan.ages import StoredValue, seconds_of
from bridge.provider import Context, Document, Node, Provider
from bridge.secret import SecretValue
from bridge.sources.document import open_sources
from bridge.sources.env_layer import EnvLayer
from bridge.sources.lookup import Lookup
from bridge.sources.manifest_document import SECTIONS, identify
from bridge.sources.select import Place, place

if TYPE_CHECKING:
    from bridge.errors import Problem

CERTIFICATE: Final = b"-----BEGIN CERTIFICATE"
_END: Final = b"-----END CERTIFICATE-----"


class Layers(NamedTuple):
    """Everything that gives an environment's values."""

    namespace: str
    templates: tuple[TemplateObject, ...]
    documents: Mapping[Reference, Document]
    env_layer: EnvLayer
    providers: Mapping[str, Provider]


class _Stored(NamedTuple):
    """Where a store has a value: the document, and the value's places in it."""

    reference: Reference
    places: tuple[Place, ...]


class _Found(NamedTuple):
    """A value, and where a store has it; None if it comes from another layer."""

    value: StoredValue
    stored: _Stored | None


def stored_values(
    environment: Environment, layers: Layers, desired: tuple[Desired, ...], context: Context, *, every: bool
) -> tuple[StoredValue, ...]:
    """Return the values that have an age limit; with `every`, also all others that fill a Secret's key.

    The layers must have been resolved without a problem. The history in git is only read for values with a limit.
    """
    found = _found(environment, layers, desired, every=every)
    limited = {one.stored.reference for one in found if one.stored and one.value.limit.max_age}
    made: Mapping[Reference, Mapping[Place, str]] = {}
    if limited:
        from bridge.sources.git_times import made_times  # noqa: PLC0415 - start-up: no value may be limited

        made = made_times(layers.providers, limited, context)
    return tuple(_dated(one, layers.documents, made) for one in found)


def _dated(
    found: _Found, documents: Mapping[Reference, Document], made: Mapping[Reference, Mapping[Place, str]]
) -> StoredValue:
    if found.stored is None:
        return found.value
    reference, places = found.stored
    time, exact = _time(documents[reference], places, made.get(reference, {}))
    return found.value._replace(time=time, exact=exact)


def _found(
    environment: Environment, layers: Layers, desired: tuple[Desired, ...], *, every: bool
) -> tuple[_Found, ...]:
    problems: list[Problem] = []
    sources = list(open_sources(environment, layers.namespace, layers.documents, problems))
    lookup = Lookup(environment, layers.documents, sources, layers.env_layer, problems)
    finder = _Finder(environment, layers.documents, lookup, every=every)
    entries = {one.id: one.keys for one in desired}
    found = [
        value
        for template in layers.templates
        for key, template_key in template.keys.items()
        if (entry := entries[template.id].get(key))
        for value in finder.of_key(template.id, key, template_key, entry)
    ]
    named = {one.value.name for one in found}
    return (*found, *finder.of_infrastructure(environment.infrastructure.keys() - named))


class _Finder:
    """Finds the values of one environment."""

    def __init__(
        self, environment: Environment, documents: Mapping[Reference, Document], lookup: Lookup, *, every: bool
    ) -> None:
        self._environment: Final = environment
        self._documents: Final = documents
        self._sources: Final = {str(reference): reference for reference in environment.sources}
        self._lookup: Final = lookup
        self._every: Final = every

    def of_key(self, id_: ObjectId, key: str, template_key: TemplateKey, entry: Entry) -> Iterator[_Found]:
        """Yield the values that a key consists of."""
        value = StoredValue(f"{id_} key {key}", id_, key)
        if entry.origin.manifest:
            reference = self._sources[entry.origin.place]
            places = tuple(_key_places(self._documents[reference], id_, key))
            name = _only_variable(template_key)
            value = value._replace(name=name or value.name)
            yield from self._limited(name or key, value, entry.value, _Stored(reference, places))
        elif entry.origin.parts:
            for part in entry.origin.parts:
                yield from self._variable(value._replace(name=part.name), entry)
        elif self._every and id_.kind == "Secret" and not entry.value.is_empty():
            yield _Found(value._replace(ends=certificate_end(entry.value)), None)

    def of_infrastructure(self, names: Iterable[str]) -> Iterator[_Found]:
        """Yield the variables that have a limit of their own and fill no key, such as a registry's password."""
        for name in sorted(names):
            found = self._lookup.variable(name) if name in self._environment.age_limits else None
            if found:
                yield from self._variable(StoredValue(name, None, ""), found.entry)

    def _variable(self, value: StoredValue, entry: Entry) -> Iterator[_Found]:
        found = self._lookup.variable(value.name)
        stored = None
        if found and found.entry.origin.layer is Layer.SOURCE:
            variable = self._environment.variables.get(value.name)
            reference = variable.reference if variable else self._sources[found.entry.origin.place]
            field = variable.reference.field if variable else value.name
            stored = _Stored(reference.document, (place(self._documents[reference.document], field),))
        # Otherwise the value is a default in the template.
        yield from self._limited(value.name, value, found.entry.value if found else entry.value, stored)

    def _limited(self, name: str, value: StoredValue, secret: SecretValue, stored: _Stored | None) -> Iterator[_Found]:
        """Yield a value with the limit of the variable, or nothing if its age does not matter."""
        if secret.is_empty():  # such as the previous value of a key before its first rotation
            return
        is_secret = value.object is not None and value.object.kind == "Secret"
        limit = self._environment.age_limit(name, secret=is_secret)
        if limit or (self._every and is_secret):
            yield _Found(value._replace(limit=limit or NO_LIMIT, ends=certificate_end(secret)), stored)


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


def _time(document: Document, places: tuple[Place, ...], made: Mapping[Place, str]) -> tuple[str, bool]:
    """Return when a store got what is at these places, and whether that is exact and not only a latest time."""
    wanted = [place for place in made if any(_is_within(place, one) for one in places)]
    time = max((made[place] for place in wanted), default="")
    if time and not _is_later(time, document.time):
        return time, True
    whole = any(keys == () for _, keys in places)
    return document.time, whole or _leaves(document.content) == 1


def _is_later(time: str, latest: str) -> bool:
    """Return whether a commit's clock was wrong: nothing in a document is younger than the document."""
    limit, moment = seconds_of(latest), seconds_of(time)
    return limit is not None and moment is not None and moment > limit + MINUTE


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
