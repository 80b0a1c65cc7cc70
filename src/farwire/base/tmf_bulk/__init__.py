"""Import and export jobs of TMF Open APIs: many resources in one file, as a stream (see README.md)."""

from farwire.base.tmf_bulk.content import bulk_routes
from farwire.base.tmf_bulk.tasks import bulk_resources

__all__ = ["bulk_resources", "bulk_routes"]
