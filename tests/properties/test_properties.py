"""What is true of every run: for any templates, sources, env file and flags, and whatever others did to the objects.

`make properties` tries thousands of new cases; without it, a few that are the same each time.
"""

import os
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.desk import Target
from tests.properties import laws
from tests.properties.configuration import Configuration
from tests.properties.conftest import NewDesk, NewTarget
from tests.properties.histories import SEALER, play, report
from tests.properties.strategies import Round, configurations, histories
from tests.servers.apiserver import RealCluster

pytestmark = pytest.mark.slow

CASES: Final = int(os.environ.get("BRIDGE_PROPERTIES", "0"))
"""How many cases `make properties` tries in the embedded cluster, and a tenth of them in a real one."""

SETTINGS: Final = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # each case has its own desk and its own namespace
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ]
)

has_time = pytest.mark.timeout(1800, func_only=True)
"""For a machine that is busy: each case has about ten runs."""


@has_time
@settings(SETTINGS, max_examples=CASES or 40)
@given(history=histories(), bound=st.booleans())
def test_laws_hold_in_embedded_cluster(
    new_desk: NewDesk, embedded_namespace: NewTarget, history: tuple[Round, ...], *, bound: bool
) -> None:
    play(new_desk(embedded_namespace()), history, bound=bound)


@has_time
@settings(SETTINGS, max_examples=CASES // 10 or 12)
@given(history=histories(), bound=st.booleans())
def test_laws_hold_in_real_cluster(
    new_desk: NewDesk, real_cluster: RealCluster, history: tuple[Round, ...], *, bound: bool
) -> None:
    target = Target(real_cluster.namespace(), real_cluster.client, real_cluster.kubeconfig)
    play(new_desk(target), history, bound=bound)


@has_time
@settings(SETTINGS, max_examples=CASES // 10 or 5)
@given(configuration=configurations())
def test_nothing_is_written_into_missing_namespace(
    new_desk: NewDesk, embedded_namespace: NewTarget, configuration: Configuration
) -> None:
    desk = new_desk(replace(embedded_namespace(), namespace="missing"))
    configuration.write(desk, SEALER)
    plan, sync = report(desk, "plan"), report(desk, "sync", "--first")
    laws.check_agreement(plan, sync)
    assert sync.status in (1, 2)
    assert laws.snapshot(desk.target) == {}
    assert desk.target.client.request("GET", "/api/v1/namespaces/missing").status == 404
