"""What `bridge diff` reports, as plain data: the schema of `--output json`, and the basis of the other forms.

It has no value of a Secret and no ciphertext. A text that must not be shown is None, and `shown` is false.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.errors import Problem
from bridge.git_history import Commit
from bridge.report.data import SCHEMA, problems
from bridge.review.change import SettingChange
from bridge.review.compare import StateComparison
from bridge.review.object_change import KeyChange, ObjectChange
from bridge.review.outline_change import OutlineChange, RulesChange, ValueChange
from bridge.review.revisions import Range
from bridge.review.variable_change import VariableChange


def review_data(
    environment: str, chosen: Range, changes: StateComparison, unknown: Iterable[str], found: Iterable[Problem]
) -> dict[str, Any]:
    """Return a comparison as data. `found` are the problems of both sides."""
    wrong = problems(found)
    return {
        "schema": SCHEMA,
        "environment": environment,
        "result": "changed" if changes else "incomplete" if wrong else "unchanged",
        "before": {"commit": chosen.before, "name": chosen.before_name},
        "after": {"commit": chosen.after, "name": chosen.after_name},
        "settings": [_setting(one) | {"reason": one.reason} for one in changes.settings],
        "objects": [_object(one) for one in changes.objects],
        "variables": [_variable(one, changes.replayed) for one in changes.variables],
        "documents": [_document(one, changes.replayed) for one in changes.documents],
        "summary": {name: len(getattr(changes, name)) for name in ("settings", "objects", "variables", "documents")},
        "unknown": list(unknown),
        "errors": wrong,
    }


def _setting(setting: SettingChange) -> dict[str, Any]:
    before, after = (setting.before, setting.after) if setting.is_shown else (None, None)
    return {
        "name": setting.name,
        "what": setting.what.value,
        "shown": setting.is_shown,
        "before": before,
        "after": after,
    }


def _object(change: ObjectChange) -> dict[str, Any]:
    return {
        "kind": change.id.kind,
        "name": change.id.name,
        "what": change.what.value,
        "fields": [_setting(field) for field in change.fields],
        "keys": [_key(key) for key in change.keys],
    }


def _key(key: KeyChange) -> dict[str, Any]:
    return {
        "name": key.name,
        "what": key.what.value,
        "text": key.text,
        "shown": key.before is not None or key.after is not None,
        "before": key.before,
        "after": key.after,
        "variables": list(key.variables),
        "sources": list(key.sources),
    }


def _variable(change: VariableChange, replayed: Mapping[bytes, Commit]) -> dict[str, Any]:
    return {
        "name": change.name,
        "what": change.what.value,
        "reasons": list(change.reasons),
        "replayed_from": _replayed_from(sorted(change.fresh), replayed),
        "used_by": list(change.uses),
    }


def _document(change: OutlineChange, replayed: Mapping[bytes, Commit]) -> dict[str, Any]:
    return {
        "reference": change.name,
        "renamed_from": change.renamed_from,
        "what": change.what.value,
        "path": change.path or change.old_path,
        "values": [_value(value, replayed) for value in change.values],
        **_rules(change.own),
        "new_files": {"file": change.rules_file, **_rules(change.new_files)},
        "notes": list(change.notes),
    }


def _value(value: ValueChange, replayed: Mapping[bytes, Commit]) -> dict[str, Any]:
    return {
        "name": value.name,
        "what": value.what.value,
        "before": value.before,
        "after": value.after,
        "replayed_from": _replayed_from(value.fresh, replayed),
    }


def _replayed_from(ciphertexts: Iterable[bytes], replayed: Mapping[bytes, Commit]) -> str | None:
    return next((replayed[one].id for one in ciphertexts if one in replayed), None)


def _rules(change: RulesChange) -> dict[str, Any]:
    return {
        "recipients": [
            {"what": one.what.value, "kind": one.kind, "id": one.id, "group": one.group} for one in change.readers
        ],
        "settings": [_setting(one) for one in change.settings],
    }
