"""Each parser is fuzzed for a few seconds; BRIDGE_FUZZ_SECONDS, or `make fuzz`, for longer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

RUN = Path(__file__).with_name("run.py")
MORE = float(os.environ.get("BRIDGE_FUZZ_SECONDS", "0"))
STARTED = 60  # seconds that a start may take on a busy machine


def fuzz(program, target, seconds, folder):
    """Run one target; a failure tells the bytes that it does not bear."""
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/"]
    if os.environ.get("CI"):
        options.append("-seed=1")  # the same inputs every time, as far as the time reaches
    # Without the variables of coverage's, which would trace what atheris traces.
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, program, target, *options]
    done = subprocess.run(command, env=environ, capture_output=True, check=False, timeout=seconds + STARTED)
    found = [path.read_bytes() for path in folder.iterdir()]
    tail = "\n".join((done.stdout + done.stderr).decode(errors="replace").splitlines()[-30:])
    if done.returncode or found or b"Done " not in done.stderr:
        pytest.fail(f"{target} does not bear {found}:\n{tail}")


@pytest.mark.parametrize("target", TARGETS)
def test_a_parser_bears_what_the_fuzzer_finds(fuzzer, target, tmp_path):
    fuzz(RUN, target, MORE or TARGETS[target].seconds, tmp_path)


def test_what_a_parser_does_not_bear_is_told_with_its_bytes(fuzzer, tmp_path):
    text = RUN.read_text().replace("str(Path(__file__).resolve().parents[2])", repr(str(RUN.parents[2])))
    broken = tmp_path / "broken.py"
    broken.write_text(text.replace("TARGETS[name].check(data)", "assert not TARGETS[name].check(data)"))
    (tmp_path / "found").mkdir()
    with pytest.raises(pytest.fail.Exception) as caught:
        fuzz(broken, "s3", 3, tmp_path / "found")
    assert f"s3 does not bear [{TARGETS['s3'].seeds[0]!r}]:" in str(caught.value)
