"""What an apply of a build would do to bridge's keys, told from the build alone."""

import pytest

from bridge.kustomize.objects import parse_build
from bridge.kustomize.overlap import Finding, Owned, Verdict, built_value, overwriting
from bridge.kustomize.patches import RemovalPatch, paste, removal_patches
from bridge.kustomize.read import Names
from bridge.kustomize.three_way_merge import Applied, Effect, client_side
from bridge.kustomize.unfinished import loose_ends
from bridge.objects import Live, ObjectId
from bridge.secret import SecretValue

SECRET, CONFIG = ObjectId("Secret", "agent-secrets"), ObjectId("ConfigMap", "agent-config")
OWNED = Owned("voice", "bridge/voice-staging", {SECRET: ("OPENAI", "DEEPGRAM"), CONFIG: ("LEVEL",)})
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\n"
METADATA = "apiVersion: v1\nkind: Secret\nmetadata: {name: agent-secrets}\n"


def judge(text: str, namespace: str = "voice") -> list[Finding]:
    build = parse_build(text, "stdin")
    findings = [*overwriting(build, OWNED._replace(namespace=namespace)), *loose_ends(build, OWNED)]
    assert "CANARY" not in repr(findings)
    return findings


def verdicts(text: str) -> list[tuple[Verdict, tuple[str, ...], bool]]:
    return [(one.verdict, one.keys, one.warning) for one in judge(text)]


def pod(spec: str) -> str:
    return f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: voice}}\nspec:\n  containers: [{spec}]\n"


def test_keys_in_build_are_overwritten() -> None:
    (one,) = judge(METADATA + "data: {OPENAI: JHtPUEVOQUl9, DEEPGRAM: Q0FOQVJZ, OTHER: eA==}\n")
    assert one.problem("stdin").where == "stdin document 1 line 1 Secret/agent-secrets"
    assert one.problem("stdin").what == (
        "keys OPENAI, DEEPGRAM: the next `kubectl apply` silently overwrites what bridge wrote (exit status 0) "
        "(a placeholder: OPENAI; a plaintext value: DEEPGRAM); `kubectl apply --server-side` gets a conflict with "
        '"bridge/voice-staging", and --force-conflicts overwrites it'
    )


@pytest.mark.parametrize(
    ("section", "note"),
    [
        ("stringData: {OPENAI: '', DEEPGRAM: '${X}'}", "(empty: OPENAI; a placeholder: DEEPGRAM)"),
        ("data: {OPENAI: '${X}', DEEPGRAM: CANARY!}", "not base64, which the API server refuses: DEEPGRAM"),
        ("data: {OPENAI: /4AA, DEEPGRAM: ''}", "(a plaintext value: OPENAI; empty: DEEPGRAM)"),
    ],
)
def test_what_build_has_is_reported_by_its_kind(section: str, note: str) -> None:
    (one,) = judge(METADATA + section)
    assert note in one.what


@pytest.mark.parametrize(
    ("sections", "note"),
    [
        ("binaryData: {LEVEL: /4AA}", ""),
        ("binaryData: {LEVEL: ''}", " (empty: LEVEL)"),
        ("binaryData: {LEVEL: CANARY!}", " (not base64, which the API server refuses: LEVEL)"),
        ("data: {LEVEL: CANARY!}", ""),
        ("data: {OTHER: x}\nbinaryData: {LEVEL: /4AA}", ""),
    ],
)
def test_binary_keys_of_config_map_are_overwritten_too(sections: str, note: str) -> None:
    (one,) = judge(CONFIG_MAP + sections)
    assert (one.verdict, one.keys) == (Verdict.OVERWRITTEN, ("LEVEL",))
    assert f"(exit status 0){note}; " in one.what


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (METADATA + "data: {OPENAI: /4AA}\n", "OPENAI", b"\xff\x80\x00"),
        (METADATA + "data: {OPENAI: eA==}\nstringData: {OPENAI: eQ==}\n", "OPENAI", b"eQ=="),
        (CONFIG_MAP + "binaryData:\n  LEVEL: |\n    /4\n    AA\n", "LEVEL", b"\xff\x80\x00"),
        (CONFIG_MAP + "data: {LEVEL: eA==}\n", "LEVEL", b"eA=="),
        (CONFIG_MAP + "data: {LEVEL: eA==}\n", "OTHER", None),
    ],
)
def test_value_of_build_is_decoded_where_api_server_decodes_it(text: str, key: str, expected: bytes | None) -> None:
    (built,) = parse_build(text, "stdin")
    value = built_value(built, key)
    assert (None if value is None else value.reveal()) == expected


