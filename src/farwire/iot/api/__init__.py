"""The API of the iot context."""
