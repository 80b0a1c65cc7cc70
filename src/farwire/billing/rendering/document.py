"""The content of an invoice: every text that the page shows, decided without a page. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

from farwire.billing.model import Bill, BillLine, BillTax, LineKind
from farwire.billing.rendering.words import Locale
from farwire.country.model import CountryPack, address_lines
from farwire.kernel.money import Currency, nano_to_decimal
from farwire.kernel.quantity import Unit, format_amount
from farwire.kernel.time import local_date, zone
from farwire.tenant.model import Address
from farwire.usage.model import UsageRecord

UNIT_BY_KIND: Final = {
    "voice": Unit.SECOND,
    "data": Unit.OCTET,
    "message": Unit.MESSAGE,
    "event": Unit.EVENT,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the invoice: number, label, what it is for, how much, its tax, its amount."""

    position: str
    label: str
    period: str
    quantity: str
    tax: str
    amount: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One usage: local time, destination with hidden digits, amount used, exact charge."""

    time: str
    destination: str
    used: str
    cost: str


@dataclass(frozen=True, slots=True)
class UsageSection:
    """The usage behind one line; ``more`` says how many records are not shown."""

    title: str
    rows: tuple[UsageRow, ...]
    more: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """Everything that an invoice shows, in reading order."""

    words: Mapping[str, str]
    title: str
    number: str
    seller: str
    seller_lines: tuple[str, ...]
    customer_lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    headline: tuple[str, str]
    rows: tuple[Row, ...]
    sums: tuple[tuple[str, str], ...]
    total: tuple[str, str]
    notes: tuple[str, ...]
    footer: tuple[str, ...]
    usage: tuple[UsageSection, ...] = field(default=())
    usage_note: str = ""


def _address(address: Address, name: str, seller: CountryPack, own: CountryPack | None) -> tuple[str, ...]:
    """Return an address as its own country writes it; abroad with the country's name below."""
    if own is None:
        return tuple(text for text in (name, *address.fields.values(), address.country) if text)
    abroad = () if own.code == seller.code else (own.name.upper(),)
    fields = {**address.fields, "name": name}
    lines = address_lines(own, fields)
    named = any(entry.name == "name" for entry in own.address.fields)
    return (*(() if named else (name,)), *lines, *abroad)


def _quantity(line: BillLine, locale: Locale) -> str:
    item = line.item
    if item.kind is LineKind.ONE_OFF:
        return locale.words["once"]
    if item.kind is LineKind.RECURRING:
        days, of = abs(item.quantity), item.detail.get("of_days", 0)
        return locale.words["day" if days == 1 else "days"].format(days=days, of=of)
    unit = Unit(item.unit)
    if unit is Unit.EVENT:
        return locale.words["record" if item.records == 1 else "records"].format(count=item.records)
    return format_amount(item.quantity, unit)


def _period(line: BillLine, bill: Bill, locale: Locale) -> str:
    first, after_last = line.item.period.local_days(zone(bill.zone))
    last = after_last - timedelta(days=1)
    return locale.date(first) if first == last else f"{locale.date(first)} – {locale.date(last)}"


def _percent(tax: BillTax, locale: Locale) -> str:
    return f"{locale.number(tax.rate_percent.normalize())} %"


def _line_tax(line: BillLine, bill: Bill, locale: Locale) -> str:
    """Return the rates of the line's category, "19 %" or "9 % + 9 %"; a dash where none is added."""
    wanted = line.item.tax_category
    mine = [tax for tax in bill.taxes if tax.category == wanted and tax.name]
    if not mine:
        mine = [tax for tax in bill.taxes if tax.name]
    return " + ".join(dict.fromkeys(_percent(tax, locale) for tax in mine)) or "–"


def _sums(bill: Bill, locale: Locale) -> tuple[tuple[str, str], ...]:
    rows = [(locale.words["net"], locale.money(bill.net_minor, bill.currency))]
    for tax in bill.taxes:
        base = locale.money(tax.base_minor, bill.currency)
        if tax.name:
            text = f"{tax.label or tax.name} {_percent(tax, locale)} {locale.words['on']} {base}"
        else:
            text = f"{locale.words.get(tax.category, locale.words['no_tax']).split(':')[0]} {locale.words['on']} {base}"
        rows.append((text, locale.money(tax.tax_minor, bill.currency)))
    return tuple(rows)


def _payment(bill: Bill, locale: Locale, number: str) -> str:
    total = locale.money(abs(bill.total_minor), bill.currency)
    if bill.total_minor == 0:
        return locale.words["settled"]
    if bill.total_minor < 0:
        return locale.words["owed"].format(total=total)
    key = "pay" if bill.seller.bank_account else "pay_no_bank"
    due = locale.date(bill.due_on)
    return locale.words[key].format(total=total, due=due, bank=bill.seller.bank_account, number=number)


