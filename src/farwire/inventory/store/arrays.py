"""Rows of whole numbers as NumPy arrays, read from the binary format of COPY (PostgreSQL, COPY, "Binary Format")."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.base.storage import Tx
from farwire.kernel.errors import check

Whole = NDArray[np.int64]
_HEADER: Final = 19
_TRAILER: Final = 2


async def columns_of(tx: Tx, count: int, sql: str, *args: object) -> tuple[Whole, ...]:
    """Return the ``count`` columns of a query, each a bigint that is never NULL."""
    data = await tx.copy_binary(sql, *args)
    fields: list[tuple[str, str]] = [("width", ">i2")]
    for number in range(count):
        fields += [(f"octets{number}", ">i4"), (f"value{number}", ">i8")]
    layout = np.dtype(fields)
    body = len(data) - _HEADER - _TRAILER
    check(body >= 0 and body % layout.itemsize == 0, "inventory.copy_layout")
    rows = np.frombuffer(data, layout, body // layout.itemsize, _HEADER)
    return tuple(rows[f"value{number}"].astype(np.int64) for number in range(count))
