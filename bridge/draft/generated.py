"""Reads what kustomize's generators create: a Secret or ConfigMap from literals, env files and files.

This follows kustomize's parsers (api/kv/kv.go): a literal loses its surrounding quotes, a line of an env file keeps
them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bridge.config.names import shown as shown_name
from bridge.config.textfile import read_bounded
from bridge.draft.build_changes import texts_in
from bridge.draft.layout_model import Declared, DraftedField, DraftedValue, Layout, shown
from bridge.kustomize.read import Generator, Kustomization
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

_SECTIONS: Final = {"Secret": "stringData", "ConfigMap": "data"}
_SECONDS: Final = 10.0  # for a file that is a pipe


class _Value(NamedTuple):
    """A value that a generator creates: `place` is its location, `source` its file, if it has a file of its own."""

    key: str
    value: SecretValue | None
    place: str
    source: Path | None
    is_line: bool = False  # it is a line of an env file


def generate(generator: Generator, kustomization: Kustomization, objects: list[Declared], layout: Layout) -> None:
    """Add the object that a generator creates, or change the object that it applies to."""
    if not generator.name:
        layout.remark(generator.place, f"creates a {generator.kind} without a name")
        return
    options = [kustomization.content.get("generatorOptions"), generator.content.get("options")]
    values = list(_values(generator, kustomization.file.parent, layout))
    behavior = generator.content.get("behavior")
    if behavior in {"merge", "replace"}:
        theirs = [
            declared for declared in objects if declared.kind == generator.kind and generator.name in declared.names
        ]
        if not theirs:
            layout.remark(generator.place, f"changes {generator.kind}/{generator.name}, which no resource defines")
        for declared in theirs:
            _change(declared, values, generator, layout, is_whole=behavior == "replace")
    else:
        theirs = [Declared(generator.kind, [generator.name], kustomization.file, {_SECTIONS[generator.kind]: {}})]
        theirs[0].generator, theirs[0].is_hashed = generator.place, True
        namespace = generator.content.get("namespace")
        theirs[0].namespace = namespace if isinstance(namespace, str) and namespace else None
        objects += theirs
    for declared in theirs:
        _set(declared, generator, options)
        _give(declared, values, layout)


def _set(declared: Declared, generator: Generator, options: list[object]) -> None:
    """Give an object a generator's labels and options. The last setting counts, but a disabled hash stays so."""
    for each in options:
        declared.labels |= texts_in(_part(each, "labels"))
        declared.annotations |= texts_in(_part(each, "annotations"))
    if not declared.generator:
        return
    declared.is_hashed &= not any(_part(each, "disableNameSuffixHash") is True for each in options)
    content = {name: value for name, value in declared.content.items() if name not in {"type", "immutable"}}
    type_ = generator.content.get("type")
    if declared.kind == "Secret" and isinstance(type_, str) and type_:
        content["type"] = type_
    if any(_part(each, "immutable") is True for each in options):
        content["immutable"] = True
    declared.content = content


def _part(mapping: object, key: str) -> object:
    return mapping.get(key) if isinstance(mapping, Mapping) else None


def _change(declared: Declared, values: list[_Value], generator: Generator, layout: Layout, *, is_whole: bool) -> None:
    """Remove what an object loses to a generator: all keys, or (tried with 5.8.1) those in stringData."""
    if declared.generator:
        if is_whole:
            declared.content = {**declared.content, _SECTIONS[declared.kind]: {}}
            declared.given.clear()
        return
    new = {each.key for each in values}
    lost = [key for section, key, _ in declared.texts() if (is_whole or section == "stringData") and key not in new]
    for key in lost:
        declared.removed[key] = generator.place
    if lost:
        what = f"removes {', '.join(map(shown_name, lost))} from {declared.id} in the build, but its template has them"
        layout.remark(generator.place, what, "remove them from the template, or give them a value")


def _give(declared: Declared, values: list[_Value], layout: Layout) -> None:
    """Give an object values. A generated Secret also gets the keys; a manifest has its own."""
    section = _SECTIONS[declared.kind]
    for each in values:
        if each.value is not None:
            is_binary = declared.kind == "ConfigMap" and not each.value.is_text()
            declared.given[each.key] = DraftedValue("binaryData" if is_binary else section, each.value, each.place)
        if declared.kind == "ConfigMap":
            continue
        if declared.generator:
            keys = declared.content[section]
            assert isinstance(keys, dict)
            keys[each.key] = ""
        if not each.is_line:
            layout.by_hand.append(DraftedField(declared, each.key, each.place, each.source))
        elif each.source:
            layout.env_sources.setdefault(each.source, []).append((declared, each.key))


def _values(generator: Generator, folder: Path, layout: Layout) -> Iterator[_Value]:
    """Yield all values, in the order in which kustomize reads them."""
    content = generator.content
    for name in (*_texts(content.get("envs")), *_texts([content.get("env")])):
        lines = _read(name, folder, layout)
        for key, line in _lines(lines) if lines is not None else ():
            yield _Value(key, line, shown(folder / name), folder / name, is_line=True)
    for literal in _texts(content.get("literals")):
        key, equals, value = literal.partition("=")
        if equals and key:
            yield _Value(key, SecretValue.of(_unquoted(value)), generator.place, None)
    for entry in _texts(content.get("files")):
        key, equals, name = entry.partition("=")
        name = name if equals else key
        path = folder / name
        yield _Value(key if equals else path.name, _read(name, folder, layout), shown(path), path)


def _texts(items: object) -> Iterator[str]:
    yield from (item for item in items if isinstance(item, str) and item) if isinstance(items, list) else ()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _lines(content: SecretValue) -> Iterator[tuple[str, SecretValue | None]]:
    """Yield the lines of an env file as kustomize reads them; a bare name is a variable of the build's process."""
    for line in content.reveal().removeprefix(b"\xef\xbb\xbf").splitlines():
        stripped = line.lstrip()
        if stripped and not stripped.startswith(b"#"):
            key, equals, value = stripped.partition(b"=")
            yield key.decode(errors="replace"), SecretValue(value) if equals else None


def _read(name: str, folder: Path, layout: Layout) -> SecretValue | None:
    """Return the content of a file below the kustomization's folder; kustomize reads no files elsewhere."""
    import time  # noqa: PLC0415 - only generators of files need it

    path = folder / name
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            return SecretValue(read_bounded(path, time.monotonic() + _SECONDS))
        why = "is outside the kustomization's folder and was not read"
    except (OSError, ValueError) as error:  # a NUL byte in the path raises ValueError
        why = f"cannot be read: {(getattr(error, 'strerror', None) or 'unknown reason').lower()}"
    layout.remark(shown(path), why, "run this command again where the overlay can be built")
    return None
