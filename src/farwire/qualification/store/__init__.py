"""The SQL of qualification."""
