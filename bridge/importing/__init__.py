"""`bridge import`: what becomes of each value of a plaintext file."""
