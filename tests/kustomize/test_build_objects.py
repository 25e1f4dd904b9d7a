"""Reading a build: every form that a pipe may bring, and no value in clear."""

import json
from typing import Any

import pytest

from bridge.errors import ConfigError
from bridge.kustomize.objects import parse_build
from bridge.objects import ObjectId
from bridge.secret import HIDDEN

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: voice}
type: Opaque
stringData: {A: CANARY-a}
data:
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_build(text, "stdin")
    told = f"{caught.value} {caught.value.__context__} {caught.value.__cause__}"
    assert "CANARY" not in told
    return [str(problem) for problem in caught.value.problems]


def test_documents_with_their_places() -> None:
    build = parse_build(f"# a comment\n---\n{SECRET}---\n---\n{SECRET.replace('Secret', 'ConfigMap')}", "stdin")
    assert [(str(one), one.place, one.namespace) for one in build] == [
        ("Secret/s", "document 1 line 3", "voice"),
        ("ConfigMap/s", "document 3 line 11", "voice"),
    ]
    assert build[0].id == ObjectId("Secret", "s")


def test_empty_section_is_reported_from_one_that_is_missing() -> None:
    (one,) = parse_build(SECRET, "stdin")
    assert list(one.sections) == ["data", "stringData"]
    assert one.sections["data"] is None


def test_lists_and_json() -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"A": "CANARY \U0001f511"},
    }
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [content, content]})
    assert "\\ud83d" in text  # a pair of halves, which YAML has not
    build = parse_build(text, "stdin")
    assert [one.place for one in build] == ["document 1 line 1 items[0]", "document 1 line 1 items[1]"]
    assert (build[0].sections["stringData"] or {})["A"].reveal().decode() == "CANARY \U0001f511"


def test_flow_style_that_is_no_json() -> None:
    (one,) = parse_build("{apiVersion: v1, kind: Service, metadata: {name: s}}", "stdin")
    assert (str(one), one.id) == ("Service/s", None)


def test_texts_that_look_like_dates_and_numbers_are_texts() -> None:
    """kustomize writes them without quotes, however the base has them."""
    texts = ("0000-00-00", "2024-02-30", "2026-13-45T10:00:00Z", "0b_", "=", "<<", "12:30:45")
    keys = "".join(f"  K{number}: {text}\n" for number, text in enumerate(texts))
    (one,) = parse_build(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: 2024-02-30}}\ndata:\n{keys}", "stdin")
    assert one.name == "2024-02-30"
    assert tuple(value.reveal().decode() for value in (one.sections["data"] or {}).values()) == texts


def test_values_are_wrapped_wherever_they_stand() -> None:
    env = [{"name": "TOKEN", "value": "CANARY-env"}]
    content: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "annotations": {"x": "CANARY-annotation"}},
        "spec": {"replicas": 3, "containers": [{"name": "c", "env": env, "args": ["CANARY-arg"]}]},
    }
    (deployment,) = parse_build(json.dumps(content), "stdin")
    (secret,) = parse_build(SECRET, "stdin")
    shown = f"{deployment!r} {deployment.content} {secret!r} {secret.sections} {secret.content}"
    assert "CANARY" not in shown
    assert shown.count(HIDDEN) == 4
    assert deployment.content["spec"]["containers"][0]["name"] == "c"  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n---\n# at all\n"])
def test_empty_build_is_error(text: str) -> None:
    assert problems(text) == ["stdin: contains no objects"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [CANARY", "stdin line 2: not valid YAML"),
        ("{CANARY", "stdin line 2: not valid YAML"),
        ("CANARY", "stdin document 1 line 1: not a Kubernetes object"),
        ("kind: Secret\na: CANARY", "stdin document 1 line 1: not a Kubernetes object: apiVersion, kind or"),
        (SECRET.replace("{A: CANARY-a}", "CANARY"), "stdin document 1 line 1 stringData: must be a mapping"),
        (
            '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"A": "CANARY\\ud83d"}}',
            "stdin document 1 line 1 data key A: not valid Unicode text",
        ),
        (
            json.dumps({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "CANARY"}}).replace(
                '"CANARY"', '"x", "y": ' + "[" * 200 + "]" * 200
            ),
            "stdin document 1 line 1: nested too deep",
        ),
    ],
)
def test_what_cannot_be_read(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


@pytest.mark.slow
def test_build_may_hold_more_than_other_files_and_not_everything() -> None:
    nodes = "- a\n" * 250_000
    assert len(parse_build(f"{SECRET}  A: eA==\nother:\n{nodes}", "stdin")) == 1
    (problem,) = problems(f"{SECRET}  A: eA==\nother:\n{nodes * 4}")
    assert problem.endswith(": more than 1,000,000 YAML nodes")
