"""Publishing of catalogue files and price plans over HTTP, and the preview of what a draft would change."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.canonical import storable
from farwire.base.web import AnyRoute, Call, Method, MoneyDocument, Nothing, Reply, Route
from farwire.catalog.model import read_document, read_plan
from farwire.kernel.errors import Invalid
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.page import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, PageRequest
from farwire.kernel.time import Period, as_utc, local_midnight, zone
from farwire.process.price_impact import AccountImpact, Amounts, Impact, last_month, price_impact
from farwire.process.publishing import PublishedDocument, publish_document

TAG: Final = "Catalogue"
DOCUMENTS: Final = "/farwire/v1/catalogueDocuments"
IMPACTS: Final = "/farwire/v1/priceImpacts"
MOST_ACCOUNTS: Final = 2_000
"""Bound of a preview over HTTP; the command has none."""


class CatalogueDocumentInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to publish: ``document`` is a price plan or a catalogue file as JSON, with the names of the file."""

    document: msgspec.Raw
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PublishedVersionDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A version that is there now; ``new`` where this request made it."""

    kind: str
    code: str
    number: int
    digest: str
    new: bool


class PublishedCatalogueDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The outcome of publishing. Usage waits in suspense until ``missingDecks`` are there."""

    versions: list[PublishedVersionDocument]
    publication_id: str | None = None
    plan_version_id: str | None = None
    missing_decks: list[str] = []


class PriceImpactInput(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}, kw_only=True
):
    """A draft of a price plan, and the past days to compare: ``[from, until)`` in the plan's zone.

    Without days it is the last whole month. ``at`` says who has the offering: now, where it is absent.
    """

    plan: msgspec.Raw
    from_: date | None = None
    until: date | None = None
    at: datetime | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


class ImpactAmountsDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Exact amounts, now and then, and how much more the draft asks; not rounded to the cent."""

    recurring_now: MoneyDocument
    recurring_then: MoneyDocument
    usage_now: MoneyDocument
    usage_then: MoneyDocument
    difference: MoneyDocument


class AccountImpactDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What would change for one account; ``unrated`` usages have no price in the draft, by reason."""

    account_id: str
    account_number: str
    product_ids: list[str]
    plan_numbers: list[int]
    amounts: ImpactAmountsDocument
    records: int
    unrated: dict[str, int]


class PriceImpactDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What a draft would change: the sum over all accounts, and one page of them."""

    offering: str
    period_start: str
    period_end: str
    accounts: int
    products: int
    dearer: int
    cheaper: int
    unchanged: int
    records: int
    unrated: dict[str, int]
    amounts: ImpactAmountsDocument
    items: list[AccountImpactDocument]


def to_amounts(amounts: Amounts, currency: str) -> ImpactAmountsDocument:
    """Return the amounts as the API shows them."""
    values = (amounts.recurring_now, amounts.recurring_then, amounts.usage_now, amounts.usage_then)
    return ImpactAmountsDocument(
        *(MoneyDocument(unit=currency, value=nano_to_decimal(one)) for one in (*values, amounts.difference))
    )


def to_account_impact(one: AccountImpact, currency: str) -> AccountImpactDocument:
    """Return the impact on one account as the API shows it."""
    return AccountImpactDocument(
        str(one.account_id),
        one.account_number,
        [str(product_id) for product_id in one.products],
        list(one.plan_numbers),
        to_amounts(one.amounts, currency),
        one.records,
        dict(one.unrated),
    )


def to_impact(impact: Impact) -> PriceImpactDocument:
    """Return the impact as the API shows it."""
    totals = impact.totals
    return PriceImpactDocument(
        impact.offering,
        impact.period.start.isoformat(),
        impact.period.end.isoformat(),
        totals.accounts,
        totals.products,
        totals.dearer,
        totals.cheaper,
        totals.unchanged,
        totals.records,
        dict(totals.unrated),
        to_amounts(totals.amounts, impact.currency),
        [to_account_impact(one, impact.currency) for one in impact.accounts],
    )


def to_published(done: PublishedDocument) -> PublishedCatalogueDocument:
    """Return the outcome of publishing as the API shows it."""
    return PublishedCatalogueDocument(
        [PublishedVersionDocument(v.kind, v.code, v.number, v.digest, v.new) for v in done.versions],
        None if done.publication_id is None else str(done.publication_id),
        None if done.plan_version_id is None else str(done.plan_version_id),
        list(done.missing_decks),
    )


def _text(raw: msgspec.Raw, field: str) -> str:
    """Return the JSON object of a field as text: it is decoded by its own type, so that no price becomes a float."""
    text = bytes(raw).decode()
    if not text.lstrip().startswith("{"):
        raise Invalid(f"{field} is no JSON object", code="catalog.plan_syntax", field=field)
    return text


async def create_document(call: Call[Nothing, Nothing, CatalogueDocumentInput]) -> Reply:
    """Publish a price plan or a catalogue file."""
    if not storable(call.body.name):
        raise Invalid("the name cannot be stored", code="catalog.document_invalid", field="name")
    document = read_document(_text(call.body.document, "document"))
    async with call.transaction() as tx:
        done = await publish_document(
            tx=tx, clock=call.clock, document=document, name=call.body.name, actor=call.principal.actor
        )
    return Reply(to_published(done), status=201 if done.new else 200)


async def create_impact(call: Call[Nothing, Nothing, PriceImpactInput]) -> Reply:
    """Return what a draft would change. Nothing is saved."""
    body = call.body
    plan = read_plan(_text(body.plan, "plan"))
    period = last_month(plan, call.now())
    if body.from_ is not None or body.until is not None:
        period = _period(plan.zone, body)
    impact = await price_impact(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        plan=plan,
        period=period,
        at=call.now() if body.at is None else as_utc(body.at, field="at"),
        page=PageRequest(body.offset, body.limit),
        most=MOST_ACCOUNTS,
    )
    return Reply(to_impact(impact))


def _period(zone_name: str, body: PriceImpactInput) -> Period:
    if body.from_ is None or body.until is None or body.until <= body.from_:
        raise Invalid(
            "a period has a first day and a later day after its last one",
            code="process.impact_period",
            field="until",
            value=body.until,
            fix="give from and until, such as 2026-06-01 and 2026-07-01",
        )
    tz = zone(zone_name)
    try:
        return Period(local_midnight(body.from_, tz), local_midnight(body.until, tz))
    except OverflowError:
        raise Invalid("the period is out of range", code="process.impact_period", field="from") from None


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=DOCUMENTS,
        handler=create_document,
        summary="Publish a catalogue file or a price plan",
        tag=TAG,
        permission=Permission.CATALOG_PUBLISH,
        response=PublishedCatalogueDocument,
        body_type=CatalogueDocumentInput,
        status=201,
        other_statuses=(200,),
        errors=("409",),
        idempotent=True,
        description="All of it in one transaction, or nothing. The same content again is 200. Published versions never "
        "change: a change without another start is 409.",
    ),
    Route(
        method=Method.POST,
        path=IMPACTS,
        handler=create_impact,
        summary="Preview what a draft of a price plan would change",
        tag=TAG,
        permission=Permission.CATALOG_PUBLISH,
        response=PriceImpactDocument,
        body_type=PriceImpactInput,
        errors=("404", "429"),
        description=f"Nothing is saved. For at most {MOST_ACCOUNTS} accounts; the command has no bound.",
    ),
)
