"""What a pod consumes: by variable, by all of an object's keys, by file."""

from typing import Any

import pytest

from bridge.objects import ObjectId
from bridge.plan.workloads import How, Use, pod_spec, uses

SECRET = ObjectId("Secret", "agent-secrets")
CONFIG = ObjectId("ConfigMap", "agent-config")


def spec(*mounts: dict[str, Any], volumes: list[Any] | None = None, **container: Any) -> dict[str, Any]:
    mounted = {"volumeMounts": list(mounts)} if mounts else {}
    return {"containers": [{"name": "agent", **mounted, **container}], "volumes": volumes or []}


def test_optional_is_only_what_says_so() -> None:
    reference = {"name": "agent-secrets", "key": "A", "optional": "true"}
    container = {
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": reference}}],
        "envFrom": [{"secretRef": reference}],
    }
    assert [use.optional for use in uses(spec(**container))] == [False, False]


def test_single_variables() -> None:
    found = uses(
        spec(
            env=[
                {"name": "PLAIN", "value": "x"},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "agent-secrets", "key": "OPENAI_API_KEY"}}},
                {
                    "name": "LEVEL",
                    "valueFrom": {"configMapKeyRef": {"name": "agent-config", "key": "L", "optional": True}},
                },
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            ]
        )
    )
    assert found == (
        Use(SECRET, "OPENAI_API_KEY", How.ENV, "container agent env KEY"),
        Use(CONFIG, "L", How.ENV, "container agent env LEVEL", optional=True),
    )


def test_all_keys_of_object() -> None:
    found = uses(
        spec(
            envFrom=[
                {"secretRef": {"name": "agent-secrets"}, "prefix": "A_"},
                {"configMapRef": {"name": "agent-config", "optional": True}},
            ]
        )
    )
    assert found == (
        Use(SECRET, None, How.ENV_FROM, "container agent envFrom"),
        Use(CONFIG, None, How.ENV_FROM, "container agent envFrom", optional=True),
    )
    assert found[0].takes("ANYTHING")
    assert not Use(SECRET, "A", How.ENV, "").takes("B")


def test_init_containers_count_too_and_each_use_is_reported_once() -> None:
    one = {"name": "a", "envFrom": [{"secretRef": {"name": "agent-secrets"}}] * 2}
    found = uses({"initContainers": [one], "containers": [one | {"name": "b"}]})
    assert [use.place for use in found] == ["container a envFrom", "container b envFrom"]


@pytest.mark.parametrize(
    ("mount", "volume", "expected"),
    [
        ({}, {"secret": {"secretName": "agent-secrets"}}, [(SECRET, None, How.VOLUME)]),
        ({}, {"configMap": {"name": "agent-config"}}, [(CONFIG, None, How.VOLUME)]),
        (
            {},
            {"secret": {"secretName": "agent-secrets", "items": [{"key": "A", "path": "x/a"}]}},
            [(SECRET, "A", How.VOLUME)],
        ),
        ({"subPath": "A"}, {"secret": {"secretName": "agent-secrets"}}, [(SECRET, "A", How.SUB_PATH)]),
        (
            {"subPath": "x/"},
            {"configMap": {"name": "agent-config", "items": [{"key": "A", "path": "x/a"}, {"key": "B", "path": "b"}]}},
            [(CONFIG, "A", How.SUB_PATH)],
        ),
        ({"subPathExpr": "$(POD)"}, {"secret": {"secretName": "agent-secrets"}}, [(SECRET, None, How.SUB_PATH)]),
        (
            {},
            {
                "projected": {
                    "sources": [
                        {"secret": {"name": "agent-secrets"}},
                        {"configMap": {"name": "agent-config", "items": [{"key": "B", "path": "b"}]}},
                        {"serviceAccountToken": {"path": "token"}},
                    ]
                }
            },
            [(SECRET, None, How.VOLUME), (CONFIG, "B", How.VOLUME)],
        ),
        ({}, {"emptyDir": {}}, []),
    ],
)
def test_volumes(mount: dict[str, Any], volume: dict[str, Any], expected: list[Any]) -> None:
    found = uses(spec({"name": "v", "mountPath": "/v"} | mount, volumes=[{"name": "v"} | volume]))
    assert [(use.id, use.key, use.how) for use in found] == expected
    assert all(use.place == "container agent volume v" for use in found)


