"""The ordering HTTP routes (private)."""
