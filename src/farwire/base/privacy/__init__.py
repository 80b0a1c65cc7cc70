"""A person in what is stored as documents: found for an export, taken out for an erasure."""

from farwire.base.privacy.documents import documents_naming, forget_in_documents

__all__ = ["documents_naming", "forget_in_documents"]
