"""The documents that values come from, and how values are found in them."""
