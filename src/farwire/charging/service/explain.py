"""Why something was denied, in words for who looks after the subscriber: what happened, what stands now, what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from farwire.charging.model import Account, Flag, Lifecycle, ResultCode
from farwire.charging.model.pricing import EPOCH
from farwire.charging.model.state import MAIN, NEVER
from farwire.charging.shard.reading import Denial
from farwire.kernel.money import nano_to_decimal

AS_A_WHOLE: Final = -1
"""``Denial.rating_group`` where a request was refused as a whole."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One denial in words."""

    at: datetime
    what: str
    result: str
    why: str
    fix: str
    rating_group: int | None = None
    visited_network: str = ""


_WORDS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        ResultCode.TOO_BUSY: (
            "the account has as many sessions, rating groups or kept keys as one may have",
            "wait until sessions end; ended ones go after 10 minutes",
        ),
        ResultCode.UNKNOWN_SESSION: (
            "the session was not begun here, or is long over",
            "let the network begin a new session",
        ),
        ResultCode.INVALID: ("the request makes no sense for this account", "look at its amount and subject"),
        ResultCode.UNKNOWN_USER: (
            "no shard knows the account",
            "open it, or let the network send its number",
        ),
        ResultCode.RATING_FAILED: (
            "the plan has no price for this usage",
            "add a price for it to the price plan, and publish the plan",
        ),
        ResultCode.SPEND_LIMIT_REACHED: (
            "there is money, but a spend limit or roaming cap is used up",
            "opt on beyond the limit when the customer asks for it",
        ),
        ResultCode.OUT_OF_SEQUENCE: (
            "the request is older than the last one of its session",
            "nothing: the network repeated itself too late",
        ),
    }
)


def time_of(us: int) -> datetime | None:
    """Return a time of a state; None for one that does not come."""
    return None if us >= NEVER else EPOCH + timedelta(microseconds=us)


def result_of(code: int) -> str:
    """Return the name of a result code in lower case; the number of one that has no name."""
    return ResultCode(code).name.lower() if code in iter(ResultCode) else str(code)


def explain(denial: Denial, account: Account | None, *, currency: str) -> Explained:
    """Return a denial in words. What stands now may differ from what stood then, and is told as such."""
    why, fix = _why(denial, account, currency)
    at = time_of(denial.at) or EPOCH
    group = None if denial.rating_group == AS_A_WHOLE else denial.rating_group
    what = " ".join(filter(None, (denial.what, denial.kind.replace("_", " "))))
    return Explained(at, what, result_of(denial.result), why, fix, group, denial.visited_network)


def _why(denial: Denial, account: Account | None, currency: str) -> tuple[str, str]:
    if account is not None and denial.result == ResultCode.END_USER_DENIED:
        return _state(account)
    if account is not None and denial.result == ResultCode.CREDIT_LIMIT_REACHED:
        return _money(denial, account, currency)
    why, fix = _WORDS.get(denial.result, ("it was refused", "see the result code"))
    if account is not None and denial.result == ResultCode.SPEND_LIMIT_REACHED:
        used = [one for one in account.limits if one.used >= one.cap and not one.opted_on]
        if used:
            numbers = ", ".join(str(one.number) for one in used)
            return f"{why}: now limit {numbers} of {_shown(used[0].cap, currency)}", fix
    if denial.visited_network and denial.result == ResultCode.RATING_FAILED:
        return f"{why} in the network {denial.visited_network}", fix
    return why, fix


def _state(account: Account) -> tuple[str, str]:
    """Return why an account as it stands would be denied."""
    if account.flags & Flag.BARRED:
        return "the account is barred by the operator", "lift the bar"
    if account.lifecycle == Lifecycle.GRACE:
        return f"its validity ended at {_when(account.active_until)}", "a top-up makes it active again"
    if account.lifecycle == Lifecycle.EXPIRED:
        return f"it expired at {_when(account.grace_until)}", "open a new account: an expired one stays so"
    return "its state forbade the service then; now it would not", "let the subscriber try again"


def _money(denial: Denial, account: Account, currency: str) -> tuple[str, str]:
    main = next((one for one in account.balances if one.number == MAIN), None)
    left = 0 if main is None else main.amount - main.floor - main.reserved
    held = 0 if main is None else main.reserved
    sessions = sum(1 for one in account.sessions if not one.ended)
    about = f" for {denial.kind}" if denial.what != "command" and denial.kind else ""
    text = f"no balance had anything left{about}; now {_shown(left, currency)} can be spent"
    if held:
        text += f", and {_shown(held, currency)} are held by {sessions} open session{'s' if sessions != 1 else ''}"
    return text, "top up, or buy an offer that gives units"


def _when(us: int) -> str:
    at = time_of(us)
    return "no time" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _shown(amount: int, currency: str) -> str:
    value = nano_to_decimal(amount)
    return f"{value.quantize(0) if value == value.to_integral_value() else value.normalize():f} {currency}"
