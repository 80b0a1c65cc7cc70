"""The API of the charging context."""