def live(**binary: bytes) -> Live:
    """Return bridge's ConfigMap with keys in `binaryData`, and LEVEL in `data`."""
    values = {key: SecretValue(value) for key, value in binary.items()}
    return Live(CONFIG, "u", "1", {"LEVEL": SecretValue.of("info"), **values}, (), binary=frozenset(binary))


@pytest.mark.parametrize(
    ("sections", "applied", "effect"),
    [
        ("binaryData: {CERT: /4AA}", {}, Effect((), ())),
        ("binaryData: {CERT: eA==}", {}, Effect(("CERT",), ())),
        ("data: {LEVEL: info}", {}, Effect((), ())),
        ("data: {LEVEL: info}", {"binaryData": frozenset({"CERT"})}, Effect((), ("CERT",))),
        ("data: {LEVEL: info}", {"data": frozenset({"CERT"})}, Effect((), ())),
        ("data: {LEVEL: info}\nbinaryData:", {}, Effect((), ("CERT",))),
        ("data: {LEVEL: info}\nbinaryData: {OTHER: eA==}", {"binaryData": frozenset({"CERT"})}, Effect((), ("CERT",))),
        ("data: {LEVEL: info}\nbinaryData: {OTHER: eA==}", {"binaryData": frozenset({"OTHER"})}, Effect((), ())),
        ("binaryData: {CERT: /4AA}", {"data": frozenset({"LEVEL"})}, Effect((), ("LEVEL",))),
    ],
)
def test_client_side_apply_merges_binary_keys_in_a_section_of_their_own(
    sections: str, applied: Applied, effect: Effect
) -> None:
    (built,) = parse_build(CONFIG_MAP + sections, "stdin")
    assert client_side(built, live(CERT=b"\xff\x80\x00"), applied, ("LEVEL", "CERT")) == effect


def test_string_data_overwrites_server_side_too() -> None:
    (one,) = judge(METADATA + "stringData: {OPENAI: x, DEEPGRAM: x}")
    assert "`kubectl apply --server-side` does the same, because stringData causes no conflict" in one.what


def test_object_without_data_takes_every_key_away() -> None:
    assert verdicts(METADATA) == [(Verdict.EMPTIED, ("OPENAI", "DEEPGRAM"), False)]
    assert "if the last `kubectl apply` set any" in judge(METADATA)[0].what
    (one,) = judge(METADATA + "data:\n")
    assert "every `kubectl apply` silently deletes every key" in one.what
    assert verdicts(METADATA + "data:\nstringData: {OPENAI: x}") == [
        (Verdict.OVERWRITTEN, ("OPENAI",), False),
        (Verdict.EMPTIED, ("DEEPGRAM",), False),
    ]


def test_keys_that_earlier_build_may_have_had_are_warning() -> None:
    assert verdicts(METADATA + "data: {OTHER: eA==}") == [(Verdict.SHRUNK, ("OPENAI", "DEEPGRAM"), True)]
    assert verdicts(METADATA + "data: {}") == [(Verdict.SHRUNK, ("OPENAI", "DEEPGRAM"), True)]


def test_object_of_another_namespace_is_another_object() -> None:
    text = METADATA.replace("agent-secrets", "agent-secrets, namespace: other")
    assert judge(text) == []
    assert len(judge(text, namespace="other")) == 1
    assert judge(METADATA.replace("apiVersion: v1", "apiVersion: example.com/v1")) == []


