"""Logs, metrics and traces without personal data (see README.md)."""
