"""Writing the namespace's uid into an environment's file: one place changes, and nothing else."""

import json
from pathlib import Path

import pytest

from bridge.config.environment import load_environment
from bridge.config.environment_edits import bind
from bridge.errors import Refusal

UID = "11111111-2222-4333-8444-555555555555"
OLD = "3f6c2c3e-0000-4000-8000-000000000000"
HEAD = "# who we are\nid:   voice-agent-staging   # for ever\ntemplates:\n- secrets.yml   # ours\n"

EDITS = [
    # before, after
    ("", f"cluster:\n  namespace_uid: {UID}\n"),
    ("cluster: {}  # none yet\n", f"cluster: {{namespace_uid: {UID}}}  # none yet\n"),
    (
        "cluster: {kubeconfig: '../kube'}  # the team's\n",
        f"cluster: {{kubeconfig: '../kube', namespace_uid: {UID}}}  # the team's\n",
    ),
    (
        "cluster:\n    # ours\n    context: kapsule  # the team's\nnamespace: voice\n",
        f"cluster:\n    # ours\n    context: kapsule  # the team's\n    namespace_uid: {UID}\nnamespace: voice\n",
    ),
    (
        f"cluster: {{namespace_uid: {OLD}, context: a}}  # b\n",
        f"cluster: {{namespace_uid: {UID}, context: a}}  # b\n",
    ),
    (f"cluster:\n  namespace_uid: '{OLD}'   # b\n", f"cluster:\n  namespace_uid: {UID}   # b\n"),
    (f"cluster: {{namespace_uid: [{OLD}, b]}}\n", f"cluster: {{namespace_uid: [{UID}, {OLD}, b]}}\n"),
    (
        f"cluster:\n  namespace_uid:\n  - {OLD}  # blue\n  - b  # green\n",
        f"cluster:\n  namespace_uid:\n  - {UID}\n  - {OLD}  # blue\n  - b  # green\n",
    ),
    ("namespace: voice", f"namespace: voice\ncluster:\n  namespace_uid: {UID}\n"),
]


def written(folder: Path, text: str, uid: str = UID) -> str:
    (folder / "staging.yaml").write_text(text, newline="")
    bind(load_environment(folder, "staging"), uid)
    assert uid in load_environment(folder, "staging").cluster.namespace_uid
    return (folder / "staging.yaml").read_bytes().decode()


@pytest.mark.parametrize(("before", "after"), EDITS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_uid_is_written_and_every_other_byte_stays(tmp_path: Path, before: str, after: str, end: str) -> None:
    before, after = ((HEAD + text).replace("\n", end) for text in (before, after))
    assert written(tmp_path, before) == after
    assert sorted(tmp_path.iterdir()) == [tmp_path / "staging.yaml"]


def test_byte_order_mark_stays(tmp_path: Path) -> None:
    assert written(tmp_path, f"\ufeff{HEAD}").startswith(f"\ufeff{HEAD}")


@pytest.mark.parametrize("cluster", [{}, {"cluster": {"context": "kapsule"}}, {"cluster": {"namespace_uid": [OLD]}}])
def test_json_file_stays_json(tmp_path: Path, cluster: dict[str, object]) -> None:
    content = {"id": "a", "templates": ["t.yml"]} | cluster
    found = json.loads(written(tmp_path, json.dumps(content, indent=2)))
    assert {**found, **content} | {"cluster": found["cluster"]} == found
    assert found["cluster"]["namespace_uid"] in (UID, [UID, OLD])


@pytest.mark.parametrize("uid", ["12345", "1e5", "true", "2026-01-01"])
def test_uid_that_yaml_would_not_take_for_text_is_quoted(tmp_path: Path, uid: str) -> None:
    assert f'namespace_uid: "{uid}"\n' in written(tmp_path, HEAD, uid)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}...\n",  # what comes behind the end would be another document
        f"{HEAD}variables: {{A: &a {{provider: v, path: b}}}}\ncluster: &c {{context: a}}\nproviders: {{v: *c}}\n",
    ],
)
def test_file_that_cannot_be_edited_in_one_place_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "staging.yaml").write_text(text)
    with pytest.raises(Refusal, match="cannot be edited without changing other parts of it") as caught:
        bind(load_environment(tmp_path, "staging"), UID)
    assert caught.value.problems[0].hint == f"add `namespace_uid: {UID}` under `cluster:` by hand"
    assert (tmp_path / "staging.yaml").read_text() == text
    assert sorted(tmp_path.iterdir()) == [tmp_path / "staging.yaml"]


def test_file_that_cannot_be_replaced_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "staging.yaml").write_text(HEAD)
    monkeypatch.setattr(Path, "replace", denied)
    with pytest.raises(Refusal, match=r"staging\.yaml: cannot be written: permission denied"):
        bind(load_environment(tmp_path, "staging"), UID)
    assert (tmp_path / "staging.yaml").read_text() == HEAD
    assert sorted(tmp_path.iterdir()) == [tmp_path / "staging.yaml"]
