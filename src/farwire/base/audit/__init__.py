"""The audit log: append-only, one chain of hashes per tenant (see README.md)."""

from farwire.base.audit.service import record

__all__ = ["record"]
