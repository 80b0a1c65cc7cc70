"""Close a month of a company's books; what each month billed, deferred and earned."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, MoneyDocument, Nothing, Reply, Route
from farwire.billing.model.revenue_report import RevenueRow
from farwire.billing.service import closing
from farwire.kernel.ids import LegalEntityId, parse_id
from farwire.ledger.model import month_named, next_month

BASE: Final = "/farwire/v1/ledger"
TAG: Final = "Ledger"
Month = Annotated[
    str,
    msgspec.Meta(pattern=r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$", description="A month, e.g. 2026-06."),
]


class ClosingCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The month that is closed."""

    legal_entity_id: str
    month: Month


class ClosingDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="AccountingClosing"
):
    """A month whose books are closed."""

    legal_entity_id: str
    month: str
    state: str
    revision: int


class RevenueQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which months of which company."""

    legal_entity_id: Annotated[UUID, msgspec.Meta(description="The company.")]
    month: Month


class RevenueRowDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Net revenue of a month: earned = billed − deferred + recognised + unbilled − reversed."""

    billed: MoneyDocument
    deferred: MoneyDocument
    recognised: MoneyDocument
    unbilled: MoneyDocument
    reversed: MoneyDocument
    earned: MoneyDocument


class RevenueDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="RevenueOfMonth"):
    """The net revenue of a month, one row per currency."""

    month: str
    rows: list[RevenueRowDocument]


def _revenue(row: RevenueRow) -> RevenueRowDocument:
    def shown(minor: int) -> MoneyDocument:
        return MoneyDocument.of(minor, row.currency)

    return RevenueRowDocument(
        shown(row.billed),
        shown(row.deferred),
        shown(row.recognised),
        shown(row.unbilled),
        shown(row.reversed),
        shown(row.earned),
    )


async def create_closing(call: Call[Nothing, Nothing, ClosingCreate]) -> Reply:
    """Close a month. It commits step by step, so that a closing that was stopped goes on when it is asked for again."""
    period = await closing.close_period(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        clock=call.clock,
        legal_entity_id=LegalEntityId(parse_id(call.body.legal_entity_id, field="legalEntityId")),
        month=month_named(call.body.month),
        actor=call.principal.actor,
    )
    return Reply(
        ClosingDocument(
            str(period.legal_entity_id), f"{period.month:%Y-%m}", period.state.value, period.revision
        )
    )


async def list_revenue(call: Call[Nothing, RevenueQuery, None]) -> Reply:
    """Return what a month earned, by currency."""
    first = month_named(call.query.month)
    async with call.transaction() as tx:
        rows = await closing.revenue_report(
            tx,
            legal_entity_id=LegalEntityId(call.query.legal_entity_id),
            first=first,
            after_last=next_month(first),
        )
    return Reply(RevenueDocument(call.query.month, [_revenue(row) for row in rows]))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=f"{BASE}/closings",
        handler=create_closing,
        summary="Close a month of a company's books",
        tag=TAG,
        permission=Permission.LEDGER_CLOSE,
        response=ClosingDocument,
        body_type=ClosingCreate,
        errors=("404", "409"),
        description="Earns what was deferred, accrues what is not billed, checks, closes. Again changes nothing.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/revenue",
        handler=list_revenue,
        summary="Revenue of a month",
        tag=TAG,
        permission=Permission.LEDGER_READ,
        response=RevenueDocument,
        query_type=RevenueQuery,
        description="Billed, deferred, recognised, unbilled and earned, by currency.",
    ),
)
