"""Facts for the books: movements and notices as records of 64 bytes, in the order in which they were decided.

======= ===== ==================================================================================================
word    tag   content
======= ===== ==================================================================================================
0             tag u8 (1 movement, 2 notice, 3 and 4 usage), kind u8, balance u16 and number u32 (movements)
1–7     1     tenant | account | amount | reason | key_hi | key_lo | at
1–7     2     tenant | account | subject | value | at | – | –
1–7     3     tenant | account | rating group | price | key_hi | key_lo | at
1–7     4     tenant | account | started at | units | charged | – | –
======= ===== ==================================================================================================

``kind`` of a movement has the unit of its balance in the upper three bits. A usage is two records, 3 and 4, one behind
the other; their ``kind`` is its unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

import numpy as np

from farwire.charging.model.answers import Movement, Notice, Used
from farwire.kernel.errors import check

FACT_BYTES: Final = 64
MOVEMENT: Final = 1
NOTICE: Final = 2
USED: Final = 3
USED_MORE: Final = 4
KIND_BITS: Final = 5
KIND_MASK: Final = (1 << KIND_BITS) - 1
_MOVEMENT: Final = Struct("<BBHI7q")
_NOTICE: Final = Struct("<BB6x5q16x")
_USED: Final = Struct("<BB6x7qBB6x5q16x")
Fact = Movement | Notice | Used

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
        MOVEMENT, one.kind | one.unit << KIND_BITS, one.balance, one.number, tenant, one.account,
        one.amount, one.reason, one.key_hi, one.key_lo, one.at,
    )  # fmt: skip


def pack_notice(tenant: int, one: Notice) -> bytes:
    """Return the record of a notice."""
    return _NOTICE.pack(NOTICE, one.kind, tenant, one.account, one.subject, one.value, one.at)


def pack_used(tenant: int, one: Used) -> bytes:
    """Return the two records of a usage."""
    return _USED.pack(
        *(USED, one.unit, tenant, one.account, one.rating_group, one.price, one.key_hi, one.key_lo, one.at),
        *(USED_MORE, one.unit, tenant, one.account, one.started_at, one.units, one.charged),
    )


def unpack(facts: bytes) -> Iterator[tuple[int, Fact]]:
    """Yield the facts of a batch, each with its tenant. Raises ``Defect`` (``charging.fact_unknown``)."""
    check(len(facts) % FACT_BYTES == 0, "charging.fact_unknown")
    at = 0
    while at < len(facts):
        tag = facts[at]
        if tag == USED:
            check(len(facts) - at >= _USED.size, "charging.fact_unknown")
            yield _used(facts, at)
            at += _USED.size
            continue
        if tag == MOVEMENT:
            found = _MOVEMENT.unpack_from(facts, at)
            _, kind, balance, number, tenant, account, amount, reason, key_hi, key_lo, when = found
            unit, kind = kind >> KIND_BITS, kind & KIND_MASK
            yield tenant, Movement(account, balance, kind, amount, reason, key_hi, key_lo, number, when, unit)
        else:
            check(tag == NOTICE, "charging.fact_unknown")
            _, kind, tenant, account, *rest = _NOTICE.unpack_from(facts, at)
            yield tenant, Notice(account, kind, *rest)
        at += FACT_BYTES


def _used(facts: bytes, at: int) -> tuple[int, Used]:
    _, unit, tenant, account, rating_group, price, key_hi, key_lo, when, *more = _USED.unpack_from(facts, at)
    _, _, _, _, started_at, units, charged = more
    return tenant, Used(account, rating_group, price, unit, started_at, units, charged, key_hi, key_lo, when)
