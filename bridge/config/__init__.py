"""The files that an operator writes, as typed things."""
