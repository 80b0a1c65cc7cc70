"""How products, services, resources and pools look on the wire, and how they are read from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission, Principal
from farwire.base.web import timestamp
from farwire.inventory.model import (
    Commitment,
    PriceOverride,
    Product,
    ProductState,
    Resource,
    ResourceKind,
    ResourceState,
    ResourceUse,
    Service,
    ServiceState,
    Suspension,
    SuspensionReason,
    history,
    is_personal,
    masked,
    standing_at,
)

BASE: Final = "/farwire/v1"
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", max_length=100)]
Key = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$",
        max_length=200,
        description="Yours; the same key is the same reservation.",
    ),
]
Digits = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,32}$")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[^\s\x00-\x1f\x7f]{1,128}$")]
Time = Annotated[datetime, msgspec.Meta(tz=True, description="With Z or an offset.")]


class SuspensionDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A reason for which the product was or is suspended."""

    reason: SuspensionReason
    valid_from: str
    recurring_percent: int
    valid_to: str | None = None


class OverrideDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Another price for this product: an amount, or a percentage of the plan's price."""

    id: str
    price_id: str
    valid_from: str
    valid_to: str | None = None
    price: str | None = None
    percent: str | None = None
    reason: str = ""
    agreement_id: str | None = None


class CommitmentDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The minimum term, and what ending it early costs."""

    starts_at: str
    ends_at: str
    notice_days: int = 0
    withdrawal_days: int = 0
    fee: str | None = None
    remaining_percent: str | None = None


class PlaceDocument(msgspec.Struct, frozen=True, rename="camel"):
    """From when the product is or was at a place."""

    place: str
    valid_from: str


class FactDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Something that began or ended to hold for the product."""

    at: str
    what: str
    detail: str


class ProductDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Product"
):
    """A product of a customer, as it stands at the time that was asked for."""

    id: str
    href: str
    account_id: str
    offering_id: str
    state: ProductState
    started_at: str
    suspended_for: list[SuspensionReason]
    recurring_percent: int
    plan_version_id: str | None = None
    ended_at: str | None = None
    end_reason: str | None = None
    parent_id: str | None = None
    order_id: str | None = None
    place: Annotated[str | None, msgspec.Meta(description="For those who may read personal data.")] = None


class ServiceChangeDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Since when a service was in a state."""

    state: ServiceState
    valid_from: str


class ServiceDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="Service"):
    """A service of a product."""

    id: str
    product_id: str
    specification: str
    state: ServiceState
    history: list[ServiceChangeDocument]
    attributes: dict[str, str]


class ResourceDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Resource"
):
    """A resource. What names its holder in the network is masked for those who may not read personal data."""

    id: str
    href: str
    kind: ResourceKind
    value: str
    pool: str
    state: ResourceState
    operational_state: str
    usage_state: str
    attributes: dict[str, str] = {}
    until: str | None = None
    product_id: str | None = None
    service_id: str | None = None


class ProductDetailDocument(ProductDocument, frozen=True, rename="camel", omit_defaults=True):
    """A product with what was agreed for it, what it runs on, and its whole history, oldest first."""

    history: list[FactDocument] = []
    suspensions: list[SuspensionDocument] = []
    overrides: list[OverrideDocument] = []
    services: list[ServiceDocument] = []
    resources: list[ResourceDocument] = []
    commitment: CommitmentDocument | None = None
    places: list[PlaceDocument] = []


class UseDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which product had the resource from when to when."""

    product_id: str
    valid_from: str
    valid_to: str | None = None
    service_id: str | None = None


class ResourceDetailDocument(ResourceDocument, frozen=True, rename="camel", omit_defaults=True):
    """A resource and who had it, oldest first."""

    history: list[UseDocument] = []


class ReservationCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``count`` resources of a pool, or the very ones in ``values``; freed after ``until`` unless they are used.

    ``length`` is that of a prefix; without it, the pool's usual one.
    """

    pool: Name
    key: Key
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    length: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    values: Annotated[list[Word], msgspec.Meta(max_length=1000)] = []
    until: Time | None = None


class ReservationDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Reservation"
):
    """What a key holds."""

    key: str
    href: str
    resources: list[ResourceDocument]


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)


def product_document(product: Product, at: datetime, principal: Principal) -> ProductDocument:
    """Return the product as it stands at ``at``, and as this caller may see it."""
    standing = standing_at(product, at)
    clear = principal.may(Permission.PARTY_READ)
    plan = standing.plan_version_id
    return ProductDocument(
        id=str(product.id),
        href=f"{BASE}/products/{product.id}",
        account_id=str(product.account_id),
        offering_id=str(product.offering_id),
        state=standing.state,
        started_at=timestamp(product.started_at),
        suspended_for=list(standing.suspended_for),
        recurring_percent=standing.recurring_percent,
        plan_version_id=None if plan is None else str(plan),
        ended_at=_time(product.ended_at),
        end_reason=product.end_reason,
        parent_id=None if product.parent_id is None else str(product.parent_id),
        order_id=None if product.order_id is None else str(product.order_id),
        place=(standing.place or None) if clear else None,
    )


def product_detail(
    product: Product,
    at: datetime,
    services: Sequence[Service],
    resources: Sequence[ResourceDocument],
    principal: Principal,
) -> ProductDetailDocument:
    """Return the product with everything that is known about it and this caller may see."""
    term = product.commitment
    places = product.places if principal.may(Permission.PARTY_READ) else ()
    return ProductDetailDocument(
        **msgspec.structs.asdict(product_document(product, at, principal)),
        history=[FactDocument(timestamp(one.at), one.what, one.detail) for one in history(product)],
        suspensions=[_suspension(one) for one in product.suspensions],
        overrides=[_override(one) for one in product.overrides],
        services=[service_document(one) for one in services],
        resources=list(resources),
        commitment=None if term is None else _commitment(term),
        places=[PlaceDocument(one.place, timestamp(one.valid_from)) for one in places],
    )


def _suspension(one: Suspension) -> SuspensionDocument:
    return SuspensionDocument(
        one.reason, timestamp(one.valid_from), one.recurring_percent, _time(one.valid_to)
    )


def _override(one: PriceOverride) -> OverrideDocument:
    return OverrideDocument(
        id=str(one.id),
        price_id=one.price_id,
        valid_from=timestamp(one.valid_from),
        valid_to=_time(one.valid_to),
        price=None if one.price is None else f"{one.price:f}",
        percent=None if one.percent is None else f"{one.percent:f}",
        reason=one.reason,
        agreement_id=None if one.agreement_id is None else str(one.agreement_id),
    )


def _commitment(one: Commitment) -> CommitmentDocument:
    return CommitmentDocument(
        starts_at=timestamp(one.starts_at),
        ends_at=timestamp(one.ends_at),
        notice_days=one.notice_days,
        withdrawal_days=one.withdrawal_days,
        fee=None if one.fee is None else f"{one.fee:f}",
        remaining_percent=None if one.remaining_percent is None else f"{one.remaining_percent:f}",
    )


def service_document(service: Service) -> ServiceDocument:
    """Return the service."""
    return ServiceDocument(
        id=str(service.id),
        product_id=str(service.product_id),
        specification=service.specification,
        state=service.state,
        history=[ServiceChangeDocument(one.state, timestamp(one.valid_from)) for one in service.changes],
        attributes=dict(service.attributes),
    )


def resource_document(resource: Resource, principal: Principal) -> ResourceDocument:
    """Return the resource as this caller may see it."""
    clear = not is_personal(resource) or principal.may(Permission.PARTY_READ)
    return ResourceDocument(
        id=str(resource.id),
        href=f"{BASE}/resources/{resource.id}",
        kind=resource.kind,
        value=resource.value if clear else masked(resource.value),
        pool=resource.pool,
        state=resource.state,
        operational_state=resource.operational_state,
        usage_state=resource.usage_state,
        attributes=dict(resource.attributes) if clear else {},
        until=_time(resource.until),
        product_id=None if resource.product_id is None else str(resource.product_id),
        service_id=None if resource.service_id is None else str(resource.service_id),
    )


def resource_detail(
    resource: Resource, uses: Sequence[ResourceUse], principal: Principal
) -> ResourceDetailDocument:
    """Return the resource and who had it."""
    return ResourceDetailDocument(
        **msgspec.structs.asdict(resource_document(resource, principal)),
        history=[
            UseDocument(
                product_id=str(one.product_id),
                valid_from=timestamp(one.valid_from),
                valid_to=_time(one.valid_to),
                service_id=None if one.service_id is None else str(one.service_id),
            )
            for one in uses
        ],
    )
