"""Each parser is fuzzed with the same inputs every time, of which CI tries more; `make fuzz` tries new ones by time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

RUN = Path(__file__).with_name("run.py")
SECONDS = os.environ.get("BRIDGE_FUZZ_SECONDS")
# The rest comes only in CI: the inputs are the same every time.
SHARE = 1 if os.environ.get("CI") else 4
GROUPS = [",".join([*TARGETS][first::4]) for first in range(4)]  # for four workers: a process starts in two seconds
REPEATED = ["data-key", "yaml", "check"][: None if os.environ.get("CI") else 1]


def fuzz(program, targets, options, folder):
    """Run targets and return what they print; a failure tells the target, and the bytes that it does not bear."""
    # Without the variables of coverage's, which would trace what atheris traces.
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ["PYTHONHASHSEED"] = "0"  # the order of a set leads to other branches, and from there to other inputs
    command = [sys.executable, program, targets, *options, f"-artifact_prefix={folder}/"]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    found = [path.read_bytes() for path in folder.iterdir()]
    tail = "\n".join((done.stdout + done.stderr).decode(errors="replace").splitlines()[-30:])
    if done.returncode or found or done.stderr.count(b"Done ") != len(targets.split(",")):
        (target,) = re.findall("^fuzz: (.+) failed$", tail, re.MULTILINE) or [targets]
        pytest.fail(f"{target} does not bear {found}:\n{tail}")
    return done.stdout.decode()


def fixed(runs):
    """Return the options for that many inputs: the same ones on every machine, however slow or busy it is."""
    # The fuzzer rereads its folder once a second; energies that it works out by entropy depend on addresses.
    return [f"-runs={runs}", "-seed=1", "-reload=0", "-entropic=0"]


@pytest.fixture
def altered(tmp_path):
    """Give a copy of the program, with another line for the one that checks an input."""
    (tmp_path / "found").mkdir()

    def copy(line):
        text = RUN.read_text().replace("str(Path(__file__).resolve().parents[2])", repr(str(RUN.parents[2])))
        assert text.count("TARGETS[name].check(data)") == 1
        program = tmp_path / "altered.py"
        program.write_text(text.replace("TARGETS[name].check(data)", line))
        return program, tmp_path / "found"

    return copy


@pytest.mark.parametrize("targets", GROUPS)
def test_parsers_bear_what_fuzzer_finds(fuzzer, targets, tmp_path):
    fuzz(RUN, targets, [f"-max_total_time={SECONDS}"] if SECONDS else fixed(f"/{SHARE}"), tmp_path)


@pytest.mark.parametrize("target", REPEATED)
def test_fuzzer_tries_same_inputs_each_time(fuzzer, target, altered):
    program, folder = altered("TARGETS[name].check(data), print(data.hex())")
    first, second = (fuzz(program, target, fixed(2000), folder) for _ in range(2))
    assert first.count("\n") > 1000
    assert first == second


def test_what_parser_does_not_bear_is_reported_with_its_bytes(fuzzer, altered):
    program, folder = altered("assert not TARGETS[name].check(data)")
    with pytest.raises(pytest.fail.Exception) as caught:
        fuzz(program, "s3,yaml", fixed(1000), folder)
    assert f"s3 does not bear [{TARGETS['s3'].seeds[0]!r}]:" in str(caught.value)
