"""What charging can be asked. A gateway or the API makes these; they carry a key that a repeat has again."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

NOTHING: Final = -1
"""``Ask.requested``: no quota is wanted, only usage is reported."""
DEFAULT: Final = 0
"""``Ask.requested``: as much as the plan's policy gives."""


class Phase(IntEnum):
    """Where in its session a request stands. Values: CC-Request-Type of RFC 8506 §8.3."""

    INITIAL = 1
    UPDATE = 2
    TERMINATION = 3


class Service(msgspec.Struct, frozen=True, gc=False):
    """What is used, from and to where: all that a price can depend on, in the words of ``rating.Chargeable``.

    The kind ``money`` needs no price: nano-units of money are asked for, and used.
    """

    kind: str
    destination: str = ""
    direction: str = "originating"
    visited_network: str = ""
    region: str = ""
    segment: str = ""
    routed_as: str = ""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One rating group of a session request: what was used since the last report, and what is wanted."""

    rating_group: int
    used: int = 0
    requested: int = DEFAULT
    """Base units; ``DEFAULT`` or ``NOTHING``. Of money only an amount that is named is held."""


class SessionRequest(msgspec.Struct, frozen=True, gc=False):
    """Reserve, report and release the quotas of one session (CCR of RFC 8506, Nchf_ConvergedCharging)."""

    account: int
    session_hi: int
    session_lo: int
    number: int
    """CC-Request-Number, invocationSequenceNumber: grows within the session; a repeat has the same one."""
    phase: int
    service: Service
    """Read when a rating group appears for the first time; later requests may bring it again."""
    asks: tuple[Ask, ...] = ()
    started_at: int = 0
    """When the usage of new rating groups begins; 0 is now."""


class EventKind(IntEnum):
    """What an event asks for. Values: Requested-Action of RFC 8506 §8.41."""

    DIRECT_DEBIT = 0
    REFUND = 1
    BALANCE_CHECK = 2
    PRICE_ENQUIRY = 3
    """Advice of charge: what would it cost? Nothing moves."""


class EventRequest(msgspec.Struct, frozen=True, gc=False):
    """Charge, give back or ask once, without a session."""

    account: int
    key_hi: int
    key_lo: int
    kind: int
    service: Service
    units: int = 1
    rating_group: int = 0
    amount: int = 0
    """Money to debit or refund where it is known; 0: the tariff prices ``units``."""


class CommandKind(IntEnum):
    """What an operator, a voucher, a payment or the subscriber does to an account."""

    TOP_UP = 1
    """``amount`` onto the main balance; a loan is paid back first; validity is extended."""
    VOUCHER = 2
    """The credit effect of a voucher: a top-up, told apart in the books. ``subject`` is an offer, or 0."""
    TRANSFER = 3
    """``amount`` from the main balance to that of the account ``subject`` on the same virtual shard."""
    LOAN = 4
    """The plan's emergency credit, paid back by the next top-up."""
    PURCHASE = 5
    """The offer ``subject``. ``amount`` 1: it renews by itself."""
    RENEW = 6
    """The offer ``subject`` now, before its end; what it has left rolls over."""
    ADJUST = 7
    """``amount`` (also negative) onto the balance ``subject``."""
    REFUND = 8
    """``amount`` back onto the main balance."""
    DEBIT = 9
    """``amount`` off the main balance, all or nothing."""
    BAR = 10
    """``amount`` 1 bars, 0 unbars."""
    OPT_ON = 11
    """``amount`` 1: the limit ``subject`` no longer stops usage; 0: it does."""
    LIMIT = 12
    """At most ``amount`` in a ``period`` for usage of ``scope``: a new limit, or another amount of the one there is."""
    END_LIMIT = 13
    """The limit ``subject`` is no more."""
    SHARE = 14
    """Draw on ``balance`` of ``subject``, an account of the circle: ``amount`` in a ``period``, by ``priority``."""
    END_SHARE = 15
    """No longer draw on the balances of ``subject`` in ``unit``; of one's own account: nobody draws on ``balance``."""
    TRANSFER_OUT = 16
    """``amount`` off the main balance, on its way to the account ``subject``, wherever that is."""
    TRANSFER_IN = 17
    """``amount`` onto the main balance, which the account ``subject`` has given."""
    TRANSFER_BACK = 18
    """``amount`` back onto the main balance, which ``subject`` could not take; also of an account that has expired."""
    AUTO_RENEW = 19
    """``amount`` 1: the offer ``subject`` renews by itself; 0: it lasts until its end."""


class Command(msgspec.Struct, frozen=True, gc=False):
    """One command with the key of who gave it."""

    account: int
    key_hi: int
    key_lo: int
    kind: int
    amount: int = 0
    subject: int = 0
    scope: int = 0
    """Small: a ``Scope``."""
    period: int = 0
    """Small: a ``Period``."""
    unit: int = 0
    """Small: a ``Unit``."""
    balance: int = 0
    """Small, never negative."""
    priority: int = 0
    """Small; see ``Share.priority``."""


Request = SessionRequest | EventRequest | Command
