"""Agreements over HTTP: draft, amend, approve by a second key, terminate. Our own model; TMF651 comes as a shape."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from farwire.agreement import service
from farwire.agreement.model import Agreement, AgreementItem, NegotiatedPrice
from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    moment,
    page_reply,
    shown_actor,
    timestamp,
)
from farwire.kernel.ids import PartyId, parse_id

BASE: Final = "/farwire/v1/agreements"
TAG: Final = "Agreements"
Word = Annotated[str, msgspec.Meta(max_length=100)]
Time = Annotated[datetime, msgspec.Meta(tz=True, description="With Z or an offset.")]
Exact = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$", description="An exact decimal as text.")
]


class ByNumber(msgspec.Struct, frozen=True):
    """The path of one agreement."""

    number: Word


class PriceDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Another price: exactly one of ``price`` (for what the plan's price is for) and ``percent`` of the plan's."""

    price_id: Word
    price: Exact | None = None
    percent: Exact | None = None


class ItemDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """What was agreed about one offering."""

    offering: Word
    overrides: Annotated[list[PriceDocument], msgspec.Meta(max_length=200)] = []
    minimum_term_months: Annotated[int, msgspec.Meta(ge=0, le=120)] | None = None

    def to_model(self) -> AgreementItem:
        """Return the item."""
        prices = tuple(
            NegotiatedPrice(
                one.price_id,
                None if one.price is None else Decimal(one.price),
                None if one.percent is None else Decimal(one.percent),
            )
            for one in self.overrides
        )
        return AgreementItem(self.offering, prices, self.minimum_term_months)


Items = Annotated[list[ItemDocument], msgspec.Meta(min_length=1, max_length=500)]


class AgreementDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Agreement"
):
    """One version of an agreement."""

    id: str
    href: str
    number: str
    version: int
    party_id: str
    state: str
    valid_from: str
    items: list[ItemDocument]
    requested_by: str
    valid_to: str | None = None
    approved_by: str | None = None
    approved_at: str | None = None


class AgreementCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An agreement to be drafted."""

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    party_id: str
    items: Items
    valid_from: Time
    valid_to: Time | None = None


class AgreementAmend(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All of what shall hold from ``validFrom`` on, in place of the version before."""

    items: Items
    valid_from: Time
    valid_to: Time | None = None


