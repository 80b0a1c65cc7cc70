"""The content of an invoice or a credit note: every text that the page shows, decided without a page. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from farwire.billing.model import Bill, BillKind, BillLine, BillTax, LineKind
from farwire.billing.rendering.locale import Locale
from farwire.billing.rendering.reasons import reason_of, usage_price
from farwire.billing.rendering.usage_rows import UsageSection, usage_section
from farwire.billing.rendering.words import label_in
from farwire.catalog.model import PlanVersion, Recurring
from farwire.country.model import CountryPack, address_lines
from farwire.kernel.ids import PlanVersionId, ProductId
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.quantity import Unit
from farwire.kernel.time import local_date, zone
from farwire.tenant.model import Address
from farwire.usage.model import UsageRecord

_RIGHT_WINDOW: Final = frozenset({"FR", "CH", "BE", "LU", "DK", "SE", "NO", "FI"})
"""Countries whose window envelopes have their window at the right."""


class Row(msgspec.Struct, frozen=True):
    """One line of the invoice: what, for which days, how much, at which price, its tax, its amount."""

    label: str
    period: str
    quantity: str
    unit_price: str
    tax: str
    amount: str
    note: str = ""


class Group(msgspec.Struct, frozen=True):
    """The lines of one product, with their sum where there are several groups."""

    title: str
    rows: tuple[Row, ...]
    subtotal: str = ""


class TaxRow(msgspec.Struct, frozen=True):
    """One tax on the sum of a category; ``note`` says why there is none."""

    name: str
    base: str
    amount: str
    note: str = ""


class InvoiceDocument(msgspec.Struct, frozen=True):
    """Everything that an invoice shows, in reading order."""

    words: dict[str, str]
    language: str
    title: str
    number: str
    issued: tuple[int, int, int]
    seller: str
    seller_lines: tuple[str, ...]
    customer_lines: tuple[str, ...]
    right_window: bool
    facts: tuple[tuple[str, str], ...]
    headline: tuple[str, str, str]
    amount_word: str
    groups: tuple[Group, ...]
    sums: tuple[tuple[str, str], ...]
    total: tuple[str, str]
    taxes: tuple[TaxRow, ...]
    payment: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    footer: tuple[str, ...]
    usage: tuple[UsageSection, ...] = ()
    usage_note: str = ""


@dataclass(frozen=True, slots=True)
class Behind:
    """What a bill refers to: the plans of its lines, the usage behind its lines."""

    plans: Mapping[PlanVersionId, PlanVersion]
    usage: Sequence[tuple[BillLine, Sequence[UsageRecord]]] = ()


NOTHING: Final = Behind({})


def invoice_document(
    bill: Bill, pack: CountryPack, customer_pack: CountryPack | None = None, behind: Behind = NOTHING
) -> InvoiceDocument:
    """Return what the invoice or credit note of ``bill`` shows.

    ``pack`` is the seller's country, ``customer_pack`` the customer's where it is known.
    """
    locale = Locale.of(bill.language, pack)
    words = locale.words
    number = bill.number or words["draft"]
    seller_lines = _address(bill.seller.address, bill.seller.name, pack, pack)
    return InvoiceDocument(
        words=dict(words),
        language=locale.language,
        title=locale.title if bill.kind is BillKind.BILL else words["credit_note"],
        number=number,
        issued=(bill.issue_on.year, bill.issue_on.month, bill.issue_on.day),
        seller=bill.seller.name,
        seller_lines=seller_lines,
        customer_lines=_address(bill.customer.address, bill.customer.name, pack, customer_pack),
        right_window=pack.code in _RIGHT_WINDOW,
        facts=tuple((name, value) for name, value in _facts(bill, locale, number) if value),
        headline=_headline(bill, locale),
        amount_word=words["amount_gross" if any(line.item.includes_tax for line in bill.lines) else "amount"],
        groups=_groups(bill, locale, behind),
        sums=_sums(bill, locale),
        total=(words["total"], locale.money(bill.total_minor, bill.currency)),
        taxes=tuple(_tax_row(tax, bill, locale) for tax in bill.taxes),
        payment=_payment(bill, locale, number),
        notes=_notes(bill, locale),
        footer=_footer(bill, seller_lines, words),
        usage=tuple(
            usage_section(
                line, records, bill, locale, title=f"{_label(line, locale)}, {_period(line, bill, locale)}"
            )
            for line, records in behind.usage
            if records
        ),
        usage_note=words["zone"].format(zone=bill.zone),
    )


def _address(address: Address, name: str, seller: CountryPack, own: CountryPack | None) -> tuple[str, ...]:
    """Return an address as its own country writes it; abroad with the country's name below."""
    if own is None:
        return tuple(text for text in (name, *address.fields.values(), address.country) if text)
    abroad = () if own.code == seller.code else (own.name.upper(),)
    fields = {**address.fields, "name": name}
    lines = address_lines(own, fields)
    named = any(entry.name == "name" for entry in own.address.fields)
    return (*(() if named else (name,)), *lines, *abroad)


