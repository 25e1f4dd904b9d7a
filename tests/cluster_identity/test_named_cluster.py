"""Which cluster? Every report, error, log line and metric of a run names it, and in the same words."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.report.cluster import cluster_text
from bridge.testing.apiserver import Fault
from tests.desk import Desk, Result
from tests.fleet.test_fleet import fleet, member
from tests.importing.moving import SHELF, moving_in

HOSTILE = "kap`s|u\x1b]0;owned\x07le\n\u202e"
SHOWN = r"kap`s|u\x1b]0;owned\x07le\n\u202e"
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
REPORTS = [
    ("plan", "staging"),
    ("sync", "staging"),
    ("sync", "staging", "--restart"),
    ("status", "staging"),
    ("restart", "staging"),
    ("adopt", "staging"),
    ("check", "staging", "--live"),
]


@pytest.fixture(autouse=True)
def nothing_runs(request: pytest.FixtureRequest) -> None:
    """Let the embedded cluster, which has no workloads, answer as one that could have some."""

    def answer(_method: str, path: str) -> Fault | None:
        kind = next((kind for kind in KINDS if path.partition("?")[0].endswith(f"/{kind.lower()}s")), None)
        body = json.dumps({"apiVersion": "apps/v1", "kind": f"{kind}List", "metadata": {}, "items": []})
        return ("status", 200, {}, body.encode()) if kind else None

    for name in {"target", "embedded_target"} & set(request.fixturenames):
        if embedded := request.getfixturevalue(name).embedded:
            embedded.intercept = answer


def rename(desk: Desk, context: str) -> None:
    """Give the kubeconfig's context another name."""
    content = json.loads(desk.kubeconfig.read_text())
    content["contexts"][0]["name"] = content["current-context"] = context
    desk.kubeconfig.write_text(json.dumps(content))


def expected(desk: Desk, binding: str | None = "server") -> dict[str, str | None]:
    """Return what a report in JSON says about the cluster."""
    source = f"context {desk.cluster['context']} of {desk.kubeconfig}"
    return desk.cluster | {"source": source, "binding": binding}


def uid(desk: Desk) -> str:
    path = f"/api/v1/namespaces/{desk.target.namespace}"
    return str(desk.target.client.request("GET", path).body["metadata"]["uid"])


def log(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.lines]


@pytest.mark.parametrize("command", REPORTS, ids=" ".join)
def test_every_report_names_context_and_server(desk: Desk, command: tuple[str, ...]) -> None:
    desk.run("sync", "staging")
    text, data = desk.run(*command), desk.run(*command, "--output", "json").data
    assert desk.cluster_line.strip() in map(str.strip, text.out.splitlines())
    assert data["cluster"] == expected(desk)


@pytest.mark.parametrize("command", REPORTS, ids=" ".join)
def test_environment_that_is_not_bound_has_note(offline_desk: Desk, command: tuple[str, ...]) -> None:
    desk = offline_desk
    desk.environment(cluster={"kubeconfig": "kubeconfig"})
    assert desk.run("sync", "staging", "--first").status == 0
    line = f"cluster: context embedded (not bound), {desk.cluster['server']}"
    assert line in map(str.strip, desk.run(*command).out.splitlines())
    assert desk.run(*command, "--output", "json").data["cluster"] == expected(desk, None)


@pytest.mark.parametrize("command", REPORTS, ids=" ".join)
def test_bound_environment_has_no_note(offline_desk: Desk, command: tuple[str, ...]) -> None:
    desk = offline_desk
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": uid(desk)})
    desk.run("sync", "staging")
    line = f"cluster: context embedded, {desk.cluster['server']}"
    assert line in map(str.strip, desk.run(*command).out.splitlines())
    assert desk.run(*command, "--output", "json").data["cluster"] == expected(desk, "namespace_uid")


