"""Messages to customers: templates, consent, quiet hours, an outbox with receipts (see README.md)."""
