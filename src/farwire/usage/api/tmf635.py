"""TMF635 Usage Management v4: usage list, one usage, and one usage sent in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    MoneyDocument,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    timestamp,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import UsageId
from farwire.kernel.money import Nano, nano_to_decimal
from farwire.kernel.time import as_utc
from farwire.rating.model import Direction, UsageKind
from farwire.usage.model import UsageRecord, UsageState
from farwire.usage.service.billed import usage_record, usage_records
from farwire.usage.service.recording import ReportedUsage, record_usage

BASE: Final = "/tmf-api/usageManagement/v4/usage"
TAG: Final = "TMF635 Usage"
INT64: Final = 2**63 - 1
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2200
MAX_CHARACTERISTICS: Final = 20

UNIT_OF_KIND: Final = {
    UsageKind.VOICE: "s",
    UsageKind.DATA: "octet",
    UsageKind.MESSAGE: "message",
    UsageKind.EVENT: "event",
}

Since = Annotated[
    datetime,
    msgspec.Meta(tz=True, description="Started at or after; with Z or an offset (+ written as %2B)."),
]
Before = Annotated[
    datetime, msgspec.Meta(tz=True, description="Started before; with Z or an offset (+ written as %2B).")
]


class UsageQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list."""

    status: UsageState | None = None
    usage_type: UsageKind | None = msgspec.field(name="usageType", default=None)
    usage_date_gte: Since | None = msgspec.field(name="usageDate.gte", default=None)
    usage_date_lt: Before | None = msgspec.field(name="usageDate.lt", default=None)


class CharacteristicDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="UsageCharacteristic"
):
    """One fact about the usage."""

    name: str
    value: str | int
    value_type: str


class ProductRefDocument(msgspec.Struct, frozen=True, tag_field="@type", tag="ProductRef"):
    """The product that was used."""

    id: str


class RatedProductUsageDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="RatedProductUsage",
):
    """What the usage costs. ``ratedAmount`` is exact to 10⁻⁹; the plan says whether it includes tax.

    # DEVIATES: TMF635 RatedProductUsage because tax is computed on the bill, on the sum of a category, not per usage.
    """

    rated_amount: MoneyDocument
    rating_date: str
    is_billed: bool
    usage_rating_tag: str
    price_id: str
    tariff_version: str
    billed_quantity: int
    product_ref: ProductRefDocument | None = None
    bill_id: str | None = None


class UsageDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Usage"
):
    """One usage of one subscriber."""

    id: str
    href: str
    usage_date: str
    usage_type: str
    status: str
    usage_characteristic: list[CharacteristicDocument]
    description: str | None = None
    rated_product_usage: list[RatedProductUsageDocument] | None = None


class CharacteristicName(StrEnum):
    """The characteristics that a usage sent in may have."""

    SUBSCRIBER = "subscriber"
    """Identifier of who used it: E.164 digits, with or without "+", or another name of the line. Required."""
    QUANTITY = "quantity"
    """Base units: seconds, octets, messages, events. Required."""
    DESTINATION = "destination"
    DIRECTION = "direction"
    VISITED_NETWORK = "visitedNetwork"
    RATING_GROUP = "ratingGroup"


Text = Annotated[str, msgspec.Meta(max_length=256)]
Count = Annotated[int, msgspec.Meta(ge=0, le=INT64)]


class CharacteristicCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One fact about a usage sent in."""

    name: CharacteristicName
    value: Text | Count
    value_type: Text | None = None


class UsageCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A usage sent in."""

    usage_date: Annotated[
        datetime, msgspec.Meta(tz=True, description="When it started, with Z or an offset.")
    ]
    usage_type: UsageKind
    usage_characteristic: Annotated[
        list[CharacteristicCreate], msgspec.Meta(min_length=2, max_length=MAX_CHARACTERISTICS)
    ]
    external_id: Annotated[
        str,
        msgspec.Meta(max_length=256, description="The sender's own id; sent again, it is the same usage."),
    ] = ""
    description: Text = ""
    type_: str | None = msgspec.field(name="@type", default=None)


def to_tmf_usage(record: UsageRecord) -> UsageDocument:
    """Return the usage as TMF635 shows it."""
    return UsageDocument(
        id=str(record.usage_id),
        href=f"{BASE}/{record.usage_id}",
        usage_date=timestamp(record.started_at),
        usage_type=record.kind.value,
        status=record.state.value,
        usage_characteristic=_characteristics(record),
        description=record.reason or None,
        rated_product_usage=None if record.charge_nano is None else [_rated(record, record.charge_nano)],
    )


def _characteristics(record: UsageRecord) -> list[CharacteristicDocument]:
    facts: list[tuple[str, str | int | None]] = [
        ("subscriberKey", str(record.subscriber_key)),
        ("quantity", record.quantity),
        ("unit", UNIT_OF_KIND[record.kind]),
        ("destination", record.destination or None),
        ("direction", record.direction.value),
        ("visitedNetwork", record.visited_network or None),
        ("ratingGroup", record.rating_group),
    ]
    return [
        CharacteristicDocument(name, value, "integer" if isinstance(value, int) else "string")
        for name, value in facts
        if value is not None
    ]


