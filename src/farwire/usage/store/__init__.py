"""The SQL of usage: only its own schema, every statement scoped by tenant. Private to this context."""