def test_import_from_cluster_names_it_and_one_from_file_does_not(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    file = moving_in(desk)
    live = ("import", "staging", "--from-cluster", "--to", SHELF, "--dry-run")
    assert desk.run(*live).out.splitlines()[1] == desk.cluster_line
    assert desk.run(*live, "--output", "json").data["cluster"] == expected(desk)
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--dry-run", "--output", "json")
    assert "cluster" not in result.data


def test_offline_check_names_no_cluster(offline_desk: Desk) -> None:
    assert "cluster" not in offline_desk.run("check", "staging", "--output", "json").data
    assert "cluster: " not in offline_desk.run("check", "staging").out


@pytest.mark.parametrize("command", ["plan", "sync", "status", "restart", "adopt"])
def test_error_names_cluster_once_it_is_known(desk: Desk, command: str) -> None:
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": "1-2-3"})
    result = desk.run(command, "staging", "--output", "json")
    assert (result.data["result"], result.data["cluster"]) == ("failed", expected(desk, None))
    desk.kubeconfig.unlink()
    result = desk.run(command, "staging", "--output", "json")
    assert (result.data["result"], "cluster" in result.data) == ("failed", False)


def test_live_check_that_fails_names_cluster_too(desk: Desk) -> None:
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": "1-2-3"})
    assert desk.run("check", "staging", "--live", "--output", "json").data["cluster"] == expected(desk, None)


@pytest.mark.parametrize("command", REPORTS, ids=" ".join)
def test_each_line_of_log_names_cluster_once_it_is_known(offline_desk: Desk, command: tuple[str, ...]) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.apply("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "dGhlaXJz"}}, "argocd")
    lines = log(desk.run(*command, "--log-format", "json"))
    assert lines[-1]["message"] == "ended"
    assert [line["cluster"] for line in lines] == [desk.cluster] * len(lines)
    desk.kubeconfig.unlink()
    lines = log(desk.run(*command, "--log-format", "json"))
    assert len(lines) > 1
    assert not any("cluster" in line for line in lines)


def test_error_that_comes_before_cluster_names_none(offline_desk: Desk) -> None:
    offline_desk.values(OPENAI_API_KEY=None)
    assert not any("cluster" in line for line in log(offline_desk.run("plan", "staging", "--log-format", "json")))


@pytest.mark.parametrize("command", REPORTS, ids=" ".join)
@pytest.mark.parametrize("form", ["text", "json"])
def test_contexts_name_steers_no_terminal(offline_desk: Desk, command: tuple[str, ...], form: str) -> None:
    desk = offline_desk
    rename(desk, HOSTILE)
    desk.run("sync", "staging")
    result = desk.run(*command, "--output", form, "--log-format", form)
    assert all(char.isprintable() or char == "\n" for char in result.out + result.err)
    if form == "json":
        assert result.data["cluster"]["context"] == HOSTILE
    else:
        assert f"cluster: context {SHOWN}, {desk.cluster['server']}" in result.out


def test_contexts_name_is_no_markup(offline_desk: Desk) -> None:
    rename(offline_desk, HOSTILE)
    out = offline_desk.run("plan", "staging", "--output", "markdown").out
    server = offline_desk.cluster["server"]
    assert out.splitlines()[2] == f"Cluster: context `` {SHOWN} ``, `{server}`"


def test_pod_is_named_as_itself() -> None:
    pod = {"server": "https://10.96.0.1:443", "context": None, "source": "", "binding": None}
    assert cluster_text(pod) == "this pod's service account, https://10.96.0.1:443"
    assert cluster_text(pod, quote="`{}`".format) == "this pod's service account, `https://10.96.0.1:443`"


def test_usual_names_fit_terminal() -> None:
    usual = {"server": "https://203.0.113.10:6443", "context": "kapsule-staging", "source": "", "binding": None}
    assert len(f"  cluster: {cluster_text(usual)}") <= 80


def test_metrics_name_cluster(offline_desk: Desk, tmp_path: Path) -> None:
    desk, file = offline_desk, tmp_path / "bridge.prom"
    rename(desk, 'a"\x1b\\b\n')
    desk.run("sync", "staging", "--metrics", str(file))
    server = desk.cluster["server"]
    labels = f'environment="staging",server="{server}",context="a\\"\\\\x1b\\\\b\\\\n"'
    assert f"bridge_cluster_info{{{labels}}} 1" in file.read_text().splitlines()
    desk.values(OPENAI_API_KEY=None)
    assert desk.run("sync", "staging", "--metrics", str(file)).status == 1
    assert f"bridge_cluster_info{{{labels}}} 1" in file.read_text().splitlines()  # this run knew none
    desk.values()
    rename(desk, "other")
    desk.run("sync", "staging", "--metrics", str(file))
    found = [line for line in file.read_text().splitlines() if line.startswith("bridge_cluster_info")]
    assert found == [f'bridge_cluster_info{{environment="staging",server="{server}",context="other"}} 1']


# Many environments


@pytest.fixture
def two(offline_desk: Desk) -> Desk:
    """Two environments in one cluster, and a third whose source is missing."""
    fleet(offline_desk, 3)
    member(offline_desk, "env-02", sources=["plain:nowhere.json"])
    return offline_desk


def elsewhere(desk: Desk, name: str, **changes: str) -> None:
    """Let an environment select a kubeconfig of its own; `changes` replace its server and its context."""
    rename_of, content = changes.get("context", "other"), json.loads(desk.kubeconfig.read_text())
    content["contexts"][0]["name"] = content["current-context"] = rename_of
    content["clusters"][0]["cluster"]["server"] = changes.get("server", desk.cluster["server"])
    desk.write("other", content)
    member(desk, name, cluster={"kubeconfig": "other"})


def entries(desk: Desk, *command: str) -> dict[str, Any]:
    result = desk.run(*command, "--all", "--output", "json")
    return {one["environment"]: one.get("cluster") for one in result.data["environments"]}


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_environments_of_one_cluster_share_line_above_table(two: Desk, command: str) -> None:
    lines = two.run(command, "--all").out.splitlines()
    at = lines.index(two.cluster_line.strip())
    assert [line.split("  ")[0] for line in lines[at + 1 : at + 6]] == ["", "environment", "env-00", "env-01", "env-02"]
    assert lines[at + 2].split() == ["environment", "result"]
    third = expected(two) if command == "sync" else None  # which looks at the cluster before it reads the sources
    assert entries(two, command) == {"env-00": expected(two), "env-01": expected(two), "env-02": third}


def test_some_of_them_may_be_bound(two: Desk) -> None:
    member(two, "env-00", cluster={"kubeconfig": "kubeconfig"})
    line = f"cluster: context embedded (1 of 2 environments not bound), {two.cluster['server']}"
    assert line in two.run("plan", "--all").out.splitlines()


def test_environments_of_several_clusters_have_column(two: Desk) -> None:
    elsewhere(two, "env-01")
    lines = two.run("plan", "--all").out.splitlines()
    at = lines.index(two.cluster_line.strip())
    assert lines[at + 1 : at + 7] == [
        f"cluster: context other (not bound), {two.cluster['server']}",
        "",
        "environment  result   cluster",
        "env-00       planned  embedded  2 to create, 0 unchanged",
        "env-01       planned  other     2 to create, 0 unchanged",
        "env-02       failed   -         plain:nowhere.json: no such document",
    ]
    out = two.run("plan", "--all", "--output", "markdown").out.splitlines()
    assert out[2:10] == [
        f"Cluster: context `embedded`, `{two.cluster['server']}`",
        "",
        f"Cluster: context `other` (not bound), `{two.cluster['server']}`",
        "",
        "| environment | result | cluster | |",
        "|---|---|---|---|",
        "| `env-00` | planned | `embedded` | 2 to create, 0 unchanged |",
        "| `env-01` | planned | `other` | 2 to create, 0 unchanged |",
    ]


def test_contexts_of_same_name_are_reported_apart_by_their_servers(two: Desk) -> None:
    server = two.cluster["server"].replace("127.0.0.1", "localhost")
    elsewhere(two, "env-01", context="embedded", server=server)
    lines = two.run("plan", "--all").out.splitlines()
    assert f"env-01       planned  {server}  2 to create, 0 unchanged" in lines
    assert f"env-00       planned  {two.cluster['server']}  2 to create, 0 unchanged" in lines


def test_environment_that_fails_names_its_cluster_once_it_is_known(two: Desk) -> None:
    member(two, "env-01", cluster={"kubeconfig": "kubeconfig", "namespace_uid": "1-2-3"})
    assert entries(two, "sync")["env-01"] == expected(two, None)


def test_log_of_all_names_cluster_of_each_line(two: Desk) -> None:
    member(two, "env-01", cluster={"kubeconfig": "kubeconfig", "namespace_uid": "1-2-3"})
    lines = {line.get("where", "").split(":")[0]: line.get("cluster") for line in log(all_with_log(two))}
    assert lines == {"env-01": two.cluster, "env-02": two.cluster, "": two.cluster}  # all are of one cluster still
    elsewhere(two, "env-00")
    lines = {line.get("where", "").split(":")[0]: line.get("cluster") for line in log(all_with_log(two))}
    assert lines == {"env-01": two.cluster, "env-02": two.cluster, "": None}


def all_with_log(desk: Desk) -> Result:
    return desk.run("sync", "--all", "--log-format", "json")


def test_metrics_of_all_name_each_cluster(two: Desk, tmp_path: Path) -> None:
    elsewhere(two, "env-01")
    two.run("sync", "--all", "--metrics", str(tmp_path / "all.prom"))
    found = (tmp_path / "all.prom").read_text().splitlines()
    server = two.cluster["server"]
    assert sorted(line for line in found if line.startswith("bridge_cluster_info")) == [
        f'bridge_cluster_info{{environment="env-00",server="{server}",context="embedded"}} 1',
        f'bridge_cluster_info{{environment="env-01",server="{server}",context="other"}} 1',
        f'bridge_cluster_info{{environment="env-02",server="{server}",context="embedded"}} 1',
    ]
