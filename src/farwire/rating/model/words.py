"""A charge in words, from its explanation alone: what ``bill explain`` says to a person."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from farwire.kernel.errors import Invalid
from farwire.kernel.quantity import Unit, format_amount
from farwire.rating.model.explanation import Explanation, Factor, Line
from farwire.rating.model.recurring_explanation import RecurringExplanation
from farwire.rating.model.words_fr import FRENCH

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "head": "{used} of {kind}, billed as {billed}, by price {price_id} of {offering} version {version}.",
        "external": "The record's own price: {cost} {currency}{markup}.",
        "online": "Charged while it was used: {cost} {currency}.",
        "connect": "Connect fee: {cost} {currency}.",
        "included": "{units} at the beginning cost nothing.",
        "allowance": "{units}{band} from the allowance {allowance}: nothing.",
        "block": "{count} started blocks at {price} {currency} = {cost} {currency}.",
        "units": "{units}{band}{tier} at {price} {currency} per {per} = {cost} {currency}.",
        "band": " in the band {band}",
        "tier": " in the tier {tier}",
        "to": "Destination {zone} (prefix {matched}).",
        "to_prefix": "Destination prefix {matched}.",
        "network": "Network zone {network}.",
        "deck": "Price from the deck {deck}{markup}.",
        "markup": " with {percent} % on top",
        "ported": "The number is ported: its operator's prefix decides.",
        "factor": "Discount {id}: × {factor}.",
        "minimum": "At least {amount} {currency}.",
        "maximum": "At most {amount} {currency}.",
        "total": "Together {amount} {currency}.",
        "before": "Less {amount} {currency} charged before.",
        "recurring": "{price_id} of {offering}: {price} {currency} × {days}/{of_days} days, {first} to {last}.",
        "given_back": "Given back: {price_id} of {offering}, {price} {currency} × {days}/{of_days}, {first} to {last}.",
        "one_off": "{price_id} of {offering}: {price} {currency}, once, on {trigger} on {first}.",
        "one_off_back": "Given back: {price_id} of {offering}, {price} {currency}, once, on {trigger} on {first}.",
        "override": "The price was negotiated: {override}.",
        "factor_override": "Negotiated: × {factor}.",
        "factor_suspension": "Suspended: × {factor}.",
        "share": "Share {own} of {of}.",
        "for_account": "For account {account}.",
    },
    "de": {
        "head": "{used} {kind}, abgerechnet als {billed}, nach Preis {price_id} von {offering} Version {version}.",
        "external": "Preis aus dem Datensatz: {cost} {currency}{markup}.",
        "online": "Bei der Nutzung berechnet: {cost} {currency}.",
        "connect": "Verbindungsentgelt: {cost} {currency}.",
        "included": "{units} zu Beginn kosten nichts.",
        "allowance": "{units}{band} aus dem Freikontingent {allowance}: kostenlos.",
        "block": "{count} angefangene Blöcke zu {price} {currency} = {cost} {currency}.",
        "units": "{units}{band}{tier} zu {price} {currency} je {per} = {cost} {currency}.",
        "band": " im Zeitband {band}",
        "tier": " in der Stufe {tier}",
        "to": "Ziel {zone} (Vorwahl {matched}).",
        "to_prefix": "Zielvorwahl {matched}.",
        "network": "Netzzone {network}.",
        "deck": "Preis aus der Preisliste {deck}{markup}.",
        "markup": " mit {percent} % Aufschlag",
        "ported": "Die Rufnummer ist portiert: die Vorwahl ihres Netzes entscheidet.",
        "factor": "Rabatt {id}: × {factor}.",
        "minimum": "Mindestens {amount} {currency}.",
        "maximum": "Höchstens {amount} {currency}.",
        "total": "Zusammen {amount} {currency}.",
        "before": "Abzüglich {amount} {currency}, bereits berechnet.",
        "recurring": "{price_id} von {offering}: {price} {currency} × {days}/{of_days} Tage, {first} bis {last}.",
        "given_back": "Gutschrift: {price_id} von {offering}, {price} {currency} × {days}/{of_days}, ab {first}.",
        "one_off": "{price_id} von {offering}: {price} {currency}, einmalig am {first} ({trigger}).",
        "one_off_back": "Gutschrift: {price_id} von {offering}, {price} {currency}, einmalig am {first} ({trigger}).",
        "override": "Der Preis ist vereinbart: {override}.",
        "factor_override": "Vereinbart: × {factor}.",
        "factor_suspension": "Gesperrt: × {factor}.",
        "share": "Anteil {own} von {of}.",
        "for_account": "Für das Konto {account}.",
    },
    "fr": FRENCH,
}


def explain_in_words(explanation: Explanation | RecurringExplanation, language: str = "en") -> str:
    """Return the charge as sentences, one a line, in ``language``: "en", "de" or "fr".

    Unit prices and sums are exact; where a sum has no end it is shown to twelve decimals with "…".
    Raises ``Invalid`` (``rating.language_unknown``).
    """
    words = _WORDS.get(language)
    if words is None:
        raise Invalid(
            f"there are no words in {language!r}",
            code="rating.language_unknown",
            field="language",
            value=language,
            fix=f"use one of {', '.join(_WORDS)}",
        )
    if isinstance(explanation, RecurringExplanation):
        return "\n".join(_recurring(explanation, words))
    return "\n".join(_usage(explanation, words))


def _usage(explanation: Explanation, words: Mapping[str, str]) -> list[str]:
    unit, code = Unit(explanation.unit), explanation.currency
    markup = words["markup"].format(percent=explanation.markup) if explanation.markup else ""
    said = [
        words["head"].format(
            used=format_amount(explanation.quantity, unit),
            kind=explanation.kind,
            billed=format_amount(explanation.billed, unit),
            price_id=explanation.price_id,
            offering=explanation.offering,
            version=explanation.plan_version,
        )
    ]
    if explanation.matched:
        key = "to" if explanation.zone else "to_prefix"
        said.append(words[key].format(zone=explanation.zone, matched=explanation.matched))
    if explanation.ported:
        said.append(words["ported"])
    if explanation.override:
        said.append(words["override"].format(override=explanation.override))
    if explanation.network:
        said.append(words["network"].format(network=explanation.network))
    if explanation.deck:
        said.append(words["deck"].format(deck=explanation.deck, markup=markup))
    said += [_line(line, unit, code, markup, words) for line in explanation.lines]
    said += _factors(explanation.factors, words)
    for key, limit in (("minimum", explanation.minimum_nano), ("maximum", explanation.maximum_nano)):
        if limit is not None:
            said.append(words[key].format(amount=amount(limit), currency=code))
    said.append(words["total"].format(amount=amount(explanation.total_nano), currency=code))
    if explanation.charged_before_nano:
        said.append(words["before"].format(amount=amount(explanation.charged_before_nano), currency=code))
    return said


def _line(line: Line, unit: Unit, code: str, markup: str, words: Mapping[str, str]) -> str:
    key = "allowance" if line.allowance else line.what
    return words[key].format(
        units=format_amount(line.units, unit),
        count=line.units,
        price=amount(line.price_nano),
        per=format_amount(line.per, unit),
        cost=amount(Fraction(*line.cost())),
        currency=code,
        band=words["band"].format(band=line.band) if line.band else "",
        tier=words["tier"].format(tier=line.tier) if line.tier else "",
        allowance=line.allowance,
        markup=markup,
    )


def _factors(factors: tuple[Factor, ...], words: Mapping[str, str]) -> list[str]:
    return [
        words.get(f"factor_{factor.id}", words["factor"]).format(
            id=factor.id, factor=_exact(Fraction(factor.numerator, factor.denominator))
        )
        for factor in factors
    ]


def _recurring(explanation: RecurringExplanation, words: Mapping[str, str]) -> list[str]:
    charged, back = ("one_off", "one_off_back") if explanation.trigger else ("recurring", "given_back")
    key = charged if explanation.sign > 0 else back
    head = words[key].format(
        price_id=explanation.price_id,
        offering=explanation.offering,
        price=amount(explanation.price_nano),
        currency=explanation.currency,
        days=explanation.days,
        of_days=explanation.of_days,
        first=explanation.first_day,
        last=explanation.last_day,
        trigger=explanation.trigger,
    )
    total = words["total"].format(amount=amount(explanation.total_nano), currency=explanation.currency)
    said = [head]
    if explanation.override:
        said.append(words["override"].format(override=explanation.override))
    said += _factors(explanation.factors, words)
    if explanation.shares:
        own, of = explanation.shares[explanation.own_share], sum(explanation.shares)
        said.append(words["share"].format(own=own, of=of))
    if explanation.for_account:
        said.append(words["for_account"].format(account=explanation.for_account))
    return [*said, total]


def amount(nano: int | Fraction) -> str:
    """Return nano-units in major units, without the zeros that say nothing beyond two decimals."""
    text = _exact(Fraction(nano) / 10**9)
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _exact(value: Fraction) -> str:
    with localcontext(prec=80):
        shown = Decimal(value.numerator) / Decimal(value.denominator)
        if shown * value.denominator == value.numerator and -int(shown.as_tuple().exponent) <= 30:
            return f"{shown.normalize():f}"
        return f"{shown.quantize(Decimal(1).scaleb(-12)):f}…"
