"""The catalogue's HTTP routes (private)."""
