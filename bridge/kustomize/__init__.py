"""The team's kustomize build: what it reads, what it makes of bridge's objects, and how to take them out of it."""
