"""The itemised usage behind a line: local times, destinations with hidden digits, exact charges. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from farwire.billing.model import Bill, BillLine
from farwire.billing.rendering.locale import Locale
from farwire.kernel.money import Nano, nano_to_decimal
from farwire.kernel.quantity import Unit
from farwire.kernel.time import zone
from farwire.usage.model import UsageRecord

UNIT_BY_KIND: Final = {
    "voice": Unit.SECOND,
    "data": Unit.OCTET,
    "message": Unit.MESSAGE,
    "event": Unit.EVENT,
}
MAX_DESTINATION: Final = 40


class UsageRow(msgspec.Struct, frozen=True, array_like=True):
    """One usage: local time, destination with hidden digits, amount used, exact charge."""

    time: str
    destination: str
    used: str
    cost: str


class UsageSection(msgspec.Struct, frozen=True):
    """The usage behind one line; ``more`` says how many records are not shown."""

    title: str
    rows: tuple[UsageRow, ...]
    more: str = ""


def masked(destination: str, hidden_digits: int | None) -> str:
    """Return a called number with its last digits hidden where the country lets an itemised bill hide them."""
    if hidden_digits and destination.isdigit() and len(destination) > 5:
        return destination[:-hidden_digits] + "x" * hidden_digits
    return destination


def usage_section(
    line: BillLine, records: Sequence[UsageRecord], bill: Bill, locale: Locale, *, title: str
) -> UsageSection:
    """Return the section of a line whose ``records`` are shown."""
    left = line.item.records - len(records)
    more = locale.words["more"].format(count=left) if left > 0 else ""
    return UsageSection(title, tuple(_usage_row(record, bill, locale) for record in records), more)


def _usage_row(record: UsageRecord, bill: Bill, locale: Locale) -> UsageRow:
    started = record.started_at.astimezone(zone(bill.zone))
    where = masked(record.destination, locale.pack.invoice.itemised_hidden_digits)
    return UsageRow(
        f"{locale.date(started.date())} {started:%H:%M:%S}",
        (where or record.visited_network or "–")[:MAX_DESTINATION],
        locale.amount(record.quantity, UNIT_BY_KIND[record.kind.value]),
        locale.exact(nano_to_decimal(Nano(record.charge_nano or 0)), bill.currency),
    )