def _notes(bill: Bill, locale: Locale, number: str) -> tuple[str, ...]:
    notes = [_payment(bill, locale, number)]
    if any(line.item.includes_tax for line in bill.lines):
        notes.append(locale.words["included"])
    for tax in bill.taxes:
        if not tax.name:
            # The customer's language, then the words that the seller's law asks for.
            notes += [locale.words.get(tax.category, locale.words["no_tax"]), *filter(None, [tax.note])]
    return tuple(dict.fromkeys(notes))


def masked(destination: str, hidden_digits: int | None) -> str:
    """Return a called number with its last digits hidden where the country lets an itemised bill hide them."""
    if hidden_digits and destination.isdigit() and len(destination) > 5:
        return destination[:-hidden_digits] + "x" * hidden_digits
    return destination


def _usage_row(record: UsageRecord, bill: Bill, locale: Locale) -> UsageRow:
    started = record.started_at.astimezone(zone(bill.zone))
    unit = UNIT_BY_KIND[record.kind.value]
    exact = nano_to_decimal(record.charge_nano or 0).normalize()
    decimals = max(bill.currency.exponent, -int(exact.as_tuple().exponent))
    cost = locale.number(exact.quantize(Decimal(1).scaleb(-decimals)))
    where = masked(record.destination, locale.pack.invoice.itemised_hidden_digits)
    return UsageRow(
        f"{locale.date(started.date())} {started:%H:%M:%S}",
        where or record.visited_network or "–",
        format_amount(record.quantity, unit),
        f"{cost} {bill.currency.code}",
    )


def invoice_document(
    bill: Bill,
    pack: CountryPack,
    customer_pack: CountryPack | None = None,
    usage: Sequence[tuple[BillLine, Sequence[UsageRecord]]] = (),
) -> InvoiceDocument:
    """Return what the invoice of ``bill`` shows.

    ``pack`` is the seller's country, ``customer_pack`` the customer's where it is known, ``usage`` the records behind
    lines.
    """
    locale = Locale.of(bill.language, pack)
    words = locale.words
    tz = zone(bill.zone)
    number = bill.number or words["draft"]
    last = local_date(bill.cycle.end - timedelta(microseconds=1), tz)
    facts = [
        (words["number"], number),
        (words["date"], locale.date(bill.issue_on)),
        (words["period"], f"{locale.date(local_date(bill.cycle.start, tz))} – {locale.date(last)}"),
        (words["account"], bill.account_number),
    ]
    if bill.customer.vat_id:
        facts.append((words["customer_vat"], bill.customer.vat_id))
    facts.append((words["due"], locale.date(bill.due_on)))
    total = locale.money(bill.total_minor, bill.currency)
    seller_lines = _address(bill.seller.address, bill.seller.name, pack, pack)
    return InvoiceDocument(
        words=words,
        title=words["title"],
        number=number,
        seller=bill.seller.name,
        seller_lines=seller_lines,
        customer_lines=_address(bill.customer.address, bill.customer.name, pack, customer_pack),
        facts=tuple(facts),
        headline=(words["credit" if bill.total_minor < 0 else "total_due"], total),
        rows=tuple(_row(line, bill, locale) for line in bill.lines),
        sums=_sums(bill, locale),
        total=(words["total"], total),
        notes=_notes(bill, locale, number),
        footer=_footer(bill, seller_lines, words),
        usage=tuple(_section(line, records, bill, locale) for line, records in usage if records),
        usage_note=words["zone"].format(zone=bill.zone),
    )


def _row(line: BillLine, bill: Bill, locale: Locale) -> Row:
    return Row(
        str(line.number),
        line.item.label,
        _period(line, bill, locale),
        _quantity(line, locale),
        _line_tax(line, bill, locale),
        _plain_amount(line.amount_minor, bill.currency, locale),
    )


def _plain_amount(minor: int, unit: Currency, locale: Locale) -> str:
    return locale.money(minor, unit)


def _footer(bill: Bill, seller_lines: Sequence[str], words: Mapping[str, str]) -> tuple[str, ...]:
    parts = [" · ".join(seller_lines)]
    second = [f"{words['vat_id']} {bill.seller.vat_id}"] if bill.seller.vat_id else []
    if bill.seller.bank_account:
        second.append(bill.seller.bank_account)
    return (*parts, " · ".join(second)) if second else tuple(parts)


def _section(line: BillLine, records: Sequence[UsageRecord], bill: Bill, locale: Locale) -> UsageSection:
    left = line.item.records - len(records)
    return UsageSection(
        f"{line.number}  {line.item.label}, {_period(line, bill, locale)}",
        tuple(_usage_row(record, bill, locale) for record in records),
        locale.words["more"].format(count=left) if left > 0 else "",
    )
