"""Small tariffs and requests for the tests of a shard: data at 1 nano-unit an octet, calls at 10 a second."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from farwire.charging.model import (
    FREE,
    NOTHING,
    Account,
    Ask,
    Command,
    CommandKind,
    Lifecycle,
    OfferTerms,
    Phase,
    PlanTerms,
    Price,
    QuotaPolicy,
    Service,
    SessionRequest,
    Unit,
    new_account,
)
from farwire.charging.model.state import NEVER, SECOND_US

DATA = Price(1, Unit.OCTETS, tags=1, amount=1, per=1)
VOICE = Price(2, Unit.SECONDS, tags=1, amount=10, per=1)
TERMS = PlanTerms(
    quotas=(
        QuotaPolicy(0, 0),
        QuotaPolicy(100, 10, validity_us=300 * SECOND_US),
        QuotaPolicy(60, 6, validity_us=300 * SECOND_US),
        QuotaPolicy(1, 1),
        QuotaPolicy(1, 1),
    )
)
MICROSECOND = timedelta(microseconds=1)


class FlatTariffs:
    """One plan, two prices."""

    def plan(self, number: int) -> PlanTerms | None:
        return TERMS if number == 1 else None

    def offer(self, number: int) -> OfferTerms | None:
        return None

    def offer_end(self, number: int, start: int) -> int:
        return NEVER

    def find(self, plan: int, service: Service, rating_group: int, at: int) -> Price | None:
        if self.is_emergency(plan, service.destination):
            return FREE
        return {"data": DATA, "voice": VOICE}.get(service.kind)

    def price(self, number: int) -> Price | None:
        return {0: FREE, 1: DATA, 2: VOICE}.get(number)

    def is_emergency(self, plan: int, number: str) -> bool:
        return number == "112"

    def band_end(self, price: Price, at: int) -> int:
        return NEVER

    def period(self, plan: int, period: int, at: int, cycle_day: int) -> tuple[int, int]:
        return (0, NEVER)


def an_account(number: int, money: int = 0) -> Account:
    """Return an active account; ``money`` stands on it as if it had always been there."""
    account = new_account(number, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
    return replace(account, balances=(replace(account.balances[0], amount=money),))


def session(
    account: int, number: int, phase: int, *, used: int = 0, requested: int = 0, id_lo: int = 1, kind: str = "data",
    destination: str = "",
) -> SessionRequest:  # fmt: skip
    """Return a request of the session ``id_lo`` in one rating group."""
    wanted = NOTHING if phase == Phase.TERMINATION else requested
    asks = () if phase == Phase.INITIAL and requested == NOTHING else (Ask(1, used, wanted),)
    return SessionRequest(account, 7, id_lo, number, phase, Service(kind, destination), asks)


def top_up(account: int, key: int, amount: int) -> Command:
    """Return a top-up."""
    return Command(account, 9, key, CommandKind.TOP_UP, amount)
