"""Mediation: files in, deduplicated usage out, suspense, rating runs and control totals (TMF635)."""
