import base64
from pathlib import Path

import pytest

from bridge.config.environment import load_environment
from bridge.config.placeholder import HINT, Placeholder
from bridge.config.template import all_uses, load_templates, use_of, uses_of
from bridge.config.template_value import text_of
from bridge.errors import ConfigError
from bridge.objects import LAST_APPLIED, ObjectId
from bridge.secret import Kind, SecretValue
from tests.canary import CANARY, refusal

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: agent-secrets}\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\n"
LONG_KEY = "k" * 254


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write each text as a template of its own (a.yml, b.yml ...) and read them all."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("base").mkdir()

    def load(*texts, namespace="voice"):
        names = [f"../base/{letter}.yml" for letter in "abc"[: len(texts)]]
        for name, text in zip(names, texts, strict=True):
            Path("config", name).write_text(text)
        Path("config/staging.yaml").write_text(f"id: voice\ntemplates: [{', '.join(names)}]")
        return load_templates(load_environment(Path("config"), "staging"), namespace)

    return load


def shown(parts):
    """The parts of a key with their literals opened."""
    return [part.reveal() if isinstance(part, SecretValue) else part for part in parts]


def keys(template):
    return {name: shown(key.parts) for name, key in template.keys.items()}


# What is read


def test_secret_is_read_with_its_type_labels_and_annotations(load):
    (template,) = load(
        "apiVersion: v1\nkind: Secret\nimmutable: true\ntype: kubernetes.io/tls\n"
        "metadata: {name: tls.staging, namespace: voice, labels: {app.kubernetes.io/name: a, b: ''}, "
        "annotations: {Example.com/x: any text at all}}\n"
        "stringData: {tls.key: 'a${KEY}b'}\n"
    )
    assert template.id == ObjectId("Secret", "tls.staging")
    assert (template.type, template.immutable) == ("kubernetes.io/tls", True)
    assert template.labels == {"app.kubernetes.io/name": "a", "b": ""}
    assert template.annotations == {"Example.com/x": "any text at all"}
    assert template.places == ("../base/a.yml",)
    assert keys(template) == {"tls.key": [b"a", Placeholder("KEY"), b"b"]}
    assert template.keys["tls.key"].place == "../base/a.yml"


def test_secret_without_type_is_opaque_and_config_map_has_none(load):
    secret, config_map = load(f"{SECRET}---\n{CONFIG_MAP}")
    assert (secret.type, secret.immutable) == ("Opaque", None)
    assert config_map.type is None


def test_string_data_and_config_maps_data_are_text_with_placeholders(load):
    text = "{A: '${A}', B: '${B:-x}', C: '$${C}', D: $D, E: '', F: '${F:?why}'}"
    for template in load(f"{SECRET}stringData: {text}\n---\n{CONFIG_MAP}data: {text}"):
        assert keys(template) == {
            "A": [Placeholder("A")],
            "B": [Placeholder("B", "x", empty_is_unset=True)],
            "C": [b"${C}"],
            "D": [b"$D"],
            "E": [],
            "F": [Placeholder("F", empty_is_unset=True, message="why")],
        }


def test_secrets_data_is_base64_or_one_placeholder_for_value_itself(load):
    (template,) = load(
        f"{SECRET}data:\n  A: AP8=\n  B: ${{B}}\n  C: ${{C:?why}}\n  D: ''\n  E: |\n    YWJj\n    ZGVm\n"
    )
    assert keys(template) == {
        "A": [b"\x00\xff"],
        "B": [Placeholder("B")],
        "C": [Placeholder("C", empty_is_unset=True, message="why")],
        "D": [b""],
        "E": [b"abcdef"],
    }
    assert template.keys["A"].parts[0].kind is Kind.BYTES


def test_config_maps_binary_data_is_base64(load):
    (template,) = load(f"{CONFIG_MAP}data: {{A: AP8=}}\nbinaryData: {{B: AP8=}}")
    assert keys(template) == {"A": [b"AP8="], "B": [b"\x00\xff"]}
    assert [key.parts[0].kind for key in template.keys.values()] == [Kind.TEXT, Kind.BYTES]


def test_sections_with_nothing_under_them_are_empty(load):
    (template,) = load(SECRET.replace("}", ", labels: , annotations: }") + "data:\nstringData:\n")
    assert keys(template) == {}
    assert (template.labels, template.annotations) == ({}, {})


