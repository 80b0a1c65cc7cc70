"""The account's HTTP routes (private)."""
