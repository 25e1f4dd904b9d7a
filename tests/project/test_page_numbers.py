"""The numbers that pages promise are those of the program."""

import re

import pytest
import yaml

from bridge.cluster import lease
from bridge.config import dotenv
from bridge.config.durations import DAY
from bridge.parser import options
from bridge.plan import ages, approved
from bridge.programs import LIMIT as PROGRAM
from bridge.report import markdown, publish
from bridge_providers.exec import SLOWEST, Exec, session
from bridge_providers.sops import files, passphrase, removed_recipients, tree
from tests.pages import ROOT, page

CRONJOB = yaml.safe_load((ROOT / "bridge/deploy/templates/cronjob.yaml").read_text().replace("$", ""))["spec"]
JOB = CRONJOB["jobTemplate"]["spec"]
MIB = 2**20
NUMBERS = [
    ("promises", r"`--lock-wait`, (\d+) s", options.LOCK_WAIT),
    ("promises", r"`--timeout`, (\d+) s", options.TIMEOUT),
    ("promises", r"free after (\d+) s", lease.DURATION),
    ("pipelines", r"cut at (\d+) KiB", markdown.LIMIT / 1024),
    ("pipelines", r"(\d+) days at most", approved.LONGEST.days),
    ("environment-file", r"at most (\d+) MiB and", dotenv.MOST_BYTES / MIB),
    ("environment-file", r"and ([\d,]+) lines", dotenv.MOST_LINES),
    ("environment-file", r"\(at most (\d+) days\)", ages.NOTICE / DAY),
    ("environment-file", r"in the last (\d+) days", ages.NOTICE / DAY),
    ("sops", r"a file has at most (\d+) MiB", files.LIMIT / MIB),
    ("sops", r"([\d,]+) values and", tree.MAX_VALUES),
    ("sops", r"values and (\d+) levels", tree.MAX_DEPTH),
    ("sops", r"a work factor of (\d+)", passphrase.MAX_WORK_FACTOR),
    ("sops", r"more than (ten) seconds to read the history", removed_recipients.SECONDS),
    ("sops", r"have (\d+) seconds and no terminal", PROGRAM),
    ("programs", r"seconds for one document, (\d+) by default", Exec._field_defaults["timeout"]),
    ("programs", r"by default, (\d+) at most", SLOWEST),
    ("programs", r"after (\d+) MiB of output", session.LIMIT / MIB),
    ("many-environments", r"within (\d+) s plus", publish.LIMIT),
    ("in-the-cluster", r"at most (nine) minutes", JOB["activeDeadlineSeconds"] / 60),
    ("in-the-cluster", r"(two) retries", JOB["backoffLimit"]),
    ("in-the-cluster", r"every (ten) minutes", int(CRONJOB["schedule"].split()[0].removeprefix("*/"))),
]
WORDS = {"two": 2, "nine": 9, "ten": 10}


@pytest.mark.parametrize(("name", "pattern", "number"), NUMBERS)
def test_numbers_that_pages_promise_are_those_of_program(name: str, pattern: str, number: float) -> None:
    text = " ".join(page(name).text.split())
    found = re.findall(pattern, text)
    assert found
    assert {WORDS.get(one) or int(one.replace(",", "")) for one in found} == {number}


def test_runs_of_cron_job_come_one_at_a_time() -> None:
    assert CRONJOB["concurrencyPolicy"] == "Forbid"
    assert JOB["template"]["spec"]["containers"][0]["args"][2:4] == ["--in-cluster", "--config"]
