"""What hypothesis draws: configurations, what others do to the objects, and the flags of each run.

Names and values come from short lists, so that what is drawn later meets what was drawn before.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from tests.properties.configuration import (
    Configuration,
    Content,
    Id,
    Line,
    Manifest,
    Source,
    Special,
    Stored,
    Var,
    text,
)
from tests.properties.others import Move, moves

Draw: TypeAlias = st.DrawFn
Edit: TypeAlias = Callable[[Draw, Configuration], Configuration]

IDS: Final = tuple(Id(*one.split("/")) for one in ("Secret/a", "Secret/b", "Secret/c.d", "ConfigMap/a", "ConfigMap/e"))
KEYS: Final = ("A", "B", "C", "d.e", "-f_")
SECRET_VARIABLES: Final = ("S1", "S2", "S3", "S4")
PUBLIC_VARIABLES: Final = ("P1", "P2", "P3")
DOCKER: Final = "kubernetes.io/dockerconfigjson"
TLS: Final = "kubernetes.io/tls"
TYPES: Final = (None, None, None, "Opaque", "example.com/own", "kubernetes.io/basic-auth", DOCKER, TLS)
PEM: Final = "-----BEGIN CERTIFICATE-----\nQ0FOQVJZ\n-----END CERTIFICATE-----\n"
TAILS: Final = ("", " ", "\n", "é\N{ROCKET}", "'\"", "\\n", "$", "${S1}", "$${X}", "# no comment", ": |", "\t\x7f")

seldom = st.integers(0, 11).map(lambda number: number == 5)
rarely = st.integers(0, 300).map(lambda number: number == 7)
secret_texts = st.builds("CANARY-{}{}".format, st.integers(0, 5), st.sampled_from(TAILS))
public_texts = st.sampled_from(
    ("1", "2", "", " a  b ", "line\nline\n", "ünï", "$HOME", "${", "true", "~", "a: b # c", "{}", '"')
)
binaries = st.sampled_from((b"\xff\x00", b"CANARY\xfe", b"", b"plain", b"\xef\xbb\xbfx", b"0" * 3000))
NUMBERS: Final = ("1.10", "18446744073709551616", "true", "1e400", '{"a": [1.50, null, "x"]}')
labels = st.dictionaries(st.sampled_from(("l1", "example.com/l2")), st.sampled_from(("", "v", "w.x_Y")), max_size=2)
annotations = st.dictionaries(st.sampled_from(("n1", "Example.com/n2")), st.sampled_from(("", "v", "é {}")), max_size=2)


literals = {  # before a placeholder, a `$` would make `$${` of it
    kind: texts.map(lambda one: one.rstrip("$"))
    for kind, texts in (("Secret", secret_texts), ("ConfigMap", public_texts))
}


def stored(texts: st.SearchStrategy[str], *, numbers: bool = True) -> st.SearchStrategy[Stored]:
    exact = st.sampled_from(NUMBERS).map(lambda raw: Stored(raw, raw.replace(", ", ",").replace(": ", ":").encode()))
    return st.one_of(*[texts.map(text)] * 8, *[exact] * numbers, st.just(text("")))


FIELDS: Final = {
    provider: (
        st.dictionaries(
            st.sampled_from(SECRET_VARIABLES), stored(secret_texts, numbers=provider == "plain"), min_size=1, max_size=4
        ),
        st.dictionaries(
            st.sampled_from(PUBLIC_VARIABLES), stored(public_texts, numbers=provider == "plain"), max_size=1
        ),
    )
    for provider in ("plain", "sops")
}
"""The fields of a source: variables that fill Secrets, and at most one that fills ConfigMaps."""

GIVEN: Final = {
    kind: st.dictionaries(st.sampled_from(KEYS), st.one_of(texts.map(str.encode), binaries), min_size=1, max_size=2)
    for kind, texts in (("Secret", secret_texts), ("ConfigMap", public_texts))
}
"""The keys that a source of manifests gives, by the object's kind."""


@st.composite
def variables(draw: Draw, names: tuple[str, ...], *, json: bool = False) -> Var:
    name, operator = draw(st.sampled_from(names)), draw(st.sampled_from(("", "", "", ":-", "-", ":?")))
    rest = draw(st.sampled_from(("", "default", "a b", "$x:")) if operator else st.just(""))
    return Var(name, operator, rest, json=json and operator != ":?")


@st.composite
def contents(draw: Draw, kind: str) -> Content:
    names = SECRET_VARIABLES if (kind == "Secret") != draw(rarely) else PUBLIC_VARIABLES
    literal = literals[kind]
    form = draw(st.integers(0, 9))
    if form == 0:
        return draw(binaries)
    if form == 1:
        return Var(draw(st.sampled_from(names)))
    if form == 2:
        return (draw(literal),)
    if form in (3, 4, 5):
        return (draw(literal), draw(variables(names, json=draw(seldom))), draw(literal), draw(variables(names)))
    return (draw(variables(names)),)