def test_empty_documents_are_no_objects(load):
    assert len(load(f"---\n# nothing\n---\n{SECRET}---\n", "")) == 1


def test_literal_is_not_printed(load):
    encoded = base64.b64encode(CANARY.encode()).decode()
    templates = load(f"{SECRET}stringData: {{A: {CANARY}, B: '${{B:-{CANARY}}}'}}\ndata: {{C: {encoded}}}")
    assert CANARY not in repr(templates)
    assert encoded not in repr(templates)


# Several places for one object


def test_later_key_label_and_annotation_replaces_earlier_one(load):
    first = SECRET.replace("}", ", labels: {a: '1', b: '1'}, annotations: {a: '1'}}")
    later = SECRET.replace("}", ", labels: {b: '2'}, annotations: {a: '2', c: '2'}}")
    (template,) = load(
        f"{first}stringData: {{A: '1', B: '1'}}\ndata: {{C: MQ==}}", f"{later}stringData: {{B: '2', C: '2'}}"
    )
    assert keys(template) == {"A": [b"1"], "B": [b"2"], "C": [b"2"]}
    assert {name: key.place[-5:] for name, key in template.keys.items()} == {"A": "a.yml", "B": "b.yml", "C": "b.yml"}
    assert (template.labels, template.annotations) == ({"a": "1", "b": "2"}, {"a": "2", "c": "2"})
    assert template.places == ("../base/a.yml", "../base/b.yml")


def test_documents_of_one_file_merge_as_files_do(load):
    (template,) = load(f"{SECRET}stringData: {{A: '1'}}\n---\n{SECRET}stringData: {{A: '2'}}")
    assert keys(template) == {"A": [b"2"]}
    assert template.places == ("../base/a.yml",)


def test_objects_stand_in_order_of_their_first_mention(load):
    templates = load(f"{CONFIG_MAP}---\n{SECRET}", f"{SECRET}---\n{CONFIG_MAP}")
    assert [str(template.id) for template in templates] == ["ConfigMap/agent-config", "Secret/agent-secrets"]


def test_secret_and_config_map_of_one_name_are_two_objects(load):
    assert len(load(SECRET + "---\n" + SECRET.replace("Secret", "ConfigMap"))) == 2


def test_type_given_once_holds_for_all_places(load):
    (template,) = load(SECRET, f"{SECRET}type: kubernetes.io/tls\nimmutable: false\n", SECRET)
    assert (template.type, template.immutable) == ("kubernetes.io/tls", False)


def test_type_given_again_same_is_no_clash(load):
    typed = f"{SECRET}type: Opaque\nimmutable: true\n"
    (template,) = load(typed, f"{typed}---\n{typed}")
    assert (template.type, template.immutable) == ("Opaque", True)


def test_clashing_types_are_refused_with_both_places(load):
    assert refusal(lambda: load(f"{SECRET}type: {CANARY}\n", f"# b\n{SECRET}type: Opaque\n---\n{SECRET}")) == [
        ("../base/b.yml Secret/agent-secrets", "conflicting types: line 2 differs from ../base/a.yml line 1")
    ]


def test_clashing_immutable_is_refused_with_both_places(load):
    assert refusal(lambda: load(f"{SECRET}immutable: true\n---\n{SECRET}immutable: false\n")) == [
        (
            "../base/a.yml Secret/agent-secrets",
            "conflicting values of immutable: line 6 differs from ../base/a.yml line 1",
        )
    ]


# Which keys use a variable


def test_uses_of_variable_are_keys_that_have_it_in_their_text(load):
    templates = {
        one.id: one
        for one in load(
            f"{SECRET}stringData: {{A: '${{X}}', B: 'a${{X}}b${{Y}}', C: c}}\n---\n{CONFIG_MAP}data: {{A: '${{Y}}'}}"
        )
    }
    secret, config_map = ObjectId("Secret", "agent-secrets"), ObjectId("ConfigMap", "agent-config")
    assert [(use.object, use.key) for use in all_uses(templates)] == [
        (secret, "A"),
        (secret, "B"),
        (secret, "C"),
        (config_map, "A"),
    ]
    assert [(use.object, use.key) for use in uses_of("X", templates)] == [(secret, "A"), (secret, "B")]
    assert [(use.object, use.key) for use in uses_of("Y", templates)] == [(secret, "B"), (config_map, "A")]
    assert uses_of("Z", templates) == []


