"""Reading one account. It waits its turn like any request: nobody is told what a crash takes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from farwire.charging.model import Account, Answer, ResultCode

SHOWN: Final = 100
"""Sessions, keys and parts of each other kind that are shown at most: the newest."""
GROUPS_SHOWN: Final = 8
"""Rating groups of one session that are shown at most."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """A request of the control plane: what does the shard know of ``account``?"""

    account: int


class Seen(Answer, frozen=True, gc=False):
    """The answer: the account, bounded, or ``UNKNOWN_USER``."""

    seen: Account | None = None
    left_out: int = 0
    """How many parts of it are not shown."""


def look(account: Account | None) -> Seen:
    """Return what is shown of an account. The rest is counted."""
    if account is None:
        return Seen(int(ResultCode.UNKNOWN_USER))
    sessions = tuple(replace(one, groups=one.groups[-GROUPS_SHOWN:]) for one in account.sessions[-SHOWN:])
    shown = replace(
        account,
        balances=account.balances[:SHOWN],
        sessions=sessions,
        counters=account.counters[-SHOWN:],
        limits=account.limits[-SHOWN:],
        shares=account.shares[-SHOWN:],
        holdings=account.holdings[-SHOWN:],
        keys=account.keys[-SHOWN:],
    )
    return Seen(int(ResultCode.SUCCESS), seen=shown, left_out=_parts(account) - _parts(shown))


def _parts(account: Account) -> int:
    groups = sum(len(one.groups) for one in account.sessions)
    parts = (account.balances, account.sessions, account.counters, account.limits, account.shares)
    return groups + sum(map(len, parts)) + len(account.holdings) + len(account.keys)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], Account | None]] = msgspec.msgpack.Decoder(Account | None).decode


def pack_account(account: Account | None) -> bytes:
    """Return the bytes of an account: MessagePack, by the names of ``model.state``."""
    return _encode(account)


def unpack_account(body: bytes) -> Account | None:
    """Return the account of such bytes. Raises ``msgspec.DecodeError``."""
    return _decode(body)