@st.composite
def needed(draw: Draw, type_: str | None) -> dict[str, Content]:
    """Return the keys that a type requires."""
    if type_ == DOCKER:
        password = Var(draw(st.sampled_from(SECRET_VARIABLES)), json=True)
        return {".dockerconfigjson": ('{"auths": {"r": {"password": "', password, '"}}}')}
    if type_ == TLS:
        return {name: draw(st.sampled_from(((PEM,), PEM.encode()))) for name in ("tls.crt", "tls.key")}
    if type_ == "kubernetes.io/basic-auth":
        return {"password": (Var(draw(st.sampled_from(SECRET_VARIABLES))),)}
    return {}


@st.composite
def templates(draw: Draw) -> tuple[tuple[Manifest, ...], ...]:
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True))
    types = {one: draw(st.sampled_from(TYPES)) if one.kind == "Secret" else None for one in ids}
    fixed = {one: draw(st.sampled_from((None, None, None, None, False, True))) for one in ids}

    def manifest(id_: Id, *, first: bool) -> Manifest:
        keys = draw(st.dictionaries(st.sampled_from(KEYS), contents(id_.kind), max_size=3))
        keys |= draw(needed(types[id_])) if first and not draw(seldom) else {}
        says = first or draw(st.booleans())
        return Manifest(
            id_, keys, types[id_] if says else None, fixed[id_] if says else None, draw(labels), draw(annotations)
        )

    first = tuple(manifest(one, first=True) for one in ids)
    again = draw(st.lists(st.sampled_from(ids), max_size=2))
    if not again:
        return (first,)
    second = tuple(manifest(one, first=False) for one in again)
    return (first + second,) if draw(st.booleans()) else (first, second)


@st.composite
def sources(draw: Draw) -> tuple[Source, ...]:
    found = [draw(fields(draw(st.sampled_from(("plain", "sops"))), "values"))]
    if draw(st.booleans()):
        found.append(draw(fields(draw(st.sampled_from(("plain", "sops"))), "more")))
    if draw(st.booleans()):
        provider = draw(st.sampled_from(("plain", "plain", "sops")))
        number = 1 if provider == "sops" else draw(st.integers(1, 3))
        ids = draw(st.lists(st.sampled_from(IDS), min_size=number, max_size=number, unique=True))
        manifests = {one: draw(GIVEN[one.kind]) for one in ids}
        found.append(Source(provider, f"objects.{'sops.' * (provider == 'sops')}json", {}, manifests))
    return tuple(draw(st.permutations(found)))


@st.composite
def fields(draw: Draw, provider: str, name: str) -> Source:
    secret, public = FIELDS[provider]
    return Source(provider, f"{name}.{'sops.' * (provider == 'sops')}json", {**draw(secret), **draw(public)})


@st.composite
def env_files(draw: Draw) -> tuple[Line, ...] | None:
    if draw(seldom):
        return None
    names = draw(st.lists(st.sampled_from((*PUBLIC_VARIABLES, *PUBLIC_VARIABLES, "S4")), unique=True, max_size=4))
    return tuple(Line(name, *draw(env_values())) for name in names)


@st.composite
def env_values(draw: Draw) -> tuple[str, str]:
    style = draw(st.sampled_from(("bare", "single", "double")))
    odd = ("", "1", "$HOME", "${P1}", "a#b", "a=b", "ünï", "'", "wss://example.com:1/?a=b&c")
    quoted = (*odd, " a ", "a # b", "two\nlines", "\\n", '"', "back\\slash", "\\")
    value = draw(st.sampled_from(odd if style == "bare" else quoted))
    return (value, "double") if style == "bare" and value == "'" else (value, style)


@st.composite
def exceptions(draw: Draw) -> dict[str, Special]:
    if draw(st.booleans()):
        return {}
    names = draw(st.lists(st.sampled_from(SECRET_VARIABLES), min_size=1, max_size=2, unique=True))
    return {name: draw(exception()) for name in names}


@st.composite
def exception(draw: Draw) -> Special:
    if draw(st.booleans()):
        encoded = base64.b64encode(draw(binaries)).decode()
        return Special(text(encoded), decode=True)
    return Special(draw(stored(secret_texts)), literal=draw(st.booleans()))


@st.composite
def configurations(draw: Draw) -> Configuration:
    drawn = Configuration(
        draw(templates()),
        draw(sources()),
        draw(exceptions()),
        draw(env_files()),
        draw(st.sampled_from(("sources", "any"))),
        draw(st.sampled_from(({}, {}, {"S4": "required"}))),
        draw(st.sampled_from((1, 2))),
    )
    return draw(completed(drawn))


@st.composite
def completed(draw: Draw, drawn: Configuration) -> Configuration:
    """Give most variables that nothing gives a value: most runs should have something to do."""
    given = {name for source in drawn.sources for name in source.fields}
    given |= {*drawn.variables, *(line.name for line in drawn.env or ())}
    lacking = [one.name for manifest in drawn.manifests for one in manifest.variables if not one.has_default]
    lacking = [name for name in dict.fromkeys((*lacking, *drawn.infrastructure)) if name not in given]
    found = list(drawn.sources)
    if not draw(seldom):
        at = next(number for number, source in enumerate(found) if source.path.startswith("values."))
        more = {name: draw((secret_texts if name in SECRET_VARIABLES else public_texts).map(text)) for name in lacking}
        found[at] = replace(found[at], fields={**found[at].fields, **more})
    if not draw(seldom):
        found = [one for source in found if (one := _wanted(source, drawn.merged))]
    return replace(drawn, sources=tuple(found))