class AgreementEnd(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """When the agreement ends; without ``at`` now."""

    at: Time | None = None


def agreement_document(agreement: Agreement, now: datetime) -> AgreementDocument:
    """Return the version as the API shows it at ``now``."""
    return AgreementDocument(
        id=str(agreement.id),
        href=f"{BASE}/{agreement.number}",
        number=agreement.number,
        version=agreement.version,
        party_id=str(agreement.party_id),
        state=agreement.state_at(now).value,
        valid_from=timestamp(agreement.valid_from),
        items=[
            ItemDocument(
                item.offering,
                [
                    PriceDocument(
                        one.price_id,
                        None if one.price is None else f"{one.price:f}",
                        None if one.percent is None else f"{one.percent:f}",
                    )
                    for one in item.overrides
                ],
                item.minimum_term_months,
            )
            for item in agreement.items
        ],
        requested_by=shown_actor(agreement.requested_by),
        valid_to=None if agreement.valid_to is None else timestamp(agreement.valid_to),
        approved_by=None if agreement.approved_by is None else shown_actor(agreement.approved_by),
        approved_at=None if agreement.approved_at is None else timestamp(agreement.approved_at),
    )


def _end(at: datetime | None) -> datetime | None:
    return None if at is None else moment(at, field="validTo")


async def list_agreements(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of versions by number."""
    async with call.transaction() as tx:
        page = await service.list_agreements(tx, page=call.query.page())
    return page_reply(page, lambda one: agreement_document(one, call.now()))


async def draft_agreement(call: Call[Nothing, Nothing, AgreementCreate]) -> Reply:
    """Draft an agreement."""
    body, now = call.body, call.now()
    async with call.transaction() as tx:
        made = await service.draft_agreement(
            tx,
            number=body.number,
            party_id=PartyId(parse_id(body.party_id, field="partyId")),
            items=[item.to_model() for item in body.items],
            valid_from=moment(body.valid_from, field="validFrom"),
            valid_to=_end(body.valid_to),
            now=now,
            actor=call.principal.actor,
        )
    return Reply(agreement_document(made, now))


async def get_agreement(call: Call[ByNumber, Nothing, None]) -> Reply:
    """Return the newest version of one agreement."""
    async with call.transaction() as tx:
        found = await service.agreement_versions(tx, call.path.number)
    return Reply(agreement_document(found[-1], call.now()))


async def list_versions(call: Call[ByNumber, PageQuery, None]) -> Reply:
    """Return the versions of one agreement, oldest first."""
    async with call.transaction() as tx:
        found = await service.agreement_versions(tx, call.path.number)
    return page_reply(call.query.page().of(found), lambda one: agreement_document(one, call.now()))


async def amend_agreement(call: Call[ByNumber, Nothing, AgreementAmend]) -> Reply:
    """Draft the next version of an agreement."""
    body, now = call.body, call.now()
    async with call.transaction() as tx:
        made = await service.amend_agreement(
            tx,
            number=call.path.number,
            items=[item.to_model() for item in body.items],
            valid_from=moment(body.valid_from, field="validFrom"),
            valid_to=_end(body.valid_to),
            now=now,
            actor=call.principal.actor,
        )
    return Reply(agreement_document(made, now))


async def approve_agreement(call: Call[ByNumber, Nothing, None]) -> Reply:
    """Approve the draft, with another key than the one that drafted it."""
    now = call.now()
    async with call.transaction() as tx:
        made = await service.approve_agreement(
            tx, number=call.path.number, now=now, actor=call.principal.actor
        )
    return Reply(agreement_document(made, now))


async def withdraw_agreement(call: Call[ByNumber, Nothing, None]) -> Reply:
    """Take back the draft."""
    now = call.now()
    async with call.transaction() as tx:
        made = await service.withdraw_draft(tx, number=call.path.number, now=now, actor=call.principal.actor)
    return Reply(agreement_document(made, now))


async def terminate_agreement(call: Call[ByNumber, Nothing, AgreementEnd]) -> Reply:
    """End the active version."""
    now = call.now()
    at = now if call.body.at is None else moment(call.body.at, field="at")
    async with call.transaction() as tx:
        made = await service.terminate_agreement(
            tx, number=call.path.number, at=at, now=now, actor=call.principal.actor
        )
    return Reply(agreement_document(made, now))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_agreements,
        summary="List agreements",
        tag=TAG,
        permission=Permission.AGREEMENT_READ,
        response=list[AgreementDocument],
        query_type=PageQuery,
        description="Every version, by number.",
    ),
    Route(
        method=Method.POST,
        path=BASE,
        handler=draft_agreement,
        summary="Draft an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_WRITE,
        response=AgreementDocument,
        body_type=AgreementCreate,
        status=201,
        idempotent=True,
        errors=("404",),
        description="Nothing holds until another key approves it.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{number}}",
        handler=get_agreement,
        summary="Get an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_READ,
        response=AgreementDocument,
        path_type=ByNumber,
        description="Its newest version, be it a draft.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{number}}/versions",
        handler=list_versions,
        summary="List the versions of an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_READ,
        response=list[AgreementDocument],
        path_type=ByNumber,
        query_type=PageQuery,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{number}}/amend",
        handler=amend_agreement,
        summary="Draft the next version of an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_WRITE,
        response=AgreementDocument,
        path_type=ByNumber,
        body_type=AgreementAmend,
        status=201,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{number}}/approve",
        handler=approve_agreement,
        summary="Approve the draft of an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_APPROVE,
        response=AgreementDocument,
        path_type=ByNumber,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{number}}/withdraw",
        handler=withdraw_agreement,
        summary="Take back the draft of an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_WRITE,
        response=AgreementDocument,
        path_type=ByNumber,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{number}}/terminate",
        handler=terminate_agreement,
        summary="End an agreement",
        tag=TAG,
        permission=Permission.AGREEMENT_WRITE,
        response=AgreementDocument,
        path_type=ByNumber,
        body_type=AgreementEnd,
        idempotent=True,
    ),
)