def test_use_is_found_by_object_and_key(load):
    (template,) = load(f"{SECRET}stringData: {{A: '${{X}}', B: 'a${{X}}b${{Y}}', C: c}}")
    found = [use_of(template.id, key, {template.id: template}) for key in "ABC"]
    assert [use.variable for use in found] == ["X", None, None]
    assert [use.names for use in found] == [{"X"}, {"X", "Y"}, set()]
    assert found[0][:2] == (template.id, "A")
    assert found[0].template is template.keys["A"]
    assert use_of(template.id, "D", {template.id: template}) is None
    assert use_of(template.id, "A", {}) is None


def test_value_is_shown_as_text_only_if_it_is_text():
    assert text_of(SecretValue("é".encode())) == "é"
    assert text_of(SecretValue(b"\xff")) is None


# Documents that are no object bridge may write


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (CANARY, 1, "not a Secret or ConfigMap manifest"),
        (f"- {CANARY}", 1, "not a Secret or ConfigMap manifest"),
        ("{}", 1, "neither a Secret nor a ConfigMap of apiVersion v1"),
        (f"{SECRET}---\nFOO: {CANARY}", 5, "neither a Secret nor a ConfigMap of apiVersion v1"),
        (SECRET.replace("Secret", CANARY), 1, "neither a Secret nor a ConfigMap of apiVersion v1"),
        (SECRET.replace("Secret", "[Secret]"), 1, "neither a Secret nor a ConfigMap of apiVersion v1"),
        (SECRET.replace("v1", "v2"), 1, "neither a Secret nor a ConfigMap of apiVersion v1"),
        (SECRET.replace("apiVersion: v1", ""), 2, "neither a Secret nor a ConfigMap of apiVersion v1"),
        ("apiVersion: v1\nkind: List\nitems: []", 1, "a List is not supported"),
        ("apiVersion: v1\nkind: Secret", 1, "metadata.name is missing"),
        ("apiVersion: v1\nkind: Secret\nmetadata: []", 1, "metadata.name is missing"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {}", 1, "metadata.name is missing"),
        (SECRET.replace("agent-secrets", CANARY), 1, "metadata.name must be a DNS subdomain"),
        (SECRET.replace("agent-secrets", '"${NAME}"'), 1, "metadata.name must be a DNS subdomain"),
        (SECRET.replace("agent-secrets", "5"), 1, "metadata.name must be a DNS subdomain"),
        (SECRET.replace("agent-secrets", "a." * 126 + "aa"), 1, "metadata.name must be a DNS subdomain"),
    ],
)
def test_what_is_no_secret_or_config_map_is_reported_by_its_line(load, text, line, what):
    assert (f"../base/a.yml line {line}", what) in refusal(lambda: load(text))


def test_name_of_253_characters_is_read(load):
    assert load(SECRET.replace("agent-secrets", "a." * 126 + "a"))


def test_object_of_another_kind_does_not_hide_its_other_mistakes(load):
    assert refusal(lambda: load("apiVersion: v1\nkind: Pod")) == [
        ("../base/a.yml line 1", "neither a Secret nor a ConfigMap of apiVersion v1"),
        ("../base/a.yml line 1", "metadata.name is missing"),
    ]


def test_templates_without_any_object_are_refused(load):
    assert refusal(lambda: load("# nothing", "---")) == [("config/staging.yaml templates", "contain no objects")]
    assert refusal(load) == [("config/staging.yaml templates", "contain no objects")]


