"""What many environments share, and how it ends."""

import time
from pathlib import Path

import pytest

from bridge.config.environment import load_all
from bridge.config.environment_fields import ClusterChoice
from bridge.errors import ConfigError, Unavailable
from bridge.report.record import Record
from bridge.run.fleet import Fleet
from bridge.run.inputs import Run
from bridge.testing.apiserver import EmbeddedCluster

SECRETS = "/api/v1/namespaces/default/secrets"


def test_after_end_nothing_is_sent_but_what_gives_back(tmp_path: Path) -> None:
    with EmbeddedCluster() as cluster:
        cluster.write_kubeconfig(tmp_path / "kubeconfig")
        run = Run({}, time.monotonic() + 60, Record())
        choice = ClusterChoice(tmp_path / "kubeconfig")
        fleet = Fleet({}, run)
        with (
            fleet._lines.dial(run.search(choice)) as line,
            fleet._lines.dial(run.search(choice._replace(namespace_uid=("x",), server=("https://a",)))) as same,
        ):
            assert line is same
            line.api.request("list", SECRETS, target="secrets")
            cluster.requests.clear()
            fleet._lines.end()
            with pytest.raises(Unavailable, match="the run's time limit is used up"):
                line.api.request("list", SECRETS, target="secrets")
            assert not cluster.requests
            line.last.request("list", SECRETS, target="secrets")
            assert len(cluster.requests) == 1
        fleet._lines.close()


def test_leaving_fleet_is_its_end_and_what_is_opened_later_is_over_already(tmp_path: Path) -> None:
    with EmbeddedCluster() as cluster:
        cluster.write_kubeconfig(tmp_path / "kubeconfig")
        run = Run({}, time.monotonic() + 60, Record())
        with Fleet({}, run) as fleet, fleet._lines.dial(run.search(ClusterChoice(tmp_path / "kubeconfig"))) as line:
            line.api.request("list", SECRETS, target="secrets")
        cluster.requests.clear()
        (tmp_path / "other").write_text((tmp_path / "kubeconfig").read_text())
        with fleet._lines.dial(run.search(ClusterChoice(tmp_path / "other"))) as late:
            for one in (line, late):
                with pytest.raises(Unavailable, match="the run's time limit is used up"):
                    one.api.request("list", SECRETS, target="secrets")
        assert not cluster.requests


def test_cluster_that_cannot_be_found_is_looked_for_once_and_each_gets_error_of_its_own(tmp_path: Path) -> None:
    run = Run({}, time.monotonic() + 60, Record())
    fleet = Fleet({}, run)
    caught = []
    for _ in range(2):
        with pytest.raises(ConfigError) as one, fleet._lines.dial(run.search(ClusterChoice(tmp_path / "nowhere"))):
            raise AssertionError
        caught.append(one.value)
    assert caught[0] is not caught[1]
    assert caught[0].problems == caught[1].problems


def test_folder_is_loaded_whole_with_error_of_each_that_is_wrong(tmp_path: Path) -> None:
    good = "id: a\nnamespace: a\ntemplates: [t.yml]\nsources: [sops:x.yaml]\n"
    for name, text in {"a": good, "b": "id: [", "c": good}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "c.yml").write_text(good)
    (tmp_path / "t.public.yaml").write_text(good)
    found = load_all(tmp_path)
    assert {name: isinstance(one, ConfigError) for name, one in found.items()} == {"a": False, "b": True, "c": True}
