"""Agreements with negotiated prices (see README.md)."""
