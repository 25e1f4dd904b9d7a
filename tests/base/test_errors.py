"""Several errors become one; what it means for the exit status."""

import pytest

from bridge import errors, provider
from bridge.errors import BridgeError, Bug, ConfigError, Problem, Refusal, Stopped, Unavailable, combine

ONE, TWO = Problem("a", "x"), Problem("b", "y", "z")


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ([Unavailable(ONE), Unavailable(TWO)], Unavailable),
        ([Unavailable(ONE), Refusal(TWO)], Refusal),
        ([provider.Unavailable("x"), provider.NotFound("y")], Refusal),
        ([provider.Unavailable("x")], Unavailable),
        ([ConfigError(ONE), Refusal(TWO)], ConfigError),
        ([Refusal(ONE), ConfigError(TWO)], Refusal),
        ([Refusal(ONE), Bug(TWO)], Bug),
        ([Bug(ONE), Stopped(TWO)], Stopped),
    ],
)
def test_first_lasting_error_decides(found: list[BridgeError], kind: type[BridgeError]) -> None:
    assert type(combine(found)) is kind


def test_every_problem_is_kept_once_and_in_order() -> None:
    assert combine([Refusal(ONE, TWO), Unavailable(ONE)]).problems == (ONE, TWO)


def test_statuses() -> None:
    kinds = (BridgeError, Refusal, ConfigError, Unavailable, Stopped, Bug, provider.NotFound)
    assert [kind.exit_status for kind in kinds] == [1, 1, 2, 75, 5, 3, 1]
    assert provider.Unavailable.exit_status == 75


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [(Unavailable(ONE), Unavailable, Stopped), (Refusal(ONE), Refusal, Stopped), (KeyError("CANARY"), Bug, Stopped)],
)
def test_writes_decide_how_error_ends_run(
    error: Exception, before: type[BridgeError], after: type[BridgeError]
) -> None:
    found = [errors.ending(error, touched=touched) for touched in (False, True)]
    assert [type(one) for one in found] == [before, after]
    assert "CANARY" not in str(found)


def test_problem_reads_as_one_line() -> None:
    assert str(ONE) == "a: x"
    assert str(errors.Problem("", "x")) == "x"
    assert str(Refusal(ONE, TWO)) == "a: x; b: y"
