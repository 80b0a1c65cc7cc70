"""What online charging knows of a subscriber: integers only, so that a record is a cache line of eight words.

Every field is an int64. Times are microseconds since 1970 UTC, money is nano-units, units are the tariff's base units
(octets, seconds, messages, events), a session or request key is a 128-bit hash in two words. Tariffs, offers and texts
stand outside and are named by a number (``tariffs.py``). A field that says "small" fits in 16 bits and may share one.

These are msgspec structs and not dataclasses: one request makes about ten of them, and they are made several times
faster. They are as frozen. Change a copy with ``msgspec.structs.replace``.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

import msgspec

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
NEVER: Final = 2**62
"""A time that does not come: what it is the end of has no end."""
AMOUNT_MAX: Final = 2**62
"""No amount of a state leaves ±AMOUNT_MAX, so that the sum of two amounts fits in int64."""

LATE_US: Final = 60 * SECOND_US
"""How long after its validity a quota is still held: the report may be on its way."""
SESSION_KEPT_US: Final = 600 * SECOND_US
"""How long an ended session answers a repeated request: longer than a client goes on repeating."""
SESSION_IDLE_US: Final = DAY_US
"""How long an open session without a request is remembered after its last quota has lapsed."""
EVENT_KEPT_US: Final = 600 * SECOND_US
"""How long the key of an event (direct debit, refund) is kept."""
COMMAND_KEPT_US: Final = DAY_US
"""How long the key of a command (top-up, purchase, transfer …) is kept."""
STARTED_MAX_US: Final = 400 * DAY_US
"""How long ago usage that is charged online may have begun, at most; it never begins later than now."""
SESSIONS_MAX: Final = 512
GROUPS_MAX: Final = 64
KEYS_MAX: Final = 1_024
SHARES_MAX: Final = 16
"""Bounds of one account: what is beyond them is refused (``TOO_BUSY``), never forgotten."""

MAIN: Final = 1
"""The number of the money balance that top-ups fill."""
OVERRUN: Final = 0
"""The number under which movements post what was used but could not be debited (``Account.overrun``)."""


class Unit(IntEnum):
    """What a balance holds and a quota is counted in."""

    MONEY = 0
    OCTETS = 1
    SECONDS = 2
    MESSAGES = 3
    EVENTS = 4


class Lifecycle(IntEnum):
    """The life of a prepaid account; a postpaid one is active until it is closed."""

    POOL = 0
    """On the shelf: the first charged use or top-up activates it."""
    ACTIVE = 1
    GRACE = 2
    """Validity is over: nothing is charged, a top-up revives it."""
    EXPIRED = 3
    """What was left is forfeited; only emergency calls are served."""


class Flag(IntFlag):
    """Switches of an account."""

    BARRED = 1
    """An operator has stopped it: no use, no purchase; credits still arrive."""


class Scope(IntFlag):
    """Which usage a limit counts."""

    HOME = 1
    ROAMING = 2


class Period(IntEnum):
    """When a counter, a limit or a cap starts anew."""

    NEVER = 0
    DAY = 1
    """A local day of the plan's zone."""
    CYCLE = 2
    """The month from the account's ``cycle_day``."""


class Balance(msgspec.Struct, frozen=True, gc=False):
    """An amount of money or units, valid in ``[valid_from, valid_to)``.

    ``amount - floor`` is what can be spent; ``reserved`` of it is held by quotas. A postpaid balance starts at 0 and
    has its credit limit as a negative ``floor``. Balances stand in the account in the order in which they are used.
    """

    number: int
    """Small; unique in the account, never given twice."""
    unit: int
    """A ``Unit``."""
    scope: int
    """Small. 0 serves all usage of its unit (money: all usage), another number only prices that name it."""
    priority: int
    """Small. The lowest is used first; among equals the one that ends first, then the older one."""
    shared: int
    """1 where members of the circle may draw on it."""
    offer: int
    """The offer that gave it, 0 for none."""
    amount: int
    reserved: int
    floor: int
    valid_from: int
    valid_to: int

    def order(self) -> tuple[int, int, int]:
        """Return the key that sorts balances into their order of use."""
        return self.priority, self.valid_to, self.number


class Hold(msgspec.Struct, frozen=True, gc=False):
    """What one rating group of a session holds of a balance, and what it has taken from it so far."""

    account: int
    """The account whose balance it is: the session's own, or the owner of a shared one."""
    balance: int
    unit: int
    """The unit of the balance, which finds the share that it came in by."""
    reserved: int
    charged: int


