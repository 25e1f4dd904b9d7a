"""An environment's configuration as data: written to files, and its values worked out a second time, by the help page.

`values` is the other opinion on what bridge should write. It reads none of bridge's code.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from tests.desk import Desk
from tests.properties.sealed import Sealer


class Id(NamedTuple):
    """A kind and a name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Var(NamedTuple):
    """A placeholder; `operator` is one of "", ":-", "-" and ":?"."""

    name: str
    operator: str = ""
    rest: str = ""
    json: bool = False

    def __str__(self) -> str:
        return f"${{{self.name}{'|json' if self.json else ''}{self.operator}{self.rest}}}"

    @property
    def has_default(self) -> bool:
        return self.operator in (":-", "-")


Content: TypeAlias = tuple[str | Var, ...] | bytes | Var
"""A key in a template: text with placeholders, base64, or a single placeholder in `data`."""


@dataclass(frozen=True)
class Manifest:
    """One document of a template."""

    id: Id
    keys: Mapping[str, Content]
    type: str | None = None
    immutable: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        body: dict[str, Any] = {"apiVersion": "v1", "kind": self.id.kind, "metadata": {"name": self.id.name}}
        optional = {"labels": self.labels, "annotations": self.annotations}
        body["metadata"] |= {name: dict(texts) for name, texts in optional.items() if texts}
        body |= {"type": self.type} if self.type else {}
        body |= {} if self.immutable is None else {"immutable": self.immutable}
        for key, content in self.keys.items():
            section, text = _written(self.id.kind, content)
            body.setdefault(section, {})[key] = text
        return body

    @property
    def variables(self) -> Iterator[Var]:
        for content in self.keys.values():
            parts = (content,) if isinstance(content, Var) else () if isinstance(content, bytes) else content
            yield from (part for part in parts if isinstance(part, Var))


def _written(kind: str, content: Content) -> tuple[str, str]:
    if isinstance(content, bytes):
        return ("data" if kind == "Secret" else "binaryData"), base64.b64encode(content).decode()
    if isinstance(content, Var):
        return "data", str(content)
    text = "".join(str(part) if isinstance(part, Var) else part.replace("${", "$${") for part in content)
    return ("stringData" if kind == "Secret" else "data"), text


class Stored(NamedTuple):
    """A value in a source: its text in the JSON document, and what it is worth (None: nothing, it is null)."""

    text: str
    value: bytes | None


def text(value: str) -> Stored:
    return Stored(json.dumps(value), value.encode())


@dataclass(frozen=True)
class Source:
    """A document in a store: fields, or the keys of objects if it has manifests."""

    provider: str
    path: str
    fields: Mapping[str, Stored] = field(default_factory=dict)
    manifests: Mapping[Id, Mapping[str, bytes]] | None = None

    @property
    def reference(self) -> str:
        return f"{self.provider}:{self.path}"

    def write(self, desk: Desk, sealer: Sealer) -> None:
        parts = [mapping(self.fields)] if self.manifests is None else list(map(json.dumps, self._objects()))
        if self.provider == "sops":
            content = sealer.seal(json.loads(parts[0]))
        else:
            content = parts[0] if self.manifests is None else f"[{', '.join(parts)}]"
        desk.write(self.path, content)

    def _objects(self) -> Iterator[dict[str, Any]]:
        for id_, keys in (self.manifests or {}).items():
            body: dict[str, Any] = {"apiVersion": "v1", "kind": id_.kind, "metadata": {"name": id_.name}}
            for number, (key, value) in enumerate(keys.items()):
                is_text = _is_text(value) and (id_.kind == "ConfigMap" or number % 2 == 0)
                section = {"Secret": ("data", "stringData"), "ConfigMap": ("binaryData", "data")}[id_.kind][is_text]
                written = value.decode() if is_text else base64.b64encode(value).decode()
                body.setdefault(section, {})[key] = written
            yield body


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def mapping(fields: Mapping[str, Stored]) -> str:
    """Write a JSON object by hand, so that numbers keep their text."""
    return "{" + ", ".join(f"{json.dumps(name)}: {stored.text}" for name, stored in fields.items()) + "}"


class Line(NamedTuple):
    """A variable of the env file, and how it is written there."""

    name: str
    value: str
    style: str

    def __str__(self) -> str:
        if self.style == "single":
            return f"{self.name}='" + self.value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        if self.style == "double":
            return f'export {self.name} = "' + self.value.replace("\\", "\\\\").replace('"', '\\"') + '"  # a comment'
        return f"{self.name}={self.value}"


class Special(NamedTuple):
    """An entry of `variables`: a field of the document `special.json`."""

    stored: Stored
    decode: bool = False
    literal: bool = False

    @property
    def value(self) -> bytes | None:
        value = self.stored.value
        return base64.b64decode(value) if self.decode and value is not None else value


