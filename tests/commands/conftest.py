"""The operator's desk, as the tests of whole runs have it."""

from tests.runs.conftest import desk, embedded_target, offline_desk, real_target, target, third_party

__all__ = ["desk", "embedded_target", "offline_desk", "real_target", "target", "third_party"]
