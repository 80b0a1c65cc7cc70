"""What every route of charging does: find the account, ask its shard, read what was said."""

from __future__ import annotations

from typing import Final

from farwire.charging import service
from farwire.charging.model import Account, Answer, CommandKind, ResultCode
from farwire.charging.model.state import AMOUNT_MAX
from farwire.charging.service import ChargingAccount
from farwire.charging.service.reach import REACH
from farwire.charging.shard.asks import Open
from farwire.charging.shard.reading import Seen
from farwire.kernel.errors import Invalid, Unavailable
from farwire.kernel.money import Money

_MOST: Final = AMOUNT_MAX // 2


async def seen_of(account: ChargingAccount) -> Seen:
    """Return what its shard has of it. Raises ``Unavailable``: ``charging.no_answer``, ``charging.not_live``."""
    await _wake(account)
    seen = await service.inspect(REACH.client(), account=account)
    if seen.seen is None:
        raise _not_live()
    return seen


async def state_of(account: ChargingAccount) -> Account:
    """Return the state of an account. Raises as ``seen_of``."""
    return (await seen_of(account)).seen or account.first_state()


async def _wake(account: ChargingAccount) -> None:
    """Tell the shard of an account that it may not have heard of yet. It says so to the database by itself."""
    if account.live_at is None:
        await REACH.client().ask(account.tenant_number, Open(account.first_state()))


async def give(
    account: ChargingAccount, kind: CommandKind, key: str, *, amount: int = 0, subject: int = 0
) -> Answer:
    """Give a command whose asking has been written down, and return the answer if it was done.

    Raises ``Conflict`` (``charging.refused``) with the reason, ``Unavailable`` (``charging.no_answer``,
    ``charging.busy``): asking again with the same key moves nothing twice.
    """
    await _wake(account)
    answer = await service.command(
        REACH.client(), account=account, kind=kind, key=key, amount=amount, subject=subject
    )
    return await done(account, kind, answer)


async def done(account: ChargingAccount, kind: CommandKind, answer: Answer) -> Answer:
    """Return the answer to a command that was done. Raises as ``give``."""
    if answer.result == ResultCode.TOO_BUSY:
        raise service.busy()
    if answer.result == ResultCode.SUCCESS:
        return answer
    seen = await service.inspect(REACH.client(), account=account)
    return service.check_done(answer, kind, seen.seen)


def nano_of(
    given: Money, account: ChargingAccount, *, field: str, signed: bool = False, nothing: bool = False
) -> int:
    """Return an amount in nano-units. Raises ``Invalid``: ``charging.currency``, ``charging.amount``."""
    if given.currency.code != account.currency:
        raise Invalid(
            f"the account is in {account.currency}",
            code="charging.currency",
            field=field,
            value=given.currency.code,
            fix=f"give an amount in {account.currency}",
        )
    amount = given.to_nano()
    check_amount(amount, field=field, signed=signed, nothing=nothing)
    return amount


def check_amount(amount: int, *, field: str, signed: bool = False, nothing: bool = False) -> None:
    """Raise ``Invalid`` (``charging.amount``) for too much, for 0 unless ``nothing``, for less unless ``signed``."""
    if (amount == 0 and not nothing) or abs(amount) > _MOST or (amount < 0 and not signed):
        raise Invalid(
            "the amount is nothing, negative or too large",
            code="charging.amount",
            field=field,
            value=amount,
            fix="give an amount above 0" if not signed else "give an amount other than 0",
        )


def _not_live() -> Unavailable:
    return Unavailable(
        "its shard does not have the account yet",
        code="charging.not_live",
        fix="ask again in a moment; a shard looks for new accounts by itself",
        retry_after_s=1,
    )
