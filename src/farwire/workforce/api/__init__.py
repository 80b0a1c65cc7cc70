"""The API of the workforce context."""
