"""Looks for a planted value in everything that an exception carries."""

import traceback
from collections.abc import Callable

import pytest

from bridge.errors import ConfigError

CANARY = "CANARY-5ecre7"


def refusal(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Return where and what of each problem that the call raises, after a look for the canary everywhere."""
    with pytest.raises(ConfigError) as caught:
        call()
    assert_clean(caught.value)
    assert caught.value.exit_status == 2
    return [(problem.where, problem.what) for problem in caught.value.problems]


def assert_clean(error: BaseException | None) -> None:
    """Fail where the canary is in an exception, in one that it carries along, or in their traceback."""
    if error is None:
        return
    assert CANARY not in repr(error) + str(error) + repr(vars(error))
    assert CANARY not in "".join(traceback.format_exception(error))
    assert_clean(error.__cause__)
    assert_clean(error.__context__)
