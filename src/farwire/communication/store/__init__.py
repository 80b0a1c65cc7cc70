"""The SQL of messages and templates. Private to this context."""
