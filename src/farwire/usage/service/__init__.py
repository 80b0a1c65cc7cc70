"""Use cases of mediation: import, suspense, recycle, rate, totals, and what billing takes."""

from farwire.usage.service.billed import (
    mark_billed,
    rated_records,
    rated_totals,
    unmark_billed,
    usage_record,
    usage_records,
)

__all__ = [
    "mark_billed",
    "rated_records",
    "rated_totals",
    "unmark_billed",
    "usage_record",
    "usage_records",
]