def _facts(bill: Bill, locale: Locale, number: str) -> tuple[tuple[str, str], ...]:
    words, tz = locale.words, zone(bill.zone)
    last = local_date(bill.cycle.end - timedelta(microseconds=1), tz)
    period = f"{locale.date(local_date(bill.cycle.start, tz))} – {locale.date(last)}"
    facts = [
        (words["number"], number),
        (words["date"], locale.date(bill.issue_on)),
    ]
    if bill.corrects is not None:
        corrected = words["corrects_of"].format(
            number=bill.corrects.number, date=locale.date(bill.corrects.issued_on)
        )
        facts += [(words["corrects"], corrected), (words["reason"], bill.corrects.reason)]
    else:
        facts.append((words["period"], period))
    facts += [
        (words["account"], bill.account_number),
        (words["purchase_order"], bill.purchase_order),
        (words["customer_vat"], bill.customer.vat_id),
    ]
    return tuple(facts)


def _headline(bill: Bill, locale: Locale) -> tuple[str, str, str]:
    """Return what is due, how much, and until when."""
    words = locale.words
    total = locale.money(abs(bill.total_minor), bill.currency)
    if bill.kind is BillKind.CREDIT_NOTE:
        return words["total_credited"], total, ""
    if bill.total_minor < 0:
        return words["credit"], total, ""
    due = f"{words['due']} {locale.date(bill.due_on)}" if bill.total_minor else ""
    return words["total_due"], total, due


def _groups(bill: Bill, locale: Locale, behind: Behind) -> tuple[Group, ...]:
    """Return the lines by product, in the order in which the products come first on the bill."""
    found: dict[tuple[ProductId | None, str], list[BillLine]] = {}
    numbers = {one.product_id: one.number for one in bill.shown}
    for line in bill.lines:
        title = _group_title(line, locale, behind, numbers)
        found.setdefault((line.item.product_id, title), []).append(line)
    several = len(found) > 1
    return tuple(
        Group(
            title,
            tuple(_row(line, bill, locale, behind) for line in lines),
            locale.money(sum(line.amount_minor for line in lines), bill.currency) if several else "",
        )
        for (_, title), lines in found.items()
    )


def _group_title(line: BillLine, locale: Locale, behind: Behind, numbers: Mapping[ProductId, str]) -> str:
    item = line.item
    if item.product_id is None:
        return locale.words["credits" if item.kind is LineKind.CREDIT else "other"]
    version = behind.plans.get(item.plan_version_id) if item.plan_version_id else None
    number = numbers.get(item.product_id, "")
    name = version.plan.name if version else str(item.detail.get("offering", ""))
    account = item.detail.get("for_account") or ""
    parts = (
        name or locale.words["product"],
        f"+{number}" if number else "",
        f"{locale.words['account']} {account}" if account else "",
    )
    return " · ".join(part for part in parts if part)


def _label(line: BillLine, locale: Locale) -> str:
    used = line.item.kind is LineKind.USAGE
    return label_in(locale.words, line.item.label, line.item.price_id) if used else line.item.label


def _row(line: BillLine, bill: Bill, locale: Locale, behind: Behind) -> Row:
    return Row(
        _label(line, locale),
        _period(line, bill, locale),
        _quantity(line, locale),
        _unit_price(line, bill, locale, behind),
        _line_tax(line, bill, locale),
        locale.money(line.amount_minor, bill.currency),
        reason_of(line, locale),
    )


def _quantity(line: BillLine, locale: Locale) -> str:
    item = line.item
    if item.kind is LineKind.USAGE:
        unit = Unit(item.unit)
        if unit is Unit.EVENT:
            return locale.words["record" if item.records == 1 else "records"].format(count=item.records)
        return locale.amount(item.quantity, unit)
    of = item.detail.get("of_days", 0)
    if item.kind is LineKind.RECURRING and isinstance(of, int) and of:
        days = abs(item.quantity)
        return locale.words["day" if days == 1 else "days"].format(days=days, of=of)
    return locale.words["once"]


def _unit_price(line: BillLine, bill: Bill, locale: Locale, behind: Behind) -> str:
    """Return the price of one unit, where there is one."""
    item = line.item
    version = behind.plans.get(item.plan_version_id) if item.plan_version_id else None
    if item.kind is LineKind.USAGE:
        used = usage_price(line, version)
        if used is None or used.price is None:
            return ""
        return f"{locale.exact(used.price, bill.currency)}{' / ' + used.per.removeprefix('1 ') if used.per else ''}"
    price = None if version is None else version.plan.price(item.price_id)
    nano = item.detail.get("price_nano")
    if not isinstance(nano, int) or isinstance(nano, bool):
        return ""
    text = locale.exact(nano_to_decimal(nano), bill.currency)
    monthly = isinstance(price, Recurring) and price.every.value in ("cycle", "months") and price.count == 1
    return f"{text} {locale.words['per_month']}" if monthly else text


