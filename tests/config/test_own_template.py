"""The environment's own template: which file it is, and what an edit leaves alone."""

from pathlib import Path

import pytest
import yaml

from bridge.config import yaml_editor
from bridge.config.environment import load_environment
from bridge.config.own_template import own_template, write_values
from bridge.errors import ConfigError, Refusal
from bridge.objects import ObjectId

SHARED = ObjectId("ConfigMap", "shared-config")
AGENT = ObjectId("ConfigMap", "agent-config")
BEFORE = """\
# The public values of staging.
apiVersion: v1
kind: ConfigMap
metadata:
    name: shared-config
data:
    # asked for by the front end
    LIVEKIT_URL: 'wss://old'   # trailing
    DOMAIN: >-
        folded
        text
---
# the agent
apiVersion: v1
kind: ConfigMap
metadata: {name: agent-config}
data: {LOG_LEVEL: debug, METRICS_ENABLED: "true"}
# the end
"""


def environment(folder: Path, *templates: str, name: str = "staging") -> Path:
    lines = "".join(f"  - {one}\n" for one in templates)
    (folder / f"{name}.yaml").write_text(f"id: {name}\ntemplates:\n{lines}")
    return folder


def own(folder: Path) -> str | None:
    found = load_environment(folder, "staging")
    path = own_template(found)
    return None if path is None else found.shown(path)


def written(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


def test_last_template_in_environments_folder_is_its_own(tmp_path: Path) -> None:
    folder = environment(tmp_path, "../apps/base.yml", "first.yaml", "staging.public.yaml", "apps/other.yaml")
    assert own(folder) == "staging.public.yaml"


def test_template_of_two_environments_is_nobodys_own(tmp_path: Path) -> None:
    environment(tmp_path, "shared.yaml", name="prod")
    assert own(environment(tmp_path, "staging.yaml.d/x.yaml", "shared.yaml")) is None
    (tmp_path / "prod.yaml").write_text("id: [")  # and one that cannot be read is left to its own check
    assert own(tmp_path) == "shared.yaml"


def test_only_lines_of_values_change(tmp_path: Path) -> None:
    path = tmp_path / "staging.public.yaml"
    path.write_text(BEFORE)
    path.chmod(0o640)
    write_values(path, path.name, {SHARED: {"LIVEKIT_URL": "wss://new"}, AGENT: {"METRICS_ENABLED": "false"}})
    after = path.read_text()
    assert after == BEFORE.replace("'wss://old'", '"wss://new"').replace('"true"', '"false"')
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_lines_beside_edit_keep_their_form(tmp_path: Path) -> None:
    path = tmp_path / "staging.public.yaml"
    before = (
        "apiVersion:  v1\nkind: ConfigMap\nmetadata: { name: shared-config, annotations: {a: '[{b: c}]'} }\n\n\n"
        "data:\n  DOMAIN:   old   # ours\n  LEVEL: info\n\n  # below\n  LIST: >\n    a\n    b\n\n\n"
    )
    path.write_text(before)
    write_values(path, path.name, {SHARED: {"DOMAIN": "new", "NEW": "1"}})
    after = before.replace("old", '"new"').replace("    b\n", '    b\n  NEW: "1"\n')
    assert path.read_text() == after


@pytest.mark.parametrize(
    "text", ["yes", "007", "1.10", "", "~", " x ", "a\nb\n", 'q"\\', "é\U0001f511", "#x", "k: v", "\t", "${A}", "$$${"]
)
def test_value_stays_text_that_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "staging.public.yaml"
    path.write_text(BEFORE)
    write_values(
        path, path.name, {AGENT: {"LOG_LEVEL": text, "NEW": text}, ObjectId("ConfigMap", "third"): {"A": text}}
    )
    escaped = text.replace("${", "$${")
    assert written(path)[1]["data"] == {"LOG_LEVEL": escaped, "NEW": escaped, "METRICS_ENABLED": "true"}
    assert written(path)[2]["data"] == {"A": escaped}


def test_texts_that_look_like_dates_and_numbers_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "staging.public.yaml"
    texts = ("2024-02-30", "0000-00-00", "12:30:45", "1_000", "yes", "=", "<<", "0o8", "0b_")
    lines = "".join(f"  K{number}: {text}\n" for number, text in enumerate(texts))
    before = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: shared-config}}\ndata:\n{lines}"
    path.write_text(before)
    write_values(path, path.name, {SHARED: {"NEW": "1"}})
    assert path.read_text() == f'{before}  NEW: "1"\n'


