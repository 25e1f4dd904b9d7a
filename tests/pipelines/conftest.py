"""The operator's desk, as the tests of whole runs have it."""

from tests.runs.conftest import real_target, third_party

__all__ = ["real_target", "third_party"]
