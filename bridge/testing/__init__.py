"""Tools for tests and the demo: the contract tests for providers, and an embedded cluster."""
