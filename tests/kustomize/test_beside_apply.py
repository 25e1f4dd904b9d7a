"""The way to live beside `kubectl apply -k`, on a real API server: the trap, the warning, the cure, and peace."""

import os
from pathlib import Path

import pytest

from bridge.objects import LAST_APPLIED
from tests.desk import Desk, Target, set_up_desk
from tests.kustomize.overlays import PLAINTEXT, Application, application
from tests.servers.apiserver import RealCluster
from tests.team import VALUES


@pytest.fixture
def desk(
    real_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
) -> Desk:
    return set_up_desk(real_target, tmp_path, monkeypatch, capfd)


@pytest.fixture
def app(desk: Desk, kustomize_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.setenv("PATH", f"{kustomize_binary.parent}{os.pathsep}/usr/bin:/bin")
    return application(desk, kustomize_binary)


def deploy(cluster: RealCluster, app: Application) -> str:
    return cluster.kubectl("apply", "-k", str(app.overlay("staging"))).stdout


def in_cluster(desk: Desk) -> dict[str, str]:
    return desk.target.data("Secret", "agent-secrets") | desk.target.data("Secret", "shared-secrets")


def test_from_trap_to_peace(desk: Desk, app: Application, real_cluster: RealCluster) -> None:
    assert desk.run("sync", "staging").status == 0
    assert in_cluster(desk) == VALUES

    # Without bridge: status 0, not a word, and what the patch file has stands in the place of every value.
    assert "secret/agent-secrets configured" in deploy(real_cluster, app)
    assert set(in_cluster(desk).values()) == {PLAINTEXT["staging"]}
    assert desk.run("sync", "staging").status == 0
    # The same without the patch file, as on a runner that has none: placeholders.
    desk.write(
        "../apps/overlays/staging/kustomization.yaml",
        app.kustomization("staging").replace("  - path: patches/staging-secret-config-patch.yml\n", ""),
    )
    deploy(real_cluster, app)
    assert set(in_cluster(desk).values()) == {f"${{{name}}}" for name in VALUES}
    assert desk.run("sync", "staging").status == 0
    assert in_cluster(desk) == VALUES

    build = desk.write("../build.yaml", app.build("staging"))
    result = desk.run("check", "staging", "--live", "--manifests", str(build))
    assert result.status == 1
    assert any(
        "today: `kubectl apply` would overwrite CARTESIA_API_KEY, OPENAI_API_KEY" in line for line in result.lines
    )
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    build.write_text(app.build("staging"))
    assert desk.run("check", "staging", "--live", "--manifests", str(build)).status == 0

    before = desk.target.versions()
    for _ in range(2):
        assert deploy(real_cluster, app).split() == ["deployment.apps/agent", "unchanged"]
    assert desk.target.versions() == before
    assert in_cluster(desk) == VALUES


def test_nothing_is_left_in_clear_where_build_never_had_it(
    desk: Desk, app: Application, real_cluster: RealCluster
) -> None:
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    assert deploy(real_cluster, app).split() == ["deployment.apps/agent", "created"]
    assert desk.run("sync", "staging").status == 0
    found = desk.target.get("Secret", "agent-secrets")
    assert found is not None
    assert LAST_APPLIED not in found["metadata"].get("annotations", {})
    assert deploy(real_cluster, app).split() == ["deployment.apps/agent", "unchanged"]
    assert in_cluster(desk) == VALUES


def test_from_plaintext_patches_to_peace(desk: Desk, app: Application, real_cluster: RealCluster) -> None:
    """The whole move: what kubectl made is taken over, left out of the build, and never touched by it again."""
    deploy(real_cluster, app)
    assert set(in_cluster(desk).values()) == {PLAINTEXT["staging"]}
    assert desk.run("adopt", "staging", "--yes").status == 0
    assert desk.run("sync", "staging").status == 0
    assert in_cluster(desk) == VALUES
    build = desk.write("../build.yaml", app.build("staging"))
    assert desk.run("check", "staging", "--live", "--manifests", str(build)).status == 1
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    build.write_text(app.build("staging"))
    result = desk.run("check", "staging", "--live", "--manifests", str(build))
    assert (result.status, result.lines) == (0, [])
    before = desk.target.versions()
    assert deploy(real_cluster, app).split() == ["deployment.apps/agent", "unchanged"]
    assert desk.target.versions() == before
    found = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}/secrets").body
    assert PLAINTEXT["staging"] not in str(found)
    assert LAST_APPLIED not in str(found)
