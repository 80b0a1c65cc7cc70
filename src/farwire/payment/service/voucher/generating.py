"""Make a batch and its print file, so that at no moment there is a file of codes that are not all kept, or kept twice.

The codes are in the print file only, and the file is written once. Its name ends in ``.part`` until the batch is
committed; then it gets its name, then the batch is marked as printed. Killed before the commit, there is no batch, and
the ``.part`` file is overwritten by the next run. Killed after it, the next run finds the whole file by its digest and
finishes. Where it finds none, the codes are lost: nothing of the batch can be activated, and it is to be cancelled.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import TenantId, uuid7
from farwire.kernel.tenancy import Actor
from farwire.payment.model.voucher import (
    KEY_BYTES,
    Batch,
    BatchOrder,
    SerialRange,
    VoucherState,
    draw,
    grouped,
    hash_of,
)
from farwire.payment.service.voucher.reading import get_batch
from farwire.payment.store.voucher import batches as store
from farwire.tenant import service as tenants

_CHUNK: Final = 5_000
Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Generated:
    """A batch, and whether this very run wrote its print file. If not, ``reason`` says why."""

    batch: Batch
    printed_now: bool
    reason: str = ""


async def generate(
    *,
    db: Database,
    clock: Clock,
    tenant_id: TenantId,
    order: BatchOrder,
    file: Path,
    actor: Actor,
    report: Report,
) -> Generated:
    """Make the vouchers of ``order`` and write their codes to ``file``, once; ``report`` hears how many are ready.

    Idempotent by the order's key: again, the batch is returned as it stands, with the reason why its codes are not
    written a second time; a run that was killed is finished. Raises ``Conflict`` (``payment.file_exists``,
    ``payment.batch_key_reused``, ``payment.voucher_collision``), ``NotFound`` (``payment.company_unknown``).
    """
    async with db.transaction(tenant_id) as tx:
        if order.legal_entity_id not in await tenants.legal_entities(tx):
            raise NotFound("there is no such company", code="payment.company_unknown", field="legal_entity")
        key, last = await store.voucher_key(tx, secrets.token_bytes(KEY_BYTES))
        earlier = await store.batch_with_key(tx, order.key)
        if earlier is None:
            serials = SerialRange(last + 1, last + order.quantity)
            batch = await _make(tx, order, serials, file, key, clock.now(), actor, report)
        else:
            _check_same(earlier, order)
            batch = earlier
    if batch.printed_at is not None:
        when = f"{batch.printed_at:%Y-%m-%d %H:%M} UTC"
        return Generated(batch, printed_now=False, reason=f"its print file was written on {when}")
    if not _hand_over(file, batch.digest):
        lost = f"a run was killed, and its unfinished file is not beside {file.name}"
        return Generated(batch, printed_now=False, reason=lost)
    async with db.transaction(tenant_id) as tx:
        await store.mark_printed(tx, batch.id, clock.now())
        await _note(tx, actor, "payment.vouchers_printed", batch, clock.now())
        batch = await get_batch(tx, key=order.key)
    return Generated(batch, printed_now=True, reason="it finished a run that was killed" if earlier else "")


def _check_same(batch: Batch, order: BatchOrder) -> None:
    """Raise ``Conflict`` (``payment.batch_key_reused``) unless the batch is what is ordered."""
    if batch.order == order:
        return
    raise Conflict(
        "another batch has this name",
        code="payment.batch_key_reused",
        field="key",
        value=order.key,
        fix="see: farwire voucher list",
    )


async def _note(tx: Tx, actor: Actor, action: str, batch: Batch, at: datetime) -> None:
    detail: dict[str, JSON] = {
        "number": batch.order.quantity,
        "currency": batch.order.value.currency.code,
        "value_minor": batch.order.value.amount_minor,
        "first": batch.serials.first,
    }
    await audit.record(tx, actor=actor, action=action, subject=str(batch.id), at=at, detail=detail)


async def _make(
    tx: Tx,
    order: BatchOrder,
    serials: SerialRange,
    file: Path,
    key: bytes,
    now: datetime,
    actor: Actor,
    report: Report,
) -> Batch:
    """Draw the codes, write the unfinished file, keep the hashes."""
    codes = draw(order.alphabet, order.length, order.quantity, secrets.token_bytes)
    digest = _write_part(file, order, serials, codes)
    counts = {VoucherState.GENERATED: order.quantity}
    batch = Batch(uuid7(now), order, serials, digest, actor, now, None, counts)
    await store.add_batch(tx, batch, _hashes(codes, key, report))
    await _note(tx, actor, "payment.vouchers_generated", batch, now)
    return batch


def _hashes(codes: Sequence[str], key: bytes, report: Report) -> Iterator[bytes]:
    for number, code in enumerate(codes, 1):
        yield hash_of(code, key)
        if number % _CHUNK == 0 or number == len(codes):
            report(number)


def _part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _lines(order: BatchOrder, serials: SerialRange, codes: Sequence[str]) -> Iterator[bytes]:
    """Yield the rows of the print file."""
    yield b"serial,code,value,currency,valid_until,extra\n"
    value, unit = f"{order.value.to_decimal():f}", order.value.currency.code
    # A cell that starts like a formula would be run by a spreadsheet.
    extra = order.extra.replace('"', '""')
    extra = f"'{extra}" if extra[:1] in ("=", "+", "-", "@") else extra
    rest = f'{value},{unit},{order.valid_until.isoformat()},"{extra}"\n'
    for serial, code in enumerate(codes, serials.first):
        yield f"{serial},{grouped(code)},{rest}".encode()


def _write_part(file: Path, order: BatchOrder, serials: SerialRange, codes: Sequence[str]) -> bytes:
    """Write the unfinished file, readable for its owner only, and return its SHA-256; it is on the disk then.

    Raises ``Conflict`` (``payment.file_exists``).
    """
    if file.exists():
        raise Conflict(
            "the file is there already",
            code="payment.file_exists",
            field="file",
            value=file.name,
            fix="name another one: a print file is never overwritten",
        )
    part = _part_of(file)
    digest = hashlib.sha256()
    with suppress(FileNotFoundError):
        part.unlink()
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as opened:
        for line in _lines(order, serials, codes):
            digest.update(line)
            opened.write(line)
        opened.flush()
        os.fsync(opened.fileno())
    return digest.digest()


def _hand_over(file: Path, digest: bytes) -> bool:
    """Give the unfinished file its name, on the disk; return whether ``file`` is there and whole."""
    part = _part_of(file)
    if _is_whole(part, digest) and not file.exists():
        os.link(part, file)
    if not _is_whole(file, digest):
        return False
    with suppress(FileNotFoundError):
        part.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _is_whole(path: Path, digest: bytes) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest() == digest
    return False