def test_namespace_that_is_still_to_be_filled_may_be_ours() -> None:
    text = METADATA.replace("agent-secrets", "agent-secrets, namespace: '${K8S_NAMESPACE}'")
    assert [one.verdict for one in judge(text)] == [Verdict.EMPTIED, Verdict.PLACEHOLDER]


def test_cure_deletes_object_and_spares_keys_that_are_not_ours() -> None:
    text = METADATA + "stringData: {OPENAI: x}\n---\n"
    text += "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\ndata: {LEVEL: x, 'y': z}\n"
    found = removal_patches(parse_build(text, "stdin"), OWNED)
    assert found == (
        RemovalPatch(SECRET, name="agent-secrets"),
        RemovalPatch(CONFIG, (("data", ("LEVEL",)),), name="agent-config"),
    )
    assert paste(found) == (
        "patches:\n"
        "  - target: {kind: Secret, name: agent-secrets}\n"
        "    patch: |-\n"
        "      $patch: delete\n"
        "      apiVersion: v1\n"
        "      kind: Secret\n"
        "      metadata:\n"
        "        name: agent-secrets\n"
        "  - target: {kind: ConfigMap, name: agent-config}\n"
        "    patch: |-\n"
        "      apiVersion: v1\n"
        "      kind: ConfigMap\n"
        "      metadata:\n"
        "        name: agent-config\n"
        "      data:\n"
        "        LEVEL: null\n"
    )
    assert removal_patches(parse_build(METADATA + "data: {OTHER: eA==}", "stdin"), OWNED) == ()
    assert paste(()) == ""


def named(namespace: str, version: str = "v1") -> str:
    return f"---\napiVersion: {version}\nkind: Secret\nmetadata: {{name: agent-secrets, namespace: {namespace}}}\n"


@pytest.mark.parametrize(
    ("build", "target"),
    [
        (named("voice"), "{kind: Secret, name: agent-secrets}"),
        (named("voice") + named("other"), "{kind: Secret, name: agent-secrets, namespace: voice}"),
        (METADATA + named("other"), "{kind: Secret, name: agent-secrets, namespace: default}"),
        (named("voice") + named("voice", "x.io/v1"), '{kind: Secret, name: agent-secrets, group: "^$"}'),
        (
            named("voice") + named("other", "x.io/v1") + named("other"),
            '{kind: Secret, name: agent-secrets, group: "^$", namespace: voice}',
        ),
        (named("voice") + named("voice"), None),
    ],
)
def test_patch_is_for_one_object_only(build: str, target: str | None) -> None:
    found = removal_patches(parse_build(build, "stdin"), OWNED)
    assert [line for line in paste(found).splitlines() if "target" in line] == (
        [] if target is None else [f"  - target: {target}"]
    )


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (Names("agent-", ""), "secrets"),
        (Names("", "-secrets"), "agent"),
        (Names("agent", "secrets"), "-"),
        (Names("prod-", ""), None),
        (Names("", "-prod"), None),
        (Names("agent-", "secrets"), None),
    ],
)
def test_patch_uses_name_before_overlays_own_prefix_and_suffix(names: Names, name: str | None) -> None:
    (one,) = removal_patches(parse_build(named("voice"), "stdin"), OWNED, names)
    assert (one.id, one.name) == (SECRET, name)
    assert bool(paste([one])) is (name is not None)


def test_namespace_before_overlays_own_is_not_known() -> None:
    build = parse_build(named("voice") + named("other"), "stdin")
    assert [one.name for one in removal_patches(build, OWNED, Names(namespace="voice"))] == [None]


def test_names_in_cure_are_quoted_where_yaml_would_take_them_for_something_else() -> None:
    text = paste([RemovalPatch(ObjectId("Secret", "a.b"), (("data", ("on", "1", ".x", "A-b_c")),), name="a.b")])
    assert r'name: "a\\.b"' in text
    assert '        "on": null\n        "1": null\n        ".x": null\n        A-b_c: null\n' in text


