"""Which resources a job is about, and in which version: what its ``path`` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from farwire.base.authz import Principal, Role
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.config import load_settings
from farwire.base.jobs import Job
from farwire.base.storage import Database, Tx
from farwire.base.tmf import Api, Operation, Resource, Target, Version
from farwire.base.tmf.engine import Operations
from farwire.base.tmf.resource import SERVED, Act
from farwire.base.web import AnyQuery, Call, Nothing
from farwire.kernel.errors import Defect, Invalid
from farwire.kernel.ids import KeyId


@dataclass(frozen=True, slots=True)
class Scope:
    """The version in which rows are written, and the operations of each type of row."""

    version: Version
    operations: dict[str, Operations]


def api_of(number: str) -> Api:
    """Return the API that this process serves under ``number``."""
    return next(api for api, _ in SERVED.all() if api.number == number)


def resource_of(target: Target) -> Resource:
    """Return the resource of a job."""
    found = SERVED.get(target)
    if found is None:
        raise Defect(f"{target} is not served", code="tmf.not_served")
    return found[1]


def scope_of(api: Api, path: str, operation: Operation) -> Scope:
    """Return what ``path`` names: a collection, by its name or its address, or the whole API where it names none.

    Raises ``Invalid`` (``tmf.bulk_path``).
    """
    segments, version = _segments(path), version_of(api, path)
    found = {one.descriptor.path_in(version): one for one in api.resources if _fits(one, version, operation)}
    name = segments[-1] if segments else version.value
    if name != version.value:
        if name not in found:
            why, fix = f"{name} is not a collection for this job", "use one of: " + ", ".join(sorted(found))
            raise Invalid(why, code="tmf.bulk_path", field="$.path", value=path, fix=fix)
        found = {name: found[name]}
    bound = [Operations(api, one, version, api.base(version)) for one in found.values()]
    return Scope(version, {one.resource.descriptor.type_in(version): one for one in bound})


def version_of(api: Api, path: str) -> Version:
    """Return the version that ``path`` names; else the newest one of ``api``."""
    return next((one for one in api.versions if one.value in _segments(path)), max(api.versions))


def _segments(path: str) -> list[str]:
    try:
        return [one for one in urlsplit(path).path.split("/") if one]
    except ValueError:  # an address with half a bracket
        return [path]


def _fits(resource: Resource, version: Version, operation: Operation) -> bool:
    descriptor = resource.descriptor
    plain = descriptor.inside is None and resource.work is None
    return plain and version in descriptor.versions and operation in descriptor.operations


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job by a worker, for whoever made it."""

    job: Job
    db: Database
    clock: Clock

    @property
    def target(self) -> Target:
        """Return the kind of the job."""
        return Target(str(self.job.payload["api"]), str(self.job.payload["type"]))

    @property
    def id(self) -> str:
        """Return the id of the job as its client knows it."""
        return str(self.job.payload["id"])

    @property
    def upload(self) -> UUID:
        """Return what marks the parts of its file."""
        return UUID(str(self.job.payload["upload"]))

    @property
    def principal(self) -> Principal:
        """Return who made the job: it may do what that key may."""
        payload = self.job.payload
        return Principal(self.job.tenant_id, Role(str(payload["role"])), KeyId(UUID(str(payload["key"]))))

    @property
    def act(self) -> Act:
        """Return who changes something."""
        return Act(self.principal.actor, self.clock, self.principal)

    def call(
        self, *, body: Any = None, query: AnyQuery | None = None, tx: Tx | None = None
    ) -> Call[Any, Any, Any]:
        """Return the request that a client would have made for the same thing."""
        return Call(
            principal=self.principal,
            database=self.db,
            clock=self.clock,
            settings=load_settings(),
            path=Nothing(),
            query=query or AnyQuery(),
            body=body,
            request_id=str(self.job.id),
            tx=tx,
        )


def payload(target: Target, key: str, principal: Principal, upload: UUID) -> dict[str, JSON]:
    """Return what a ``Run`` reads."""
    return {
        "api": target.api,
        "type": target.type,
        "id": key,
        "role": principal.role.value,
        "key": str(principal.key_id),
        "upload": str(upload),
    }