def _rated(record: UsageRecord, charge_nano: int) -> RatedProductUsageDocument:
    return RatedProductUsageDocument(
        rated_amount=MoneyDocument(unit=record.currency, value=nano_to_decimal(Nano(charge_nano))),
        rating_date="" if record.rated_at is None else timestamp(record.rated_at),
        is_billed=record.bill_id is not None,
        usage_rating_tag=record.label,
        price_id=record.price_id,
        tariff_version=record.tariff_version,
        billed_quantity=record.billed_quantity or 0,
        product_ref=None if record.product_id is None else ProductRefDocument(str(record.product_id)),
        bill_id=None if record.bill_id is None else str(record.bill_id),
    )


def from_tmf_usage(body: UsageCreate) -> ReportedUsage:
    """Return the usage that ``body`` reports. Raises ``Invalid`` naming the characteristic."""
    found: dict[CharacteristicName, str | int] = {}
    for number, item in enumerate(body.usage_characteristic):
        if item.name in found:
            raise _wrong(
                f"$.usageCharacteristic[{number}].name", "a characteristic is given twice", item.name
            )
        found[item.name] = item.value
    if not FIRST_YEAR <= body.usage_date.year <= LAST_YEAR:
        raise _wrong(
            "$.usageDate", f"the year is outside {FIRST_YEAR} to {LAST_YEAR}", body.usage_date.isoformat()
        )
    subscriber = _text(found, CharacteristicName.SUBSCRIBER).removeprefix("+")
    if not subscriber:
        raise _wrong("$.usageCharacteristic", "the characteristic subscriber is missing", None)
    quantity = _number(found, CharacteristicName.QUANTITY)
    if quantity is None:
        raise _wrong("$.usageCharacteristic", "the characteristic quantity is missing", None)
    direction = _text(found, CharacteristicName.DIRECTION) or Direction.ORIGINATING.value
    if direction not in set(Direction):
        raise _wrong("direction", "use one of " + ", ".join(Direction), direction)
    return ReportedUsage(
        kind=body.usage_type,
        started_at=as_utc(body.usage_date, field="usageDate"),
        subscriber=subscriber,
        quantity=quantity,
        destination=_text(found, CharacteristicName.DESTINATION).removeprefix("+"),
        direction=Direction(direction),
        visited_network=_text(found, CharacteristicName.VISITED_NETWORK),
        rating_group=_number(found, CharacteristicName.RATING_GROUP),
        external_id=body.external_id,
    )


def _text(found: dict[CharacteristicName, str | int], name: CharacteristicName) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise _wrong(name.value, "the value must be a text", value)
    return value.strip()


def _number(found: dict[CharacteristicName, str | int], name: CharacteristicName) -> int | None:
    value = found.get(name)
    if isinstance(value, str):
        raise _wrong(name.value, "the value must be a whole number", value)
    return value


def _wrong(field: str, message: str, value: object) -> Invalid:
    return Invalid(message, code="usage.characteristic", field=field, value=value)


async def list_usage(call: Call[Nothing, UsageQuery, None]) -> Reply:
    """Return a page of usages by start time."""
    query = call.query
    async with call.transaction() as tx:
        page = await usage_records(
            tx,
            page=query.page(),
            state=query.status,
            kind=query.usage_type,
            started_from=query.usage_date_gte,
            started_before=query.usage_date_lt,
        )
    return page_reply(page, to_tmf_usage)


async def get_usage(call: Call[ById, Nothing, None]) -> Reply:
    """Return one usage."""
    async with call.transaction() as tx:
        record = await usage_record(tx, usage_id=UsageId(call.path.id))
    return Reply(to_tmf_usage(record))


async def create_usage(call: Call[Nothing, Nothing, UsageCreate]) -> Reply:
    """Take one usage in; the next rate run rates it."""
    reported = from_tmf_usage(call.body)
    async with call.transaction() as tx:
        record, new = await record_usage(tx=tx, reported=reported, now=call.now())
    document = to_tmf_usage(record)
    return Reply(document, status=201 if new else 200, headers={"location": document.href})


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_usage,
        summary="List usage",
        tag=TAG,
        permission=Permission.USAGE_READ,
        response=list[UsageDocument],
        query_type=UsageQuery,
        description="Ordered by start time.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}",
        handler=get_usage,
        summary="Get a usage",
        tag=TAG,
        permission=Permission.USAGE_READ,
        response=UsageDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=BASE,
        handler=create_usage,
        summary="Send one usage in",
        tag=TAG,
        permission=Permission.USAGE_IMPORT,
        response=UsageDocument,
        body_type=UsageCreate,
        status=201,
        other_statuses=(200,),
        idempotent=True,
        description="The same externalId, or without one the same facts, is the same usage: 200 with what is there.",
    ),
)
