"""What a bill has beyond TMF678: its own lines, why each line is what it is, the invoice as PDF."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    PDF,
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
)
from farwire.billing import service
from farwire.billing.api.documents import (
    BASE,
    LINES,
    BillingRateDocument,
    LineExplanationDocument,
    exact,
    to_explained_usage,
    to_tmf_billing_rate,
)
from farwire.billing.api.facts import to_recurring_facts
from farwire.billing.api.line_facts import to_line_facts
from farwire.billing.model import Bill
from farwire.billing.rendering.explanation import corrections_in_words, facts_in_words
from farwire.billing.rendering.words import language_of
from farwire.billing.service.explain import explain_lines
from farwire.kernel.page import Page
from farwire.rating.model.words import explain_in_words

TAG: Final = "TMF678 Customer bill"


class Language(StrEnum):
    """The languages that explanations are written in."""

    EN = "en"
    DE = "de"
    FR = "fr"


class LineByNumber(msgspec.Struct, frozen=True):
    """The path of one line: its bill and its number there."""

    id: UUID
    line: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class ExplanationQuery(PageQuery, frozen=True, kw_only=True):
    """How to explain, and which usages of a usage line."""

    language: (
        Annotated[Language, msgspec.Meta(description="Of the words; else the bill's own, else English.")]
        | None
    ) = None


async def _bill(call: Call[ById, Nothing, None] | Call[ById, PageQuery, None], bill_id: UUID) -> Bill:
    return await service.get_bill(db=call.database, tenant_id=call.principal.tenant_id, key=str(bill_id))


async def list_billing_rates(call: Call[ById, PageQuery, None]) -> Reply:
    """Return a page of the lines of a bill."""
    bill = await _bill(call, call.path.id)
    offset, limit = call.query.offset, call.query.limit
    page = Page(bill.lines[offset : offset + limit], len(bill.lines), offset, limit)
    return page_reply(page, lambda line: to_tmf_billing_rate(bill, line))


async def explain_billing_rate(call: Call[LineByNumber, ExplanationQuery, None]) -> Reply:
    """Return why a line is what it is."""
    tenant_id = call.principal.tenant_id
    bill = await service.get_bill(db=call.database, tenant_id=tenant_id, key=str(call.path.id))
    page = call.query.page()
    (behind,) = await explain_lines(
        db=call.database, tenant_id=tenant_id, bill=bill, page=page, numbers=[call.path.line]
    )
    explained = behind.explained
    line, records = explained.line, explained.records
    language = call.query.language or Language(language_of(bill.language))
    words = facts_in_words(behind.facts, language.value)
    if explained.charge is not None:
        words += explain_in_words(explained.charge, language.value).splitlines()
    document = LineExplanationDocument(
        id=str(line.number),
        words=words + corrections_in_words(explained, language.value),
        posted_amount=MoneyDocument.of(line.amount_minor, bill.currency),
        exact_amount=exact(line.item.exact_nano, bill.currency),
        remainder=exact(line.remainder_nano, bill.currency),
        usage_count=line.item.records,
        behind=to_line_facts(behind.facts, bill, explained.credit, explained.note),
        facts=to_recurring_facts(explained.charge) if explained.charge else None,
        proven=behind.proven,
        usage=None
        if records is None
        else [to_explained_usage(record, language.value) for record in records.items],
    )
    return Reply(document, page=records)


async def get_bill_document(call: Call[ById, Nothing, None]) -> Reply:
    """Return the invoice as PDF, with the usage behind its lines."""
    bill = await _bill(call, call.path.id)
    drawn = await service.render_pdf(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        bill=bill,
        font_folder=service.own_fonts(call.settings),
    )
    name = (bill.number or str(bill.id)).replace('"', "")
    return Reply(
        drawn.content, media_type=PDF, headers={"content-disposition": f'inline; filename="{name}.pdf"'}
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/{LINES}",
        handler=list_billing_rates,
        summary="List the lines of a bill",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=list[BillingRateDocument],
        path_type=ById,
        query_type=PageQuery,
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/{LINES}/{{line}}/explanation",
        handler=explain_billing_rate,
        summary="Explain a line of a bill in words and data",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=LineExplanationDocument,
        path_type=LineByNumber,
        query_type=ExplanationQuery,
        description="offset and limit page through the usages behind a usage line.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/document",
        handler=get_bill_document,
        summary="Get the invoice as PDF",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=bytes,
        media_type=PDF,
        path_type=ById,
    ),
)