# Fields


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (f"{SECRET}status: {CANARY}", "", "status is not allowed in a template"),
        (f"{SECRET}binaryData: {{}}", "", "binaryData is not allowed in a template"),
        (f"{SECRET}'a b': {CANARY}", "", "'a b' is not allowed in a template"),
        (SECRET.replace("}", ", generateName: a-}"), "", "metadata.generateName is not allowed in a template"),
        (SECRET.replace("}", ", ownerReferences: []}"), "", "metadata.ownerReferences is not allowed in a template"),
        (SECRET.replace("}", ", finalizers: []}"), "", "metadata.finalizers is not allowed in a template"),
        (SECRET.replace("}", ", managedFields: []}"), "", "metadata.managedFields is not allowed in a template"),
        (SECRET.replace("}", ", uid: a}"), "", "metadata.uid is not allowed in a template"),
        (SECRET.replace("}", ", resourceVersion: a}"), "", "metadata.resourceVersion is not allowed in a template"),
        (SECRET.replace("}", ", creationTimestamp: }"), "", "metadata.creationTimestamp is not allowed in a template"),
        (
            SECRET.replace("}", ", namespace: other}"),
            "",
            "metadata.namespace is not voice, the environment's namespace",
        ),
        (SECRET.replace("}", ", namespace: 5}"), "", "metadata.namespace is not voice, the environment's namespace"),
        (
            SECRET.replace("}", ", namespace: '${N}'}"),
            "",
            "metadata.namespace contains a placeholder; placeholders are only allowed in values",
        ),
        (f"{SECRET}type: 5", "", "type must be a string without placeholders"),
        (f"{SECRET}type: ''", "", "type must be a string without placeholders"),
        (f"{SECRET}type: '${{{CANARY}}}'", "", "type must be a string without placeholders"),
        (f"{SECRET}immutable: 'true'", "", "immutable must be true or false"),
        (f"{SECRET}data: {CANARY}", " data", "must be a mapping"),
        (f"{SECRET}stringData: [{CANARY}]", " stringData", "must be a mapping"),
        (SECRET.replace("}", ", labels: [a]}"), " metadata.labels", "must be a mapping"),
        (SECRET.replace("}", ", labels: {a: 5}}"), " metadata.labels a", "must be a string; quote it"),
        (SECRET.replace("}", ", labels: {-a: x}}"), " metadata.labels", "'-a' is not a valid name"),
        (SECRET.replace("}", ", labels: {A.b/c: x}}"), " metadata.labels", "'A.b/c' is not a valid name"),
        (SECRET.replace("}", ", labels: {/c: x}}"), " metadata.labels", "'/c' is not a valid name"),
        (
            SECRET.replace("}", f", labels: {{{'a' * 64}: x}}}}"),
            " metadata.labels",
            f"'{'a' * 60}...' is not a valid name",
        ),
        (SECRET.replace("}", f", labels: {{a: {CANARY} x}}}}"), " metadata.labels a", "not a valid label value"),
        (SECRET.replace("}", f", labels: {{a: {'a' * 64}}}}}"), " metadata.labels a", "not a valid label value"),
        (
            SECRET.replace("}", ", labels: {a: '${B}'}}"),
            " metadata.labels a",
            "placeholders are only allowed in values",
        ),
        (
            SECRET.replace("}", ", annotations: {a: '${B}'}}"),
            " metadata.annotations a",
            "placeholders are only allowed in values",
        ),
        (SECRET.replace("}", ", annotations: {a b: x}}"), " metadata.annotations", "'a b' is not a valid name"),
        (
            SECRET.replace("}", f", annotations: {{{LAST_APPLIED}: '{CANARY}'}}}}"),
            f" metadata.annotations {LAST_APPLIED}",
            "kubectl's copy of the object is not allowed in a template",
        ),
        (
            SECRET.replace("}", f", annotations: {{argocd.argoproj.io/tracking-id: '{CANARY}'}}}}"),
            " metadata.annotations argocd.argoproj.io/tracking-id",
            "Argo CD would treat the object as its own and delete it if it is not in git",
        ),
        (
            SECRET.replace("}", ", labels: {argocd.argoproj.io/instance: voice}}"),
            " metadata.labels argocd.argoproj.io/instance",
            "Argo CD would treat the object as its own and delete it if it is not in git",
        ),
        (
            SECRET.replace("}", f", annotations: {{a: {'x' * 262144}}}}}"),
            " metadata.annotations",
            "more than 256 KiB in total",
        ),
    ],
)
def test_field_that_is_wrong_is_reported_with_file_and_object(load, text, place, what):
    assert refusal(lambda: load(text)) == [(f"../base/a.yml Secret/agent-secrets{place}", what)]


def test_annotations_of_exactly_256_kib_with_their_names_are_read(load):
    (template,) = load(SECRET.replace("}", f", annotations: {{ab: {'x' * 262_142}}}}}"))
    assert len(template.annotations["ab"]) == 262_142


