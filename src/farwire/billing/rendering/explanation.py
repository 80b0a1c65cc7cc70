"""The facts behind a line as sentences, in the customer's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from farwire.base.canonical import JSON
from farwire.billing.model import LineKind
from farwire.billing.model.line_facts import LineFacts, TaxFacts
from farwire.billing.rendering.words import WORDS, label_in
from farwire.billing.service.read import ExplainedLine
from farwire.kernel.money import Money, currency
from farwire.kernel.quantity import Unit, format_amount
from farwire.kernel.time import local_date, zone
from farwire.rating.model.words import amount as exact

_EN: Final = {
    "head": "Line {line}, {label}: {exact} exactly, {amount} on the bill.",
    "price": "Offer {offering} ({name}), price version {version} of {valid_from}, price {price_id}.",
    "no_price": "No price of a plan.",
    "interval": "For {first} to {last} ({zone}).",
    "units": "{quantity} from {records} records.",
    "unit": "{quantity} from one record.",
    "days": "{quantity} days.",
    "pieces": "{quantity} ×.",
    "usage": "Usage: {ids}{more}.",
    "usage_more": " and {count} more",
    "tax": "Tax {label} {rate} % on {base}: {tax} ({source}; category {category}, day {day}).",
    "tax_unknown": "no source in the country pack",
    "no_tax": "No tax on category {category}, day {day}: {why}.",
    "included": "The amount includes the tax.",
    "credit": "Credit {credit_id}, {reason}: {given} given, {before} before, {applied} here, {open} left.",
    "note": "Corrects line {line}: {of} there, {before} given back before.",
    "more": "{key}: {value}.",
}
_DE: Final = {
    "head": "Position {line}, {label}: genau {exact}, auf der Rechnung {amount}.",
    "price": "Angebot {offering} ({name}), Preisversion {version} vom {valid_from}, Preis {price_id}.",
    "no_price": "Kein Preis eines Tarifs.",
    "interval": "Für {first} bis {last} ({zone}).",
    "units": "{quantity} aus {records} Einträgen.",
    "unit": "{quantity} aus einem Eintrag.",
    "days": "{quantity} Tage.",
    "pieces": "{quantity} ×.",
    "usage": "Nutzung: {ids}{more}.",
    "usage_more": " und {count} weitere",
    "tax": "Steuer {label} {rate} % auf {base}: {tax} ({source}; Kategorie {category}, Tag {day}).",
    "tax_unknown": "ohne Quelle im Länderpaket",
    "no_tax": "Keine Steuer auf Kategorie {category}, Tag {day}: {why}.",
    "included": "Der Betrag enthält die Steuer.",
    "credit": "Gutschrift {credit_id}, {reason}: {given} gegeben, {before} zuvor, {applied} hier, {open} übrig.",
    "note": "Korrigiert Position {line}: dort {of}, zuvor zurückgegeben {before}.",
    "more": "{key}: {value}.",
}
_FR: Final = {
    "head": "Ligne {line}, {label} : {exact} exactement, {amount} sur la facture.",
    "price": "Offre {offering} ({name}), version de prix {version} du {valid_from}, prix {price_id}.",
    "no_price": "Sans prix d'un tarif.",
    "interval": "Du {first} au {last} ({zone}).",
    "units": "{quantity} en {records} enregistrements.",
    "unit": "{quantity} en un enregistrement.",
    "days": "{quantity} jours.",
    "pieces": "{quantity} ×.",
    "usage": "Consommation : {ids}{more}.",
    "usage_more": " et {count} autres",
    "tax": "Taxe {label} {rate} % sur {base} : {tax} ({source} ; catégorie {category}, jour {day}).",
    "tax_unknown": "sans source dans le pack du pays",
    "no_tax": "Sans taxe, catégorie {category}, jour {day} : {why}.",
    "included": "Le montant comprend la taxe.",
    "credit": "Avoir {credit_id}, {reason} : {given} accordés, {before} auparavant, {applied} ici, {open} restants.",
    "note": "Corrige la ligne {line} : {of} là, {before} rendus auparavant.",
    "more": "{key} : {value}.",
}
EXPLANATION_WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "de": _DE, "fr": _FR}
SHOWN_IDS: Final = 3


def _label(facts: LineFacts, language: str) -> str:
    if facts.kind != LineKind.USAGE.value or facts.price is None:
        return facts.label
    return label_in(WORDS[language], facts.label, facts.price.price_id)


def facts_in_words(facts: LineFacts, language: str) -> list[str]:
    """Return the facts as sentences, the amounts first."""
    words = EXPLANATION_WORDS[language]
    unit = currency(facts.currency)
    said = [
        words["head"].format(
            line=facts.line,
            label=_label(facts, language),
            exact=exact(facts.exact_nano),
            amount=Money(facts.amount_minor, unit),
        )
    ]
    if facts.price is None:
        said.append(words["no_price"])
    else:
        valid_from = local_date(facts.price.valid_from, zone(facts.price.zone))
        price = msgspec.structs.asdict(facts.price) | {"valid_from": valid_from}
        said.append(words["price"].format(**price))
    days = facts.interval
    said.append(words["interval"].format(first=days.first_day, last=days.last_day, zone=days.zone))
    said += _units(facts, words)
    said += [_tax(tax, facts, words) for tax in facts.tax.taxes]
    if not facts.tax.taxes:
        why = facts.tax.why_none or words["tax_unknown"]
        said.append(
            words["no_tax"].format(category=facts.tax.category, day=facts.tax.tax_point, why=why.rstrip("."))
        )
    if facts.includes_tax:
        said.append(words["included"])
    said += [words["more"].format(key=key, value=_plain(value)) for key, value in facts.more.items()]
    return said


def corrections_in_words(explained: ExplainedLine, language: str) -> list[str]:
    """Return what a credit or the line of a credit note says, as sentences; nothing for any other line."""
    words, unit = EXPLANATION_WORDS[language], explained.line.item.currency
    said = []
    if explained.credit is not None:
        credit = explained.credit
        said.append(
            words["credit"].format(
                credit_id=credit.credit_id,
                reason=credit.reason,
                given=Money(credit.given_minor, unit),
                before=Money(credit.before_minor, unit),
                applied=Money(credit.applied_minor, unit),
                open=Money(credit.open_minor, unit),
            )
        )
    if explained.note is not None:
        note = explained.note
        of, before = Money(note.of_minor, unit), Money(note.before_minor, unit)
        said.append(words["note"].format(line=note.corrects_line, of=of, before=before))
    return said


def _units(facts: LineFacts, words: Mapping[str, str]) -> list[str]:
    if facts.kind != "usage":
        return [words["days" if facts.unit == "day" else "pieces"].format(quantity=facts.quantity)]
    quantity = format_amount(facts.quantity, Unit(facts.unit))
    said = [words["unit" if facts.records == 1 else "units"].format(quantity=quantity, records=facts.records)]
    if facts.usage_ids:
        left = facts.records - len(facts.usage_ids[:SHOWN_IDS])
        more = words["usage_more"].format(count=left) if left > 0 else ""
        said.append(words["usage"].format(ids=", ".join(facts.usage_ids[:SHOWN_IDS]), more=more))
    return said


def _tax(tax: TaxFacts, facts: LineFacts, words: Mapping[str, str]) -> str:
    unit = currency(facts.currency)
    return words["tax"].format(
        label=tax.label or tax.name,
        rate=f"{tax.rate_percent.normalize():f}",
        base=Money(tax.base_minor, unit),
        tax=Money(tax.tax_minor, unit),
        source=tax.source or words["tax_unknown"],
        category=facts.tax.category,
        day=facts.tax.tax_point,
    )


def _plain(value: JSON) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
