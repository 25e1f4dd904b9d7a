"""bridge: secret values from their stores into Kubernetes objects, and nowhere else."""

__version__ = "0.1.0"
