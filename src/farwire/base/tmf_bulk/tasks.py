"""The two jobs as resources: what is checked when one is made, and how its state goes on."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qsl
from uuid import UUID

from farwire.base import jobs
from farwire.base.authz import Permission
from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Operation, Resource, Target, documents
from farwire.base.tmf.query import parse
from farwire.base.tmf.writing import publish_change
from farwire.base.tmf_bulk.rows import NDJSON
from farwire.base.tmf_bulk.scope import api_of, payload, resource_of, scope_of
from farwire.base.tmf_bulk.tables import EXPORT_JOB, FAILED, IMPORT_JOB, SUCCEEDED
from farwire.base.web import JSON
from farwire.kernel.errors import Defect, Invalid
from farwire.kernel.ids import uuid7

EXPORT_KIND, IMPORT_KIND = "tmf.export", "tmf.import"
PAGING = frozenset({"limit", "offset", "cursor", "sort", "count"})
"""Parameters of lists that an export does not take: it has every row, in the order of creation."""


def bulk_resources(
    number: str, context: str, read: Permission, write: Permission
) -> tuple[Resource, Resource]:
    """Return the import and export jobs of an API, for its ``resources``."""
    return (
        Resource(IMPORT_JOB, context, read, write, work=partial(_import_made, number)),
        Resource(EXPORT_JOB, context, read, write, work=partial(_export_made, number)),
    )


async def _import_made(number: str, _tx: Tx, document: Document, _act: Act) -> Document:
    """Check what is to be taken in, and say where the file goes."""
    scope = scope_of(api_of(number), document.get("path", ""), Operation.CREATE)
    base = api_of(number).base(scope.version)
    return document | {"url": f"{base}/{IMPORT_JOB.path}/{document['id']}/content"}


async def _export_made(number: str, tx: Tx, document: Document, act: Act) -> Document:
    """Check what is to be written, queue it, and say where the file will be."""
    scope = scope_of(api_of(number), document.get("path", ""), Operation.LIST)
    kind = document.setdefault("contentType", NDJSON)
    if kind not in (JSON, NDJSON):
        fix = f"use {JSON} or {NDJSON}"
        raise Invalid("no such format", code="tmf.bulk", field="$.contentType", value=kind, fix=fix)
    pairs = pairs_of(document)
    if pairs and len(scope.operations) != 1:
        raise Invalid("a query needs a path to one collection", code="tmf.bulk_path", field="$.path")
    for one in scope.operations.values():
        parse(one.resource.descriptor, pairs, scope.version)
    if act.principal is None:
        raise Defect("a job is made by a request", code="tmf.bulk")
    target, now = Target(number, EXPORT_JOB.type), act.now
    await jobs.enqueue(
        tx=tx,
        kind=EXPORT_KIND,
        key=f"{number}/{document['id']}/{now.isoformat()}",
        payload=payload(target, document["id"], act.principal, uuid7(now)),
        run_at=now,
        now=now,
    )
    base = api_of(number).base(scope.version)
    return document | {"url": f"{base}/{EXPORT_JOB.path}/{document['id']}/content"}


def pairs_of(document: Document) -> list[tuple[str, str]]:
    """Return the parameters of an export's query. Raises ``Invalid`` for what is no filter."""
    pairs = parse_qsl(document.get("query", "").removeprefix("?"), keep_blank_values=True)
    for name, _ in pairs:
        if name in PAGING:
            raise Invalid(f"{name} is not for an export", code="tmf.query", field="$.query", value=name)
    return pairs


async def locked_job(tx: Tx, target: Target, key: str) -> Document | None:
    """Return the job, locked."""
    return await documents.load(tx, target, key, lock=True)


async def move(tx: Tx, target: Target, before: Document, act: Act, **changes: str) -> Document:
    """Bring a locked job into another state, and tell listeners."""
    after = before | changes
    await documents.update(tx, target, after, act.now)
    await publish_change(tx, api_of(target.api), resource_of(target), before, after, act)
    return after


async def end(tx: Tx, target: Target, before: Document, act: Act, error: str = "") -> None:
    """End a locked job: well, or with what went wrong."""
    facts = {"status": FAILED if error else SUCCEEDED, "completionDate": stored_time(act.now)}
    await move(tx, target, before, act, **facts, **({"errorLog": error} if error else {}))


async def queue_import(tx: Tx, target: Target, key: str, act: Act, upload: UUID) -> None:
    """Queue the work of an import whose file is there."""
    if act.principal is None:
        raise Defect("a file comes with a request", code="tmf.bulk")
    await jobs.enqueue(
        tx=tx,
        kind=IMPORT_KIND,
        key=f"{target.api}/{key}/{upload}",
        payload=payload(target, key, act.principal, upload),
        run_at=act.now,
        now=act.now,
    )
