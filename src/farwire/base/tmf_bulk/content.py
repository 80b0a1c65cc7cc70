"""The files of jobs: where one is sent to, where one is fetched from, and which rows were refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Document, Target, documents
from farwire.base.tmf.engine import ByKey, unknown
from farwire.base.tmf_bulk import rows, store
from farwire.base.tmf_bulk.rows import NDJSON
from farwire.base.tmf_bulk.tables import EXPORT_JOB, IMPORT_JOB, RUNNING, SUCCEEDED, WAITING
from farwire.base.tmf_bulk.tasks import move, queue_import
from farwire.base.web import JSON, AnyRoute, Call, Contract, Method, Nothing, Reply, Route
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import uuid7

UploadCall = Call[ByKey, Nothing, AsyncIterator[bytes]]
GetCall = Call[ByKey, Nothing, None]
ERRORS_PAGE = 500
_TAKEN = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "status": {"type": "string"}, "rows": {"type": "integer"}},
    "required": ["id", "status", "rows"],
}


@dataclass(frozen=True, slots=True)
class Content:
    """The routes below the jobs of one API."""

    api: Api

    async def upload(self, call: UploadCall) -> Reply:
        """Take the file of an import; the work begins when it is whole."""
        target, key = Target(self.api.number, IMPORT_JOB.type), call.path.id
        async with call.transaction() as tx:
            await _waiting_job(tx, target, key)
        if call.media_type not in (JSON, NDJSON):
            why, fix = (
                "the body is not declared as rows",
                f"send Content-Type: {NDJSON}, or {JSON} with an array",
            )
            raise Invalid(why, code="web.media_type", field="Content-Type", value=call.media_type, fix=fix)
        upload, act = uuid7(call.now()), Act(call.principal.actor, call.clock, call.principal)
        try:
            total = await self._keep(call, target, upload)
            async with call.transaction() as tx:
                before = await _waiting_job(tx, target, key)
                await store.drop_parts(tx, target, key, but=upload)
                await queue_import(tx, target, key, act, upload)
                await move(tx, target, before, act, status=RUNNING, contentType=call.media_type)
        except Exception:
            async with call.transaction() as tx:
                await store.drop_parts(tx, target, key, of=upload)
            raise
        return Reply({"id": key, "status": RUNNING, "rows": total})

    async def _keep(self, call: UploadCall, target: Target, upload: UUID) -> int:
        number = total = 0
        async for part in rows.parts(call.body, call.media_type):
            async with call.transaction() as tx:
                await _waiting_job(tx, target, call.path.id)
                await store.add_part(
                    tx, target, call.path.id, upload, number=number, first_row=total + 1, rows=part
                )
            number, total = number + 1, total + len(part)
        if total == 0:
            raise Invalid(
                "the file holds no row",
                code="web.body_malformed",
                field="body",
                fix="send a resource per row",
            )
        return total

    async def download(self, call: GetCall) -> Reply:
        """Return the file of an export."""
        target = Target(self.api.number, EXPORT_JOB.type)
        async with call.transaction() as tx:
            job = await _job(tx, target, call.path.id)
        if job["status"] != SUCCEEDED:
            why = f"the export is {job['status']}"
            raise Conflict(
                why, code="tmf.bulk_state", field="status", value=job["status"], fix="ask again later"
            )
        return Reply(_written(call, target, job["contentType"]), media_type=job["contentType"])

    async def errors(self, call: GetCall) -> Reply:
        """Return why rows were refused, one line of JSON each."""
        target = Target(self.api.number, IMPORT_JOB.type)
        async with call.transaction() as tx:
            await _job(tx, target, call.path.id)
        return Reply(_refused(call, target), media_type=NDJSON)


async def _job(tx: Tx, target: Target, key: str, *, lock: bool = False) -> Document:
    found = await documents.load(tx, target, key, lock=lock)
    if found is None:
        raise unknown(key)
    return found


async def _waiting_job(tx: Tx, target: Target, key: str) -> Document:
    """Return the job, locked, whose file is not there yet."""
    job = await _job(tx, target, key, lock=True)
    if job["status"] != WAITING:
        why, fix = f"the import is {job['status']}", "make a new importJob for another file"
        raise Conflict(why, code="tmf.bulk_state", field="status", value=job["status"], fix=fix)
    return job


async def _written(call: GetCall, target: Target, media_type: str) -> AsyncIterator[bytes]:
    """Yield the file a part at a time, each read in a transaction of its own: a slow reader holds nothing."""
    array, number, first = media_type == JSON, -1, True
    if array:
        yield b"["
    while True:
        async with call.transaction() as tx:
            part = await store.part_after(tx, target, call.path.id, None, number)
        if part is None:
            break
        if array:
            yield (b"" if first else b",\n") + b",\n".join(part.rows)
        else:
            yield b"\n".join(part.rows) + b"\n"
        number, first = part.number, False
    if array:
        yield b"]\n"


async def _refused(call: GetCall, target: Target) -> AsyncIterator[bytes]:
    after = 0
    while True:
        async with call.transaction() as tx:
            found = await store.errors_after(tx, target, call.path.id, after, ERRORS_PAGE)
        if not found:
            return
        yield "".join(f"{text}\n" for _, text in found).encode()
        after = found[-1][0]


def bulk_routes(api: Api) -> tuple[AnyRoute, ...]:
    """Return the routes of the files of an API's jobs, to go beside ``tmf_routes``."""
    return tuple(_routes(api))


def _routes(api: Api) -> Iterator[AnyRoute]:
    content = Content(api)
    resource = next(one for one in api.resources if one.descriptor is IMPORT_JOB)
    for version in api.versions:
        for base in dict.fromkeys(api.bases(version)):
            common: dict[str, Any] = {
                "path_type": ByKey,
                "response": None,
                "tag": f"TMF{api.number} {api.title}",
                "listed": base == api.base(version),
            }
            stem = f"TMF{api.number}{version}"
            yield _upload(content, resource.write, f"{base}/{IMPORT_JOB.path}", stem, common)
            yield _fetch(
                content.download, resource.read, f"{base}/{EXPORT_JOB.path}/{{id}}/content", stem, common
            )
            yield _fetch(
                content.errors, resource.read, f"{base}/{IMPORT_JOB.path}/{{id}}/errors", stem, common
            )


def _upload(
    content: Content, permission: Permission, path: str, stem: str, common: dict[str, Any]
) -> AnyRoute:
    # A row of the wrong shape is refused by itself when the import runs; the file is taken.
    array = {"type": ["array", "object"], "minItems": 1}
    return Route(
        method=Method.PUT,
        path=f"{path}/{{id}}/content",
        handler=content.upload,
        permission=permission,
        summary="Send the file of an import",
        description="Rows as lines of JSON, a JSON array, or one object. Taken once per job; the import then runs.",
        streams=True,
        accepts=(NDJSON, JSON),
        errors=("409", "429"),
        contract=Contract(
            f"uploadImportJobContent{stem}", request={JSON: {"schema": array}}, response=_TAKEN
        ),
        **common,
    )


def _fetch(handler: Any, permission: Permission, path: str, stem: str, common: dict[str, Any]) -> AnyRoute:
    what = "file of an export" if path.endswith("content") else "refused rows of an import"
    name = "downloadExportJobContent" if path.endswith("content") else "listImportJobErrors"
    return Route(
        method=Method.GET,
        path=path,
        handler=handler,
        permission=permission,
        summary=f"Get the {what}",
        media_type=NDJSON,
        errors=("409",) if path.endswith("content") else (),
        contract=Contract(f"{name}{stem}", response={"type": "string"}),
        **common,
    )
