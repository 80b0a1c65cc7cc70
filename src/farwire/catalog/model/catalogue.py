"""Offerings as documents, and the catalogue file that holds them together with their specifications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias, Union

from farwire.catalog.model.lifecycle import Lifecycle
from farwire.catalog.model.specification import (
    Kind,
    ProductSpecification,
    ResourceSpecification,
    Section,
    ServiceSpecification,
)


class SimType(StrEnum):
    """What SIM an offering comes with: the country pack says which of them need a verified customer."""

    NONE = "none"
    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class Eligibility(Section, frozen=True):
    """To whom, where and through which channel an offering is sold. An empty list is any, known or not."""

    regions: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


class Terms(Section, frozen=True):
    """What a customer agrees to beside the prices.

    Ending within ``minimum_term_months`` costs ``early_termination_fee`` (in the currency of the price plan) or
    ``early_termination_percent`` of the recurring prices of the rest of the term.
    """

    minimum_term_months: int = 0
    notice_days: int = 0
    withdrawal_days: int = 0
    early_termination_fee: Decimal | None = None
    early_termination_percent: Decimal | None = None


class BundleItem(Section, frozen=True):
    """An offering inside a bundle: at least ``minimum``, at most ``maximum``, ``default`` where nothing is said."""

    offering: str
    minimum: int = 1
    maximum: int = 1
    default: int = 1


class Offering(Section, frozen=True, kw_only=True):
    """What is sold: a product specification on certain terms, or a bundle of other offerings. Source: TMF620.

    Its prices are the price plan of the same code. It is sold in ``[valid_from, valid_to)``.
    """

    code: str
    name: str
    description: str = ""
    product_specification: str = ""
    bundle: tuple[BundleItem, ...] = ()
    sold_alone: bool = True
    """False: only as a part of a bundle."""
    eligibility: Eligibility = Eligibility()
    requires: tuple[str, ...] = ()
    """Codes of offerings that the customer must have, or order with it: all of them."""
    excludes: tuple[str, ...] = ()
    terms: Terms = Terms()
    sim: SimType = SimType.NONE
    starts_as: Lifecycle = Lifecycle.ACTIVE
    """The state of a new offering. That of a known one is changed by a command, never by a file."""
    valid_from: datetime | None = None
    """None: the start that the file says for all of its documents."""
    valid_to: datetime | None = None


Document: TypeAlias = Union[  # noqa: UP007
    ResourceSpecification, ServiceSpecification, ProductSpecification, Offering
]
"""One document of the catalogue."""

TYPES: Final[Mapping[Kind, type[Document]]] = {
    Kind.RESOURCE: ResourceSpecification,
    Kind.SERVICE: ServiceSpecification,
    Kind.PRODUCT: ProductSpecification,
    Kind.OFFERING: Offering,
}
"""The type of each kind of document."""


def end_of(document: Document) -> datetime | None:
    """Return the end that ``document`` states, or None."""
    return document.valid_to if isinstance(document, Offering) else None


_KINDS: Final = {type_: kind for kind, type_ in TYPES.items()}


def kind_of(document: Document) -> Kind:
    """Return what ``document`` describes."""
    return _KINDS[type(document)]


class Catalogue(Section, frozen=True, kw_only=True):
    """A catalogue file: documents that are published together."""

    valid_from: datetime | None = None
    """The start of every document that does not say its own."""
    resource_specifications: tuple[ResourceSpecification, ...] = ()
    service_specifications: tuple[ServiceSpecification, ...] = ()
    product_specifications: tuple[ProductSpecification, ...] = ()
    offerings: tuple[Offering, ...] = ()

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield each document with its path, what is referred to first."""
        for i, resource in enumerate(self.resource_specifications):
            yield f"resource_specifications[{i}]", resource
        for i, service in enumerate(self.service_specifications):
            yield f"service_specifications[{i}]", service
        for i, product in enumerate(self.product_specifications):
            yield f"product_specifications[{i}]", product
        for i, offering in enumerate(self.offerings):
            yield f"offerings[{i}]", offering
