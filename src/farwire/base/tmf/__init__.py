"""TM Forum Open APIs: one small engine for every resource, fed by tables of facts (see README.md)."""

from farwire.base.canonical import stored_time
from farwire.base.tmf.beside import Beside
from farwire.base.tmf.descriptor import (
    Attribute,
    Descriptor,
    Inside,
    Lifecycle,
    Operation,
    Part,
    Target,
    Version,
    attributes,
    lifecycle,
)
from farwire.base.tmf.resource import KNOWN, Act, Api, Behaviour, Document, Resource, Wanted
from farwire.base.tmf.routes import tmf_routes

__all__ = [
    "KNOWN",
    "Act",
    "Api",
    "Attribute",
    "Behaviour",
    "Beside",
    "Descriptor",
    "Document",
    "Inside",
    "Lifecycle",
    "Operation",
    "Part",
    "Resource",
    "Target",
    "Version",
    "Wanted",
    "attributes",
    "lifecycle",
    "stored_time",
    "tmf_routes",
]
