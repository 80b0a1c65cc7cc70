"""The API of the activation context."""
