"""The documents that values come from, and how to find values in them."""
