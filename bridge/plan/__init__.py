"""From what is wanted, what is there and what was written last: changes, refusals, warnings. No I/O."""
