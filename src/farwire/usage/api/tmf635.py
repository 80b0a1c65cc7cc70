"""TMF635 Usage Management: usage sent in once, found again with what it costs; specifications as documents.

# DEVIATES: TMF635 usage has no PATCH and no DELETE because what the network said is evidence: it is rated
# again instead.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import product
from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import (
    KNOWN,
    Act,
    Api,
    Behaviour,
    Descriptor,
    Document,
    Operation,
    Resource,
    Target,
    Version,
    Wanted,
    attributes,
    tmf_routes,
)
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, MoneyDocument, moment, timestamp
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import UsageId
from farwire.kernel.money import Nano, nano_to_decimal
from farwire.kernel.page import Page, PageRequest
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


USAGE: Final = Descriptor(
    type="Usage",
    path="usage",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE}),
    events=(),
    versions=frozenset({Version.V4}),
    own=attributes(
        """
        description         string
        externalId          string
        ratedProductUsage   RatedProductUsage[]   server
        relatedParty        RelatedParty[]
        status              string                server
        usageCharacteristic UsageCharacteristic[] required
        usageDate           string                required
        usageSpecification  UsageSpecificationRef
        usageType           string                required
        """
    ),
)
"""Its time is read here, not by the engine: without a zone it is refused."""

SPECIFICATION: Final = Descriptor(
    type="UsageSpecification",
    path="usageSpecification",
    events=("Create", "AttributeValueChange", "Delete"),
    versions=frozenset({Version.V4}),
    own=attributes(
        """
        attachment             AttachmentRefOrValue[]
        constraint             ConstraintRef[]
        description            string
        entitySpecRelationship EntitySpecificationRelationship[]
        isBundle               boolean
        lastUpdate             dateTime                          changed
        lifecycleStatus        string
        name                   string
        relatedParty           RelatedParty[]
        specCharacteristic     CharacteristicSpecification[]
        targetEntitySchema     TargetEntitySchema
        validFor               TimePeriod
        version                string
        """
    ),
)
_STATE, _KIND, _FROM, _BEFORE = "status", "usageType", "usageDate.gte", "usageDate.lt"


def _document(record: UsageRecord) -> Document:
    shown: Document = msgspec.to_builtins(to_tmf_usage(record), builtin_types=(Decimal,))
    del shown["href"]
    return shown


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        return _document(await usage_record(tx, usage_id=UsageId(UUID(key))))
    except (ValueError, NotFound):
        return None


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return usages by start time, those of each state and kind that is asked for one after the other."""
    named = wanted.equal
    states = [one for one in UsageState if one.value in named.get(_STATE, ())]
    kinds = [one for one in UsageKind if one.value in named.get(_KIND, ())]
    found, total, skip = list[UsageRecord](), 0, wanted.offset
    for state, kind in product(states if _STATE in named else [None], kinds if _KIND in named else [None]):
        page = await usage_records(
            tx,
            page=PageRequest(skip, wanted.limit),
            state=state,
            kind=kind,
            started_from=_bound(wanted, _FROM),
            started_before=_bound(wanted, _BEFORE),
        )
        found += page.items
        total, skip = total + page.total, max(0, skip - page.total)
    return Page(tuple(map(_document, found[: wanted.limit])), total, wanted.offset, wanted.limit)


def _bound(wanted: Wanted, name: str) -> datetime | None:
    values = wanted.equal.get(name)
    if values is None:
        return None
    try:
        return moment(datetime.fromisoformat(values[0]), field=name)
    except ValueError:
        raise _wrong(name, "not a time", values[0]) from None


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Take one usage in; the next rate run rates it."""
    body = {name: value for name, value in document.items() if name != "id"}
    try:
        reported = from_tmf_usage(msgspec.convert(body, UsageCreate))
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise _wrong(path.rstrip("`") or "$", message, None) from None
    record, new = await record_usage(tx=tx, reported=reported, now=act.now)
    return _document(record) | ({} if new else {KNOWN: True})


MIXED: Final = Mixed(
    Target("635", "Usage"),
    "usage",
    Behaviour(_find, _page, _create, native=frozenset({_STATE, _KIND, _FROM, _BEFORE}), repeats=True),
    takes=frozenset({"usageDate", "usageType", "usageCharacteristic", "externalId", "description"}),
    never=frozenset({"usageCharacteristic", "externalId"}),  # a subscriber is kept by a key, not by a number
    words=frozenset(),
)
API: Final = Api(
    number="635",
    title="Usage",
    path="usageManagement",
    versions=(Version.V4,),
    resources=(
        Resource(
            USAGE,
            "usage",
            Permission.USAGE_READ,
            Permission.USAGE_IMPORT,
            behaviour=MIXED.behaviour(),
        ),
        Resource(SPECIFICATION, "usage", Permission.USAGE_READ, Permission.USAGE_IMPORT),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
