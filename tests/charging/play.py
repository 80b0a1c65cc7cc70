"""Builders for the tests of the charging model: a small tariff port and a player that checks what must always hold."""

from __future__ import annotations

from collections import Counter as Sums
from dataclasses import dataclass, field

from farwire.charging.model import (
    FREE,
    Account,
    Answer,
    Ask,
    Circle,
    Command,
    Decision,
    EventRequest,
    Movement,
    Notice,
    OfferTerms,
    Phase,
    PlanTerms,
    Price,
    Request,
    Service,
    SessionRequest,
    Tariffs,
    Unit,
    decide,
    expire,
)
from farwire.charging.model.state import DAY_US, NEVER
from farwire.charging.model.tariffs import BUILT_IN

EURO = 10**9
MB = 10**6
START = 1_780_000_000_000_000
DATA = Service("data")
VOICE = Service("voice", "4930123")
EMERGENCY = Service("voice", "112")

MEGABYTES = Price(1, Unit.OCTETS, (1,), 1, True, 20_000_000, MB)
"""0.02 per MB."""
MINUTES = Price(2, Unit.SECONDS, (2,), 1, True, 90_000_000, 60, 60, 60)
"""0.09 per minute, by whole minutes."""
ROAMING = Price(3, Unit.OCTETS, (), 2, True, 50_000_000, MB)
"""0.05 per MB abroad."""
MESSAGES = Price(4, Unit.MESSAGES, (4,), 1, True, 70_000_000, 1)


@dataclass
class Simple:
    """Tariffs with fixed prices by kind of service."""

    terms: PlanTerms = field(default_factory=PlanTerms)
    offers: dict[int, OfferTerms] = field(default_factory=dict)
    prices: dict[str, Price] = field(
        default_factory=lambda: {
            "data": MEGABYTES,
            "voice": MINUTES,
            "message": MESSAGES,
            "roaming": ROAMING,
        }
    )
    days: int = 7

    def plan(self, number: int) -> PlanTerms | None:
        return self.terms if number == 1 else None

    def offer(self, number: int) -> OfferTerms | None:
        return self.offers.get(number)

    def offer_end(self, number: int, start: int) -> int:
        return start + self.days * DAY_US

    def find(self, plan: int, service: Service, rating_group: int, at: int) -> Price | None:
        return self.prices.get("roaming" if service.visited_network else service.kind)

    def price(self, number: int) -> Price | None:
        return next((price for price in (FREE, *self.prices.values()) if price.number == number), None)

    def is_emergency(self, plan: int, number: str) -> bool:
        return number in ("112", "110")

    def band_end(self, price: Price, at: int) -> int:
        return at + 8 * DAY_US

    def period(self, plan: int, period: int, at: int, cycle_day: int) -> tuple[int, int]:
        length = {0: 0, 1: DAY_US, 2: 30 * DAY_US}[period]
        return (at // length * length, (at // length + 1) * length) if length else (0, NEVER)


class Player:
    """Asks a circle one request after the other, and checks after each what must always hold."""

    def __init__(self, *accounts: Account, tariffs: Tariffs | None = None, now: int = START) -> None:
        self.circle: Circle = accounts
        self.tariffs = tariffs or Simple()
        self.now = now
        self.movements: list[Movement] = []
        self.notices: list[Notice] = []
        self.keys = 0

    def ask(self, request: Request) -> Answer:
        return self._took(decide(self.circle, request, self.tariffs, self.now)).answer

    def sweep(self) -> None:
        self._took(expire(self.circle, self.tariffs, self.now))

    def _took(self, decision: Decision) -> Decision:
        before, self.circle = self.circle, decision.circle
        self.movements += decision.movements
        self.notices += decision.notices
        check_movements(before, decision)
        check_reservations(before, decision.circle, self.tariffs)
        return decision

    def session(
        self,
        number: int,
        phase: Phase,
        *asks: Ask,
        session: int = 1,
        account: int = 1,
        service: Service = DATA,
    ) -> Answer:
        return self.ask(SessionRequest(account, 0, session, number, phase, service, asks))

    def command(
        self, kind: int, amount: int = 0, subject: int = 0, *, account: int = 1, key: int = 0
    ) -> Answer:
        self.keys += 1
        return self.ask(Command(account, 1, key or 1_000 + self.keys, kind, amount, subject))

    def event(
        self, kind: int, *, account: int = 1, service: Service = DATA, units: int = 1, amount: int = 0, key: int = 0
    ) -> Answer:  # fmt: skip
        self.keys += 1
        return self.ask(EventRequest(account, 2, key or 1_000 + self.keys, kind, service, units, 1, amount))

    def account(self, number: int = 1) -> Account:
        return next(account for account in self.circle if account.number == number)

    def amount(self, balance: int = 1, account: int = 1) -> int:
        return next(one.amount for one in self.account(account).balances if one.number == balance)

    def told(self) -> list[int]:
        return [notice.kind for notice in self.notices]


def check_movements(before: Circle, decision: Decision) -> None:
    """Σ movements of a balance = its amount now − its amount before; the overrun is balance 0."""
    moved: Sums[tuple[int, int]] = Sums()
    for movement in decision.movements:
        moved[movement.account, movement.balance] += movement.amount
    delta: Sums[tuple[int, int]] = Sums()
    for sign, circle in ((1, decision.circle), (-1, before)):
        for account in circle:
            delta[account.number, 0] += sign * account.overrun
            for balance in account.balances:
                delta[account.number, balance.number] += sign * balance.amount
    assert {key: value for key, value in moved.items() if value} == {
        key: value for key, value in delta.items() if value
    }


def check_reservations(before: Circle, circle: Circle, tariffs: Tariffs) -> None:
    """What quotas hold is what balances, limits and shares say is held, and never more than there is.

    A limit or cap that has fallen below what is held takes nothing back, and lets nothing more be held.
    """
    limited = {(one.number, limit.number): limit.reserved for one in before for limit in one.limits}
    shared = {
        (one.number, share.owner, share.unit): share.used + share.reserved
        for one in before
        for share in one.shares
    }
    held: Sums[tuple[int, int]] = Sums()
    for account in circle:
        for session in account.sessions:
            for group in session.groups:
                for hold in group.holds:
                    assert hold.reserved >= 0
                    held[hold.account, hold.balance] += hold.reserved
    for account in circle:
        for balance in account.balances:
            assert balance.reserved == held.pop((account.number, balance.number), 0)
            assert 0 <= balance.reserved <= max(0, balance.amount - balance.floor)
            assert balance.amount >= balance.floor
        for limit in account.limits:
            assert limit.reserved == sum(
                hold.reserved
                for session in account.sessions
                for group in session.groups
                if group.price and tags_of(group.price, tariffs) & limit.scope
                for hold in group.holds
                if hold.unit == Unit.MONEY
            )
            most = max(limit.cap, limited.get((account.number, limit.number), limit.reserved))
            assert limit.reserved <= most or limit.opted_on
        for share in account.shares:
            mine = [
                hold.reserved
                for session in account.sessions
                for group in session.groups
                for hold in group.holds
                if hold.account == share.owner and hold.unit == share.unit
            ]
            assert share.reserved == sum(mine)
            took = share.used + share.reserved
            assert took <= max(
                share.cap, shared.get((account.number, share.owner, share.unit), share.reserved)
            )
    assert not +held, "a quota holds what no balance knows"


def tags_of(number: int, tariffs: Tariffs) -> int:
    price = BUILT_IN.get(number) or tariffs.price(number)
    return 0 if price is None else price.tags
