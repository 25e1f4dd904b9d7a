"""The one path of every run: its inputs, the view of the cluster, the plan, what is written, restarts, many at once."""
