"""The documents of Parameter Store: one parameter, or a folder whose parameters are the fields.

Parameter Store has no compare-and-set and writes one parameter at a time. So a write may change one parameter, and
compares its new version's number with the one that must follow.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from bridge.provider import Conflict, Document, NotFound, ProviderError, Revision, SecretValue
from bridge_providers.aws import content
from bridge_providers.aws.client import Refused, Service

LONGEST: Final = 8192
"""Bytes of an advanced parameter; AWS refuses more than 4096 for others (API_PutParameter)."""
_MOST_PAGES: Final = 1000  # of ten parameters
_CHANGED: Final = "another client changed it in the meantime"


def read(service: Service, name: str, revision: str | None) -> Document:
    """Return the parameters below a name as one document, or the parameter itself if nothing is below it."""
    found = list(_below(service, name)) if name.startswith("/") and revision is None else []
    if found:
        times = [moment for one in found if isinstance(moment := one.get("LastModifiedDate"), datetime)]
        return Document((_tree(name, found),), _folder_revision(found), time=content.shown(max(times, default=None)))
    if name.endswith("/"):
        raise NotFound("no parameter is below this name", hint=f"run `aws ssm get-parameters-by-path --path {name}`")
    one = _parameter(service, name if revision is None else f"{name}:{revision}")
    return content.document(SecretValue.of(_text(one)), _revision(one), one.get("LastModifiedDate"))


def _below(service: Service, name: str) -> Iterator[Mapping[str, Any]]:
    page: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        answer = service.call(
            "get_parameters_by_path", Path=name.rstrip("/") or "/", Recursive=True, WithDecryption=True, **page
        )
        yield from answer.get("Parameters", ())
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}
    raise ProviderError(f"more than {_MOST_PAGES} pages of parameters are below it", hint="name a smaller folder")


def _parameter(service: Service, name: str) -> Mapping[str, Any]:
    answer = service.call("get_parameter", Name=name, WithDecryption=True).get("Parameter")
    if not isinstance(answer, Mapping):
        raise ProviderError("AWS's answer contains no parameter")
    return answer


def _text(parameter: Mapping[str, Any]) -> str:
    text = parameter.get("Value")
    if not isinstance(text, str):
        raise ProviderError("AWS's answer contains no value")
    return text


def _version(parameter: Mapping[str, Any]) -> int:
    number = parameter.get("Version")
    if type(number) is not int or number < 1:
        raise ProviderError("AWS's answer does not name its version")
    return number


def _revision(parameter: Mapping[str, Any]) -> Revision:
    return Revision(str(_version(parameter)), content.microseconds(parameter.get("LastModifiedDate")))


def _folder_revision(found: list[Mapping[str, Any]]) -> Revision:
    """Return a name for the state of a folder, made of its parameters' names and versions, which has no order."""
    lines = sorted(f"{one.get('Name')}\t{_version(one)}\t{one.get('LastModifiedDate')}" for one in found)
    return Revision(hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12])


def _tree(name: str, found: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parameters by the rest of their names, each part one level."""
    tree: dict[str, Any] = {}
    for one in found:
        *folders, last = str(one.get("Name", "")).removeprefix(name.rstrip("/") + "/").split("/")
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
            if not isinstance(inner, dict):
                raise _both(folder)
        if last in inner:
            raise _both(last)
        inner[last] = SecretValue.of(_text(one))
    return tree


def _both(part: str) -> ProviderError:
    return ProviderError(f"{part} is both a parameter and a folder", hint="rename one of the two")


def write(service: Service, name: str, document: Document, expect: Revision | None) -> Revision:
    """Write one parameter, or the one field of a folder that differs."""
    current = _current(service, name)
    if (expect.id if expect else None) != (current.revision.id if current else None):
        raise Conflict(_CHANGED if expect else "it exists already")
    if not (name.endswith("/") or (current and _is_folder(current))):
        number = int(expect.id) if expect else 0
        return _put(service, name, content.stored(document, LONGEST), number)
    changed = _changed(current, document)
    if changed is not None:
        _put(service, f"{name.rstrip('/')}/{'/'.join(changed[0])}", changed[1], None)
    return read(service, name, None).revision


def _is_folder(document: Document) -> bool:
    """Return whether a document was read from a folder: one parameter's fields come with its text."""
    return document.whole is None and isinstance(document.content, tuple)


def _current(service: Service, name: str) -> Document | None:
    try:
        return read(service, name, None)
    except NotFound:
        return None


def _leaves(node: object, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], SecretValue]]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _leaves(child, (*at, key))
    elif isinstance(node, SecretValue):
        yield at, node
    else:
        raise ProviderError("a folder of parameters has no lists", hint="write the list as one parameter")


def _changed(current: Document | None, wanted: Document) -> tuple[tuple[str, ...], SecretValue] | None:
    """Return the one field that differs, or None; ProviderError if there are several, or if one is gone."""
    if isinstance(wanted.content, SecretValue) or len(wanted.content) != 1:
        raise ProviderError("a folder of parameters is written as one mapping", hint="name one parameter")
    old = dict(_leaves(current.content[0])) if current and isinstance(current.content, tuple) else {}
    new = dict(_leaves(wanted.content[0]))
    if old.keys() - new.keys():
        raise ProviderError("the write would remove a parameter", hint="run `aws ssm delete-parameter --name NAME`")
    differing = [at for at, value in new.items() if at not in old or not old[at].same_as(value)]
    if len(differing) > 1:
        what = f"the write changes {len(differing)} parameters, and Parameter Store writes one at a time"
        raise ProviderError(what, hint="set one variable at a time with `bridge set`, or use a secret")
    return (differing[0], new[differing[0]]) if differing else None


def _put(service: Service, name: str, value: SecretValue, number: int | None) -> Revision:
    """Write a parameter whose newest version is `number`, 0 if it is new, None if that is to be looked up."""
    if not value.is_text():
        raise ProviderError("a parameter holds text only", hint="use a secret, which may hold bytes")
    about = _description(service, name)
    newest = number if number is not None else int(about.get("Version", 0))
    kind = {"Type": about.get("Type", "SecureString")} | ({"KeyId": about["KeyId"]} if about.get("KeyId") else {})
    try:
        answer = service.call("put_parameter", Name=name, Value=value.reveal().decode(), Overwrite=newest > 0, **kind)
    except Refused as error:
        if error.code == "ParameterAlreadyExists":
            raise Conflict(_CHANGED) from None
        raise
    written = _version(answer)
    if written != newest + 1:
        what = f"version {written} was written, but another client wrote version {written - 1} at the same time"
        raise ProviderError(what, hint=f"compare them with `aws ssm get-parameter-history --name {name}`")
    back = _parameter(service, f"{name}:{written}")
    if not SecretValue.of(_text(back)).same_as(value):
        raise ProviderError(f"version {written} was written, but reads back differently", hint="compare it")
    return _revision(back)


def _description(service: Service, name: str) -> Mapping[str, Any]:
    """Return a parameter's type, key and version, which a write would change otherwise; nothing for a new one."""
    wanted = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    found = service.call("describe_parameters", ParameterFilters=wanted).get("Parameters", ())
    return next((one for one in found if one.get("Name") == name), {})
