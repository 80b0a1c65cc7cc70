"""Render a bill as a PDF, with the usage behind its lines."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Database
from farwire.billing.model import Bill, BillLine, LineKind
from farwire.billing.service.read import line_records
from farwire.country.model import CountryPack
from farwire.country.service import load_pack
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import MAX_LIMIT, PageRequest
from farwire.usage.model import UsageRecord

if TYPE_CHECKING:
    from farwire.billing.rendering.pdf import RenderedPdf

MAX_ITEMISED: Final = 3000
"""Records shown on one invoice (about 60 pages); what is more is counted on it."""
_DRAWING: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="invoice")
"""Drawing fills a core for tens of ms, so it leaves the event loop; one at a time, as reportlab shares its fonts."""


def _pack_of(country: str) -> CountryPack | None:
    try:
        return load_pack(country)
    except NotFound:
        return None


async def render_pdf(
    *,
    db: Database,
    tenant_id: TenantId,
    bill: Bill,
    itemised: bool = True,
    font_folder: Path | None = None,
) -> RenderedPdf:
    """Return the invoice of ``bill`` as PDF; the same bill and fonts give the same bytes.

    ``font_folder`` holds TrueType fonts for scripts that the shipped one lacks. Loads reportlab on first use.
    """
    from farwire.billing.rendering.document import invoice_document
    from farwire.billing.rendering.pdf import render_invoice

    usage: list[tuple[BillLine, list[UsageRecord]]] = []
    left = MAX_ITEMISED if itemised else 0
    async with db.transaction(tenant_id, read_only=True) as tx:
        for line in bill.lines:
            records: list[UsageRecord] = []
            if line.item.kind is LineKind.USAGE:
                while left > 0 and len(records) < line.item.records:
                    page = PageRequest(len(records), min(left, MAX_LIMIT))
                    found = (await line_records(tx, bill, line, page)).items
                    if not found:
                        break
                    records.extend(found)
                    left -= len(found)
            usage.append((line, records))
    own, abroad = load_pack(bill.seller.address.country), _pack_of(bill.customer.address.country)
    document = invoice_document(bill, own, abroad, usage)
    draw = partial(render_invoice, document, font_folder=font_folder)
    return await asyncio.get_running_loop().run_in_executor(_DRAWING, draw)
