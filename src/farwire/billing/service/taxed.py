"""What bills say of their taxes, and the time by which they are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from farwire.billing.model import BillTax
from farwire.billing.rendering.words import WORDS, language_of
from farwire.kernel.time import Period


def last_moment(cycle: Period) -> datetime:
    """Return the time whose address and purchase order a bill for ``cycle`` takes: its last."""
    return cycle.end - timedelta.resolution


def with_reasons(taxes: Sequence[BillTax], language: str) -> tuple[BillTax, ...]:
    """Return ``taxes``, each without an amount saying why in words (EN 16931 BT-120), as the standard asks.

    The words that the country's law asks for come from its pack; where it has none, general ones in ``language``.
    """
    words = WORDS[language_of(language)]
    return tuple(
        tax if tax.name or tax.note else replace(tax, note=words.get(f"reason_{tax.code}", ""))
        for tax in taxes
    )
