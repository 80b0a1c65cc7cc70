"""The inventory's HTTP routes (private)."""
