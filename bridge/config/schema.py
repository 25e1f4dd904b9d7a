"""Builds the JSON Schema of the environment file from the code that reads it, so that the two cannot differ.

The schema is for editors: `bridge check` may still refuse a file that the schema accepts.
"""

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from bridge.config import age_limits, durations
from bridge.config.environment_fields import KEYS, REQUIRED, VARIABLE_KEYS, ClusterChoice, provider_fields
from bridge.config.names import DNS_LABEL, VARIABLE
from bridge.config.reference import GRAMMAR, PARTS, PROVIDER

FILE: Final = "bridge.schema.json"
Schema: TypeAlias = dict[str, Any]


def _whole(pattern: str) -> str:
    """Return a Python pattern for the whole text as an ECMA 262 pattern, which does not support `(?P<name>…)`."""
    return f"^(?:{re.sub(r'[(][?]P<[a-z]+>', '(?:', pattern)})$"


def _only(words: tuple[str, ...], text: str) -> Schema:
    return {"enum": list(words), "description": text}


_TEXT: Final[Schema] = {"type": "string", "pattern": r"^(?=.*\S)[^\u0000-\u001f\u007f]+$"}
_URL: Final[Schema] = {"type": "string", "pattern": r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"}
_LABEL: Final[Schema] = {"type": "string", "maxLength": 63, "pattern": _whole(DNS_LABEL.pattern)}
_DOCUMENT: Final = re.sub(r"\(\?:#\(\?P<field>.*$", "", GRAMMAR.pattern)
_PARTS: Final[Mapping[str, Schema]] = {
    "provider": {"type": "string", "pattern": _whole(PROVIDER.pattern)},
    "path": _TEXT,
    "revision": {"anyOf": [_TEXT, {"type": "integer"}]},
    "field": _TEXT,
}


def _reference(pattern: str, parts: tuple[str, ...]) -> Schema:
    mapping = {
        "type": "object",
        "properties": {part: _PARTS[part] for part in parts},
        "required": ["provider", "path"],
        "additionalProperties": False,
    }
    return {"anyOf": [{"type": "string", "pattern": _whole(pattern)}, mapping]}


def _some(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _named(pattern: str, value: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": _whole(pattern)}, "additionalProperties": value}


_MAX_AGE: Final[Schema] = {"type": "string", "pattern": f"^(?=.){durations.PATTERN}$"}
_VARIABLE_KEYS: Final[Mapping[str, Schema]] = {
    "from": {"$ref": "#/$defs/reference"},
    "decode": _only(("base64",), "how the value is decoded"),
    "literal": {"type": "boolean", "description": "allows a value that looks encrypted"},
    "max_age": {
        "anyOf": [_MAX_AGE, {"const": age_limits.UNLIMITED}],
        "description": "how old the value may become, such as 90d; unlimited: the environment's max_age does not count",
    },
    "expires": {
        "type": "string",
        "pattern": _whole(age_limits.EXPIRES),
        "description": "when the value expires: 2027-01-31, or 2027-01-31T12:00:00Z",
    },
}
_VARIABLE: Final[Schema] = {
    "anyOf": [
        {"$ref": "#/$defs/reference"},
        {
            "type": "object",
            "properties": {key: _VARIABLE_KEYS[key] for key in VARIABLE_KEYS},
            "anyOf": [{"required": [key]} for key in ("from", *age_limits.KEYS)],
            "dependentRequired": {"decode": ["from"], "literal": ["from"]},
            "additionalProperties": False,
        },
    ]
}
_CLUSTER: Final[Mapping[str, Schema]] = {
    "kubeconfig": _TEXT,
    "context": _TEXT,
    "namespace_uid": _some(_TEXT),
    "server": _some(_URL),
}
_PROPERTIES: Final[Mapping[str, Schema]] = {
    "id": _LABEL | {"description": "the environment's identity in the cluster; never change it"},
    "namespace": _LABEL | {"description": "the objects' namespace; default: K8S_NAMESPACE in the env file"},
    "templates": {
        "type": "array",
        "items": _TEXT,
        "description": "the objects that bridge may write, with all their keys",
    },
    "env_file": _TEXT | {"description": "the second layer; `environment` reads the process's environment variables"},
    "secrets_from": _only(("sources", "any"), "which layers may fill a Secret's key"),
    "infrastructure": _named(VARIABLE.pattern, {"enum": ["required", "secret"]})
    | {"description": "the variables that your scripts need"},
    "sources": {
        "type": "array",
        "items": _reference(_DOCUMENT, tuple(part for part in PARTS if part != "field")),
        "uniqueItems": True,
        "description": "the first layer: whole documents, as provider:path[@revision]",
    },
    "variables": _named(VARIABLE.pattern, _VARIABLE)
    | {"description": "exceptions for single variables: provider:path[@revision][#field[.field]]"},
    "max_age": _MAX_AGE | {"description": "how old each variable that fills a Secret may become, such as 90d"},
    "providers": {"$ref": "#/$defs/providers"},
    "accept_older": _named(GRAMMAR.pattern, _PARTS["revision"])
    | {"description": "revisions, by source, that are allowed although a newer one was written last"},
    "cluster": {
        "type": "object",
        "properties": {key: _CLUSTER[key] for key in ClusterChoice._fields},
        "additionalProperties": False,
        "description": "kubeconfig and context select the cluster; namespace_uid and server bind the environment to it",
    },
}


def environment_schema(providers: Mapping[str, type]) -> Schema:
    """Return the schema (draft 2020-12) with the fields of these providers; other sections stay open."""
    section = {"type": "object", "allOf": [_if_type(name) for name in providers]} if providers else {"type": "object"}
    unless = {"if": {"required": ["provider"]}}
    own = {name: {**section, **unless, "else": {"$ref": f"#/$defs/provider-{name}"}} for name in providers}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An environment of bridge",
        "type": "object",
        "properties": {key: _PROPERTIES[key] for key in KEYS},
        "required": list(REQUIRED),
        "additionalProperties": False,
        "$defs": {
            "reference": _reference(GRAMMAR.pattern, PARTS),
            "providers": _named(PROVIDER.pattern, section)
            | {"properties": own, "description": "settings that differ from the stores' own conventions"},
            **{f"provider-{name}": _section(name, type_) for name, type_ in providers.items()},
        },
    }


def _if_type(name: str) -> Schema:
    """Return the rule for a section that names its type because its own name differs from it."""
    says = {"properties": {"provider": {"const": name}}, "required": ["provider"]}
    return {"if": says, "then": {"$ref": f"#/$defs/provider-{name}"}}


def _section(name: str, type_: type) -> Schema:
    hints = typing.get_type_hints(type_)
    fields = {name: _field(hints[name]) for name in provider_fields(type_) or ()}
    return {
        "type": "object",
        "description": " ".join((type_.__doc__ or name).split()),
        "properties": fields | {"provider": {"type": "string"}},
        "additionalProperties": False,
    }


def _field(hint: object) -> Schema:
    """Return a field's type. For a collection that is only array or object; the provider checks the rest."""
    kinds: Mapping[object, str] = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
    types = [kinds.get(part, _collection(part)) for part in typing.get_args(hint) or (hint,)]
    return {"type": types} if all(types) else {}


def _collection(hint: object) -> str:
    origin = typing.get_origin(hint)
    if not isinstance(origin, type):
        return ""
    return "object" if issubclass(origin, Mapping) else "array" if issubclass(origin, Sequence) else ""
