"""The files that an operator writes, parsed into typed objects."""
