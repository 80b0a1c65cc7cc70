"""The API of the location context."""
