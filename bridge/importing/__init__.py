"""`bridge import`: what happens to each value in a plaintext file."""