def _wanted(source: Source, objects: Mapping[Id, Manifest]) -> Source | None:
    """Return a source without the keys that no template has, or None if nothing is left of it."""
    if source.manifests is None:
        return source
    left = {
        id_: wanted
        for id_, keys in source.manifests.items()
        if id_ in objects and (wanted := {key: value for key, value in keys.items() if key in objects[id_].keys})
    }
    return replace(source, manifests=left) if left else None


@st.composite
def changed(draw: Draw, before: Configuration) -> Configuration:
    """Return the same configuration some time later."""
    after = before
    for change in draw(st.lists(st.sampled_from(CHANGES), max_size=3)):
        after = change(draw, after)
    return draw(completed(after))


def _new(part: str, strategy: Callable[[], st.SearchStrategy[Any]]) -> Edit:
    return lambda draw, before: replace(before, **{part: draw(strategy())})


def _without_document(draw: Draw, before: Configuration) -> Configuration:
    gone = draw(st.sampled_from(before.ids))
    left = tuple(tuple(one for one in documents if one.id != gone) for documents in before.templates)
    left = tuple(filter(None, left))
    return replace(before, templates=left) if left else before


def _edited(edit: Callable[[Draw, Manifest], Manifest]) -> Edit:
    def change(draw: Draw, before: Configuration) -> Configuration:
        number = draw(st.integers(0, len(before.templates) - 1))
        documents = list(before.templates[number])
        at = draw(st.integers(0, len(documents) - 1))
        documents[at] = edit(draw, documents[at])
        return replace(
            before, templates=(*before.templates[:number], tuple(documents), *before.templates[number + 1 :])
        )

    return change


def _without_key(draw: Draw, before: Manifest) -> Manifest:
    gone = draw(st.sampled_from(sorted(before.keys))) if before.keys else ""
    return replace(before, keys={key: content for key, content in before.keys.items() if key != gone})


def _with_key(draw: Draw, before: Manifest) -> Manifest:
    return replace(before, keys={**before.keys, draw(st.sampled_from(KEYS)): draw(contents(before.id.kind))})


def _fixed(draw: Draw, before: Manifest) -> Manifest:
    return replace(before, immutable=draw(st.sampled_from((None, False, True))))


def _typed(draw: Draw, before: Manifest) -> Manifest:
    return (
        replace(before, type=draw(st.sampled_from((None, "Opaque", "example.com/own"))))
        if before.id.kind == "Secret"
        else before
    )


def _marked(draw: Draw, before: Manifest) -> Manifest:
    return replace(before, labels=draw(labels), annotations=draw(annotations))


def _without_field(draw: Draw, before: Configuration) -> Configuration:
    name = draw(st.sampled_from((*SECRET_VARIABLES, *PUBLIC_VARIABLES)))
    left = tuple(
        replace(source, fields={one: value for one, value in source.fields.items() if one != name} or source.fields)
        for source in before.sources
    )
    return replace(before, sources=left)


def _without_source(draw: Draw, before: Configuration) -> Configuration:
    gone = draw(st.sampled_from(("more", "objects")))
    return replace(before, sources=tuple(one for one in before.sources if not one.path.startswith(gone)))


CHANGES: Final = (
    _new("templates", templates),
    _new("sources", sources),
    _new("sources", sources),
    _new("env", env_files),
    _new("variables", exceptions),
    _new("order", lambda: st.sampled_from((1, 2, 3))),
    _without_document,
    _edited(_without_key),
    _edited(_with_key),
    _edited(_fixed),
    _edited(_typed),
    _edited(_marked),
    _without_field,
    _without_source,
)


@dataclass(frozen=True)
class Round:
    """What others do, and then a run of one configuration."""

    configuration: Configuration
    moves: tuple[Move, ...] = ()
    flags: tuple[str, ...] = ()


@st.composite
def flags(draw: Draw, ids: list[Id]) -> tuple[str, ...]:
    allowed = draw(
        st.lists(st.sampled_from(("--allow-shrink", "--allow-fallback", "--allow-older", "--prune")), unique=True)
    )
    recreated = draw(st.lists(st.sampled_from(ids), max_size=2, unique=True)) if draw(st.booleans()) else []
    return (*allowed, *(word for one in recreated for word in ("--recreate", str(one))))


@st.composite
def histories(draw: Draw, most: int = 3) -> tuple[Round, ...]:
    """Return the rounds of one environment."""
    first = draw(configurations())
    rounds = [Round(first, tuple(draw(st.lists(moves(IDS, KEYS), max_size=2))), draw(flags(first.ids)))]
    for _ in range(draw(st.integers(0, most - 1))):
        later = draw(changed(rounds[-1].configuration))
        met = tuple(draw(st.lists(moves(IDS, KEYS), max_size=3)))
        rounds.append(Round(later, met, draw(flags(later.ids))))
    return tuple(rounds)