@dataclass(frozen=True)
class Configuration:
    """Everything that an environment's file names."""

    templates: tuple[tuple[Manifest, ...], ...]
    sources: tuple[Source, ...] = ()
    variables: Mapping[str, Special] = field(default_factory=dict)
    env: tuple[Line, ...] | None = ()
    secrets_from: str = "sources"
    infrastructure: Mapping[str, str] = field(default_factory=dict)
    order: int = 1

    @property
    def manifests(self) -> Iterator[Manifest]:
        for documents in self.templates:
            yield from documents

    @property
    def ids(self) -> list[Id]:
        return list(dict.fromkeys(one.id for one in self.manifests))

    @property
    def merged(self) -> dict[Id, Manifest]:
        """The objects, each of all its documents."""
        found: dict[Id, Manifest] = {}
        for one in self.manifests:
            before = found.get(one.id, Manifest(one.id, {}))
            found[one.id] = replace(
                before,
                keys={**before.keys, **one.keys},
                type=before.type or one.type,
                immutable=one.immutable if before.immutable is None else before.immutable,
                labels={**before.labels, **one.labels},
                annotations={**before.annotations, **one.annotations},
            )
        return found

    @property
    def secrets(self) -> set[str]:
        """Every value that must never be shown."""
        stored = [one for source in self.sources for one in source.fields.values()]
        stored += [one.stored for one in self.variables.values()]
        values = [one.value for one in stored if one.value] + [
            value for source in self.sources for keys in (source.manifests or {}).values() for value in keys.values()
        ]
        values += [part.encode() for one in self.manifests for part in _literals(one)]
        return {text for text in (value.decode(errors="ignore") for value in values) if "CANARY" in text}

    def write(self, desk: Desk, sealer: Sealer, **changes: Any) -> None:
        """Write all files."""
        desk.canaries |= self.secrets
        for number, documents in enumerate(self.templates):
            desk.write(f"base/{number}.yml", "\n---\n".join(_yaml(one.document()) for one in documents))
        for source in self.sources:
            source.write(desk, sealer)
        desk.write("special.json", mapping({name: one.stored for name, one in self.variables.items()}))
        env_file = desk.folder / ".env.k8s.staging"
        env_file.unlink(missing_ok=True)
        if self.env is not None:
            desk.write(env_file.name, "# a comment\n\n" + "".join(f"{line}\n" for line in self.env))
        variables = {
            name: {"from": f"plain:special.json#{name}"}
            | ({"decode": "base64"} if one.decode else {})
            | ({"literal": True} if one.literal else {})
            for name, one in self.variables.items()
        }
        desk.environment(
            templates=[f"base/{number}.yml" for number in range(len(self.templates))],
            sources=[source.reference for source in self.sources],
            variables=variables,
            secrets_from=self.secrets_from,
            infrastructure=dict(self.infrastructure),
            providers={
                "plain": {"order": self.order, "revision": str(self.order)},
                "sops": {"age_key_file": sealer.write_key(desk.folder).name},
            },
            **changes,
        )

    def values(self) -> dict[Id, dict[str, bytes]]:
        """Return what each key should be, of a configuration that is not refused."""
        return {
            one.id: {key: self._value(one.id, key, content) for key, content in one.keys.items()}
            for one in self.merged.values()
        }

    def _value(self, id_: Id, key: str, content: Content) -> bytes:
        parts = (content,) if isinstance(content, (Var, bytes)) else content
        earliest = min(
            (self._found(part.name)[0] for part in parts if isinstance(part, Var)), default=len(self.sources)
        )
        for source in self.sources[: max(earliest, 0)]:
            given = (source.manifests or {}).get(id_, {}).get(key)
            if given is not None:
                return given
        return b"".join(map(self._part, parts))

    def _part(self, part: str | bytes | Var) -> bytes:
        if isinstance(part, bytes):
            return part
        if isinstance(part, str):
            return part.encode()
        value = self._found(part.name)[1]
        if value is None or (not value and part.operator == ":-"):
            value = part.rest.encode()
        return json.dumps(value.decode(), ensure_ascii=False)[1:-1].encode() if part.json else value

    def _found(self, name: str) -> tuple[int, bytes | None]:
        """Return at which position a variable is found, and its value."""
        if name in self.variables:
            return -1, self.variables[name].value
        for position, source in enumerate(self.sources):
            if name in source.fields:
                return position, source.fields[name].value
        found = [line.value.encode() for line in self.env or () if line.name == name]
        return len(self.sources), found[0] if found else None


def _yaml(document: dict[str, Any]) -> str:
    """Write JSON that is YAML too, which has no surrogates and no control characters."""
    return json.dumps(document, ensure_ascii=False).replace("\x7f", "\\u007f")


def _literals(manifest: Manifest) -> Iterator[str]:
    for content in manifest.keys.values() if manifest.id.kind == "Secret" else ():
        if isinstance(content, tuple):
            yield from (part for part in content if isinstance(part, str))
