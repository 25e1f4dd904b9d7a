"""What a run says to do next can be pasted, also for an environment of an odd name."""

import re
import shlex

import pytest

from bridge.parser import parse
from tests.desk import Desk
from tests.importing.moving import SHELF, moving_in
from tests.team import VALUES

ODD = "l'été $1"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    moving_in(offline_desk)
    return offline_desk


def hinted(text: str) -> list[list[str]]:
    """Return the words of each command of bridge in a text."""
    found = re.findall(r"`[^`]*\b(bridge [a-z]+ [^`]*)`|next: (bridge .*)", text)
    return [shlex.split(one or other) for one, other in found]


def test_every_command_names_environment(desk: Desk) -> None:
    desk.write("shelf.json", VALUES | {"MODE": "staging"})
    text = (desk.folder / "base" / "configmap.yml").read_text()
    desk.write("base/configmap.yml", text.replace("${K8_ENV}", "${MODE}"))
    desk.env_file(K8_ENV=None)
    (desk.folder / "staging.yaml").unlink()
    desk.environment(ODD, sources=[SHELF])
    desk.target.create("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "eA=="}}, "kubectl-client-side-apply")
    lines = (["sync", ODD], ["adopt", ODD, "--yes"], ["rollback", ODD, "--source", SHELF, "--to", "1"])
    told = [desk.run(*line) for line in lines]
    commands = [one for result in told for one in hinted(result.out + result.err)]
    assert {one[1] for one in commands} >= {"adopt", "plan", "sync", "init"}, told
    assert {parse(one[1:]).environment for one in commands} == {ODD}


def test_namespace_that_is_missing_is_reported_with_command_for_this_cluster(desk: Desk) -> None:
    desk.write("shelf.json", VALUES)
    desk.environment(sources=[SHELF], namespace="absent")
    kubeconfig = str(desk.kubeconfig)
    for command in ("plan", "sync", "adopt"):
        result = desk.run(command, "staging", "--kubeconfig", kubeconfig)
        assert result.lines[0] == "bridge: error: namespace absent: does not exist"
        assert result.lines[1].endswith(f" `kubectl --kubeconfig {kubeconfig} create namespace absent`")
