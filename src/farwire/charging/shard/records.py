"""The table of words: what stands where in a record. Python packs and unpacks by it; a compiled kernel shares it.

Every record has 64 bytes, eight little-endian words. Word 0 is the head (``arena.py``): kind u8, flag byte u8 (its
highest bit is KEYED), virtual shard u16, and four bytes of the kind's own of which the highest bit stays 0. Below,
``|`` stands between words, ``q`` is one whole int64 word, and words that are not named are 0. Word 1 of
every kind but ``ACCOUNT`` begins with ``next``, the slot of the next record of the account, 0 at the end.

- 1 ACCOUNT: serial u16, lifecycle u8, cycle_day u8 | tenant q | number q | next u32, plan u32 | active_until q |
  grace_until q | overrun q | due_at q; the flags stand in the flag byte (7 bits)
- 2 DEBT: unused u32 | next u32, unused u32 | loan_owed q; there is one only while something is owed
- 3 BALANCE: number u16, unit u8, shared u8 | next u32, scope u16, priority i16 | offer q | amount q | reserved q |
  floor q | valid_from q | valid_to q
- 4 SESSION: result u16, ended u8, unused u8 | next u32, unused u32 | id_hi q | id_lo q | number q | forget_at q
- 5 GROUP: result u16, unit u8, final + 1 u8 | next u32, rating_group u32 | started_at q | used q | charged q |
  counted q | granted q | valid_until q
- 6 GROUP_2, the rest of the group and its first hold: balance u16, holds u8, unit u8 | next u32, unused u32 |
  threshold q | price q | asked q | account q | reserved q | charged q
- 7 HOLDS, two more of its holds: holds u8, unit u8, unit u8, unused u8 | next u32, balance u16, balance u16 |
  account q | reserved q | charged q | account q | reserved q | charged q
- 8 COUNTER: unused u32 | next u32, unused u32 | number q | value q | starts_at q | ends_at q
- 9 LIMIT: scope u8, told u8, period u8, opted_on u8 | next u32, unused u32 | number q | cap q | used q |
  reserved q | ends_at q
- 10 SHARE: unit u8, period u8, unused u16 | next u32, priority i16, unused u16 | owner q | cap q | used q |
  reserved q | ends_at q
- 11 HOLDING: renews u8, unused 3 bytes | next u32, unused u32 | offer q | started_at q | ends_at q
- 12 KEY: result u16, unused u16 | next u32, unused u32 | key_hi q | key_lo q | cost q | units q | forget_at q

The chain of an account has the kinds in this order; a session is followed by its groups, a group by its holds.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

import numpy as np


class Kind(IntEnum):
    """What a record is: byte 0."""

    ACCOUNT = 1
    DEBT = 2
    BALANCE = 3
    SESSION = 4
    GROUP = 5
    GROUP_2 = 6
    HOLDS = 7
    COUNTER = 8
    LIMIT = 9
    SHARE = 10
    HOLDING = 11
    KEY = 12


KEYED_BYTE: Final = 0x80
"""KEYED of the head, in its flag byte."""
FLAGS_MASK: Final = 0x7F
DUE_WORD: Final = 7
"""The word of ``due_at`` in an account's record."""

_HEAD: Final = (("kind", "u1"), ("flags", "u1"), ("vshard", "<u2"))
_SPARE: Final = "<i8"


def _type(*fields: tuple[str, str]) -> np.dtype[np.void]:
    """Return the dtype of one kind; what is not named at its end is unused words."""
    named = [*_HEAD, *fields]
    used = np.dtype(named).itemsize
    return np.dtype(named + [(f"unused_{at // 8}", _SPARE) for at in range(used, 64, 8)])


def _words(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, "<i8") for name in names)


