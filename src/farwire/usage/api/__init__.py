"""The usage HTTP routes (private)."""
