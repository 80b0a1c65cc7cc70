"""The words of an invoice by language, and how its dates and amounts are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from farwire.country.model import CountryPack
from farwire.kernel.money import Currency, Money

_EN: Final = MappingProxyType(
    {
        "title": "Invoice",
        "number": "Invoice number",
        "draft": "DRAFT",
        "date": "Invoice date",
        "period": "Billing period",
        "account": "Customer account",
        "customer_vat": "Your VAT ID",
        "due": "Payable by",
        "total_due": "Total due",
        "credit": "In your favour",
        "position": "No.",
        "description": "Description",
        "quantity": "Quantity",
        "rate": "Tax",
        "amount": "Amount",
        "net": "Net total",
        "total": "Total",
        "on": "on",
        "included": "Amounts include tax.",
        "pay": "Please transfer {total} by {due} to {bank}, quoting {number}.",
        "pay_no_bank": "Payable by {due} without deduction. Please quote {number}.",
        "settled": "There is nothing to pay.",
        "owed": "{total} stays in your favour and is set off against later invoices.",
        "page": "Page {page} of {pages}",
        "usage": "Itemised usage",
        "time": "Date and time",
        "destination": "Destination",
        "used": "Usage",
        "cost": "Charge",
        "more": "{count} further records are in the usage list of your account.",
        "zone": "Times are local time ({zone}). Charges are exact; they are rounded once, per invoice line.",
        "continued": "continued",
        "days": "{days} of {of} days",
        "day": "1 of {of} days",
        "once": "once",
        "records": "{count} records",
        "record": "1 record",
        "vat_id": "VAT ID",
        "exempt": "Tax exempt",
        "reverse_charge": "Reverse charge: the customer accounts for the tax.",
        "no_tax": "No tax",
    }
)
_DE: Final = MappingProxyType(
    {
        "title": "Rechnung",
        "number": "Rechnungsnummer",
        "draft": "ENTWURF",
        "date": "Rechnungsdatum",
        "period": "Abrechnungszeitraum",
        "account": "Kundenkonto",
        "customer_vat": "Ihre USt-IdNr.",
        "due": "Zahlbar bis",
        "total_due": "Zu zahlen",
        "credit": "Guthaben",
        "position": "Pos.",
        "description": "Leistung",
        "quantity": "Menge",
        "rate": "Steuer",
        "amount": "Betrag",
        "net": "Summe netto",
        "total": "Rechnungsbetrag",
        "on": "auf",
        "included": "Die Beträge enthalten die Steuer.",
        "pay": "Bitte überweisen Sie {total} bis zum {due} auf {bank} mit der Angabe {number}.",
        "pay_no_bank": "Zahlbar bis zum {due} ohne Abzug. Bitte geben Sie {number} an.",
        "settled": "Es ist nichts zu zahlen.",
        "owed": "{total} bleiben als Guthaben und werden mit späteren Rechnungen verrechnet.",
        "page": "Seite {page} von {pages}",
        "usage": "Einzelverbindungsnachweis",
        "time": "Datum und Zeit",
        "destination": "Ziel",
        "used": "Nutzung",
        "cost": "Entgelt",
        "more": "{count} weitere Einträge stehen in der Nutzungsliste Ihres Kontos.",
        "zone": "Zeiten in Ortszeit ({zone}). Entgelte sind genau; gerundet wird einmal je Rechnungsposition.",
        "continued": "Fortsetzung",
        "days": "{days} von {of} Tagen",
        "day": "1 von {of} Tagen",
        "once": "einmalig",
        "records": "{count} Einträge",
        "record": "1 Eintrag",
        "vat_id": "USt-IdNr.",
        "exempt": "Steuerfrei",
        "reverse_charge": "Steuerschuldnerschaft des Leistungsempfängers",
        "no_tax": "Keine Steuer",
    }
)
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "de": _DE}
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Locale:
    """How one invoice speaks: its words, dates in its language, amounts as the seller's country writes them."""

    language: str
    words: Mapping[str, str]
    pack: CountryPack

    @classmethod
    def of(cls, language: str, pack: CountryPack) -> Locale:
        """Return the locale of a BCP 47 ``language``; English where there are no words in it."""
        base = language.split("-", maxsplit=1)[0].lower()
        base = base if base in _WORDS else "en"
        return cls(base, _WORDS[base], pack)

    def date(self, day: date) -> str:
        """Return a day: "1 July 2026" or "01.07.2026"."""
        if self.language == "de":
            return f"{day:%d.%m.%Y}"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def number(self, value: Decimal) -> str:
        """Return a decimal with the country's marks and all its digits."""
        text = f"{value:,f}"
        facts = self.pack.money
        return text.translate({ord(","): facts.group_mark, ord("."): facts.decimal_mark}).replace("-", "−")

    def money(self, minor: int, unit: Currency) -> str:
        """Return an amount with its currency: the symbol where the seller's country uses it, else the ISO code."""
        text = self.number(Money(minor, unit).to_decimal())
        facts = self.pack.money
        if unit.code != facts.currency:
            return f"{text} {unit.code}"
        sign, digits = ("−", text[1:]) if text.startswith("−") else ("", text)
        return f"{sign}{facts.symbol}{digits}" if facts.symbol_first else f"{text} {facts.symbol}"
