"""An export: every resource that fits, a page at a time, written as parts of a file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

from farwire.base.authz import require
from farwire.base.jobs import hold
from farwire.base.tmf import Document, Operation
from farwire.base.tmf.engine import Operations
from farwire.base.tmf_bulk import store
from farwire.base.tmf_bulk.scope import Run, api_of, scope_of
from farwire.base.tmf_bulk.tables import RUNNING, WAITING
from farwire.base.tmf_bulk.tasks import REFUSED, end, format_of, locked_job, move, pairs_of
from farwire.base.web import AnyQuery
from farwire.base.web.documents import encode
from farwire.kernel.errors import Invalid

PAGE: Final = 200
_NEXT: Final = re.compile(r"cursor=([0-9]+)[^>]*>; rel=\"next\"")


async def run_export(run: Run) -> None:
    """Write the file from its start, and end the job."""
    async with run.db.transaction(run.job.tenant_id) as tx:
        await hold(tx=tx, job=run.job)
        document = await locked_job(tx, run.target, run.id)
        if document is None or document["status"] not in (WAITING, RUNNING):
            return
        await store.drop_parts(tx, run.target, run.id)
        if document["status"] == WAITING:
            document = await move(tx, run.target, document, run.act, status=RUNNING)
    error = ""
    try:
        await _write(run, document)
    except REFUSED as refusal:
        error = str(refusal)
    async with run.db.transaction(run.job.tenant_id) as tx:
        await hold(tx=tx, job=run.job)
        found = await locked_job(tx, run.target, run.id)
        if found is not None:
            await end(tx, run.target, found, run.act, error)


async def _write(run: Run, document: Document) -> None:
    """Write the file. Raises what is wrong with the job, such as a path that names nothing."""
    format_of(document)
    scope, pairs = (
        scope_of(api_of(run.target.api), document.get("path", ""), Operation.LIST),
        pairs_of(document),
    )
    if pairs and len(scope.operations) != 1:
        raise Invalid("a query needs a path to one collection", code="tmf.bulk_path", field="$.path")
    number = row = 0
    for operations in scope.operations.values():
        require(run.principal, operations.resource.read)
        async for rows in _pages(run, operations, pairs):
            async with run.db.transaction(run.job.tenant_id) as tx:
                await hold(tx=tx, job=run.job)
                if await locked_job(tx, run.target, run.id) is None:
                    return
                await store.add_part(
                    tx, run.target, run.id, run.upload, number=number, first_row=row + 1, rows=rows
                )
            number, row = number + 1, row + len(rows)


async def _pages(
    run: Run, operations: Operations, pairs: list[tuple[str, str]]
) -> AsyncIterator[list[bytes]]:
    kind, cursor = operations.resource.descriptor.type_in(operations.version), ""
    while True:
        more = [("limit", str(PAGE)), *([("cursor", cursor)] if cursor else [])]
        reply = await operations.list(run.call(query=AnyQuery((*pairs, *more))))
        items: Any = reply.body
        if items:
            yield [encode({"@type": kind, **one}) for one in items]
        following = _NEXT.search(reply.headers["link"])
        if following is None:
            return
        cursor = following[1]
