"""Offline accounting: ACR to records of usage. Source: RFC 6733 §9, TS 32.299 §6.1 (Rf)."""
