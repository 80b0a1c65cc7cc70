"""The tenant's HTTP routes (private)."""