def _period(line: BillLine, bill: Bill, locale: Locale) -> str:
    first, after_last = line.item.period.local_days(zone(bill.zone))
    last = after_last - timedelta(days=1)
    return locale.date(first) if first == last else f"{locale.date(first)} – {locale.date(last)}"


def _line_tax(line: BillLine, bill: Bill, locale: Locale) -> str:
    """Return the rates that the line bears, "19 %" or "9 % + 9 %"; a dash where none is added."""
    own = [bill.taxes[place - 1] for place in line.taxes if 0 < place <= len(bill.taxes)]
    if not own:
        own = [tax for tax in bill.taxes if tax.category == line.item.tax_category] or list(bill.taxes)
    rates = [locale.percent(tax.rate_percent) for tax in own if tax.name]
    return " + ".join(dict.fromkeys(rates)) or "–"


def _tax_name(tax: BillTax, bill: Bill, locale: Locale) -> str:
    words = locale.words
    if tax.name:
        own = tax.seller_vat_id in ("", bill.seller.vat_id)
        under = "" if own else f" ({tax.seller_vat_id})"
        return f"{tax.label or tax.name} {locale.percent(tax.rate_percent)}{under}"
    return words.get(tax.category, words["no_tax"]).split(":")[0]


def _tax_row(tax: BillTax, bill: Bill, locale: Locale) -> TaxRow:
    base, amount = (locale.money(minor, bill.currency) for minor in (tax.base_minor, tax.tax_minor))
    return TaxRow(_tax_name(tax, bill, locale), base, amount, "" if tax.name else tax.note)


def _sums(bill: Bill, locale: Locale) -> tuple[tuple[str, str], ...]:
    """Return the sums above the total: the net, then each tax."""
    rows = [(locale.words["net"], locale.money(bill.net_minor, bill.currency))]
    rows += [(_tax_name(tax, bill, locale), locale.money(tax.tax_minor, bill.currency)) for tax in bill.taxes]
    return tuple(rows)


def _payment(bill: Bill, locale: Locale, number: str) -> tuple[tuple[str, str], ...]:
    """Return what one needs to pay; empty where there is nothing to pay or no account to pay to."""
    words = locale.words
    if bill.kind is BillKind.CREDIT_NOTE or bill.total_minor <= 0:
        return ()
    rows = [
        (words["total_due"], locale.money(bill.total_minor, bill.currency)),
        (words["due"], locale.date(bill.due_on)),
        (words["payee"], bill.seller.name if bill.seller.bank_account else ""),
        (words["bank"], bill.seller.bank_account),
        (words["reference"], number),
    ]
    return tuple((name, value) for name, value in rows if value)


def _notes(bill: Bill, locale: Locale) -> tuple[str, ...]:
    words = locale.words
    notes = [_payment_note(bill, locale)]
    left = sum(_open_minor(line) for line in bill.lines if line.item.kind is LineKind.CREDIT)
    if left > 0 and bill.kind is BillKind.BILL:
        notes.append(words["left"].format(total=locale.money(left, bill.currency)))
    if any(line.item.includes_tax for line in bill.lines):
        notes.append(words["included"])
    for tax in bill.taxes:
        if not tax.name:
            # The customer's language, then the words that the seller's law asks for, if it asks for any.
            general = tax.note and tax.note == words.get(f"reason_{tax.code}")
            notes += [tax.note] if general else [words.get(tax.category, words["no_tax"]), tax.note]
    return tuple(dict.fromkeys(note for note in notes if note))


def _open_minor(line: BillLine) -> int:
    left = line.item.detail.get("open_minor", 0)
    return left if isinstance(left, int) else 0


def _payment_note(bill: Bill, locale: Locale) -> str:
    words = locale.words
    total = locale.money(abs(bill.total_minor), bill.currency)
    if bill.kind is BillKind.CREDIT_NOTE:
        return words["credited"].format(total=total)
    if bill.total_minor == 0:
        return words["settled"]
    if bill.total_minor < 0:
        return words["owed"].format(total=total)
    key = "pay" if bill.seller.bank_account else "pay_no_bank"
    return words[key].format(due=locale.date(bill.due_on))


def _footer(bill: Bill, seller_lines: Sequence[str], words: Mapping[str, str]) -> tuple[str, ...]:
    second = [f"{words['vat_id']} {bill.seller.vat_id}"] if bill.seller.vat_id else []
    if bill.seller.bank_account:
        second.append(bill.seller.bank_account)
    return tuple(filter(None, (" · ".join(seller_lines), " · ".join(second))))
