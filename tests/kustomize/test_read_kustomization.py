from pathlib import Path

import pytest

from bridge.kustomize.read import Kustomization, Names, load_kustomization, load_names
from tests.canary import CANARY, refusal


@pytest.fixture
def overlay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("overlays/staging")
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def load(overlay):
    def load(text: str) -> Kustomization:
        (overlay / "kustomization.yaml").write_text(text)
        return load_kustomization(overlay)

    return load


def test_fields_that_make_or_change_objects_are_read(load, overlay):
    (overlay / "../base").mkdir()
    (overlay / "extra.yml").touch()
    loaded = load("""
namespace: voice
namePrefix: eu-
nameSuffix: -x
resources: [../base, extra.yml, "https://user:CANARY@example.com/base?ref=main", "github.com/org/repo//base"]
secretGenerator: [{name: made}]
configMapGenerator: [{name: settings, literals: [A=b]}]
images: [{name: agent, newTag: "1"}]
replacements: [{path: x.yml}]
""")
    assert (loaded.namespace, loaded.prefix, loaded.suffix) == ("voice", "eu-", "-x")
    assert loaded.resources == (overlay / "../base", overlay / "extra.yml")
    assert loaded.remote == tuple(f"overlays/staging/kustomization.yaml resources[{number}]" for number in (2, 3))
    assert [(one.kind, one.name) for one in loaded.generators] == [("Secret", "made"), ("ConfigMap", "settings")]
    assert loaded.opaque == ("replacements",)
    assert "CANARY" not in repr(loaded)


def test_empty_kustomization_and_patch_that_is_there_but_empty(load, overlay):
    (overlay / "p.yml").touch()
    loaded = load("resources:\npatches: [{path: p.yml}]\n")
    assert (loaded.resources, loaded.prefix, loaded.namespace) == ((), "", None)
    assert (loaded.patches[0].documents, loaded.patches[0].operations) == ((), ())


@pytest.mark.parametrize("key", ["patches", "patchesStrategicMerge"])
def test_patch_by_path_is_read_with_all_its_documents(load, overlay, key):
    (overlay / "p.yml").write_text(f"kind: Secret\nstringData: {{A: {CANARY}}}\n---\nkind: ConfigMap\n")
    (patch,) = load(f"{key}: [{'{path: p.yml}' if key == 'patches' else 'p.yml'}]").patches
    assert patch.file == overlay / "p.yml"
    assert patch.place == f"overlays/staging/kustomization.yaml {key}[0]"
    assert [one["kind"] for one in patch.documents] == ["Secret", "ConfigMap"]
    assert patch.documents[0]["stringData"] == {"A": CANARY}
    assert CANARY not in repr(patch)


def test_patches_that_stand_in_kustomization_itself(load):
    first, second = load("""
patches:
  - target: {kind: Secret, name: shared-.*}
    patch: |-
      - {op: replace, path: /data/A, value: b}
patchesStrategicMerge:
  - |-
    kind: ConfigMap
    metadata: {name: x}
""").patches
    assert (first.file, first.documents, first.operations[0]["op"]) == (None, (), "replace")
    assert (second.file, second.documents[0]["kind"], second.operations) == (None, "ConfigMap", ())


@pytest.mark.parametrize(
    ("name", "fits"), [("shared-secrets", True), ("my-shared-secrets", False), ("shared-", True), ("other", False)]
)
def test_target_is_regular_expression_over_whole_name(load, name, fits):
    (patch,) = load("patches: [{target: {kind: Secret, name: shared-.*}, patch: 'a: b'}]").patches
    assert patch.target.matches("Secret", name) is fits
    assert not patch.target.matches("ConfigMap", name)
    assert not patch.target.narrowed


def test_target_of_another_group_or_version_is_for_no_secret(load):
    for selector in ("group: apps", "version: v2", "group: '[^/]+'"):
        (patch,) = load(f"patches: [{{target: {{{selector}}}, patch: 'a: b'}}]").patches
        assert not patch.target.matches("Secret", "x")
    (patch,) = load("patches: [{target: {version: v1, namespace: x}, patch: 'a: b'}]").patches
    assert patch.target.matches("Secret", "x")


def test_empty_selector_is_as_none(load):
    (patch,) = load("patches: [{target: {group: '', kind: Secret, name: x}, patch: 'a: b'}]").patches
    assert patch.target.selectors == {"kind": "Secret", "name": "x"}


@pytest.mark.parametrize("text", [None, "a: [", "- a\n", "a: 1\n---\nb: 2\n", "transformers: [prefix.yml]\n"])
def test_names_that_kustomization_does_not_tell(overlay, text):
    if text:
        (overlay / "kustomization.yaml").write_text(text)
    assert load_names(overlay) is None


def test_names_of_kustomization_are_known_without_its_patches(overlay):
    text = "namePrefix: a-\nnameSuffix: ''\nnamespace:\npatches: [{path: missing.yml}]\n"
    (overlay / "kustomization.yaml").write_text(text)
    assert load_names(overlay) == Names("a-", "", None)


def test_target_by_label_is_for_fewer_objects_than_its_kind_tells(load):
    (patch,) = load("patches: [{target: {labelSelector: app=x}, patch: 'a: b'}]").patches
    assert patch.target.narrowed
    assert patch.target.matches("Secret", "any")


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (f"- {CANARY}", "", "must be a mapping"),
        (f"namespace: [{CANARY}]", " namespace", "must be a string"),
        (f"resources: {CANARY}", " resources", "must be a list of entries"),
        (f"resources: [{CANARY}]", " resources[0]", "no such file or folder"),
        (f"patches: [{{path: {CANARY}x, target: 5}}]", " patches[0].target", "must be a mapping"),
        (f"patches: [{{target: {{name: '('}}, patch: 'a: {CANARY}'}}]", " patches[0].target.name", "REGEX"),
        (f"patches: [{{patch: 'a: [{CANARY}'}}]", " patches[0] line 2", "not valid YAML"),
        ("patches: [{}]", " patches[0]", "must be a patch, or the path of one"),
        (f"secretGenerator: [{CANARY}]", " secretGenerator[0]", "must be a mapping"),
    ],
)
def test_mistake_is_reported_by_its_place(load, text, place, what):
    words = {"REGEX": "must be a valid Python regular expression"}
    text = text.replace(f"{CANARY}x", "missing.yml")
    assert (f"overlays/staging/kustomization.yaml{place}", words.get(what, what)) in refusal(lambda: load(text))


def test_folder_without_kustomization_says_so(overlay):
    assert refusal(lambda: load_kustomization(overlay)) == [("overlays/staging", "has no kustomization.yaml")]
