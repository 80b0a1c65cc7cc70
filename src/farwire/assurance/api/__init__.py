"""The API of the assurance context."""
