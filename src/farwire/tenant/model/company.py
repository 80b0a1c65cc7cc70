"""Legal entities: the companies of a tenant, what they are registered as, how they number and where they are paid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.money import Currency

_PREFIX: Final = re.compile(r"[A-Z0-9]{1,12}")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
MAX_TEXT: Final = 100


class DocumentKind(StrEnum):
    """The kinds of documents that have legal numbers."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class NumberSeries:
    """How a company numbers one kind of document: ``prefix``, the fiscal year if ``yearly``, then 1, 2, 3."""

    kind: DocumentKind
    prefix: str
    yearly: bool = True


@dataclass(frozen=True, slots=True)
class BankAccount:
    """Where a company is paid. ``number`` is an IBAN, or for another form of account (``is_iban`` false) as printed."""

    label: str
    number: str
    is_default: bool = False
    is_iban: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in the form of its country's pack: field name → text.

    ``country`` is ISO 3166-1, ``region`` ISO 3166-2 where taxes depend on it.
    """

    country: str
    fields: Mapping[str, str]
    region: str = ""


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """A company of a tenant: the seller on an invoice (EN 16931 BG-4).

    ``number_prefix`` starts its invoice numbers, ``fiscal_year_start`` is the month (1 to 12) in which its numbers
    start again, ``zone`` the zone of its dates, ``payment_days`` the days from the bill's date to its due date.
    ``vat_id`` is its own country's; ``vat_ids`` (country → id) are those of other countries in which it is registered.
    ``bank_account`` is what invoices show; it follows the default one of ``bank_accounts``.
    """

    id: LegalEntityId
    name: str
    vat_id: str
    address: Address
    country: str
    currency: Currency
    zone: str
    bank_account: str
    number_prefix: str
    fiscal_year_start: int = 1
    payment_days: int = 14
    vat_ids: Mapping[str, str] = field(default_factory=dict)
    bank_accounts: tuple[BankAccount, ...] = ()
    series: tuple[NumberSeries, ...] = ()
    version: int = 1

    def is_registered_in(self, country: str) -> bool:
        """Return whether the company owes VAT in ``country`` itself: at home, or by a VAT id there."""
        return country in ("", self.country) or country in self.vat_ids

    def vat_id_in(self, country: str) -> str:
        """Return the VAT id that a sale to ``country`` shows: the one of that country, else the company's own."""
        return self.vat_ids.get(country) or self.vat_id

    def tax_country(self, country: str) -> str:
        """Return the country whose taxes a sale to a customer in ``country`` bears, unless the customer owes them."""
        return country if country in self.vat_ids else self.country

    def series_of(self, kind: DocumentKind) -> NumberSeries:
        """Return how the company numbers ``kind``; credit notes get the prefix of invoices and ``CN`` by default."""
        own = next((one for one in self.series if one.kind is kind), None)
        suffix = "" if kind is DocumentKind.INVOICE else "CN"
        return own or NumberSeries(kind, f"{self.number_prefix}{suffix}")


