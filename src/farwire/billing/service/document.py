"""Render a bill or a credit note as a PDF, with the usage behind its lines."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from farwire.base.config import Settings
from farwire.base.storage import Database, Tx
from farwire.billing.model import Bill, BillLine, LineKind
from farwire.billing.service.read import line_records
from farwire.catalog import service as catalog
from farwire.country.model import CountryPack
from farwire.country.service import load_pack
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import MAX_LIMIT, PageRequest
from farwire.usage.model import UsageRecord

if TYPE_CHECKING:
    from farwire.billing.rendering.pdf import RenderedPdf

MAX_ITEMISED: Final = 3000
"""Records shown on one invoice (about 50 pages); what is more is counted on it."""
_DRAWING: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="invoice")
"""Drawing fills a core for tens of ms, so it leaves the event loop; one at a time, as typst uses all cores itself."""


def own_fonts(settings: Settings) -> Path | None:
    """Return the folder of the operator's fonts, ``fonts`` in the data folder, or None where there is none."""
    folder = settings.data_dir / "fonts"
    return folder if folder.is_dir() else None


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
    """Return the document of ``bill`` as PDF/A; the same bill and fonts give the same bytes.

    ``font_folder`` holds TrueType or OpenType fonts for scripts that the shipped ones lack. Loads typst on first use.
    """
    from farwire.billing.rendering.document import Behind, invoice_document
    from farwire.billing.rendering.pdf import render_invoice

    async with db.transaction(tenant_id, read_only=True) as tx:
        versions = {line.item.plan_version_id for line in bill.lines}
        plans = await catalog.plan_versions(tx, [version for version in versions if version is not None])
        usage = await _usage(tx, bill, MAX_ITEMISED if itemised else 0)
    own, abroad = load_pack(bill.seller.address.country), _pack_of(bill.customer.address.country)
    document = invoice_document(bill, own, abroad, Behind(plans, usage))
    draw = partial(render_invoice, document, font_folder=font_folder)
    return await asyncio.get_running_loop().run_in_executor(_DRAWING, draw)


async def _usage(tx: Tx, bill: Bill, left: int) -> list[tuple[BillLine, list[UsageRecord]]]:
    """Return up to ``left`` of the usage records behind the lines."""
    usage: list[tuple[BillLine, list[UsageRecord]]] = []
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
    return usage
