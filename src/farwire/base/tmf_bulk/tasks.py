"""The two jobs as resources: what is checked when one is made, and how its state goes on."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qsl
from uuid import UUID

from farwire.base import jobs
from farwire.base.authz import Permission
from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Descriptor, Document, Resource, Target, documents
from farwire.base.tmf.writing import publish_change, snake
from farwire.base.tmf_bulk.rows import NDJSON
from farwire.base.tmf_bulk.scope import api_of, payload, resource_of, version_of
from farwire.base.tmf_bulk.tables import EXPORT_JOB, FAILED, IMPORT_JOB, SUCCEEDED
from farwire.base.web import JSON
from farwire.kernel.errors import Conflict, Defect, Exhausted, Forbidden, Invalid, NotFound
from farwire.kernel.ids import uuid7

EXPORT_KIND, IMPORT_KIND = "tmf.export", "tmf.import"
REFUSED = (Invalid, Conflict, NotFound, Forbidden, Exhausted)
"""Kinds of error of a row, or of a job; others are the system's, and the work is tried again."""
PAGING = frozenset({"limit", "offset", "cursor", "sort", "count"})
"""Parameters of lists that an export does not take: it has every row, in the order of creation."""


def bulk_resources(
    number: str, context: str, read: Permission, write: Permission
) -> tuple[Resource, Resource]:
    """Return the import and export jobs of an API, for its ``resources``."""
    made = ((IMPORT_JOB, _import_made), (EXPORT_JOB, _export_made))
    first, second = (
        Resource(
            kind, context, read, write, work=partial(work, number), told_as=f"tmf{number}_{snake(kind.type)}"
        )
        for kind, work in made
    )
    return first, second


async def _import_made(number: str, _tx: Tx, document: Document, _act: Act) -> Document:
    """Say where the file goes."""
    return document | {"url": _content(number, IMPORT_JOB, document)}


async def _export_made(number: str, tx: Tx, document: Document, act: Act) -> Document:
    """Queue the work, and say where the file will be. What cannot be written is said by the job: it fails."""
    if act.principal is None:
        raise Defect("a job is made by a request", code="tmf.bulk")
    target, now = Target(number, EXPORT_JOB.type), act.now
    await jobs.enqueue(
        tx=tx,
        kind=EXPORT_KIND,
        key=f"{number}/{document['id']}/{uuid7(now)}",
        payload=payload(target, document["id"], act.principal, uuid7(now)),
        run_at=now,
        now=now,
    )
    return {"contentType": NDJSON} | document | {"url": _content(number, EXPORT_JOB, document)}


def _content(number: str, kind: Descriptor, document: Document) -> str:
    api = api_of(number)
    return f"{api.base(version_of(api, document.get('path', '')))}/{kind.path}/{document['id']}/content"


def format_of(document: Document) -> str:
    """Return the media type of an export. Raises ``Invalid`` (``tmf.bulk``)."""
    kind = str(document["contentType"])
    if kind not in (JSON, NDJSON):
        raise Invalid(
            f"contentType is {JSON} or {NDJSON}", code="tmf.bulk", field="$.contentType", value=kind
        )
    return kind


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
