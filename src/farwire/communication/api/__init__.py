"""Messages and texts over HTTP."""
