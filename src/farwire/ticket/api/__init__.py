"""The API of the ticket context."""
