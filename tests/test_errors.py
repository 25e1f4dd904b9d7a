"""Several errors become one; what it means for the exit status."""

import pytest

from bridge import errors, provider
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, Stopped, Unavailable, combine

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
    ],
)
def test_the_first_lasting_error_decides(found: list[BridgeError], kind: type[BridgeError]) -> None:
    assert type(combine(found)) is kind


def test_every_problem_is_kept_once_and_in_order() -> None:
    assert combine([Refusal(ONE, TWO), Unavailable(ONE)]).problems == (ONE, TWO)


def test_statuses() -> None:
    kinds = (BridgeError, Refusal, ConfigError, Unavailable, Stopped, provider.NotFound, provider.Unavailable)
    assert [kind.exit_status for kind in kinds] == [1, 1, 2, 75, 5, 1, 75]


def test_a_problem_reads_as_one_line() -> None:
    assert str(ONE) == "a: x"
    assert str(errors.Problem("", "x")) == "x"
    assert str(Refusal(ONE, TWO)) == "a: x; b: y"