ITEMS = [{"key": key, "path": path} for key, path in {"A": "/x/a", "B": "x/b/", "C": "xy", "D": "y/x"}.items()]


@pytest.mark.parametrize(
    ("sub_path", "keys"),
    [
        ("x", ["A", "B"]),
        ("/x/", ["A", "B"]),
        ("x/a", ["A"]),
        ("x/b", ["B"]),
        ("xy", ["C"]),
        ("y", ["D"]),
        ("y/x", ["D"]),
        ("x/a/deeper", []),
        ("a", []),
        ("A", []),
    ],
)
@pytest.mark.parametrize("projected", [False, True])
def test_sub_path_selects_one_file_or_all_files_of_folder(sub_path: str, keys: list[str], projected: bool) -> None:
    content: dict[str, Any] = {"configMap": {"name": "agent-config", "items": ITEMS}}
    volume = {"name": "v", **({"projected": {"sources": [content]}} if projected else content)}
    found = uses(spec({"name": "v", "subPath": sub_path}, volumes=[volume]))
    assert found == tuple(Use(CONFIG, key, How.SUB_PATH, "container agent volume v") for key in keys)


@pytest.mark.parametrize("sub_path", ["A", "/A", "A/", "A/deeper"])
def test_sub_path_without_items_begins_with_key(sub_path: str) -> None:
    volume = {"name": "v", "secret": {"secretName": "agent-secrets"}}
    found = uses(spec({"name": "v", "subPath": sub_path}, volumes=[volume]))
    assert found == (Use(SECRET, "A", How.SUB_PATH, "container agent volume v"),)


@pytest.mark.parametrize("optional", [True, False, None, "true"])
@pytest.mark.parametrize(("sub_path", "how"), [("", How.VOLUME), ("A", How.SUB_PATH)])
@pytest.mark.parametrize("projected", [False, True])
def test_volume_may_be_optional(optional: object, sub_path: str, how: How, projected: bool) -> None:
    """In a projected volume each source is optional by itself."""
    secret = {"secretName": "agent-secrets", "name": "agent-secrets", "optional": optional}
    contents = [{"secret": secret}, {"configMap": {"name": "agent-config"}}]
    volumes: list[dict[str, Any]] = [{"name": "v", "projected": {"sources": contents}}]
    if not projected:
        volumes = [{"name": f"v{number}", **content} for number, content in enumerate(contents)]
    found = uses(spec(*({"name": volume["name"], "subPath": sub_path} for volume in volumes), volumes=volumes))
    key = sub_path or None
    assert [(use.id, use.key, use.how, use.optional) for use in found] == [
        (SECRET, key, how, optional is True),
        (CONFIG, key, how, False),
    ]


def test_items_without_key_select_nothing() -> None:
    volume = {
        "name": "v",
        "secret": {"secretName": "agent-secrets", "items": [{"path": "a"}, {"key": "B", "path": "b"}]},
    }
    assert [use.key for use in uses(spec({"name": "v"}, volumes=[volume]))] == ["B"]


def test_volume_that_nobody_mounts_is_not_consumed() -> None:
    assert uses(spec(volumes=[{"name": "v", "secret": {"secretName": "agent-secrets"}}])) == ()


def test_only_whole_volumes_follow_change_by_themselves() -> None:
    assert [how for how in How if how.follows] == [How.VOLUME]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"])
def test_where_kinds_keep_their_pods(kind: str) -> None:
    assert pod_spec(kind, {"spec": {"template": {"spec": {"containers": []}}}}) == {"containers": []}
    assert pod_spec(kind, {"spec": {"template": None}}) is None


def test_pods_themselves_and_those_of_cron_job() -> None:
    assert pod_spec("Pod", {"spec": {"containers": []}}) == {"containers": []}
    nested = {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}}
    assert pod_spec("CronJob", nested) == {"containers": []}
    assert pod_spec("Service", {"spec": {"selector": {}}}) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"containers": None, "volumes": "x"},
        {"containers": [None, {"env": {}, "envFrom": [3, {"secretRef": "x"}], "volumeMounts": [{"name": "v"}]}]},
        {"containers": [{"name": 3, "env": [{"valueFrom": {"secretKeyRef": {"name": None, "key": 1}}}]}]},
    ],
)
def test_what_is_malformed_is_left_to_api_server(broken: dict[str, Any]) -> None:
    assert uses(broken) == ()
