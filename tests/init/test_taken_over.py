"""What of a build is drafted, what is left in the build, and what is told about either."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bridge.draft.from_layout import draft_from_layout
from bridge.draft.layout_model import Drafted
from bridge.errors import ConfigError
from tests.init.layouts import BASE, HEAD, OVERLAY, SECRET, SENTRY, SETTINGS, VALUES
from tests.team import write_files

Draft = Callable[[dict[str, str]], Drafted]
FIXED = HEAD + "generatorOptions: {disableNameSuffixHash: true}\n"
PLACE = f"k8/{OVERLAY}"
TOKEN = "type: kubernetes.io/service-account-token\n"


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draft:
    """Draft `staging` from a layout; no value may be in a file or in a message."""
    monkeypatch.chdir(tmp_path)

    def draft(files: dict[str, str]) -> Drafted:
        write_files(Path("k8"), {"config/.env.k8s.staging": "K8_ENV=staging\n"} | BASE | {OVERLAY: HEAD} | files)
        drafted = draft_from_layout("staging", Path("config"), Path("k8"))
        assert "CANARY" not in f"{drafted.remarks}{drafted.keys}{drafted.others}" + "".join(drafted.texts.values())
        return drafted

    return draft


def told(drafted: Drafted) -> list[tuple[str, str, str]]:
    return [(one.where, one.what, one.hint) for one in drafted.remarks]


def objects(drafted: Drafted, file: str = "staging.objects.yaml") -> dict[str, dict[str, object]]:
    """Return the documents of a drafted file by their names."""
    documents = yaml.safe_load_all(drafted.texts.get(file, ""))
    return {one["metadata"]["name"]: one for one in documents if one}


def places(drafted: Drafted, name: str) -> dict[str, str]:
    return {one.key: one.place for one in drafted.keys if one.object.name == name}


def templates(drafted: Drafted) -> list[str]:
    return list(yaml.safe_load(drafted.texts["staging.yaml"])["templates"])


# Generators


def test_generated_secret_with_fixed_name_is_drafted_from_its_env_file(draft: Draft) -> None:
    generator = "secretGenerator: [{name: made, type: x/y, envs: [.env.made], options: {immutable: true}}]\n"
    env = "A=CANARY-a\n\n  B=CANARY-b=\n# C=c\n"
    drafted = draft({OVERLAY: FIXED + generator, "overlays/staging/.env.made": env})
    made = objects(drafted)["made"]
    assert made["stringData"] == {"A": "${A}", "B": "${B}"}
    assert (made["type"], made["immutable"]) == ("x/y", True)
    path = "k8/overlays/staging/.env.made"
    assert places(drafted, "made") == dict.fromkeys("AB", f"to be imported from {path}")
    assert [str(one) for one in drafted.imports] == [path]
    assert told(drafted) == []


def test_env_file_that_import_reads_otherwise_is_named_and_not_listed(draft: Draft) -> None:
    generator = "secretGenerator: [{name: made, envs: [.env.made]}]\n"
    env = 'A="CANARY-quoted"\nB=CANARY-b\nC=CANARY-c # kept\n'
    drafted = draft({OVERLAY: FIXED + generator, "overlays/staging/.env.made": env})
    what = "is read differently by `bridge import` and kustomize (A, C)"
    assert told(drafted) == [
        ("k8/overlays/staging/.env.made", what, "store each value, for example with `bridge set staging A`")
    ]
    assert drafted.imports == ()
    assert list(objects(drafted)["made"]["stringData"]) == ["A", "B", "C"]


def test_line_without_value_is_key_that_nothing_gives(draft: Draft) -> None:
    files = {OVERLAY: FIXED + "secretGenerator: [{name: made, envs: [.env.made]}]\n"}
    drafted = draft({**files, "overlays/staging/.env.made": "A=CANARY-a\nB\n"})
    assert places(drafted, "made") == {
        "A": "to be imported from k8/overlays/staging/.env.made",
        "B": "nowhere yet",
    }


def test_values_that_no_import_reads_are_reported_with_command_that_stores_each(draft: Draft) -> None:
    generator = "secretGenerator: [{name: made, literals: [A=CANARY-a], files: [tls.key, b=my b.txt]}]\n"
    files = {"overlays/staging/tls.key": "CANARY-k\n", "overlays/staging/my b.txt": "CANARY-b"}
    drafted = draft({OVERLAY: FIXED + generator, **files})
    assert told(drafted) == [
        (
            f"{PLACE} secretGenerator[0]",
            "has Secret/made key A in plaintext",
            "store it with `bridge set staging A`, then remove it here",
        ),
        (
            "k8/overlays/staging/tls.key",
            "is Secret/made key 'tls.key' as a whole",
            "store it: `(cat k8/overlays/staging/tls.key; echo) | bridge set staging tls_key --yes`",
        ),
        (
            "k8/overlays/staging/my b.txt",
            "is Secret/made key b as a whole",
            "store it: `(cat 'k8/overlays/staging/my b.txt'; echo) | bridge set staging b --yes`",
        ),
    ]


def test_generated_config_map_gives_public_values(draft: Draft) -> None:
    generator = (
        "configMapGenerator:\n  - name: made\n    literals: ['A=\"b\"', API_TOKEN=CANARY-t]\n    files: [page]\n"
        "    options: {labels: {x: y-1}}\n"
    )
    drafted = draft({OVERLAY: FIXED + generator, "overlays/staging/page": "${title?html}"})
    assert objects(drafted, "staging.public.yaml")["made"]["data"] == {"A": "b"}
    assert objects(drafted)["made"]["metadata"] == {"name": "made", "labels": {"x": "y-1"}}
    assert [what for _, what, _ in told(drafted)] == [
        "ConfigMap/made key API_TOKEN is named like a secret; it was left out",
        "ConfigMap/made key page contains a placeholder; it was left out",
    ]


def test_generator_over_manifest_gives_it_values(draft: Draft) -> None:
    generators = (
        "secretGenerator: [{name: db, behavior: merge, literals: [DB_USER=CANARY-u]}]\n"
        "configMapGenerator: [{name: settings, behavior: merge, literals: [LOG_LEVEL=debug]}]\n"
    )
    drafted = draft({OVERLAY: HEAD + generators})
    place = f"{PLACE} secretGenerator[0]"
    assert places(drafted, "db") == {"DB_USER": f"to be imported from {place}", "DB_PASSWORD": "nowhere yet"}
    assert objects(drafted, "staging.public.yaml")["settings"]["data"] == {"LOG_LEVEL": "debug"}
    what = "removes DB_PASSWORD from Secret/db in the build, but its template has them"
    assert (place, what, "remove them from the template, or give them a value") in told(drafted)


def test_name_with_hash_is_left_to_build_unless_later_generator_fixes_it(draft: Draft) -> None:
    base = {"base/kustomization.yaml": "secretGenerator: [{name: made, literals: [A=CANARY-a]}]\n"}
    merged = "secretGenerator: [{name: made, behavior: merge, literals: [B=CANARY-b]}]\n"
    hashed = draft({**base, OVERLAY: HEAD + merged})
    assert hashed.others == ("Secret/made",)
    what = "creates Secret/made with a hash in its name, which bridge cannot take over"
    assert [one[:2] for one in told(hashed)] == [("k8/base/kustomization.yaml secretGenerator[0]", what)]
    fixed = draft({**base, OVERLAY: FIXED + merged})
    assert objects(fixed)["made"]["stringData"] == {"A": "${A}", "B": "${B}"}


def test_generators_file_that_cannot_be_read_is_reported(draft: Draft) -> None:
    drafted = draft({OVERLAY: FIXED + "secretGenerator: [{name: made, envs: [none.env], files: ['\"a\\0\"=x']}]\n"})
    where = "k8/overlays/staging/none.env"
    assert (
        where,
        "cannot be read: no such file or directory",
        "run this command again where the overlay can be built",
    ) in told(drafted)


def test_generators_file_outside_kustomization_is_not_read(draft: Draft, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("found")
    (tmp_path / "k8" / "overlays" / "staging").mkdir(parents=True)
    (tmp_path / "k8" / "overlays" / "staging" / "link").symlink_to(tmp_path / "elsewhere")
    names = [str(tmp_path / "elsewhere"), "../../../elsewhere", "link"]
    drafted = draft({OVERLAY: FIXED + f"configMapGenerator: [{{name: made, files: {names}}}]\n"})
    assert "found" not in "".join(drafted.texts.values())
    assert [what for _, what, _ in told(drafted)] == ["is outside the kustomization's folder and was not read"] * 3


def test_two_values_never_get_same_variable(draft: Draft) -> None:
    generators = "secretGenerator: [{name: a-b, literals: [DB_USER=CANARY-1]}, {name: c, literals: [X=CANARY-2]}"
    generators += ", {name: d, literals: [X=CANARY-2]}, {name: e, literals: [X=CANARY-3]}]\n"
    made = objects(draft({OVERLAY: FIXED + generators}))
    assert [made[name]["stringData"] for name in ("a-b", "c", "d", "e")] == [
        {"DB_USER": "${a_b_DB_USER}"},  # the base's own Secret asks for DB_USER
        {"X": "${X}"},
        {"X": "${X}"},
        {"X": "${e_X}"},
    ]


# Labels, annotations, namespaces


def test_what_build_adds_to_object_is_drafted(draft: Draft) -> None:
    fields = (
        "commonLabels: {team: a}\nlabels: [{pairs: {environment: staging}}]\n"
        "commonAnnotations: {reloader.stakater.com/match: 'true'}\n"
        "patches:\n  - patch: |-\n      apiVersion: v1\n      kind: Secret\n"
        "      metadata: {name: db, labels: {tier: data, old: null}}\n"
    )
    drafted = draft(
        {"base/secret.yaml": SECRET.replace("{name: db", "{labels: {old: x}, name: db"), OVERLAY: HEAD + fields}
    )
    labels, annotations = {"team": "a", "environment": "staging"}, {"reloader.stakater.com/match": "true"}
    assert objects(drafted) == {
        name: {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": name, "labels": {**more, **labels}, "annotations": annotations},
        }
        for kind, name, more in (("Secret", "db", {"tier": "data"}), ("ConfigMap", "settings", {}))
    }
    assert templates(drafted)[-2:] == ["staging.objects.yaml", "staging.public.yaml"]
    what = "Secret/db loses its label old in the build, but keeps it in the template"
    assert told(drafted) == [("k8/base/secret.yaml", what, "remove it from the template if no environment needs it")]
    assert drafted.imports == ()


def test_labels_and_annotations_that_no_template_can_have_are_reported(draft: Draft) -> None:
    fields = "commonAnnotations: {note: '${X}', key: sk-CANARY5ecre7}\nbuildMetadata: [originAnnotations]\n"
    drafted = draft({OVERLAY: HEAD + fields})
    assert "staging.objects.yaml" not in drafted.texts
    assert [one[:2] for one in told(drafted)] == [
        (f"{PLACE} buildMetadata", "adds labels or annotations about the build; bridge does not carry them"),
        *(
            (f"k8/base/{file}", f"{id_} annotation {name} is left out: {why}")
            for file, id_ in (("secret.yaml", "Secret/db"), ("settings.yaml", "ConfigMap/settings"))
            for name, why in (("note", "placeholders are only allowed in values"), ("key", "it looks like a secret"))
        ),
    ]


def test_object_of_another_namespace_is_left_to_build(draft: Draft) -> None:
    files = {"sentry/kustomization.yaml": "namespace: other\nresources: [s.yaml]\n", "sentry/s.yaml": SENTRY}
    files |= {"base/kustomization.yaml": "namespace: web\n" + BASE["base/kustomization.yaml"]}
    env = {"config/.env.k8s.staging": "K8_ENV=staging\nK8S_NAMESPACE=web\n"}
    drafted = draft({OVERLAY: "resources: [../../base, ../../sentry]\n", **files, **env})
    assert "namespace: web\n" in drafted.texts["staging.yaml"]
    what = "Secret/sentry is in namespace other, but the environment's is web: it is left out"
    hint = "leave it in the build, or draft another environment for it"
    assert told(drafted) == [("k8/sentry/s.yaml", what, hint)]
    assert "Secret/sentry" in drafted.others


def test_several_namespaces_are_reported_if_nothing_names_one(draft: Draft) -> None:
    base = {"base/secret.yaml": SECRET.replace("{name: db", "{namespace: web, name: db")}
    base |= {"base/settings.yaml": SETTINGS.replace("{name", "{namespace: more, name")}
    drafted = draft({OVERLAY: "resources: [../../base]\n", **base})
    what = "builds for more than one namespace (more, web), but an environment has one"
    assert ("k8/overlays/staging", what, "set it in k8/config/.env.k8s.staging: K8S_NAMESPACE=more") in told(drafted)


def test_object_that_kustomize_keeps_for_itself_is_in_no_template(draft: Draft) -> None:
    local = SETTINGS.replace("{name", "{annotations: {config.kubernetes.io/local-config: 'true'}, name")
    drafted = draft({"base/settings.yaml": f"{local}---\n{SENTRY}"})
    assert list(objects(drafted)) == ["sentry"]
    assert "ConfigMap/settings" in drafted.others
    assert "../k8/base/settings.yaml" not in templates(drafted)


def test_only_namespace_of_manifests_is_environments(draft: Draft) -> None:
    base = SECRET.replace("{name: db", "{namespace: web, name: db")
    drafted = draft({"base/secret.yaml": base, OVERLAY: "resources: [../../base]\n"})
    assert "namespace: web\n" in drafted.texts["staging.yaml"]
    assert "../k8/base/secret.yaml" in templates(drafted)


# What check would refuse


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (
            SECRET.replace("{name: db", "{namespace: prod, name: db"),
            "Secret/db: metadata.namespace is not web-staging",
        ),
        (
            SECRET.replace("{name: db", "{creationTimestamp: null, name: db"),
            "Secret/db: metadata.creationTimestamp is not allowed in a template",
        ),
        (
            SECRET.replace("stringData: {", "stringData: {<<: {}, "),
            "line 4: merge keys (<<) are not supported",
        ),
        (
            SECRET.replace("stringData", "data").replace("${DB_USER}", "${DB_USER:-x}"),
            "Secret/db key DB_USER: data must be base64, or a single placeholder with no default or other text",
        ),
    ],
)
def test_file_that_check_would_refuse_is_written_out(draft: Draft, secret: str, why: str) -> None:
    drafted = draft({"base/secret.yaml": secret})
    assert templates(drafted) == ["../k8/base/settings.yaml", "staging.objects.yaml", "staging.public.yaml"]
    assert objects(drafted)["db"].keys() == {"apiVersion", "kind", "metadata", "stringData"}
    assert objects(drafted)["db"]["metadata"] == {"name": "db"}
    ((where, what, _),) = told(drafted)
    assert where == "k8/base/secret.yaml"
    assert what.startswith("is refused by `bridge check` (")
    assert why in what
    assert what.endswith("so it cannot be a template: staging.objects.yaml has a copy of Secret/db")


def test_file_outside_of_checkout_is_written_out(tmp_path: Path, draft: Draft) -> None:
    """As a template it would be refused: a branch must not name any manifest of the machine."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "config")], check=True)
    drafted = draft({})
    assert templates(drafted) == ["staging.objects.yaml", "staging.public.yaml"]
    assert "Secret/db" in "".join(what for _, what, _ in told(drafted))
    what = "is outside the checkout of the environment's file, so it cannot be a template: "
    assert {where: what in said for where, said, _ in told(drafted)}["k8/base/secret.yaml"]