@pytest.mark.parametrize("type_", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
def test_types_that_control_plane_makes_are_refused(load, type_):
    assert refusal(lambda: load(f"{SECRET}type: {type_}")) == [
        ("../base/a.yml Secret/agent-secrets", f"type {type_} is refused")
    ]


def test_config_map_has_no_type_and_no_string_data(load):
    assert refusal(lambda: load(f"{CONFIG_MAP}type: Opaque\nstringData: {{}}")) == [
        ("../base/a.yml ConfigMap/agent-config", "type is not allowed in a template"),
        ("../base/a.yml ConfigMap/agent-config", "stringData is not allowed in a template"),
    ]


def test_misspelt_field_comes_with_right_one(load):
    with pytest.raises(ConfigError) as caught:
        load(f"{SECRET}stringdata: {{A: {CANARY}}}")
    assert caught.value.problems[0].hint == "did you mean stringData?"


def test_namespace_is_compared_only_where_it_is_known(load):
    text = SECRET.replace("}", ", namespace: other}")
    assert load(text, namespace=None)
    assert load(text, namespace="other")


# Keys and values


@pytest.mark.parametrize("key", ["a/b", "é", '""', ".", "..", "..a", "a b", LONG_KEY, '"a\\n"', "$A"])
def test_key_that_kubernetes_refuses_is_reported_before_any_call(load, key):
    with pytest.raises(ConfigError) as caught:
        load(f"{SECRET}stringData: {{{key}: {CANARY}}}")
    (problem,) = caught.value.problems
    assert problem.where.startswith("../base/a.yml Secret/agent-secrets key ")
    assert len(problem.where) < 110
    assert problem.what == "not a valid key"
    assert problem.where.isascii()
    assert problem.where.isprintable()


@pytest.mark.parametrize("key", ["a", ".a", "a..b", "-", "_", "A.b-c_1", "k" * 253])
def test_any_other_key_is_read(load, key):
    assert load(f"{SECRET}stringData: {{{key}: x}}")


@pytest.mark.parametrize("value", ["true", "5", "1.5", "null", "", "0x1f", "1e3", "!!binary YWJj"])
@pytest.mark.parametrize("head", [f"{SECRET}stringData", f"{SECRET}data"])
def test_value_that_yaml_takes_for_something_else_must_be_quoted(load, head, value):
    assert refusal(lambda: load(f"{head}:\n  A: {value}\n")) == [
        ("../base/a.yml Secret/agent-secrets key A", "must be a string; quote it")
    ]


@pytest.mark.parametrize("value", [f"[{CANARY}]", f"{{a: {CANARY}}}"])
def test_value_that_is_list_or_mapping_is_refused(load, value):
    assert refusal(lambda: load(f"{CONFIG_MAP}data: {{A: {value}}}")) == [
        ("../base/a.yml ConfigMap/agent-config key A", "must be a string")
    ]


@pytest.mark.parametrize(
    ("section", "value", "what"),
    [
        ("data", CANARY, "not valid base64"),
        ("data", "YWJ", "not valid base64"),
        ("data", "YWJj=", "not valid base64"),
        ("data", "YWJj====", "not valid base64"),
        ("data", "YW Jj", "not valid base64"),
        ("data", "YWJj_-==", "not valid base64"),
        ("data", "YQ==YQ==", "not valid base64"),
        ("data", "é", "not valid base64"),
        ("data", "'${A:-x}'", "data must be base64, or a single placeholder with no default or other text"),
        ("data", "'${A-}'", "data must be base64, or a single placeholder with no default or other text"),
        (
            "data",
            f"'{CANARY}${{A}}'",
            "data must be base64, or a single placeholder with no default or other text",
        ),
        ("data", "'${A}${B}'", "data must be base64, or a single placeholder with no default or other text"),
        ("data", "'$${A}'", "data must be base64, or a single placeholder with no default or other text"),
        ("data", f"'${{{CANARY}'", "malformed placeholder at character 1"),
        ("stringData", f"'{CANARY} ${{{CANARY}'", f"malformed placeholder at character {len(CANARY) + 2}"),
    ],
)
def test_value_that_cannot_be_read_is_reported_with_its_key_alone(load, section, value, what):
    assert refusal(lambda: load(f"{SECRET}{section}: {{A: {value}}}")) == [
        ("../base/a.yml Secret/agent-secrets key A", what)
    ]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("x", "move it to stringData, or encode it with base64"),
        ("'${A:-x}'", "move it to stringData"),
        ("'${A'", HINT),
    ],
)
def test_value_that_is_wrong_in_data_comes_with_what_to_do(load, value, hint):
    with pytest.raises(ConfigError) as caught:
        load(f"{SECRET}data: {{A: {value}}}")
    assert caught.value.problems[0].hint == hint


