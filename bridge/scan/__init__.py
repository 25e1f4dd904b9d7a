"""Find values in plaintext: in files and in git history."""
