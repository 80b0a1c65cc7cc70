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


class Denial(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was refused lately, as far as the process remembers."""

    at: int
    what: str
    """"session", "event", "command"."""
    kind: str
    """The kind of usage; of a command its name."""
    visited_network: str
    rating_group: int
    """−1: the request as a whole."""
    result: int


class Seen(Answer, frozen=True, gc=False):
    """The answer: the account, bounded, or ``UNKNOWN_USER``."""

    seen: Account | None = None
    left_out: int = 0
    """How many parts of it are not shown."""
    denials: tuple[Denial, ...] = ()
    """The last refusals, the oldest first; unknown accounts have them too."""


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


_Body = tuple[Account | None, tuple[Denial, ...]]
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], _Body]] = msgspec.msgpack.Decoder(_Body).decode


def pack_seen(seen: Seen) -> bytes:
    """Return the bytes of what was seen: MessagePack, an account by the names of ``model.state``, and denials."""
    return _encode((seen.seen, seen.denials))


def unpack_seen(result: int, left_out: int, body: bytes) -> Seen:
    """Return what such bytes say. Raises ``msgspec.DecodeError``."""
    account, denials = _decode(body)
    return Seen(result, seen=account, left_out=left_out, denials=denials)
