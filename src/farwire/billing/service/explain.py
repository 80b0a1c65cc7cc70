"""The facts behind each line of a bill, page by page of its usage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farwire.base.storage import Database
from farwire.billing.model import Bill
from farwire.billing.model.line_facts import LineFacts, line_facts, tax_country
from farwire.billing.service.read import ExplainedLine, explain_line
from farwire.catalog import service as catalog
from farwire.country.model import CountryPack
from farwire.country.service import load_pack
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.rating.model.explanation import from_json, verify
from farwire.rating.model.recurring_explanation import verify_recurring


@dataclass(frozen=True, slots=True)
class LineBehind:
    """A line with its facts and its explanation.

    ``proven`` says whether the explanation, added up again, gives the exact amount: of a usage line, that of each
    record of the page, and the whole line only where the page has all of its records. None where nothing is to add up.
    """

    explained: ExplainedLine
    facts: LineFacts
    proven: bool | None


async def explain_lines(
    *,
    db: Database,
    tenant_id: TenantId,
    bill: Bill,
    page: PageRequest,
    numbers: Sequence[int] | None = None,
) -> tuple[LineBehind, ...]:
    """Return why the lines ``numbers`` of ``bill``, or all, are what they are, each with a page of its usage.

    Raises ``NotFound`` (``billing.line_unknown``).
    """
    wanted = [line.number for line in bill.lines] if numbers is None else list(numbers)
    explained = [
        await explain_line(db=db, tenant_id=tenant_id, bill=bill, number=number, page=page)
        for number in wanted
    ]
    ids = {one.line.item.plan_version_id for one in explained}
    async with db.transaction(tenant_id, read_only=True) as tx:
        versions = await catalog.plan_versions(tx, [found for found in ids if found is not None])
    found = []
    for one in explained:
        version_id = one.line.item.plan_version_id
        facts = line_facts(
            bill,
            one.line,
            version=None if version_id is None else versions.get(version_id),
            pack=_pack(tax_country(bill, one.line)),
            usage_ids=[str(record.usage_id) for record in one.records.items] if one.records else (),
        )
        found.append(LineBehind(one, facts, proven(one)))
    return tuple(found)


def _pack(country: str) -> CountryPack | None:
    try:
        return load_pack(country)
    except FarwireError:
        return None


def proven(explained: ExplainedLine) -> bool | None:
    """Return whether what ``explained`` says adds up to what was charged, or None where it says nothing to add up."""
    exact = explained.line.item.exact_nano
    if explained.charge is not None and explained.note is None:
        try:
            return verify_recurring(explained.charge) == exact
        except FarwireError:
            return False
    if explained.records is None or not explained.records.items:
        return None
    records = explained.records.items
    try:
        good = all(
            verify(from_json(record.explanation)) == record.charge_nano
            for record in records
            if record.explanation
        )
    except FarwireError:
        return False
    if len(records) == explained.line.item.records:
        good = good and sum(record.charge_nano or 0 for record in records) == exact
    return good