def test_pods_that_ask_for_what_nobody_writes() -> None:
    env = "{name: V, valueFrom: {secretKeyRef: {name: agent-secrets, key: OPENAY}}}"
    found = judge(pod(f"{{name: c, env: [{env}], envFrom: [{{configMapRef: {{name: agent-confg}}}}]}}"))
    assert [(one.verdict, one.object, one.what, one.hint) for one in found] == [
        (
            Verdict.DANGLING,
            "Pod/p",
            "container c env V: Secret/agent-secrets has no key OPENAY, here or in the templates",
            "did you mean OPENAI?",
        ),
        (
            Verdict.DANGLING,
            "Pod/p",
            "container c envFrom: neither this build nor bridge writes ConfigMap/agent-confg",
            "did you mean agent-config?",
        ),
    ]
    assert [one.needs for one in found] == [(SECRET, "OPENAY"), (ObjectId("ConfigMap", "agent-confg"), None)]


@pytest.mark.parametrize(
    "source",
    [
        "secretRef: {name: agent-secrets}",
        "configMapRef: {name: agent-config}",
        "configMapRef: {name: absent, optional: true}",
        "configMapRef: {name: kube-root-ca.crt}",
        "configMapRef: {name: other}",
        "secretRef: {name: account}",
    ],
)
def test_what_someone_writes_or_may_be_missing(source: str) -> None:
    other = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: voice}\ndata: {A: b}\n"
    other += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: account}\ntype: kubernetes.io/service-account-token\n"
    token = "{name: T, valueFrom: {secretKeyRef: {name: account, key: token}}}"
    assert judge(pod(f"{{name: c, env: [{token}], envFrom: [{{{source}}}]}}") + other) == []


def test_object_that_controller_may_make_is_warning() -> None:
    custom = "---\napiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: sealed, namespace: voice}\n"
    text = pod("{name: c, envFrom: [{secretRef: {name: sealed}}]}")
    assert [one.warning for one in judge(text)] == [False]
    assert [one.warning for one in judge(text + custom)] == [True]


def test_workloads_of_another_namespace_are_not_looked_into() -> None:
    assert judge(pod("{name: c, envFrom: [{secretRef: {name: x}}]}").replace("voice", "other")) == []


def test_generated_copies_under_hashed_name() -> None:
    copy = METADATA.replace("agent-secrets", "agent-secrets-8857md5h4d") + "data: {OPENAI: eA==}\n"
    reader = pod("{name: c, envFrom: [{secretRef: {name: agent-secrets-8857md5h4d}}]}")
    (one,) = judge(copy + reader)
    assert (one.verdict, one.warning) == (Verdict.GENERATED, False)
    assert one.what == (
        "a generator creates this copy of Secret/agent-secrets, and Pod/p uses it instead of bridge's object"
    )
    assert [one.warning for one in judge(copy)] == [True]
    assert judge(copy.replace("8857md5h4d", "production")) == []  # not a hash's letters


def test_placeholders_in_other_objects() -> None:
    text = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, labels: {a: '${A}'}}\n"
        "spec: {rules: [{host: '${DOMAIN:-x}'}]}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: other}\n"
        "data: {A: JHtCfQ==}\nstringData: {B: '$${X}', C: '$X'}\n"
    )
    found = judge(text)
    assert [(one.object, one.what, one.warning) for one in found] == [
        (
            "Ingress/i",
            "metadata.labels.a, spec.rules[0].host: a placeholder that nothing fills, so it is used literally",
            False,
        ),
        ("Secret/other", "data.A: a placeholder that nothing fills, so it is used literally", False),
    ]


def test_description_may_speak_of_placeholders() -> None:
    text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n"
    assert [one.warning for one in judge(text + "spec: {description: 'such as ${NAME}'}\n")] == [True]


def test_what_shell_may_fill_is_warning() -> None:
    script = '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {run.sh: "cd\\necho ${HOME}\\n"}\n'
    found = judge(pod("{name: c, command: [sh, -c, 'echo ${HOME}']}") + script)
    assert [(one.object, one.warning) for one in found] == [("Pod/p", True), ("ConfigMap/x", True)]
    assert "spec.containers[0].command[2]: a placeholder that neither bridge nor the kubelet fills" in found[0].what