TYPES: Final[dict[Kind, np.dtype[np.void]]] = {
    Kind.ACCOUNT: _type(
        ("serial", "<u2"),
        ("lifecycle", "u1"),
        ("cycle_day", "u1"),
        *_words("tenant", "number"),
        ("next", "<u4"),
        ("plan", "<u4"),
        *_words("active_until", "grace_until", "overrun", "due_at"),
    ),
    Kind.DEBT: _type(("_4", "<u4"), ("next", "<u4"), ("_12", "<u4"), *_words("loan_owed")),
    Kind.BALANCE: _type(
        ("number", "<u2"),
        ("unit", "u1"),
        ("shared", "u1"),
        ("next", "<u4"),
        ("scope", "<u2"),
        ("priority", "<i2"),
        *_words("offer", "amount", "reserved", "floor", "valid_from", "valid_to"),
    ),
    Kind.SESSION: _type(
        ("result", "<u2"),
        ("ended", "u1"),
        ("_7", "u1"),
        ("next", "<u4"),
        ("_12", "<u4"),
        *_words("id_hi", "id_lo", "number", "forget_at"),
    ),
    Kind.GROUP: _type(
        ("result", "<u2"),
        ("unit", "u1"),
        ("final", "u1"),
        ("next", "<u4"),
        ("rating_group", "<u4"),
        *_words("started_at", "used", "charged", "counted", "granted", "valid_until"),
    ),
    Kind.GROUP_2: _type(
        ("balance", "<u2"),
        ("holds", "u1"),
        ("hold_unit", "u1"),
        ("next", "<u4"),
        ("_12", "<u4"),
        *_words("threshold", "price", "asked", "hold_account", "hold_reserved", "hold_charged"),
    ),
    Kind.HOLDS: _type(
        ("holds", "u1"),
        ("hold_unit", "u1"),
        ("hold_unit_b", "u1"),
        ("_7", "u1"),
        ("next", "<u4"),
        ("balance", "<u2"),
        ("balance_b", "<u2"),
        *_words("account", "reserved", "charged", "account_b", "reserved_b", "charged_b"),
    ),
    Kind.COUNTER: _type(
        ("_4", "<u4"), ("next", "<u4"), ("_12", "<u4"), *_words("number", "value", "starts_at", "ends_at")
    ),
    Kind.LIMIT: _type(
        ("scope", "u1"),
        ("told", "u1"),
        ("period", "u1"),
        ("opted_on", "u1"),
        ("next", "<u4"),
        ("_12", "<u4"),
        *_words("number", "cap", "used", "reserved", "ends_at"),
    ),
    Kind.SHARE: _type(
        ("unit", "u1"),
        ("period", "u1"),
        ("_6", "<u2"),
        ("next", "<u4"),
        ("priority", "<i2"),
        ("_14", "<u2"),
        *_words("owner", "cap", "used", "reserved", "ends_at"),
    ),
    Kind.HOLDING: _type(
        ("renews", "u1"),
        ("_5", "u1"),
        ("_6", "<u2"),
        ("next", "<u4"),
        ("_12", "<u4"),
        *_words("offer", "started_at", "ends_at"),
    ),
    Kind.KEY: _type(
        ("result", "<u2"),
        ("_6", "<u2"),
        ("next", "<u4"),
        ("_12", "<u4"),
        *_words("key_hi", "key_lo", "cost", "units", "forget_at"),
    ),
}
"""The records as NumPy sees them: ``arena.matrix[slots].view(TYPES[kind])``."""

_LETTERS: Final = {"u1": "B", "<u2": "H", "<i2": "h", "<u4": "I", "<i8": "q"}


def _struct(kind: Kind) -> Struct:
    """Return the same as a ``Struct``: unused bytes are padding, so that they take no argument."""
    dtype, letters = TYPES[kind], "<"
    for name in dtype.names or ():
        spare = name.startswith(("_", "unused"))
        field = dtype[name]
        letters += f"{field.itemsize}x" if spare else _LETTERS[field.str.replace("|", "")]
    return Struct(letters)


STRUCTS: Final[dict[Kind, Struct]] = {kind: _struct(kind) for kind in Kind}
