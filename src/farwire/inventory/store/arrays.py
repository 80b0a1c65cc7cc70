"""Rows of whole numbers as NumPy arrays, read from the binary format of COPY (PostgreSQL, COPY, "Binary Format")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from farwire.base.storage import Tx
from farwire.kernel.errors import check

Whole = NDArray[np.int64]
_HEADER: Final = 19
_TRAILER: Final = 2


async def columns_of(tx: Tx, count: int, sql: str, *args: object) -> tuple[Whole, ...]:
    """Return the ``count`` columns of a query, each a bigint that is never NULL."""
    found = _read(await tx.copy_binary(sql, *args), [">i8"] * count)
    return tuple(one.astype(np.int64) for one in found)


async def texts_of(tx: Tx, width: int, sql: str, *args: object) -> tuple[Whole, NDArray[np.bytes_]]:
    """Return a bigint and an ASCII text of a query; the query pads the text to ``width`` with spaces, which go."""
    numbers, texts = _read(await tx.copy_binary(sql, *args), [">i8", f"S{width}"])
    return numbers.astype(np.int64), np.char.rstrip(texts, b" ")


def _read(data: bytes, types: Sequence[str]) -> tuple[NDArray[Any], ...]:
    fields: list[tuple[str, str]] = [("width", ">i2")]
    for number, one in enumerate(types):
        fields += [(f"octets{number}", ">i4"), (f"value{number}", one)]
    layout = np.dtype(fields)
    body = len(data) - _HEADER - _TRAILER
    check(body >= 0 and body % layout.itemsize == 0, "inventory.copy_layout")
    rows = np.frombuffer(data, layout, body // layout.itemsize, _HEADER)
    return tuple(rows[f"value{number}"] for number in range(len(types)))
