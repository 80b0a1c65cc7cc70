"""TM Forum Open APIs: one small engine for every resource, fed by tables of facts (see README.md)."""

from farwire.base.tmf.descriptor import (
    Attribute,
    Descriptor,
    Lifecycle,
    Operation,
    Target,
    Version,
    attributes,
    lifecycle,
)
from farwire.base.tmf.resource import Act, Api, Behaviour, Document, Resource, Wanted

__all__ = [
    "Act",
    "Api",
    "Attribute",
    "Behaviour",
    "Descriptor",
    "Document",
    "Lifecycle",
    "Operation",
    "Resource",
    "Target",
    "Version",
    "Wanted",
    "attributes",
    "lifecycle",
]
