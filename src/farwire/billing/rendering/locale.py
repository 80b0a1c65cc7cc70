"""How one document speaks: its words, dates and amounts as its language writes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from farwire.billing.rendering.words import MONTHS, WORDS, language_of
from farwire.country.model import CountryPack
from farwire.kernel.money import Currency, Money
from farwire.kernel.quantity import Unit, format_amount

NARROW: Final = "\u202f"
_MARKS: Final = {"en": (".", ","), "de": (",", "."), "fr": (",", NARROW)}
"""Decimal and group mark by language."""
_SYMBOL_FIRST: Final = frozenset({"en"})
_SYMBOLS: Final = {"EUR": "€", "GBP": "£", "USD": "US$"}
"""Symbols that are understood outside their own country; any other currency is written by its ISO code there."""


@dataclass(frozen=True, slots=True)
class Locale:
    """The words, dates and amounts of one language, and the country of the seller.

    Where the document is in the country's own language, amounts and the title are those of its pack.
    """

    language: str
    words: Mapping[str, str]
    pack: CountryPack

    @classmethod
    def of(cls, language: str, pack: CountryPack) -> Locale:
        """Return the locale of a BCP 47 ``language``; English where there are no words in it."""
        base = language_of(language)
        return cls(base, WORDS[base], pack)

    @property
    def at_home(self) -> bool:
        """Return whether the document is in a language of the seller's country."""
        return self.language in {_base(tag) for tag in self.pack.locale.languages}

    @property
    def title(self) -> str:
        """Return what an invoice is called: by law in the country's own language, else in ours."""
        return self.pack.invoice.title if self.at_home else self.words["title"]

    def date(self, day: date) -> str:
        """Return a day: "1 July 2026", "01.07.2026" or "1 juillet 2026"."""
        if self.language == "de":
            return f"{day:%d.%m.%Y}"
        first = "1er" if self.language == "fr" and day.day == 1 else str(day.day)
        return f"{first} {MONTHS[self.language][day.month - 1]} {day.year}"

    def number(self, value: Decimal) -> str:
        """Return a decimal with the language's marks and all its digits."""
        facts = self.pack.money
        decimal, group = (facts.decimal_mark, facts.group_mark) if self.at_home else _MARKS[self.language]
        return f"{value:,f}".translate({ord(","): group, ord("."): decimal}).replace("-", "−")

    def money(self, minor: int, unit: Currency) -> str:
        """Return an amount with its currency: a symbol where it is understood, else the ISO code."""
        return self._with_currency(self.number(Money(minor, unit).to_decimal()), unit)

    def exact(self, value: Decimal, unit: Currency) -> str:
        """Return an exact amount with its currency, at least with the decimals of the currency."""
        plain = value.normalize()
        decimals = max(unit.exponent, -int(plain.as_tuple().exponent))
        return self._with_currency(self.number(plain.quantize(Decimal(1).scaleb(-decimals))), unit)

    def _with_currency(self, text: str, unit: Currency) -> str:
        facts = self.pack.money
        at_home = self.at_home and unit.code == facts.currency
        symbol = facts.symbol if unit.code == facts.currency and at_home else _SYMBOLS.get(unit.code)
        if symbol is None:
            return f"{text}\u00a0{unit.code}"
        first = facts.symbol_first if at_home else self.language in _SYMBOL_FIRST
        sign, digits = ("−", text[1:]) if text.startswith("−") else ("", text)
        return f"{sign}{symbol}{digits}" if first else f"{text}\u00a0{symbol}"

    def amount(self, quantity: int, unit: Unit) -> str:
        """Return a quantity as people read it: "2,25 GB", "12 min"."""
        text = format_amount(quantity, unit)
        head, _, tail = text.partition(" ")
        if unit is Unit.OCTET and "." in head:
            return f"{self.number(Decimal(head))} {tail}"
        return text

    def percent(self, value: Decimal) -> str:
        """Return a percentage: "19 %" or "19%"."""
        text = self.number(value.normalize())
        return f"{text}%" if self.language == "en" else f"{text}\u00a0%"


def _base(tag: str) -> str:
    return tag.split("-", maxsplit=1)[0].lower()
