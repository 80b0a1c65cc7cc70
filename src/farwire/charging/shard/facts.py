"""Facts for the books: movements and notices as records of 64 bytes, in the order in which they were decided.

======= ===== ==================================================================================================
word    tag   content
======= ===== ==================================================================================================
0             tag u8 (1 movement, 2 notice), kind u8, balance u16 and number u32 (movements)
1–7     1     tenant | account | amount | reason | key_hi | key_lo | at
1–7     2     tenant | account | subject | value | at | – | –
======= ===== ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

import numpy as np

from farwire.charging.model.answers import Movement, Notice
from farwire.kernel.errors import check

FACT_BYTES: Final = 64
MOVEMENT: Final = 1
NOTICE: Final = 2
_MOVEMENT: Final = Struct("<BBHI7q")
_NOTICE: Final = Struct("<BB6x5q16x")

FACT: Final = np.dtype(
    [
        ("tag", "u1"),
        ("kind", "u1"),
        ("balance", "<u2"),
        ("number", "<u4"),
        ("tenant", "<i8"),
        ("account", "<i8"),
    ]
    + [(name, "<i8") for name in ("amount", "reason", "key_hi", "key_lo", "at")]
)
"""Movements as NumPy sees them; of a notice ``amount`` is the subject, ``reason`` the value, ``key_hi`` the time."""


def pack_movement(tenant: int, one: Movement) -> bytes:
    """Return the record of a movement. Raises ``struct.error`` if a number does not fit."""
    return _MOVEMENT.pack(
        *(MOVEMENT, one.kind, one.balance, one.number, tenant, one.account, one.amount, one.reason),
        *(one.key_hi, one.key_lo, one.at),
    )


def pack_notice(tenant: int, one: Notice) -> bytes:
    """Return the record of a notice."""
    return _NOTICE.pack(NOTICE, one.kind, tenant, one.account, one.subject, one.value, one.at)


def unpack(facts: bytes) -> Iterator[tuple[int, Movement | Notice]]:
    """Yield the facts of a batch, each with its tenant. Raises ``Defect`` (``charging.fact_unknown``)."""
    check(len(facts) % FACT_BYTES == 0, "charging.fact_unknown")
    for at in range(0, len(facts), FACT_BYTES):
        if facts[at] == MOVEMENT:
            found = _MOVEMENT.unpack_from(facts, at)
            _, kind, balance, number, tenant, account, amount, reason, key_hi, key_lo, when = found
            yield tenant, Movement(account, balance, kind, amount, reason, key_hi, key_lo, number, when)
        else:
            check(facts[at] == NOTICE, "charging.fact_unknown")
            _, kind, tenant, account, *rest = _NOTICE.unpack_from(facts, at)
            yield tenant, Notice(account, kind, *rest)
