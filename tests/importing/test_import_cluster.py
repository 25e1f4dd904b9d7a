"""Importing what a cluster runs today, embedded and real."""

import base64

from tests.desk import Desk
from tests.importing.moving import SHELF, moving_in, shelf
from tests.team import VALUES


def test_what_cluster_runs_today(desk: Desk) -> None:
    moving_in(desk).unlink()
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in VALUES.items()}
    mine = {key: encoded[key] for key in ("OPENAI_API_KEY", "CARTESIA_API_KEY")}
    desk.target.create("Secret", "agent-secrets", {"data": mine | {"THEIRS": "eA==", "DEEPGRAM_API_KEY": ""}})
    result = desk.run("import", "staging", "--from-cluster", "--to", SHELF, "--yes", "--output", "json")
    assert (result.status, result.err) == (0, "")
    assert shelf(desk) == {key: VALUES[key] for key in mine}
    left = {one["value"]: one["reason"] for one in result.data["values"] if one["state"] == "left"}
    assert left == {
        "Secret/agent-secrets key DEEPGRAM_API_KEY": "is empty",
        "Secret/shared-secrets": "is not in the cluster",
    }
    assert (result.data["file"], result.data["deletable"], result.data["seen_by_git"]) == (None, False, None)


def test_placeholder_that_was_never_filled_is_no_value(desk: Desk) -> None:
    moving_in(desk).unlink()
    encoded = base64.b64encode(b"${OPENAI_API_KEY}").decode()
    desk.target.create("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": encoded}})
    result = desk.run("import", "staging", "--from-cluster", "--to", SHELF, "--yes")
    assert result.status == 0
    assert "left: it is still a placeholder" in result.out
    assert shelf(desk) is None
