"""Writing one value, or a whole document, into a store."""