@pytest.mark.parametrize("value", [CANARY, "'${A}'"])
def test_binary_data_takes_base64_alone(load, value):
    assert refusal(lambda: load(f"{CONFIG_MAP}binaryData: {{A: {value}}}")) == [
        ("../base/a.yml ConfigMap/agent-config key A", "not valid base64")
    ]


@pytest.mark.parametrize(
    ("text", "object_", "both"),
    [
        (f"{SECRET}data: {{A: YQ==}}\nstringData: {{A: a}}", "Secret/agent-secrets", "both data and stringData"),
        (f"{SECRET}data: {{A: '!'}}\nstringData: {{A: a}}", "Secret/agent-secrets", "both data and stringData"),
        (
            f"{CONFIG_MAP}data: {{A: a}}\nbinaryData: {{A: YQ==}}",
            "ConfigMap/agent-config",
            "both data and binaryData",
        ),
    ],
)
def test_key_in_both_sections_of_document_is_refused(load, text, object_, both):
    assert (f"../base/a.yml {object_} key A", f"is in {both}") in refusal(lambda: load(text))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("kind: List", "write each item as a separate document"),
        ("kind: Pod", "keep other objects out of templates"),
        (SECRET.replace("agent-secrets", "A"), "use at most 253 characters: a to z, 0 to 9, - and ."),
        (SECRET.replace("}", ", namespace: other}"), "remove it"),
        (SECRET.replace("}", ", namespace: '${N}'}"), "remove it"),
        (SECRET.replace("}", f", annotations: {{{LAST_APPLIED}: x}}}}"), "remove it"),
        (SECRET.replace("}", ", labels: {argocd.argoproj.io/instance: x}}"), "remove it"),
        (SECRET.replace("}", ", labels: {a: é}}"), "use at most 63 characters: letters, digits, -, _ and ."),
        (
            f"{SECRET}type: bootstrap.kubernetes.io/token",
            "remove it; only Kubernetes creates Secrets of this type",
        ),
        (f"{SECRET}data: {{A: ''}}\nstringData: {{A: a}}", "remove one of the two"),
        (
            f"{SECRET}stringData: {{..a: x}}",
            "use at most 253 letters, digits, -, _ and .; do not start with ..",
        ),
        (f"{SECRET}stringData: {{A: [x]}}", "write a multi-line string as a block: `KEY: |`"),
        (f"{SECRET}stringData: {{A: 'ref+x'}}", "write a placeholder here and put the value in a source"),
        (f"{SECRET}stringData: {{A: '${{'}}", HINT),
        (f"{CONFIG_MAP}binaryData: {{A: x}}", "encode it with base64"),
        (CONFIG_MAP.replace("agent-config", "bridge-voice"), "rename the ConfigMap"),
        (
            f"{SECRET}type: kubernetes.io/dockercfg\nstringData: {{.dockercfg: 'x${{A}}'}}",
            "write ${A|json}",
        ),
    ],
)
def test_mistake_comes_with_what_to_do(load, text, hint):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.problems[0].hint == hint


# All at once


def test_all_mistakes_of_all_files_are_reported_at_once(load):
    first = f"{SECRET}status: 1\nstringData: {{A: 5, B: '${{', a/b: x}}\n---\nkind: Pod\nmetadata: {{name: a}}\n"
    second = f"{CONFIG_MAP}data: [{CANARY}\n"
    third = f"{SECRET}data: {{C: x}}\n"
    assert refusal(lambda: load(first, second, third)) == [
        ("../base/a.yml Secret/agent-secrets", "status is not allowed in a template"),
        ("../base/a.yml Secret/agent-secrets key A", "must be a string; quote it"),
        ("../base/a.yml Secret/agent-secrets key B", "malformed placeholder at character 1"),
        ("../base/a.yml Secret/agent-secrets key 'a/b'", "not a valid key"),
        ("../base/a.yml line 7", "neither a Secret nor a ConfigMap of apiVersion v1"),
        ("../base/b.yml line 5", "not valid YAML"),
        ("../base/c.yml Secret/agent-secrets key C", "not valid base64"),
    ]


def test_template_that_is_missing_is_named_among_others_mistakes(load):
    load(SECRET)
    Path("config/staging.yaml").write_text("id: voice\ntemplates: [../base/x.yml, ../base/a.yml, y.yml]")
    environment = load_environment(Path("config"), "staging")
    assert refusal(lambda: load_templates(environment, "voice")) == [
        ("../base/x.yml", "no such file"),
        ("y.yml", "no such file"),
    ]
