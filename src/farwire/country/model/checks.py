"""What a pack must hold beyond its shape: known currency and zones, sound patterns, rates that do not overlap."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from typing import Final

from farwire.country.model.pack import CountryPack, TaxRate
from farwire.country.model.tax import Applies, Taxation, TaxCategory, overlap
from farwire.kernel.errors import Invalid
from farwire.kernel.money import currency
from farwire.kernel.time import zone

SCHEMA: Final = 1

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_REGION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_COUNTED: Final = ("daily_tiers", "proportional", "thirtieths")
_FORCE: Final = ("statute", "regulator", "voluntary_code")
_NUMBERING: Final = ("sequential_gapless", "sequential", "unique", "authority_issued", "unknown")


def _problem(field: str, value: object, message: str, fix: str) -> Invalid:
    return Invalid(message, code="country.pack_invalid", field=field, value=value, fix=fix)


def _known(pack: CountryPack) -> Iterator[Invalid]:
    if pack.schema != SCHEMA:
        yield _problem("schema", pack.schema, "the schema of the pack is unknown", f"write {SCHEMA}")
    if not re.fullmatch(r"[A-Z]{2}", pack.code):
        yield _problem("code", pack.code, "code is not a country code", "use ISO 3166-1 alpha-2, e.g. DE")
    try:
        currency(pack.money.currency, field="money.currency")
    except Invalid as error:
        yield error
    for index, name in enumerate(pack.locale.time_zones):
        try:
            zone(name)
        except Invalid as error:
            error.field = f"locale.time_zones[{index}]"
            yield error
    if pack.locale.default_time_zone not in pack.locale.time_zones:
        yield _problem(
            "locale.default_time_zone",
            pack.locale.default_time_zone,
            "the default zone is not in the list",
            "add it to locale.time_zones",
        )
    for index, tag in enumerate(pack.locale.languages):
        if not _LANGUAGE.fullmatch(tag):
            yield _problem(f"locale.languages[{index}]", tag, "not a language tag", "use BCP 47, e.g. en-NG")
    if not pack.locale.languages:
        yield _problem("locale.languages", (), "no language", "name one, e.g. en-NG")


def _patterns(pack: CountryPack) -> Iterator[Invalid]:
    plan = pack.numbers
    fields = {
        "numbers.national_pattern": plan.national_pattern,
        "numbers.mobile_pattern": plan.mobile_pattern,
        "numbers.untrunked_pattern": plan.untrunked_pattern,
        "numbers.short_code_pattern": plan.short_code_pattern,
        "tax.tax_id_pattern": pack.tax.tax_id_pattern,
    }
    fields.update({f"address.fields[{i}].pattern": f.pattern for i, f in enumerate(pack.address.fields)})
    for field, pattern in fields.items():
        try:
            re.compile(pattern)
        except re.error as error:
            yield _problem(
                field, pattern, f"the pattern is malformed: {error}", "write a Python regular expression"
            )
    digits = {
        "numbers.country_code": plan.country_code,
        "numbers.trunk_prefix": plan.trunk_prefix or "0",
        **{f"numbers.international_prefixes[{i}]": p for i, p in enumerate(plan.international_prefixes)},
        **{f"emergency.numbers[{i}].number": n.number for i, n in enumerate(pack.emergency.numbers)},
    }
    for field, text in digits.items():
        if not (text.isascii() and text.isdigit()):
            yield _problem(field, text, "not digits", "write digits only, as text")
    if not pack.emergency.numbers:
        yield _problem("emergency.numbers", (), "no emergency number", "a call for help must never be barred")


def _regions(pack: CountryPack, where: str, rate: TaxRate) -> Iterator[Invalid]:
    for name in (*rate.regions, *rate.except_regions):
        if not _REGION.fullmatch(name) or not name.startswith(pack.code):
            yield _problem(
                f"{where}.regions", name, "not a region of the country", "use ISO 3166-2, e.g. IN-MH"
            )


def _rates(pack: CountryPack) -> Iterator[Invalid]:
    for index, rate in enumerate(pack.tax.rates):
        where = f"tax.rates[{index}]"
        if not rate.rate_percent.is_finite() or not Decimal(0) <= rate.rate_percent <= Decimal(100):
            yield _problem(f"{where}.rate_percent", rate.rate_percent, "not a percentage", "write 0 to 100")
        if rate.base_denominator <= 0 or not 0 < rate.base_numerator <= rate.base_denominator:
            yield _problem(
                f"{where}.base_numerator", rate.base_numerator, "not a part of the base", "e.g. 11 of 12"
            )
        if rate.valid_to is not None and rate.valid_to <= rate.valid_from:
            yield _problem(
                f"{where}.valid_to", rate.valid_to, "ends before it begins", "the end is exclusive"
            )
        for name in rate.categories:
            if name not in pack.tax.categories:
                yield _problem(
                    f"{where}.categories", name, "no such category", "declare it in tax.categories"
                )
        yield from _regions(pack, where, rate)
    for first, second in combinations(pack.tax.rates, 2):
        if _collide(first, second):
            yield _problem(
                "tax.rates",
                f"{second.name} from {second.valid_from}",
                f"overlaps {first.name} from {first.valid_from}",
                "end the earlier rate where the later one begins",
            )


def _collide(first: TaxRate, second: TaxRate) -> bool:
    """Return whether both rates would apply to the same sale: the same tax twice."""
    if first.name != second.name or not set(first.categories) & set(second.categories):
        return False
    if not overlap((first.valid_from, first.valid_to), (second.valid_from, second.valid_to)):
        return False
    if first.applies is not second.applies and Applies.ALWAYS not in (first.applies, second.applies):
        return False
    for one, other in ((first, second), (second, first)):
        if one.regions and set(one.regions) <= set(other.except_regions):
            return False
    return not (first.regions and second.regions) or bool(set(first.regions) & set(second.regions))


def _categories(pack: CountryPack) -> Iterator[Invalid]:
    for needed in (TaxCategory.TELECOM.value, TaxCategory.DIGITAL.value):
        if needed not in pack.tax.categories:
            yield _problem("tax.categories", needed, "the category is missing", "say how it is taxed")
    for name, rule in pack.tax.categories.items():
        rated = any(name in rate.categories for rate in pack.tax.rates)
        if rated != (rule.taxation is Taxation.RATES):
            yield _problem(
                f"tax.categories.{name}.taxation",
                rule.taxation.value,
                "does not fit tax.rates",
                "write rates where tax.rates names the category, else none or external",
            )
        if rule.taxation is Taxation.RATES and rule.known_from is None:
            yield _problem(
                f"tax.categories.{name}.known_from", None, "is missing", "the first day that is known"
            )


def _address(pack: CountryPack) -> Iterator[Invalid]:
    names = {field.name for field in pack.address.fields}
    for index, line in enumerate(pack.address.lines):
        for _, name, _, _ in string.Formatter().parse(line):
            if name is not None and name not in names:
                yield _problem(
                    f"address.lines[{index}]", line, f"names the unknown field {name!r}", "add it to fields"
                )


def _rules(pack: CountryPack) -> Iterator[Invalid]:
    if pack.invoice.numbering not in _NUMBERING:
        yield _problem(
            "invoice.numbering", pack.invoice.numbering, "unknown", f"one of {', '.join(_NUMBERING)}"
        )
    for index, rule in enumerate(pack.outage.rules):
        where = f"outage.rules[{index}]"
        if rule.counted not in _COUNTED:
            yield _problem(f"{where}.counted", rule.counted, "unknown", f"one of {', '.join(_COUNTED)}")
        if rule.force not in _FORCE:
            yield _problem(f"{where}.force", rule.force, "unknown", f"one of {', '.join(_FORCE)}")
        if (rule.counted == "daily_tiers") != bool(rule.tiers):
            yield _problem(
                f"{where}.tiers", len(rule.tiers), "do not fit counted", "only daily_tiers has tiers"
            )


def pack_problems(pack: CountryPack) -> tuple[Invalid, ...]:
    """Return everything that is wrong with ``pack``; empty for a pack that may be used."""
    checks = (_known, _patterns, _rates, _categories, _address, _rules)
    return tuple(problem for check in checks for problem in check(pack))
