"""What a change in git does to an environment, as far as that is visible without a key, a store or a cluster."""
