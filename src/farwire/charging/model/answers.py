"""What charging answers: result codes, quotas, and what moved and is worth telling."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from farwire.charging.model.state import Circle


class ResultCode(IntEnum):
    """How a request or a rating group ended. Four-digit values are those of RFC 6733 §7.1 and RFC 8506 §9.

    Codes from 9000 are ours; each gateway has one table for its protocol (TS 32.291 names in the comments).
    """

    SUCCESS = 2001
    TOO_BUSY = 3004
    """The account is at a bound: sessions, groups or kept keys."""
    END_USER_DENIED = 4010
    """END_USER_SERVICE_DENIED: the account's state forbids the service (barred, grace, expired)."""
    NOT_APPLICABLE = 4011
    """QUOTA_MANAGEMENT_NOT_APPLICABLE: the service is free or is not controlled; let it pass."""
    CREDIT_LIMIT_REACHED = 4012
    """QUOTA_LIMIT_REACHED: no balance has anything left for this usage."""
    UNKNOWN_SESSION = 5002
    INVALID = 5004
    """The content makes no sense: a negative quantity, an unknown kind, an amount out of range."""
    UNKNOWN_USER = 5030
    RATING_FAILED = 5031
    """No price for this service, or one that does not fit in int64."""
    SPEND_LIMIT_REACHED = 9001
    """QUOTA_LIMIT_REACHED: money is there, the spend limit or roaming cap is used up."""
    OUT_OF_SEQUENCE = 9002
    """A request older than the last one of its session, or a second beginning."""


class FinalAction(IntEnum):
    """What the network does when a final quota is used up. Values: RFC 8506 §8.35, plus one."""

    NONE = -1
    """More quota can be asked for."""
    TERMINATE = 0
    REDIRECT = 1
    RESTRICT = 2


class GroupAnswer(msgspec.Struct, frozen=True, gc=False):
    """The quota of one rating group."""

    rating_group: int
    result: int
    unit: int
    granted: int
    threshold: int
    """Ask again when only so many units of the quota are left."""
    valid_until: int
    """Ask again at this time, quota left or not: validity, or a change of tariff."""
    final: int
    """A ``FinalAction``."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The answer to one request."""

    result: int
    groups: tuple[GroupAnswer, ...] = ()
    cost: int = 0
    """Money that an event or command moved, or would move (price enquiry), or that can be spent (balance check)."""
    units: int = 0
    """Units that allowances bear of an event."""


class MovementKind(IntEnum):
    """Why a balance changed."""

    USAGE = 1
    OVERRUN = 2
    """Used, and not to be found on any balance: posted to the overrun."""
    DEBIT = 3
    REFUND = 4
    TOP_UP = 5
    VOUCHER = 6
    TRANSFER_OUT = 7
    TRANSFER_IN = 8
    LOAN = 9
    LOAN_FEE = 10
    LOAN_REPAID = 11
    PURCHASE = 12
    """The price of an offer."""
    GRANT = 13
    """The units or money that an offer gives."""
    ROLLED_OVER = 14
    FORFEITED = 15
    """Left when its validity ended (breakage)."""
    ADJUSTMENT = 16
    TRANSFER_BACK = 17
    """Given back: the account that it was for could not take it."""


class Movement(msgspec.Struct, frozen=True, gc=False):
    """One change of one balance. Σ movements of a balance = its amount now − its amount before."""

    account: int
    balance: int
    kind: int
    amount: int
    """Signed: what was added to the balance, in its unit."""
    reason: int
    """The rating group, offer, balance or account that it is about."""
    key_hi: int
    """The key of the request, or the id of its session; 0 and 0 for what happened by itself."""
    key_lo: int
    number: int
    """The number of the request in its session; 0 where there is none."""
    at: int
    unit: int = 0
    """The ``Unit`` of the balance."""


class Used(msgspec.Struct, frozen=True, gc=False):
    """What one rating group used from its begin to its end, or one event: a usage record, already charged.

    Σ ``charged`` of ended groups and events = Σ movements of money of kinds USAGE and OVERRUN, with the sign turned.
    """

    account: int
    rating_group: int
    price: int
    """The number of its price; 0 was free, −1 is an amount that the request named."""
    unit: int
    started_at: int
    units: int
    charged: int
    key_hi: int
    """The id of the session, or the key of the event."""
    key_lo: int
    at: int
    """When it ended."""


class NoticeKind(IntEnum):
    """What is worth telling the subscriber or the operator."""

    OVERRUN = 1
    """A client reported more than it was granted: ``value`` money could not be debited."""
    UNRATED = 2
    """``value`` units were reported that no price fits."""
    LIMIT_80 = 3
    LIMIT_REACHED = 4
    FINAL_QUOTA = 5
    """The rating group ``subject`` has been given its last quota."""
    ACTIVATED = 6
    GRACE_BEGAN = 7
    EXPIRED = 8
    RENEWED = 9
    RENEWAL_FAILED = 10
    BALANCE_FORFEITED = 11
    QUOTA_LAPSED = 12
    """A quota ended without a report: what it held is free again."""
    BARRED = 13
    UNBARRED = 14
    LIMIT_CHANGED = 15
    """The limit ``subject`` is ``value`` now, no longer stops usage or does again, or has ended: ``value`` −1."""


class Notice(msgspec.Struct, frozen=True, gc=False):
    """One fact that is no movement."""

    account: int
    kind: int
    subject: int
    value: int
    at: int


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What ``decide`` returns. An account that did not change is the same object as before."""

    circle: Circle
    answer: Answer
    movements: tuple[Movement, ...] = ()
    notices: tuple[Notice, ...] = ()
    usages: tuple[Used, ...] = ()
