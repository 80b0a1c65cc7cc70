"""Money that is held for somebody outside, until it is known how much of it is used: a session of money itself.

Its session is named by a key and has three requests: hold, and then either free or charge, whichever comes first.
"""

from __future__ import annotations

from typing import Final

from farwire.charging.model import (
    MONEY,
    NOTHING,
    Answer,
    Ask,
    FinalAction,
    Phase,
    ResultCode,
    Service,
    SessionRequest,
)
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.model.session import find_session
from farwire.charging.service.accounts import request_key
from farwire.charging.service.client import Client
from farwire.charging.service.commands import busy, inspect
from farwire.charging.service.explaining import refused

_GROUP: Final = 0
_HOLD, _FREE, _CHARGE = 0, 1, 2
"""Numbers of its requests. What is freed is never charged, and the reverse: a session ends once."""


async def hold(client: Client, *, account: ChargingAccount, key: str, amount: int) -> int:
    """Hold ``amount`` (nano-units) and return until when (µs); again with the same key, the same.

    Raises ``Conflict`` (``charging.refused``) where not all of it is there, or the key holds another amount;
    ``Unavailable`` as ``Client.ask`` does.
    """
    answer = await _ask(client, account, key, _HOLD, Phase.INITIAL, Ask(_GROUP, 0, amount))
    result = answer.result
    if result == ResultCode.SUCCESS:
        (given,) = answer.groups
        if given.granted == amount:
            return given.valid_until
        if given.granted and given.final == FinalAction.NONE:
            raise refused(ResultCode.OUT_OF_SEQUENCE)  # the key holds another amount, which stays
        result = ResultCode.CREDIT_LIMIT_REACHED if given.granted else given.result
    await free(client, account=account, key=key)
    raise refused(result)


async def free(client: Client, *, account: ChargingAccount, key: str) -> None:
    """Free what is held; what is free already, or was charged, stays so. Raises ``Unavailable``."""
    await _ask(client, account, key, _FREE, Phase.TERMINATION, Ask(_GROUP, 0, NOTHING))


async def charge_held(client: Client, *, account: ChargingAccount, key: str, amount: int) -> None:
    """Charge ``amount`` of what is held and free the rest; again with the same key and amount it moves nothing.

    Raises ``Conflict`` (``charging.refused``) where it is free already, or another amount was charged; ``Unavailable``.
    """
    answer = await _ask(client, account, key, _CHARGE, Phase.TERMINATION, Ask(_GROUP, amount, NOTHING))
    if answer.result != ResultCode.SUCCESS:
        raise refused(answer.result)
    state = (await inspect(client, account=account)).seen
    session = None if state is None else find_session(state.sessions, *request_key(key))
    if session is None or [group.used for group in session.groups] != [amount]:
        raise refused(ResultCode.OUT_OF_SEQUENCE)


async def _ask(
    client: Client, account: ChargingAccount, key: str, number: int, phase: Phase, ask: Ask
) -> Answer:
    hi, lo = request_key(key)
    request = SessionRequest(account.number, hi, lo, number, phase, Service(MONEY), (ask,))
    answer = await client.ask(account.tenant_number, request)
    if answer.result == ResultCode.TOO_BUSY:
        raise busy()
    return answer
