"""HTTP APIs of agreements."""
