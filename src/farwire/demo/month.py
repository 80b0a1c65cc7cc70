"""A seeded month of a small mobile operator: its subscribers, their calls and data sessions, and their true bills.

The truth is computed here from the facts, on its own: nothing of ``rating`` or ``billing`` is used. Numbers are those
that regulators set aside for drama and documentation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from zoneinfo import ZoneInfo

BERLIN: Final = ZoneInfo("Europe/Berlin")
MONTH_START: Final = datetime(2026, 6, 1, tzinfo=BERLIN)
MONTH_END: Final = datetime(2026, 7, 1, tzinfo=BERLIN)
DAYS: Final = 30

FEE: Final = Decimal("20.00")
ACTIVATION: Final = Decimal("9.90")
OTHER_VOICE_PER_MINUTE: Final = Decimal("0.09")
ROAMING_PER_MB: Final = Decimal("0.05")
OVERAGE_PER_MB: Final = Decimal("0.02")
ALLOWANCE_OCTETS: Final = 10 * 10**9
VAT: Final = Decimal("0.19")
CENT: Final = Decimal("0.01")

HOME: Final = "26201"
EU_NETWORKS: Final = ("20801", "23203", "20408")
OTHER_NETWORKS: Final = ("22801", "28601", "310260")


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the switch saw it. ``answered`` False means no conversation and no charge."""

    id: str
    caller: str
    called: str
    started_at: datetime
    duration_s: int
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """A data session with the cumulative octets ``(seconds since start, in, out)`` that the gateway reported."""

    id: str
    msisdn: str
    network: str
    started_at: datetime
    reports: tuple[tuple[int, int, int], ...]

    @property
    def octets(self) -> int:
        """Return the octets of the whole session, both directions."""
        return self.reports[-1][1] + self.reports[-1][2]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A customer of Flex M. ``activated_at`` in the month means a pro-rated first fee and an activation charge."""

    account: str
    name: str
    msisdn: str
    activated_at: datetime


@dataclass(slots=True)
class Month:
    """Everything that happened in June 2026."""

    subscribers: list[Subscriber] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TrueBill:
    """What a subscriber owes, line by line, by the naive computation."""

    lines: tuple[tuple[str, Decimal], ...]

    @property
    def net(self) -> Decimal:
        """Return the sum of the lines."""
        return sum((amount for _, amount in self.lines), Decimal(0))

    @property
    def vat(self) -> Decimal:
        """Return the VAT on the net sum, rounded half-up once."""
        return (self.net * VAT).quantize(CENT, ROUND_HALF_UP)

    @property
    def total(self) -> Decimal:
        """Return net and VAT."""
        return self.net + self.vat


_FIRST = (
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Elif",
    "Finn",
    "Greta",
    "Hakan",
    "Ida",
    "Jonas",
    "Katja",
    "Lukas",
    "Mia",
    "Noah",
)
_LAST = (
    "Müller",
    "Schmidt",
    "Yılmaz",
    "Fischer",
    "Weber",
    "Nowak",
    "Wagner",
    "Becker",
    "Hoffmann",
    "Schäfer",
    "Koch",
)
GOLDEN: Final = "A-00000"
"""The account of golden bill A: activated on 11 June, 100 MB outside the EU, 7 minutes abroad."""


def numbers_of(count: int) -> list[str]:
    """Return ``count`` (at most 200) German mobile numbers that no person has."""
    pools = [f"4917139200{n:02d}" for n in range(100)] + [f"49176040690{n:02d}" for n in range(100)]
    return pools[:count]


def generate(seed: int, subscribers: int = 200) -> Month:
    """Return the month that ``seed`` gives: the golden customer first, then ``subscribers`` − 1 others."""
    rng = random.Random(seed)
    month = Month()
    for index, msisdn in enumerate(numbers_of(subscribers)):
        activated = datetime(2026, 6, 11, 14, 3, tzinfo=BERLIN) if index == 0 else _activation(rng)
        name = "Maja Lindner" if index == 0 else f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
        month.subscribers.append(Subscriber(f"A-{index:05d}", name, msisdn, activated.astimezone(UTC)))
    _golden(month)
    for subscriber in month.subscribers[1:]:
        month.calls.extend(_calls(rng, subscriber))
        month.sessions.extend(_sessions(rng, subscriber))
    return month


def _activation(rng: random.Random) -> datetime:
    if rng.random() < 0.8:
        return datetime(2026, 6, 1, tzinfo=BERLIN)
    return MONTH_START + timedelta(
        days=rng.randrange(1, DAYS), hours=rng.randrange(8, 18), minutes=rng.randrange(60)
    )


def _golden(month: Month) -> None:
    msisdn = month.subscribers[0].msisdn
    at = datetime(2026, 6, 15, 19, 0, tzinfo=BERLIN).astimezone(UTC)
    for index, seconds in enumerate((65, 120, 170)):
        month.calls.append(Call(f"g-{index}", msisdn, "447700900123", at + timedelta(hours=index), seconds))
    month.calls.append(Call("g-9", msisdn, "4930231250", at + timedelta(days=1), 600))
    month.sessions.append(
        Session(
            "G0000001",
            msisdn,
            "22801",
            at + timedelta(days=3),
            ((0, 0, 0), (1800, 10**7, 4 * 10**7), (3600, 2 * 10**7, 8 * 10**7)),
        )
    )
    month.sessions.append(
        Session("G0000002", msisdn, "20801", at + timedelta(days=5), ((0, 0, 0), (900, 5 * 10**6, 10**8)))
    )


def _moment(rng: random.Random, since: datetime) -> datetime:
    room = int((MONTH_END.astimezone(UTC) - since).total_seconds()) - 8000
    return since + timedelta(seconds=rng.randrange(max(room, 1)))


def _calls(rng: random.Random, subscriber: Subscriber) -> Iterator[Call]:
    for index in range(rng.randrange(10, 60)):
        roll = rng.random()
        if roll < 0.8:
            called = f"4930231250{rng.randrange(10)}" if roll < 0.3 else f"4917139200{rng.randrange(100):02d}"
        else:
            called = rng.choice(
                (f"447700900{rng.randrange(1000):03d}", f"120255501{rng.randrange(100):02d}", "33639980042")
            )
        answered = rng.random() > 0.07
        seconds = rng.randrange(1, 1500) if answered else 0
        yield Call(
            f"{subscriber.account[2:]}-{index}",
            subscriber.msisdn,
            called,
            _moment(rng, subscriber.activated_at),
            seconds,
            answered,
        )


def _sessions(rng: random.Random, subscriber: Subscriber) -> Iterator[Session]:
    heavy = rng.random() < 0.15
    for index in range(rng.randrange(3, 12)):
        roll = rng.random()
        network = HOME if roll < 0.9 else rng.choice(EU_NETWORKS if roll < 0.96 else OTHER_NETWORKS)
        down, up, reports = 0, 0, [(0, 0, 0)]
        largest = 3 * 10**8 if network in OTHER_NETWORKS else 2 * 10**9 if heavy else 2 * 10**8
        for step in range(1, rng.randrange(2, 5)):
            down += rng.randrange(largest)
            up += rng.randrange(largest // 10)
            reports.append((step * 900, up, down))
        at = _moment(rng, subscriber.activated_at)
        yield Session(f"{subscriber.account[2:]}{index:03X}", subscriber.msisdn, network, at, tuple(reports))


def true_bill(month: Month, subscriber: Subscriber) -> TrueBill:
    """Return the bill of 1 July 2026, computed line by line without the product's code."""
    lines: list[tuple[str, Decimal]] = []
    first = subscriber.activated_at.astimezone(BERLIN)
    lines.append(("activation", ACTIVATION))
    days = DAYS - first.day + 1
    lines.append(("fee June", (FEE * days / DAYS).quantize(CENT, ROUND_HALF_UP)))
    lines.append(("fee July", FEE))
    minutes = sum(
        -(-call.duration_s // 60)
        for call in month.calls
        if call.caller == subscriber.msisdn and call.answered and not call.called.startswith("49")
    )
    sessions = [s for s in month.sessions if s.msisdn == subscriber.msisdn]
    inside = sum(s.octets for s in sessions if s.network not in OTHER_NETWORKS)
    outside = sum(s.octets for s in sessions if s.network in OTHER_NETWORKS)
    per_mb = Decimal(10**6)
    for label, amount in (
        ("other voice", minutes * OTHER_VOICE_PER_MINUTE),
        ("data outside the EU", outside * ROAMING_PER_MB / per_mb),
        ("data above the allowance", max(0, inside - ALLOWANCE_OCTETS) * OVERAGE_PER_MB / per_mb),
    ):
        if amount:
            lines.append((label, amount.quantize(CENT, ROUND_HALF_UP)))
    return TrueBill(tuple(lines))
