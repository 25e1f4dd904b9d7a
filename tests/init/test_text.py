"""Whatever a text holds, it is read back as it was written: by bridge's own reader."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.config.problems import Findings
from bridge.config.yamlfile import parse_yaml_documents
from bridge.draft.comments import Commented, manifest
from bridge.draft.environment_file import EnvironmentDraft

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        "",
        "yes",
        "...",
        "...\n",
        "a\n...\n",
        "a\n\n",
        "0755",
        "1e3",
        "0o17",
        "0x1F",
        "2024-02-30",
        ".5",
        "null",
        "~",
        "a: b",
        "- a",
        "# a",
        "a #b",
        "'",
        '"',
        "{a",
        "[a",
        "a\n",
        "\n a",
        "a\n\n",
        "=",
        "<<",
    ]
)


def read(text: str) -> object:
    findings = Findings("text")
    (document,) = parse_yaml_documents(text, findings)
    assert not findings
    return document.content


@given(st.dictionaries(TEXTS.filter(bool), TEXTS, min_size=1))
def test_manifests_values(values):
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": values}
    assert read(manifest(content)) == content


@given(st.lists(TEXTS, max_size=4), TEXTS, TEXTS)
def test_environments_paths_and_what_is_said_about_them(paths, env_file, comment):
    draft = EnvironmentDraft("staging", comment, "id", "no", env_file=env_file or "x")
    draft.templates = [Commented(path, comment) for path in paths]
    draft.sources = [Commented({"provider": "v", "path": path}) for path in paths]
    draft.more = {"cluster": {"context": env_file}}
    assert read(draft.text()) == {
        "id": "id",
        "namespace": "no",
        "templates": paths,
        "env_file": env_file or "x",
        "sources": [{"provider": "v", "path": path} for path in paths],
        "cluster": {"context": env_file},
    }
