"""An import: rows are taken in a part at a time; one that is refused is found by halving."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from farwire.base.authz import require
from farwire.base.jobs import hold
from farwire.base.storage import Tx
from farwire.base.tmf import Document, Operation
from farwire.base.tmf.engine import ByKey, Operations
from farwire.base.tmf_bulk import store
from farwire.base.tmf_bulk.scope import Run, Scope, api_of, scope_of
from farwire.base.tmf_bulk.store import Part
from farwire.base.tmf_bulk.tables import RUNNING
from farwire.base.tmf_bulk.tasks import REFUSED, end, locked_job
from farwire.base.web import Call
from farwire.kernel.errors import Conflict, FarwireError, Invalid

MAX_ERRORS: Final = 10_000
"""Refused rows after which an import gives up."""
_DECODER: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


async def run_import(run: Run) -> None:
    """Take in what is left of the file, and end the job. What has been taken in is not taken in again."""
    async with run.db.transaction(run.job.tenant_id) as tx:
        document = await locked_job(tx, run.target, run.id)
    if document is None or document["status"] != RUNNING:
        return
    try:
        scope = scope_of(api_of(run.target.api), document.get("path", ""), Operation.CREATE)
    except REFUSED as refusal:
        await _end(run, str(refusal))
        return
    while True:
        async with run.db.transaction(run.job.tenant_id) as tx:
            part = await store.part_after(tx, run.target, run.id, run.upload, -1)
            errors = await store.count_errors(tx, run.target, run.id)
        if part is None or errors >= MAX_ERRORS:
            break
        await _take_in(run, scope, part)
    await _end(run)


async def _take_in(run: Run, scope: Scope, part: Part) -> None:
    spans = [(part.done, len(part.rows))]
    while spans:
        low, high = spans.pop()
        try:
            await _together(run, scope, part, low, high)
        except REFUSED as error:
            if high - low > 1:
                middle = (low + high) // 2
                spans += [(middle, high), (low, middle)]
                continue
            await _refused(run, part, low, error)


async def _together(run: Run, scope: Scope, part: Part, low: int, high: int) -> None:
    """Take in some rows in one transaction: all of them, or none."""
    async with run.db.transaction(run.job.tenant_id) as tx:
        await hold(tx=tx, job=run.job)
        for raw in part.rows[low:high]:
            await _row(run, scope, tx, raw)
        await _advance(run, tx, part, high)


async def _refused(run: Run, part: Part, at: int, error: FarwireError) -> None:
    number = part.first_row + at
    facts = {
        "row": number,
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "fix": error.fix,
    }
    text = msgspec.json.encode({name: value for name, value in facts.items() if value}).decode()
    async with run.db.transaction(run.job.tenant_id) as tx:
        await hold(tx=tx, job=run.job)
        if await locked_job(tx, run.target, run.id) is not None:
            await store.add_error(tx, run.target, run.id, number, text)
        await _advance(run, tx, part, at + 1)


async def _advance(run: Run, tx: Tx, part: Part, done: int) -> None:
    if done == len(part.rows):
        await store.drop_part(tx, run.target, run.id, run.upload, part.number)
    else:
        await store.advance(tx, run.target, run.id, run.upload, number=part.number, done=done)


async def _row(run: Run, scope: Scope, tx: Tx, raw: bytes) -> None:
    """Make what a row says. A row whose thing is there already, just so, changes nothing."""
    row = _decoded(raw)
    operations = _operations(scope, row)
    require(run.principal, operations.resource.write)
    try:
        await operations.create(run.call(body=dict(row), tx=tx))
    except Conflict as error:
        if error.code != "tmf.exists" or not await _same(run, operations, tx, row):
            raise


def _decoded(raw: bytes) -> Document:
    try:
        row = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Invalid("the row is not a JSON object", code="web.body_malformed") from None
    if b"\\u0000" in raw:
        raise Invalid("a text contains a NUL character", code="web.body_malformed", fix="remove \\u0000")
    return row


def _operations(scope: Scope, row: Document) -> Operations:
    if len(scope.operations) == 1:
        return next(iter(scope.operations.values()))
    kind = row.get("@type")
    if not isinstance(kind, str) or kind not in scope.operations:
        known = ", ".join(sorted(scope.operations))
        raise Invalid(
            "which resource it is, is not said", code="tmf.bulk_type", field="$.@type", fix=f"use {known}"
        )
    return scope.operations[kind]


async def _same(run: Run, operations: Operations, tx: Tx, row: Document) -> bool:
    """Return whether what is there has everything that the row says, apart from what only the server sets."""
    call: Call[Any, Any, Any] = run.call(tx=tx)
    call.path = ByKey(row["id"])
    there = (await operations.get(call)).body
    fixed = {
        one.name_in(operations.version)
        for one in operations.resource.descriptor.of(operations.version)
        if not one.writable
    }
    given = {name: value for name, value in row.items() if name not in fixed}
    return isinstance(there, dict) and all(there.get(name) == value for name, value in given.items())


async def _end(run: Run, error: str = "") -> None:
    async with run.db.transaction(run.job.tenant_id) as tx:
        await hold(tx=tx, job=run.job)
        document = await locked_job(tx, run.target, run.id)
        if document is None or document["status"] != RUNNING:
            return
        errors = await store.count_errors(tx, run.target, run.id)
        await store.drop_parts(tx, run.target, run.id)
        where = document["url"].removesuffix("content") + "errors"
        what = (
            f"gave up after {errors} refused rows" if errors >= MAX_ERRORS else f"{errors} rows were refused"
        )
        await end(tx, run.target, document, run.act, error or (f"{what}; see {where}" if errors else ""))
