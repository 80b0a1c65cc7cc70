"""The API of the qualification context."""
