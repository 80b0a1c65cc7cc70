"""The API of the analytics context."""
