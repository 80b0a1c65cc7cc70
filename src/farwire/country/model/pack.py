"""The shape of a country pack: a frozen structure per group of facts, each with its source and the day of its check.

The file format is this shape (TOML). An unknown field, a missing one or a wrong value is refused when the pack loads.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from farwire.country.model.tax import (
    Applies,
    Taxation,
    TaxCategory,
    TaxCode,
    TaxComponent,
    TaxExternal,
    TaxUnknown,
    covers,
)
from farwire.kernel.errors import Invalid


class Requirement(StrEnum):
    """A yes or no that may be unknown. Unknown is said, never guessed."""

    REQUIRED = "required"
    NOT_REQUIRED = "not_required"
    UNKNOWN = "unknown"


class Sourced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of facts: the law or authority that says it, the day it was checked, and what is left open."""

    source: str
    as_of: date
    note: str = ""


class MoneyFacts(Sourced, frozen=True, kw_only=True):
    """The currency of bills (ISO 4217) and how people write an amount."""

    currency: str
    symbol: str
    symbol_first: bool
    decimal_mark: str
    group_mark: str


class LocaleFacts(Sourced, frozen=True, kw_only=True):
    """Time zones (IANA) and languages (BCP 47), the usual one first."""

    time_zones: tuple[str, ...]
    default_time_zone: str
    languages: tuple[str, ...]


class TaxCategoryRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one category is taxed. ``known_from`` is the first day for which the pack knows every component."""

    code: TaxCode
    taxation: Taxation
    known_from: date | None = None
    invoice_text: str = ""
    note: str = ""


class TaxRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tax at one rate from ``valid_from`` to before ``valid_to``. ``rate_percent`` is text, e.g. "7.5"."""

    name: str
    label: str
    categories: tuple[str, ...]
    rate_percent: Decimal
    valid_from: date
    source: str
    valid_to: date | None = None
    applies: Applies = Applies.ALWAYS
    regions: tuple[str, ...] = ()
    except_regions: tuple[str, ...] = ()
    base_numerator: int = 1
    base_denominator: int = 1
    on_top: bool = False
    code: TaxCode | None = None

    def in_force(self, on: date) -> bool:
        """Return whether the rate holds on the day ``on``; the day ``valid_to`` is the first without it."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


class TaxFacts(Sourced, frozen=True, kw_only=True):
    """The taxes of the country on what an operator sells."""

    system: str
    categories: dict[str, TaxCategoryRule]
    rates: tuple[TaxRate, ...] = ()
    tax_id_name: str = ""
    tax_id_pattern: str = ""


class NumberPlan(Sourced, frozen=True, kw_only=True):
    """How numbers are dialled. Patterns are regular expressions over the national (significant) number.

    ``untrunked_pattern`` names the numbers that are dialled without the trunk prefix.
    """

    country_code: str
    trunk_prefix: str
    international_prefixes: tuple[str, ...]
    national_pattern: str
    mobile_pattern: str
    untrunked_pattern: str = ""
    short_code_pattern: str = ""


class EmergencyNumber(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number that is never charged, barred or truncated, and the services that answer it."""

    number: str
    services: tuple[str, ...]


class EmergencyFacts(Sourced, frozen=True, kw_only=True):
    """The emergency numbers of the country."""

    numbers: tuple[EmergencyNumber, ...]


class AddressField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field of a postal address, in the order in which a form asks for it."""

    name: str
    required: bool
    pattern: str = ""


class AddressForm(Sourced, frozen=True, kw_only=True):
    """The fields of an address and the lines that they make on an envelope (``{field}`` templates)."""

    fields: tuple[AddressField, ...]
    lines: tuple[str, ...]


class InvoiceFacts(Sourced, frozen=True, kw_only=True):
    """What a bill must say. ``itemised_hidden_digits``: last digits of a called number that it may hide."""

    title: str
    fields: tuple[str, ...]
    numbering: str
    itemised_hidden_digits: int | None = None
    itemised_note: str = ""


class KycFacts(Sourced, frozen=True, kw_only=True):
    """Whether a SIM is given out only to an identified person, and with which documents."""

    prepaid_sim: Requirement
    postpaid_sim: Requirement
    biometric: Requirement
    documents: tuple[str, ...] = ()
    valid_from: date | None = None
    sims_per_person: int | None = None


class OutageTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Compensation per day from day ``from_day`` of the outage: the larger of the two amounts."""

    from_day: int
    per_day: Decimal
    percent_of_monthly: Decimal = Decimal(0)


class OutageRule(Sourced, frozen=True, kw_only=True):
    """One duty to compensate an outage.

    ``counted``: ``daily_tiers`` (see ``tiers``), ``proportional`` (share of the monthly charge), or ``thirtieths``
    (1/30 of the monthly charge per started day). ``threshold_h`` is where the duty begins; ``minimum`` in major units.
    """

    id: str
    counted: str
    threshold_h: int
    threshold_from: str
    customers: tuple[str, ...]
    force: str
    valid_from: date
    valid_to: date | None = None
    automatic: Requirement = Requirement.UNKNOWN
    tiers: tuple[OutageTier, ...] = ()
    minimum: Decimal = Decimal(0)
    prepaid_per_day: Decimal | None = None
    excluded: tuple[str, ...] = ()


class OutageFacts(Sourced, frozen=True, kw_only=True):
    """The compensation rules that are known; ``compensation`` says whether the law has one at all."""

    compensation: Requirement
    rules: tuple[OutageRule, ...] = ()


