"""Things of a context that take any attribute, and lists that also hold things of others (see base/README.md)."""

from farwire.base.tmf_mixed.mixed import Mixed

__all__ = ["Mixed"]
