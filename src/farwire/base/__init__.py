"""Plumbing that knows no context: settings, clock, storage, events, jobs, audit, authorisation, telemetry."""