@dataclass(frozen=True, slots=True)
class CompanyChange:
    """What an update of a company changes; None leaves it. Country, currency, zone and its own prefix stay for ever."""

    name: str | None = None
    vat_id: str | None = None
    address: Address | None = None
    payment_days: int | None = None
    vat_ids: Mapping[str, str] | None = None
    bank_accounts: tuple[BankAccount, ...] | None = None
    series: tuple[NumberSeries, ...] | None = None


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if it can start invoice numbers. Raises ``Invalid`` (``tenant.number_prefix``)."""
    if _PREFIX.fullmatch(prefix):
        return prefix
    raise Invalid(
        "a number prefix is short and plain",
        code="tenant.number_prefix",
        field="number_prefix",
        value=prefix,
        fix="use 1 to 12 capitals or digits, e.g. NM",
    )


def check_iban(text: str) -> str:
    """Return an IBAN without spaces, in capitals. Raises ``Invalid`` (``tenant.iban``) for wrong check digits.

    Source: ISO 13616-1; check digits ISO 7064 MOD 97-10.
    """
    plain = re.sub(r"\s", "", text).upper()
    if _IBAN.fullmatch(plain):
        digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
        if int(digits) % 97 == 1:
            return plain
    raise Invalid(
        "that is no IBAN: its check digits do not fit",
        code="tenant.iban",
        field="bank_account",
        fix="type it as the bank gave it, e.g. DE89 3704 0044 0532 0130 00",
    )


def _text(value: str, field_name: str) -> str:
    if value.strip() and len(value) <= MAX_TEXT and value.isprintable():
        return value
    raise Invalid(f"{field_name} has 1 to {MAX_TEXT} characters", code="tenant.text", field=field_name)


def _checked_accounts(accounts: tuple[BankAccount, ...]) -> tuple[BankAccount, ...]:
    found = tuple(
        replace(
            one,
            label=_text(one.label, "label"),
            number=check_iban(one.number) if one.is_iban else _text(one.number, "bank_account"),
        )
        for one in accounts
    )
    if found and sum(one.is_default for one in found) != 1:
        raise Invalid(
            "one of the bank accounts is the default",
            code="tenant.bank_default",
            field="bank_account",
            fix="mark one",
        )
    if len({one.label for one in found}) != len(found):
        raise Invalid("two bank accounts have one label", code="tenant.bank_label", field="label")
    return found


def _grouped(account: BankAccount) -> str:
    """Return the number as an invoice shows it: an IBAN in groups of four."""
    if not account.is_iban:
        return account.number
    return " ".join(account.number[i : i + 4] for i in range(0, len(account.number), 4))


def changed_company(entity: LegalEntity, change: CompanyChange) -> LegalEntity:
    """Return ``entity`` with ``change`` and the next version; the same object where nothing differs.

    Raises ``Invalid``: ``tenant.text``, ``tenant.iban``, ``tenant.bank_default``, ``tenant.bank_label``,
    ``tenant.country``, ``tenant.number_prefix``, ``tenant.series``, ``tenant.payment_days``.
    """
    after = entity
    if change.name is not None:
        after = replace(after, name=_text(change.name, "name"))
    if change.vat_id is not None:
        after = replace(after, vat_id=_text(change.vat_id, "vat_id") if change.vat_id else "")
    if change.address is not None:
        after = replace(after, address=change.address)
    if change.payment_days is not None:
        after = replace(after, payment_days=_days(change.payment_days))
    if change.vat_ids is not None:
        after = replace(after, vat_ids=_checked_vat_ids(change.vat_ids, entity.country))
    if change.bank_accounts is not None:
        accounts = _checked_accounts(change.bank_accounts)
        shown = next((_grouped(one) for one in accounts if one.is_default), entity.bank_account)
        after = replace(after, bank_accounts=accounts, bank_account=shown)
    if change.series is not None:
        after = replace(after, series=_checked_series(change.series))
    return entity if after == entity else replace(after, version=entity.version + 1)


def _days(days: int) -> int:
    if 0 <= days <= 365:
        return days
    raise Invalid("0 to 365 days to pay", code="tenant.payment_days", field="payment_days", value=days)


def _checked_vat_ids(vat_ids: Mapping[str, str], home: str) -> Mapping[str, str]:
    for country, vat_id in vat_ids.items():
        _text(vat_id, "vat_id")
        if not _COUNTRY.fullmatch(country) or country == home:
            raise Invalid(
                "a further VAT id is another country's",
                code="tenant.country",
                field="vat_ids",
                value=country,
                fix="use ISO 3166-1, e.g. FR",
            )
    return dict(sorted(vat_ids.items()))


def _checked_series(series: tuple[NumberSeries, ...]) -> tuple[NumberSeries, ...]:
    for one in series:
        check_prefix(one.prefix)
    if len({one.kind for one in series}) != len(series) or len({one.prefix for one in series}) != len(series):
        raise Invalid(
            "each kind of document has one series with a prefix of its own",
            code="tenant.series",
            field="series",
        )
    return series


def fiscal_year(day: date, start_month: int) -> int:
    """Return the fiscal year that holds ``day``, named by the calendar year in which it starts."""
    return day.year if day.month >= start_month else day.year - 1
