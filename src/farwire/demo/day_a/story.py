"""The facts of day A for two operators, and what each bill must come to, by decimal arithmetic of its own.

Nothing of ``rating`` or ``billing`` computes the truth. German numbers are those that the regulator sets aside for
drama; Nigeria has none, so its numbers lie in a block that nobody is given. SIMs are of the test network 001-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from zoneinfo import ZoneInfo

CENT: Final = Decimal("0.01")
MEGABYTE: Final = 10**6
GIGABYTE: Final = 10**9
ALLOWANCE_OCTETS: Final = 10 * GIGABYTE
USED_OCTETS: Final = 8_200_000_000
"""Data of June inside the allowance: over 80 %, so that the customer is told, and under 100 %."""


@dataclass(frozen=True, slots=True)
class TrueLine:
    """A line that must stand on the bill, with its net amount."""

    what: str
    net: Decimal


@dataclass(frozen=True, slots=True)
class Prepaid:
    """What the prepaid twin buys: an offer with an allowance, then by the megabyte. Amounts are in the major unit."""

    offering: str
    plan_file: str
    topup: Decimal
    price: Decimal
    megabytes: int
    """The allowance."""
    per_mb: Decimal

    @property
    def left(self) -> Decimal:
        """Return what the top-up leaves when the offer is bought; it all goes by the megabyte."""
        return self.topup - self.price

    @property
    def allowance_octets(self) -> int:
        """Return the octets of the allowance."""
        return self.megabytes * MEGABYTE

    @property
    def octets(self) -> int:
        """Return all that can be used before nothing is left: the rest of the money buys whole megabytes."""
        return self.allowance_octets + int(self.left / self.per_mb * MEGABYTE)


@dataclass(frozen=True, slots=True)
class Twin:
    """One operator, its offer and its customer. Prices are in the major unit of ``currency``, without tax."""

    tenant: str
    operator: str
    company: str
    vat_id: str
    bank_account: str
    number_prefix: str
    seller_address: Mapping[str, str]
    country: str
    zone: str
    currency: str
    offering: str
    offers_file: str
    plan_file: str
    monthly: Decimal
    activation: Decimal
    roaming_per_mb: Decimal
    voice_per_minute: Decimal
    vat_percent: Decimal
    given_name: str
    family_name: str
    customer_address: Mapping[str, str]
    language: str
    email: str
    document: str
    """The kind of the document that proves who the customer is; one of the country pack's list."""
    first_number: int
    home_network: str
    roaming_network: str
    roaming_mb: int
    calls_abroad_s: tuple[int, ...]
    """Seconds of the calls to another country; each is charged by started minutes."""
    national_number: str
    pays_by: str
    prepaid: Prepaid

    @property
    def tz(self) -> ZoneInfo:
        """Return the zone of its days."""
        return ZoneInfo(self.zone)

    def at(self, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
        """Return a local time of 2026."""
        return datetime(2026, month, day, hour, minute, tzinfo=self.tz)

    @property
    def launch(self) -> datetime:
        """Return when the product manager publishes."""
        return self.at(6, 1, 9)

    @property
    def sale(self) -> datetime:
        """Return when the customer stands in the shop: the day of activation."""
        return self.at(6, 11, 14, 3)

    @property
    def hand_over(self) -> datetime:
        """Return when the network has handed over its records of the month."""
        return self.at(6, 30, 12)

    @property
    def month_end(self) -> datetime:
        """Return the end of the cycle that is billed."""
        return self.at(7, 1)

    @property
    def run(self) -> datetime:
        """Return when the bill run starts."""
        return self.month_end + timedelta(minutes=30)

    @property
    def payday(self) -> datetime:
        """Return when the customer pays."""
        return self.at(7, 5, 10)

    @property
    def topup_day(self) -> datetime:
        """Return when the prepaid subscriber has her voucher."""
        return self.at(7, 6, 9)

    @property
    def prepaid_number(self) -> str:
        """Return the number of the starter pack: beyond those of the pools."""
        return str(self.first_number + 50)

    @property
    def minutes_abroad(self) -> int:
        """Return the started minutes of all calls abroad."""
        return sum(-(-seconds // 60) for seconds in self.calls_abroad_s)

    def true_lines(self) -> tuple[TrueLine, ...]:
        """Return the lines with an amount: the day of activation counts, so 20 of 30 days of June are paid."""
        days = 30 - self.sale.day + 1
        return (
            TrueLine("activation", self.activation),
            TrueLine(f"11–30 June, {days} of 30 days", _cents(self.monthly * days / 30)),
            TrueLine("July in advance", self.monthly),
            TrueLine(f"{self.roaming_mb} MB of roaming", _cents(self.roaming_mb * self.roaming_per_mb)),
            TrueLine(f"{self.minutes_abroad} minutes abroad", _cents(self.minutes_abroad * self.voice_per_minute)),
        )  # fmt: skip

    def true_net(self) -> Decimal:
        """Return the sum of the lines."""
        return sum((line.net for line in self.true_lines()), Decimal(0))

    def with_vat(self, net: Decimal) -> Decimal:
        """Return ``net`` and the VAT on it, half-up once."""
        return net + _cents(net * self.vat_percent / 100)

    def true_vat(self) -> Decimal:
        """Return the VAT on the sum, half-up once."""
        return self.true_total() - self.true_net()

    def true_total(self) -> Decimal:
        """Return what the customer pays."""
        return self.with_vat(self.true_net())


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


GERMANY: Final = Twin(
    tenant="hanse",
    operator="Hanse Mobil",
    company="Hanse Mobil GmbH",
    vat_id="DE123456788",
    bank_account="DE02120300000000202051",
    number_prefix="HM",
    seller_address={"street": "Kaistraße", "house_number": "7", "postcode": "20457", "city": "Hamburg"},
    country="DE",
    zone="Europe/Berlin",
    currency="EUR",
    offering="flex-m",
    offers_file="offers-de.toml",
    plan_file="flex-m.toml",
    monthly=Decimal("20.00"),
    activation=Decimal("9.90"),
    roaming_per_mb=Decimal("0.05"),
    voice_per_minute=Decimal("0.09"),
    vat_percent=Decimal(19),
    given_name="Maja",
    family_name="Lindner",
    customer_address={"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"},
    language="de",
    email="maja.lindner@example.org",
    document="national_identity_card",
    first_number=4917139200000,
    home_network="26201",
    roaming_network="22801",
    roaming_mb=100,
    calls_abroad_s=(65, 120, 170),
    national_number="4930231250",
    pays_by="card",
    prepaid=Prepaid(
        offering="go-5",
        plan_file="catalogue/plans/go-5.toml",
        topup=Decimal("10.00"),
        price=Decimal("5.00"),
        megabytes=2_000,
        per_mb=Decimal("0.02"),
    ),
)

NIGERIA: Final = Twin(
    tenant="lagos",
    operator="Lagos Wave",
    company="Lagos Wave Ltd",
    vat_id="12345678-0001",
    bank_account="0123456789",
    number_prefix="LW",
    seller_address={"street": "14 Marina Road", "city": "Lagos", "state": "Lagos"},
    country="NG",
    zone="Africa/Lagos",
    currency="NGN",
    offering="flex-m-ng",
    offers_file="offers-ng.toml",
    plan_file="catalogue/plans/flex-m-ng.toml",
    monthly=Decimal("12000.00"),
    activation=Decimal("2500.00"),
    roaming_per_mb=Decimal("15.00"),
    voice_per_minute=Decimal("11.50"),
    vat_percent=Decimal("7.5"),
    given_name="Adaeze",
    family_name="Okafor",
    customer_address={"street": "3 Awolowo Road", "city": "Lagos", "state": "Lagos"},
    language="en",
    email="adaeze.okafor@example.org",
    document="national_identification_number",
    first_number=2347000000000,
    home_network="62130",
    roaming_network="23430",
    roaming_mb=300,
    calls_abroad_s=(600, 1195, 580),
    national_number="2342012345678",
    pays_by="mobile_money",
    prepaid=Prepaid(
        offering="go-500",
        plan_file="catalogue/plans/go-500.toml",
        topup=Decimal("1000.00"),
        price=Decimal("500.00"),
        megabytes=2_000,
        per_mb=Decimal("2.00"),
    ),
)

TWINS: Final = (GERMANY, NIGERIA)