@pytest.mark.parametrize(
    ("manifest", "what"),
    [
        (
            SETTINGS.replace("localhost", '"<#if x>${x!}"'),
            (
                "ConfigMap/settings key DB_HOST has a ${ that is not a placeholder, perhaps for another program: "
                "it is left out"
            ),
        ),
        (
            SENTRY.replace("sentry", "settings") + TOKEN,
            f"Secret/settings has {TOKEN[:-1].replace(':', '')}, which Kubernetes fills in itself: it is left out",
        ),
        (SENTRY.replace("{name: sentry}", "{name: A_b}"), "Secret/A_b has no valid name: it is left out"),
    ],
)
def test_object_that_cannot_be_in_template_is_left_to_build(draft: Draft, manifest: str, what: str) -> None:
    patch = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LOG_LEVEL: debug}\n"
    drafted = draft({"base/settings.yaml": manifest, "config/staging-secret-config-patch.yml": patch})
    assert ("k8/base/settings.yaml", what) in [one[:2] for one in told(drafted)]
    assert what.split(maxsplit=1)[0] in drafted.others
    assert objects(drafted, "staging.public.yaml") == {}
    assert templates(drafted) == ["../k8/base/secret.yaml", "staging.public.yaml"]


def test_other_objects_of_such_file_are_written_out(draft: Draft) -> None:
    token = "---\n" + SENTRY.replace("sentry", "token") + TOKEN
    drafted = draft({"base/secret.yaml": SECRET + token})
    assert list(objects(drafted)) == ["db"]
    what = "has objects that bridge does not take over, so it cannot be a template: "
    what += "staging.objects.yaml has a copy of Secret/db"
    assert ("k8/base/secret.yaml", what, "keep both in sync") in told(drafted)


