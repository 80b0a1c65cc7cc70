"""The billing HTTP routes (private)."""
