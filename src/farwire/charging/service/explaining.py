"""Why something was refused, in words, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from farwire.charging.model import Account, Answer, CommandKind, Flag, Lifecycle, ResultCode
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import LATE_US, MAIN, SESSION_IDLE_US, Balance
from farwire.charging.shard.reading import Denial, Seen
from farwire.kernel.errors import Conflict, NotFound

_WORDS: Final = MappingProxyType(
    {
        ResultCode.TOO_BUSY: (
            "there was too much to do, or the account has too many sessions or kept keys",
            "try again",
        ),
        ResultCode.END_USER_DENIED: ("the account's state forbids it", "see its state"),
        ResultCode.NOT_APPLICABLE: ("it is free, or the plan has no such thing", ""),
        ResultCode.CREDIT_LIMIT_REACHED: (
            "no balance has anything left that serves it, or all that is left is held by other sessions",
            "top it up: farwire charging account topup",
        ),
        ResultCode.UNKNOWN_SESSION: ("the session is unknown: it never began, or ended long ago", ""),
        ResultCode.INVALID: (
            "it makes no sense: a quantity, an amount, a kind or a balance that cannot be",
            "",
        ),
        ResultCode.UNKNOWN_USER: (
            "the shard does not have the account",
            "open it: farwire charging account open",
        ),
        ResultCode.RATING_FAILED: (
            "the plan has no price for it",
            "publish a price for this kind, destination and network: farwire catalog publish",
        ),
        ResultCode.SPEND_LIMIT_REACHED: (
            "a spend limit or roaming cap is used up; money is there",
            "let the customer opt on, or wait for the next period",
        ),
        ResultCode.OUT_OF_SEQUENCE: ("it is older than the last request of its session", ""),
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that was refused."""

    what: str
    """"session data", "command purchase"."""
    result: int
    reason: str
    fix: str = ""
    at: datetime | None = None
    """None of a command or event that was refused before the shard was started again."""
    rating_group: int | None = None


def words(result: int, account: Account | None = None) -> tuple[str, str]:
    """Return why a result code refuses, and what to do; with the account's state where that is the reason."""
    if result == ResultCode.END_USER_DENIED and account is not None:
        found = _state_words(account)
        if found is not None:
            return found
    try:
        return _WORDS[ResultCode(result)]
    except (ValueError, KeyError):
        return f"result code {result}", ""


def _state_words(account: Account) -> tuple[str, str] | None:
    if account.flags & Flag.BARRED:
        return "the account is barred", "farwire charging account unbar"
    if account.lifecycle == Lifecycle.GRACE:
        return "its validity is over: it is in its grace period", "a top-up revives it"
    if account.lifecycle == Lifecycle.EXPIRED:
        return "it has expired; what was left is forfeited", "open a new account"
    return None


def refusals(seen: Seen, *, limit: int = 50) -> tuple[Refusal, ...]:
    """Return what an account was refused, the newest first, as far as its shard knows.

    The shard's process remembers the last refusals. What its state keeps is known after a restart too: the last answer
    of each session for 10 minutes after its end; for 24 hours the answers to commands, without their time.
    """
    account = seen.seen
    told = [_of_denial(one, account) for one in reversed(seen.denials)]
    if not told and account is not None:
        told = _of_state(account)
    return tuple(told[:limit])


def _of_denial(one: Denial, account: Account | None) -> Refusal:
    reason, fix = words(one.result, account)
    what = " ".join(
        filter(None, (one.what, one.kind, f"in {one.visited_network}" if one.visited_network else ""))
    )
    group = None if one.rating_group < 0 else one.rating_group
    return Refusal(what, one.result, reason, fix, moment(one.at), group)


def _of_state(account: Account) -> list[Refusal]:
    found = []
    for session in reversed(account.sessions):
        # A group that is refused has a quota of nothing, which is valid until that very moment.
        results: list[tuple[int, int, int | None]] = [
            (group.result, group.valid_until, group.rating_group) for group in session.groups
        ]
        if not session.groups:
            results.append((session.result, session.forget_at - LATE_US - SESSION_IDLE_US, None))
        for result, at, group in results:
            if result not in (ResultCode.SUCCESS, ResultCode.NOT_APPLICABLE):
                found.append(Refusal("session", result, *words(result, account), moment(at), group))
    refused = [one.result for one in reversed(account.keys) if one.result != ResultCode.SUCCESS]
    return found + [Refusal("command or event", result, *words(result, account)) for result in refused]


def check_done(answer: Answer, kind: CommandKind, account: Account | None = None) -> Answer:
    """Return the answer to a command that was done.

    Raises ``Conflict`` (``charging.refused`` with the reason, ``charging.other_circle``).
    """
    if answer.result == ResultCode.SUCCESS:
        return answer
    if kind is CommandKind.SHARE and answer.result == ResultCode.UNKNOWN_USER:
        raise Conflict(
            "balances are shared within one circle only",
            code="charging.other_circle",
            field="owner",
            fix="name an account that was opened with the same circle",
        )
    raise refused(answer.result, account)


def refused(result: int, account: Account | None = None) -> Conflict:
    """Return what is raised where something was refused: ``charging.refused`` with the reason and what to do."""
    reason, fix = words(result, account)
    return Conflict(
        f"refused: {reason}", code="charging.refused", field="result", value=result, fix=fix or None
    )


def main_balance(account: Account) -> tuple[int, int]:
    """Return the main balance and what of it can be spent now, in nano-units."""
    main = account.balance(MAIN)
    return (0, 0) if main is None else (main.amount, main.amount - main.floor - main.reserved)


def balance_numbered(account: Account, number: int) -> Balance:
    """Return a balance of an account. Raises ``NotFound`` (``charging.balance_unknown``)."""
    found = account.balance(number)
    if found is None:
        raise NotFound(
            "the account has no such balance",
            code="charging.balance_unknown",
            field="balance",
            value=number,
            fix="see the balances of the account: farwire charging account show",
        )
    return found