def test_secret_with_another_programs_placeholder_is_literal(draft: Draft) -> None:
    drafted = draft({"base/secret.yaml": SECRET.replace("${DB_USER}", "CANARY-${x!}")})
    assert objects(drafted)["db"]["stringData"] == {"DB_USER": "${DB_USER}", "DB_PASSWORD": "${DB_PASSWORD}"}
    assert places(drafted, "db")["DB_USER"] == "to be stored from k8/base/secret.yaml"
    what = "Secret/db key DB_USER contains a literal value"
    assert ("k8/base/secret.yaml", what, "store it: `bridge set staging DB_USER`") in told(drafted)


# Overlays


def test_overlays_two_levels_deep_are_found_and_named(draft: Draft) -> None:
    deep = {OVERLAY: HEAD, "overlays/eu/staging/kustomization.yaml": "namespace: eu\nresources: [../../../base]\n"}
    deep |= {"overlays/us/staging/kustomization.yaml": "namespace: us\nresources: [../../../base]\n"}
    draft(deep)  # overlays/staging is the one
    (Path("k8") / OVERLAY).unlink()
    with pytest.raises(ConfigError) as caught:
        draft_from_layout("staging", Path("config"), Path("k8"))
    (problem,) = caught.value.problems
    assert problem.what == "has more than one overlay staging: k8/overlays/eu/staging, k8/overlays/us/staging"
    assert problem.hint == "choose one with `--from k8/overlays/eu/staging`"
    for name, root in (("us-staging", "k8"), ("staging", "k8/overlays/us/staging")):
        drafted = draft_from_layout(name, Path("config"), Path(root))
        assert "from k8/overlays/us/staging.\nid: us" in drafted.texts[f"{name}.yaml"]
    with pytest.raises(ConfigError) as caught:
        draft_from_layout("prod", Path("config"), Path("k8"))
    assert caught.value.problems[0].hint == "found eu/staging, us/staging"


def test_overlay_itself_can_be_given(draft: Draft) -> None:
    draft({"config/staging-secret-config-patch.yml": VALUES})
    drafted = draft_from_layout("staging", Path("config"), Path("k8/overlays/staging"))
    assert [str(one) for one in drafted.imports] == ["k8/config/staging-secret-config-patch.yml"]
    assert "env_file: ../k8/config/.env.k8s.staging\n" in drafted.texts["staging.yaml"]
