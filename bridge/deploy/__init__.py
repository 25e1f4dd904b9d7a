"""Renders the CronJob that runs an environment in the cluster, as a kustomize folder."""
