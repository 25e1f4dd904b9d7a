"""The text of the metrics: what a run knows, and what is kept of an earlier one."""

import re

from bridge.report.metrics import HELP, parse, render, samples
from bridge.report.record import Record

NOW = 1_800_000_000.25


def text(status: int = 0, **fields: object) -> str:
    record = Record("staging")
    vars(record).update(fields)
    return render(samples(record, status, NOW))


def test_run_that_ended_well_says_so() -> None:
    lines = text().splitlines()
    assert 'bridge_last_success_timestamp_seconds{environment="staging"} 1800000000.25' in lines
    assert 'bridge_last_attempt_timestamp_seconds{environment="staging"} 1800000000.25' in lines
    assert 'bridge_exit_status{environment="staging"} 0' in lines


def test_what_run_cannot_know_is_left_out_and_never_zero() -> None:
    found = text(status=75)
    for name in ("last_success", "last_change", "objects", "keys", "source_reads"):
        assert f"bridge_{name}" not in found
    assert 'bridge_exit_status{environment="staging"} 75' in found


def test_reads_are_counted_by_provider_and_result_and_slowest_is_reported() -> None:
    found = text(reads=[("vault", "ok", 0.5), ("vault", "denied", 2.25), ("sops", "ok", 0.125)])
    assert 'bridge_source_reads{environment="staging",provider="vault",result="ok"} 1' in found
    assert 'bridge_source_reads{environment="staging",provider="vault",result="denied"} 1' in found
    assert 'bridge_source_reads{environment="staging",provider="sops",result="unavailable"} 0' in found
    assert 'bridge_source_read_seconds{environment="staging",provider="vault"} 2.25' in found


def test_each_metric_has_its_help_and_type_once_before_its_samples() -> None:
    lines = text(reads=[("vault", "ok", 0.5), ("sops", "ok", 0.5)]).splitlines()
    seen: list[str] = []
    for line in lines:
        if line.startswith("# HELP"):
            seen.append(line.split()[2])
        elif line.startswith("# TYPE"):
            assert line == f"# TYPE {seen[-1]} gauge"
        else:
            assert line.startswith(f"{seen[-1]}{{")
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(HELP)


def test_label_is_escaped_and_read_back_same() -> None:
    odd = 'sta"ging\\with\nline'
    found = render(samples(Record(environment=odd), 0, NOW))
    assert r'{environment="sta\"ging\\with\nline"}' in found
    assert render(parse(found, [odd])) == found


def test_of_earlier_text_only_our_own_lines_about_this_environment_are_taken() -> None:
    mine = 'bridge_last_success_timestamp_seconds{environment="staging"} 17'
    foreign = [
        'bridge_last_success_timestamp_seconds{environment="prod"} 18',
        'bridge_last_success_timestamp_seconds{environment="staging2"} 18',
        'bridge_unknown{environment="staging"} 1',
        'node_load1{environment="staging"} 1',
        'bridge_exit_status{environment="staging"} CANARY-value',
        'bridge_exit_status{environment="staging"} 1 1700000000000',
        "CANARY-line",
    ]
    kept = list(parse("\n".join([*foreign, mine]), ["staging"]))
    assert [f"{one.name}{one.rest}" for one in kept] == [mine]


def test_every_metric_is_gauge_in_seconds_or_without_unit() -> None:
    for name, meaning in HELP.items():
        assert re.fullmatch(r"bridge_[a-z_]+", name)
        assert meaning.endswith(".")
        assert not name.endswith("_total")
