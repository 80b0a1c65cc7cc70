"""Spending limits: status of policy counters for a PCRF. Source: TS 29.219 (Sy)."""
