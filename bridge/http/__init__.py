"""HTTP with a time limit on every wait, for the cluster and for providers without a safe enough client library."""
