"""HTTP with every wait bounded, for the cluster and for providers whose store has no client library safe enough."""
