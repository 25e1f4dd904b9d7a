"""What others do to the objects of a namespace: kubectl, other appliers, another environment of bridge, controllers."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from bridge.objects import LAST_APPLIED
from tests.desk import Target
from tests.properties.configuration import Id
from tests.servers.client import APPLY, JSON, JSON_PATCH, MERGE, Reply

APPLIERS: Final = ("argocd-controller", "flux", "bridge/other", "bridge/voice-agent-staging")
VALUES: Final = ("theirs", "1", "CANARY-1", "")


class Move(NamedTuple):
    """One step of somebody else. The API server may refuse it, as it refuses bridge's."""

    name: str
    id: Id
    step: Callable[[Target, Id], object]

    def __repr__(self) -> str:
        return f"{self.name} {self.id}"

    def make(self, target: Target) -> None:
        self.step(target, self.id)


def moves(ids: Sequence[Id], keys: Sequence[str]) -> st.SearchStrategy[Move]:
    values = st.dictionaries(st.sampled_from(keys), st.sampled_from(VALUES), max_size=2)
    nullable = st.dictionaries(st.sampled_from(keys), st.none() | st.sampled_from(VALUES), min_size=1, max_size=2)
    id_ = st.sampled_from(ids)
    named = {
        "edit": st.builds(edit, nullable),
        "edit again": st.builds(edit, nullable),
        "kubectl apply": st.builds(kubectl_apply, values),
        "apply": st.builds(apply, values, st.sampled_from(APPLIERS), st.booleans()),
        "delete": st.just(delete),
        "marks": st.builds(mark, st.sampled_from(MARKS)),
        "forget managers": st.just(forget),
        "binary": st.builds(edit_binary, st.sampled_from(keys)),
        "edit and back": st.just(edit_and_back),
        "apply over": st.builds(apply_over, st.sampled_from(APPLIERS[:3]), changed=st.booleans()),
    }
    state = st.sampled_from((("lose the state", lose_state), ("damage the state", damage_state)))
    on_state = st.builds(lambda one: Move(one[0], Id("ConfigMap", "bridge-voice-agent-staging"), one[1]), state)
    on_object = st.sampled_from(sorted(named)).flatmap(lambda name: st.builds(Move, st.just(name), id_, named[name]))
    return st.one_of(on_object, on_object, on_object, on_state)


def _encoded(kind: str, values: dict[str, str | None]) -> dict[str, str | None]:
    if kind == "ConfigMap":
        return dict(values)
    return {key: value if value is None else base64.b64encode(value.encode()).decode() for key, value in values.items()}


def _body(id_: Id, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": id_.kind, "metadata": {"name": id_.name}} | more


def _patch(target: Target, id_: Id, body: object, manager: str, kind: str = MERGE) -> Reply:
    return target.client.request("PATCH", f"{target.path(*id_)}?fieldManager={manager}", body, kind)


def _create(target: Target, id_: Id, body: dict[str, Any], manager: str) -> Reply:
    path = target.path(*id_).rpartition("/")[0]
    return target.client.request("POST", f"{path}?fieldManager={manager}", body, JSON)


def edit(values: dict[str, str | None]) -> Callable[[Target, Id], object]:
    """Change keys as `kubectl edit` does, or create the object as `kubectl create` does."""

    def step(target: Target, id_: Id) -> None:
        data = _encoded(id_.kind, values)
        if _patch(target, id_, {"data": data}, "kubectl-edit").status == 404:
            given = {key: value for key, value in data.items() if value is not None}
            _create(target, id_, _body(id_, data=given), "kubectl-create")

    return step


def edit_binary(key: str) -> Callable[[Target, Id], object]:
    """Move a key to a ConfigMap's binaryData, or make a Secret's value binary."""

    def step(target: Target, id_: Id) -> None:
        binary = base64.b64encode(b"\xff\xfe").decode()
        body = {"data": {key: binary}} if id_.kind == "Secret" else {"data": {key: None}, "binaryData": {key: binary}}
        _patch(target, id_, body, "kubectl-edit")

    return step


def kubectl_apply(values: dict[str, str]) -> Callable[[Target, Id], object]:
    """Apply as `kubectl apply` does: an update with the object as an annotation, by a manager of its own."""

    def step(target: Target, id_: Id) -> None:
        data = _encoded(id_.kind, dict(values))
        annotation = {LAST_APPLIED: json.dumps(_body(id_, data=data)) + "\n"}
        body = {"metadata": {"annotations": annotation}, "data": data}
        manager = "kubectl-client-side-apply"
        if _patch(target, id_, body, manager).status == 404:
            content = _body(id_, data=data)
            content["metadata"]["annotations"] = annotation
            _create(target, id_, content, manager)

    return step


def apply(values: dict[str, str], manager: str, force: bool) -> Callable[[Target, Id], object]:
    """Apply server-side; as our own manager, it is a bridge that had other templates."""

    def step(target: Target, id_: Id) -> None:
        body = _body(id_, data=_encoded(id_.kind, dict(values)))
        body["metadata"]["labels"] = {"l1": "theirs", "theirs": "x"}
        path = f"{target.path(*id_)}?fieldManager={manager}&force={str(force).lower()}"
        target.client.request("PATCH", path, body, APPLY)

    return step


def _first_key(target: Target, id_: Id) -> tuple[str, str] | None:
    """Return a key that the object has, with its value as the API has it."""
    found = target.client.request("GET", target.path(*id_)).body.get("data") or {}
    return min(found.items(), default=None)


def edit_and_back(target: Target, id_: Id) -> None:
    """Change a key and change it back, which leaves its value to another manager."""
    if found := _first_key(target, id_):
        key, value = found
        for one in ("eA==", value):  # "x" in base64, which is text too
            _patch(target, id_, {"data": {key: one}}, "kubectl-edit")


def apply_over(manager: str, *, changed: bool) -> Callable[[Target, Id], object]:
    """Apply a key that the object has, with its own value or with another one, whoever owns it."""

    def step(target: Target, id_: Id) -> None:
        if found := _first_key(target, id_):
            key, value = found
            path = f"{target.path(*id_)}?fieldManager={manager}&force=true"
            body = _body(id_, data={key: "dGhlaXJz" if changed else value})  # "theirs" in base64
            target.client.request("PATCH", path, body, APPLY)

    return step


def delete(target: Target, id_: Id) -> None:
    target.client.request("DELETE", target.path(*id_))


OWNER: Final = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "0f1c2c3e-3d0c-4a51-9df2-0d1f1f0a7a10"}
MARKS: Final = (
    {"metadata": {"labels": {"theirs": "x", "l1": "theirs"}}},
    {"metadata": {"annotations": {"theirs": "x", "n1": "theirs"}}},
    {"metadata": {"labels": {"l1": None}, "annotations": {"n1": None}}},
    {"metadata": {"finalizers": ["example.com/held"]}},
    {"metadata": {"finalizers": None}},
    {"metadata": {"ownerReferences": [OWNER]}},
    {"metadata": {"ownerReferences": None}},
    {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}},
    {"immutable": True},
)


def mark(body: dict[str, Any]) -> Callable[[Target, Id], object]:
    """Change something that is not a key."""
    return lambda target, id_: _patch(target, id_, body, "kubectl-edit")


def forget(target: Target, id_: Id) -> None:
    """Clear the managed fields, as an administrator can."""
    _patch(target, id_, [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}], "admin", JSON_PATCH)


lose_state = delete


def damage_state(target: Target, id_: Id) -> None:
    _patch(target, id_, {"data": {"memory.json": "{"}}, "kubectl-edit")
