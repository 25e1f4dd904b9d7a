"""What must not happen to a build: losing, gaining or changing anything but what the patches remove."""

from bridge.kustomize.patches import RemovalPatch, documents, unexpected_changes
from bridge.objects import ObjectId
from bridge.secret import SecretValue

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  A: CANARY-a\n  B: CANARY-b\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  port: 80\n"
WHOLE = RemovalPatch(ObjectId("Secret", "s"))
PART = RemovalPatch(ObjectId("Secret", "s"), (("stringData", ("A",)),))


def told(before: list[str], after: list[str], patch: RemovalPatch = WHOLE) -> list[str]:
    builds = [documents(SecretValue.of("---\n".join(one)), "overlay") for one in (before, after)]
    assert "CANARY" not in repr(builds)
    return sorted(unexpected_changes(builds[0], builds[1], [patch]))


def test_object_may_go_and_only_that() -> None:
    assert told([SECRET, SERVICE], [SERVICE]) == []
    assert told([SECRET], []) == []
    assert told([SECRET, SERVICE], [SECRET, SERVICE]) == ["Secret/s would stay in the build"]
    assert told([SECRET, SERVICE], []) == ["Service/s would disappear from the build"]
    assert told([SECRET], [SERVICE]) == ["Service/s would be added to the build"]
    assert told([SECRET, SERVICE], [SERVICE.replace("80", "81")]) == ["Service/s would change"]


def test_object_of_another_namespace_is_not_patched() -> None:
    ours, theirs = (SECRET.replace("name: s", f"name: s\n  namespace: {one}") for one in ("voice", "other"))
    patch = WHOLE._replace(namespace="voice")
    assert told([ours, theirs], [theirs], patch) == []
    assert told([ours, theirs], [], patch) == ["Secret/s would disappear from the build"]
    assert told([ours, theirs], [ours], patch) == [
        "Secret/s would disappear from the build",
        "Secret/s would stay in the build",
    ]


def test_object_of_another_namespace_is_another_one() -> None:
    moved = SERVICE.replace("name: s", "name: s\n  namespace: x")
    assert told([SERVICE], [moved]) == [
        "Service/s would be added to the build",
        "Service/s would disappear from the build",
    ]


def test_keys_may_go_and_only_those() -> None:
    without = SECRET.replace("  A: CANARY-a\n", "")
    assert told([SECRET], [without], PART) == []
    assert told([SECRET], [SECRET], PART) == ["Secret/s would change"]
    assert told([SECRET], [without.replace("CANARY-b", "CANARY-c")], PART) == ["Secret/s would change"]
    assert told([SECRET], [without.replace("  B: CANARY-b\n", "  {}\n")], PART) == ["Secret/s would change"]
    assert told([SECRET], [], PART) == ["Secret/s would disappear from the build"]
