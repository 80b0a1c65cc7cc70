"""Published documents, and what selling an offering needs to know, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from farwire.catalog.model.catalogue import Document, Offering
from farwire.catalog.model.lifecycle import Lifecycle
from farwire.catalog.model.offering import PlanVersion
from farwire.catalog.model.specification import (
    Kind,
    ProductSpecification,
    ResourceSpecification,
    ServiceSpecification,
)
from farwire.kernel.ids import OfferingId


@dataclass(frozen=True, slots=True)
class Entry:
    """A specification or an offering, whatever its versions say. ``id`` is its SpecificationId or OfferingId."""

    id: UUID
    kind: Kind
    code: str
    name: str
    lifecycle: Lifecycle


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """A published version of a document. It never changes. ``number`` counts 1, 2, 3 … as they were published."""

    entry: Entry
    number: int
    digest: str
    document: Document
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Sellable:
    """An offering that can be sold at a moment, with everything that an order needs.

    ``offering`` is the version in force, with defaults where only a price plan was published. Services come in the
    order of their activation, each once; resources are those that the services name by specification.
    """

    offering_id: OfferingId
    offering: Offering
    plan_version: PlanVersion
    lifecycle: Lifecycle
    product_specification: ProductSpecification | None = None
    service_specifications: tuple[ServiceSpecification, ...] = ()
    resource_specifications: tuple[ResourceSpecification, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """An offering in a list of what is sold: its terms, and the version of its prices."""

    offering_id: OfferingId
    offering: Offering
    lifecycle: Lifecycle
    plan_number: int
    currency: str
