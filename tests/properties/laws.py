"""The laws: what is true of every run, whatever was there before."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from bridge.objects import LAST_APPLIED
from tests.desk import PLURALS, Desk, Result, Target
from tests.properties.configuration import Configuration, Id

Object: TypeAlias = dict[str, Any]
Snapshot: TypeAlias = dict[Id, Object]

OURS: Final = ("bridge/voice-agent-staging", "Apply")
UNTRACKED: Final = ("before-first-apply", "Update")
"""Gets what nobody owned, from the API server, when an object without managed fields is applied for the first time."""

STATE: Final = Id("ConfigMap", "bridge-voice-agent-staging")
LEASE: Final = Id("Lease", "bridge-voice-agent-staging")
CREATED: Final = ("create", "recreate")
GIVES: Final = {"add", "restore"}  # the field was missing
ALTERS: Final = {"change", "drift"}  # it had another value
TAKES: Final = {"drift", "reclaim", "change"}  # another manager may lose it


def snapshot(target: Target) -> Snapshot:
    """Return all objects of a namespace that bridge may write, its Lease included."""
    base = f"/api/v1/namespaces/{target.namespace}"
    paths = {kind: f"{base}/{plural}" for kind, plural in PLURALS.items()}
    paths["Lease"] = f"/apis/coordination.k8s.io/v1/namespaces/{target.namespace}/leases"
    return {
        Id(kind, one["metadata"]["name"]): one
        for kind, path in paths.items()
        for one in target.client.request("GET", path).body["items"]
    }


def planned(report: Mapping[str, Any]) -> dict[Id, Object]:
    """Return the objects of a report."""
    return {Id(one["kind"], one["name"]): one for one in report["objects"]}


def check_same(before: Snapshot, after: Snapshot) -> None:
    """Every object is as it was, to the version."""
    assert before == after


def check_unwritten(before: Snapshot, after: Snapshot) -> None:
    """Every object but the Lease is as it was."""
    check_same(_without(before, LEASE), _without(after, LEASE))


def check_agreement(plan: Result, sync: Result) -> None:
    """A plan and the sync after it report the same, but for what was written."""
    promised, done = plan.data, sync.data
    ignored = {"result", "run", "objects", "cluster"}  # a failed plan may not have seen the cluster yet
    assert {name: value for name, value in promised.items() if name not in ignored} == {
        name: value for name, value in done.items() if name not in ignored
    }
    assert [one | {"written": ""} for one in promised.get("objects", ())] == [
        one | {"written": ""} for one in done.get("objects", ())
    ]
    assert {one["written"] for one in promised.get("objects", ())} <= {"no"}
    if plan.status in (0, 4):
        written = {id_ for id_, one in planned(done).items() if one["written"] == "yes"}
        assert written == {id_ for id_, one in planned(promised).items() if one["action"] not in ("keep", "leave")}
        assert done["result"] == ("written" if written else "unchanged")
        assert (plan.status, sync.status) == (4 if written else 0, 0)
    else:
        assert plan.status == sync.status
        assert {one["written"] for one in done.get("objects", ())} <= {"no"}


def check_changes(before: Snapshot, after: Snapshot, report: Mapping[str, Any]) -> None:
    """What changed in the cluster is exactly what the report says."""
    told = planned(report)
    assert before.keys() - told.keys() - after.keys() <= {STATE, LEASE}
    for id_ in (before.keys() | after.keys()) - {STATE, LEASE}:
        was, now, entry = before.get(id_), after.get(id_), told.get(id_, {"action": "leave"})
        action = entry["action"]
        if action in ("keep", "leave"):
            assert was == now
        elif action == "delete":
            assert was
            assert now is None or _is_held(now)
            check_deletable(was)
        elif action in CREATED:
            assert now
            assert (was is None) == (action == "create")
            assert was is None or was["metadata"]["uid"] != now["metadata"]["uid"]
            if was:
                check_deletable(was)
            check_created(now, entry)
        else:
            assert action == "update"
            assert was
            assert now
            check_update(was, now, entry)


def check_deletable(was: Object) -> None:
    """Bridge deletes only what it wrote alone, and what no other object owns."""
    assert not was["metadata"].get("ownerReferences")
    for key in _fields(was)["data"]:
        assert _owners(was, "data", key) == {OURS}, key


def _is_held(now: Object) -> bool:
    return bool(now["metadata"].get("finalizers") and now["metadata"].get("deletionTimestamp"))


def check_created(now: Object, entry: Object) -> None:
    """An object that bridge made has its own fields, and nothing else: of a recreated one, some may be removed."""
    own = {
        section: {one["name"] for one in entry[name] if one["what"] != "remove"} for section, name in SECTIONS.items()
    }
    assert {section: set(values) for section, values in _fields(now).items()} == own
    for section, names in own.items():
        for name in names:
            assert _owners(now, section, name) == {OURS}


def check_update(was: Object, now: Object, entry: Object) -> None:
    """An object that bridge changed is the same but for the fields that the report lists."""
    assert _rest(was) == _rest(now)
    for section, name in SECTIONS.items():
        told = {one["name"]: one["what"] for one in entry[name]}
        old, new = _fields(was)[section], _fields(now)[section]
        for field in old.keys() | new.keys() | told.keys():
            what = told.get(field)
            assert (what in GIVES) == (field not in old and field in new), (section, field, what)
            assert (what == "remove") == (field in old and field not in new), (section, field, what)
            assert (what in ALTERS) == (field in old and field in new and old[field] != new[field]), (field, what)
            if what not in (None, "remove", "release"):
                assert _owners(now, section, field) == {OURS}
    lost = _owned(was) - _owned(now)
    assert {operation for _, operation, _, _ in lost} <= {"Update"}, lost  # what others apply is never taken from them
    told = {(section, one["name"]) for section, name in SECTIONS.items() for one in entry[name] if one["what"] in TAKES}
    assert {(section, field) for _, _, section, field in lost} <= told, (lost, told)
    assert all(one[:2] == UNTRACKED and not _owners(was, *one[2:]) for one in _owned(now) - _owned(was))


SECTIONS: Final = {"data": "keys", "labels": "labels", "annotations": "annotations"}


def _fields(one: Object) -> dict[str, dict[str, bytes | str]]:
    """Return what an object has, by section."""
    encoded = one.get("data" if one.get("type") else "binaryData") or {}
    texts = {} if one.get("type") else one.get("data") or {}
    data = {key: base64.b64decode(value) for key, value in encoded.items()}
    data |= {key: value.encode() for key, value in texts.items()}
    metadata = one["metadata"]
    return {"data": data, "labels": metadata.get("labels") or {}, "annotations": metadata.get("annotations") or {}}


def _rest(one: Object) -> Object:
    """Return what no run may change."""
    changing = ("data", "binaryData", "immutable", "metadata")
    rest = {name: value for name, value in one.items() if name not in changing}
    known = ("labels", "annotations", "managedFields", "resourceVersion")
    return rest | {"metadata": {name: value for name, value in one["metadata"].items() if name not in known}}


def _entries(one: Object) -> Iterator[tuple[str, str, str, str]]:
    """Yield each field that a manager owns, as (manager, operation, section, name)."""
    for entry in one["metadata"].get("managedFields", ()):
        tree = entry["fieldsV1"]
        metadata = tree.get("f:metadata", {})
        sections = {
            "data": {**tree.get("f:data", {}), **tree.get("f:binaryData", {}), **tree.get("f:stringData", {})},
            "labels": metadata.get("f:labels", {}),
            "annotations": metadata.get("f:annotations", {}),
            "finalizers": metadata.get("f:finalizers", {}),
            "owners": metadata.get("f:ownerReferences", {}),
        }
        for section, names in sections.items():
            for name in names:
                if name != ".":
                    yield entry["manager"], entry["operation"], section, name.removeprefix("f:")


def _owned(one: Object) -> set[tuple[str, str, str, str]]:
    return {item for item in _entries(one) if item[:2] != OURS}


def _owners(one: Object, section: str, name: str) -> set[tuple[str, str]]:
    return {item[:2] for item in _entries(one) if item[2:] == (section, name)}


def _without(found: Snapshot, *ids: Id) -> Snapshot:
    return {id_: one for id_, one in found.items() if id_ not in ids}


def check_values(after: Snapshot, configuration: Configuration) -> None:
    """Each key has the value that the help page promises, and only bridge owns it."""
    for id_, keys in configuration.values().items():
        live = _fields(after[id_])["data"]
        assert {key: live.get(key) for key in keys} == keys
        assert {key: _owners(after[id_], "data", key) for key in keys} == {key: {OURS} for key in keys}


def check_adoption(before: Snapshot, after: Snapshot) -> None:
    """An adoption changes who owns what, and removes kubectl's annotation; no object comes or goes."""
    before, after = (_without(found, STATE, LEASE) for found in (before, after))
    assert before.keys() == after.keys()
    for id_, was in before.items():
        old, new = _fields(was), _fields(after[id_])
        old["annotations"].pop(LAST_APPLIED, None)
        new["annotations"].pop(LAST_APPLIED, None)
        assert (_rest(was), old) == (_rest(after[id_]), new)
        assert was.get("immutable") == after[id_].get("immutable")


def check_settled(desk: Desk, before: Snapshot) -> None:
    """The next plan is empty, and the next sync sends nothing."""
    if desk.target.embedded:
        desk.target.embedded.requests.clear()
    plan = desk.run("plan", "staging", "--exit-code", "--output", "json")
    assert (plan.status, plan.data["result"]) == (0, "unchanged"), json.dumps(plan.data, indent=1)
    sync = desk.run("sync", "staging", "--output", "json")
    assert (sync.status, sync.data["result"]) == (0, "unchanged")
    check_same(before, snapshot(desk.target))
    if desk.target.embedded:
        writes = {method for method, _ in desk.target.embedded.requests}
        assert writes == {"GET"}