class Group(msgspec.Struct, frozen=True, gc=False):
    """A rating group of a session: one record in the making, with the last answer that it was given."""

    rating_group: int
    price: int
    """The number of the price that was found when it started; 0 is free (``tariffs.FREE``), −1 is none."""
    unit: int
    started_at: int
    used: int
    """Cumulative since ``started_at``."""
    charged: int
    """price(``used``): money charged so far, what went to the overrun included."""
    counted: int
    """What it has added to the counter of its price (tiers, packages)."""
    holds: tuple[Hold, ...]
    asked: int
    """The number of the request that this answer was given to."""
    result: int
    granted: int
    threshold: int
    valid_until: int
    final: int


class Session(msgspec.Struct, frozen=True, gc=False):
    """A session, open or kept for repeats. Its last request number and answer make a repeated request harmless."""

    id_hi: int
    id_lo: int
    number: int
    """The number of the last request."""
    result: int
    """The result code of the last answer."""
    ended: int
    forget_at: int
    groups: tuple[Group, ...]


class Counter(msgspec.Struct, frozen=True, gc=False):
    """How far the tiers or packages of one price are filled in ``[starts_at, ends_at)``."""

    number: int
    value: int
    starts_at: int
    ends_at: int


class Limit(msgspec.Struct, frozen=True, gc=False):
    """The most that may be charged in a period: a spend limit, or the cap of a roaming rule."""

    number: int
    """Small. What scope and period it has (``limits.number_of``): an account has one limit of each."""
    scope: int
    """A ``Scope``: which usage counts."""
    cap: int
    used: int
    reserved: int
    told: int
    """The last percentage that was told in this period: 0, 80 or 100."""
    opted_on: int
    """1: the customer has asked not to be stopped."""
    period: int
    ends_at: int


class Share(msgspec.Struct, frozen=True, gc=False):
    """The right to draw on the shared balances of ``owner`` in one unit, up to ``cap`` in a period."""

    owner: int
    unit: int
    priority: int
    """Small. It stands for the priority of the owner's balances: below the own ones, the company pays first."""
    cap: int
    used: int
    reserved: int
    period: int
    ends_at: int


class Holding(msgspec.Struct, frozen=True, gc=False):
    """An offer that the account has bought, until ``ends_at``."""

    offer: int
    started_at: int
    ends_at: int
    renews: int
    """1: bought again by itself when it ends."""


class KeptKey(msgspec.Struct, frozen=True, gc=False):
    """The answer to an event or command, kept so that a repeat repeats it and moves nothing."""

    key_hi: int
    key_lo: int
    result: int
    cost: int
    units: int
    forget_at: int


class Account(msgspec.Struct, frozen=True, gc=False):
    """All that charging knows of one subscriber."""

    number: int
    tenant: int
    plan: int
    lifecycle: int
    flags: int
    active_until: int
    grace_until: int
    cycle_day: int
    """Small: 1 to 31."""
    overrun: int
    """Money that was used and could not be debited: used less found, never above 0."""
    loan_owed: int
    serial: int
    """The last balance number that was given."""
    due_at: int
    """Nothing happens by itself before this time: ``expire`` has nothing to do."""
    balances: tuple[Balance, ...] = ()
    sessions: tuple[Session, ...] = ()
    counters: tuple[Counter, ...] = ()
    limits: tuple[Limit, ...] = ()
    shares: tuple[Share, ...] = ()
    holdings: tuple[Holding, ...] = ()
    keys: tuple[KeptKey, ...] = ()

    @property
    def in_use(self) -> bool:
        """Tell whether it may use and buy: it is active, and nobody has barred it."""
        return self.lifecycle == Lifecycle.ACTIVE and not self.flags & Flag.BARRED

    def balance(self, number: int) -> Balance | None:
        """Return the balance ``number``, or None."""
        for balance in self.balances:
            if balance.number == number:
                return balance
        return None


Circle = tuple[Account, ...]
"""The accounts that one decision sees: mostly one; with shared balances the members and their owner, on one shard."""


def new_account(
    number: int, *, tenant: int, plan: int, lifecycle: int = Lifecycle.POOL, active_until: int = NEVER,
    grace_until: int = NEVER, cycle_day: int = 1, credit_limit: int = 0, limits: tuple[Limit, ...] = (),
) -> Account:  # fmt: skip
    """Return a fresh account with an empty main balance; ``credit_limit`` is what a postpaid one may owe.

    The periods of ``limits`` begin when it is first looked at.
    """
    main = Balance(MAIN, Unit.MONEY, 0, 100, 0, 0, 0, 0, -credit_limit, 0, NEVER)
    due_at = 0 if limits else active_until if lifecycle == Lifecycle.ACTIVE else NEVER
    return Account(
        *(
            number,
            tenant,
            plan,
            lifecycle,
            0,
            active_until,
            grace_until,
            cycle_day,
            0,
            0,
            MAIN,
            due_at,
            (main,),
        ),
        limits=limits,
    )