class RoamingFacts(Sourced, frozen=True, kw_only=True):
    """What usage abroad may cost in a month unless its customer wants more: ``cap`` in major units, before tax."""

    cap: Decimal
    currency: str


class HolidayFacts(Sourced, frozen=True, kw_only=True):
    """Where the public holidays come from. ``by_region``: they differ by subdivision."""

    by_region: bool
    provider_code: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that the pack knows it does not know."""

    topic: str
    text: str


# These say why no tax is added. They are the same words everywhere, so a pack writes one only to change its text.
_UNTAXED: Final = MappingProxyType(
    {
        TaxCategory.EXEMPT.value: TaxCategoryRule(code=TaxCode.EXEMPT, taxation=Taxation.NONE),
        TaxCategory.REVERSE_CHARGE.value: TaxCategoryRule(
            code=TaxCode.REVERSE_CHARGE, taxation=Taxation.NONE, invoice_text="Reverse charge"
        ),
        TaxCategory.ZERO_RATED.value: TaxCategoryRule(code=TaxCode.ZERO, taxation=Taxation.NONE),
        TaxCategory.OUT_OF_SCOPE.value: TaxCategoryRule(code=TaxCode.OUT_OF_SCOPE, taxation=Taxation.NONE),
    }
)


class CountryPack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that Farwire knows of one country (ISO 3166-1 alpha-2 ``code``)."""

    schema: int
    code: str
    name: str
    money: MoneyFacts
    locale: LocaleFacts
    tax: TaxFacts
    numbers: NumberPlan
    emergency: EmergencyFacts
    address: AddressForm
    invoice: InvoiceFacts
    kyc: KycFacts
    outage: OutageFacts
    holidays: HolidayFacts
    roaming: RoamingFacts | None = None
    unknown: tuple[Notice, ...] = ()

    def tax_category(self, category: str) -> TaxCategoryRule:
        """Return how ``category`` is taxed. Raises ``TaxUnknown`` (``country.tax_category_unknown``)."""
        rule = self.tax.categories.get(str(category)) or _UNTAXED.get(str(category))
        if rule is None:
            known = sorted({*self.tax.categories, *_UNTAXED})
            raise TaxUnknown(
                f"the pack {self.code} has no tax category {str(category)!r}",
                code="country.tax_category_unknown",
                field="category",
                value=str(category),
                fix=f"use one of {', '.join(known)}, or add it to the pack",
            )
        return rule

    def tax_components(
        self,
        category: str,
        on: date,
        region: str | None = None,
        seller_region: str | None = None,
    ) -> tuple[TaxComponent, ...]:
        """Return the taxes on ``category`` on the day ``on`` (the tax point), in the order of their computing.

        ``region`` is the place of supply (ISO 3166-2), for telecoms the customer's billing address; without one it is
        the seller's own (India: IGST Act §12). Empty where no tax is added; ``tax_category`` says why.

        Raises:
            TaxUnknown: the pack knows nothing for this day (``country.tax_unknown``) or category.
            TaxExternal: a tax engine must answer (``country.tax_external``).
            Invalid: ``country.seller_region_missing`` where the split depends on it.
        """
        rule = self.tax_category(category)
        if rule.taxation is Taxation.NONE:
            return ()
        if rule.taxation is Taxation.EXTERNAL:
            raise TaxExternal(
                f"taxes of {self.code} on {category} depend on the address",
                field="category",
                value=str(category),
                fix="connect a tax engine, or override the pack with the taxes of your region",
            )
        if rule.known_from is not None and on < rule.known_from:
            raise TaxUnknown(
                f"the pack {self.code} knows the taxes on {category} only from {rule.known_from}",
                field="on",
                value=on,
                fix="add the earlier rates in a pack of your own",
            )
        found = tuple(
            self._component(rate, str(category), rule.code)
            for rate in self.tax.rates
            if category in rate.categories
            and rate.in_force(on)
            and covers(rate.regions, rate.except_regions, region or seller_region)
            and self._applies(rate, region, seller_region)
        )
        if not found:
            raise TaxUnknown(
                f"the pack {self.code} has no tax rate on {category} for {on}", field="on", value=on
            )
        return found

    def _applies(self, rate: TaxRate, region: str | None, seller_region: str | None) -> bool:
        if rate.applies is Applies.ALWAYS:
            return True
        if region is not None and seller_region is None:
            raise Invalid(
                f"taxes of {self.code} depend on the regions of seller and customer",
                code="country.seller_region_missing",
                field="seller_region",
                fix=f"give the seller's region as ISO 3166-2, e.g. {region}",
            )
        same = region is None or region == seller_region
        return same == (rate.applies is Applies.INTRA_REGION)

    @staticmethod
    def _component(rate: TaxRate, category: str, code: TaxCode) -> TaxComponent:
        return TaxComponent(
            name=rate.name,
            label=rate.label,
            category=category,
            code=rate.code or code,
            rate_percent=rate.rate_percent,
            valid_from=rate.valid_from,
            valid_to=rate.valid_to,
            source=rate.source,
            base_numerator=rate.base_numerator,
            base_denominator=rate.base_denominator,
            on_top=rate.on_top,
        )

    def is_mobile(self, e164: str) -> bool:
        """Return whether ``e164`` (digits) is a mobile number of this country, as far as the plan can tell."""
        national = e164.removeprefix(self.numbers.country_code)
        return e164 != national and re.fullmatch(self.numbers.mobile_pattern, national) is not None