@pytest.mark.parametrize("before", [None, "", "# public values of staging\n", "---\n# nothing yet\n"])
def test_file_without_objects_gets_them_and_keeps_its_comments(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "staging.public.yaml"
    if before is not None:
        path.write_text(before)
    write_values(path, path.name, {SHARED: {"DOMAIN": "example.com"}, AGENT: {"LOG_LEVEL": "info"}})
    assert path.read_text().startswith(before or "")
    found = [one for one in written(path) if one]
    assert [(one["metadata"]["name"], one["data"]) for one in found] == [
        ("shared-config", {"DOMAIN": "example.com"}),
        ("agent-config", {"LOG_LEVEL": "info"}),
    ]


OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared-config}\ndata: {DOMAIN: old}\n"
OTHER = OBJECT.replace("shared-config", "other-config").replace("old", "theirs")


@pytest.mark.parametrize(
    "text",
    [
        f"# public\n# no secret\n\n# here\n---\n{OBJECT}",
        f"# public\n--- # the front end\n{OBJECT}# the end\n",
        f"# public\n---\n# first\n{OBJECT}# last\n---\n# second\n{OTHER}# the end\n",
        f"# public\n---\n# nothing yet\n---\n{OBJECT}",
        f"# public\n---\n{OBJECT}...\n# between\n---\n{OTHER}",
        f"# public\n%YAML 1.2\n---\n{OBJECT}",
        f"  # indented\n---\n{OTHER}---\n{OBJECT}",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_edit_keeps_comments_around_documents(tmp_path: Path, text: str, newline: str) -> None:
    path = tmp_path / "staging.public.yaml"
    path.write_bytes(text.replace("\n", newline).encode())
    write_values(path, path.name, {SHARED: {"DOMAIN": "new"}})
    assert path.read_bytes().decode() == text.replace("old", '"new"').replace("\n", newline)


@pytest.mark.parametrize("data", ["data:", "data: {}", ""])
def test_object_without_data_gets_some(tmp_path: Path, data: str) -> None:
    path = tmp_path / "staging.public.yaml"
    path.write_text(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: shared-config}}\n{data}\n")
    write_values(path, path.name, {SHARED: {"DOMAIN": "example.com"}})
    assert written(path)[0]["data"] == {"DOMAIN": "example.com"}
    assert path.read_text().startswith("---\n")


def test_link_stays_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(BEFORE)
    path = tmp_path / "staging.public.yaml"
    path.symlink_to("real.yaml")
    write_values(path, path.name, {AGENT: {"LOG_LEVEL": "info"}})
    assert path.is_symlink()
    assert 'LOG_LEVEL: "info"' in (tmp_path / "real.yaml").read_text()


def test_what_killed_run_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "staging.public.yaml"
    (tmp_path / ".staging.public.yaml.bridge-new").write_text("half")
    write_values(path, path.name, {AGENT: {"LOG_LEVEL": "info"}})
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("changed", ["", "a: b\n", BEFORE, "{"])
def test_edit_that_changes_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    path = tmp_path / "staging.public.yaml"
    path.write_text(BEFORE)
    monkeypatch.setattr(yaml_editor, "_changed", lambda *_: changed)
    with pytest.raises((Refusal, ConfigError)):
        write_values(path, path.name, {AGENT: {"LOG_LEVEL": "info"}})
    assert path.read_text() == BEFORE
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_someone_elses_edit_in_between_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "staging.public.yaml"
    path.write_text(BEFORE)
    monkeypatch.setattr("bridge.config.own_template.edited", lambda *_: path.write_text("# theirs\n") and BEFORE)
    with pytest.raises(Refusal, match="has changed in the meantime"):
        write_values(path, path.name, {AGENT: {"LOG_LEVEL": "info"}})
    assert path.read_text() == "# theirs\n"


def test_folder_that_cannot_be_written_is_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        write_values(tmp_path / "nowhere" / "a.yaml", "a.yaml", {AGENT: {"LOG_LEVEL": "info"}})
    assert str(caught.value) == "a.yaml: cannot be written: no such file or directory"
    assert caught.value.problems[0].hint == "add these keys by hand: ConfigMap/agent-config key LOG_LEVEL"
