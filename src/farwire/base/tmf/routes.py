"""Routes of an API: every resource in every version under every base path, with permissions and schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from farwire.base.json_patch import PatchKind
from farwire.base.tmf.contract import FILTERS, contract
from farwire.base.tmf.descriptor import Operation, Version
from farwire.base.tmf.engine import ByKey, ByOuterAndKey, Operations
from farwire.base.tmf.resource import SERVED, Api, Resource
from farwire.base.tmf_events.hub_routes import hub_routes
from farwire.base.web import AnyQuery, AnyRoute, Method, Nothing, Route


def tmf_routes(api: Api) -> tuple[AnyRoute, ...]:
    """Return the routes of ``api``, for the ``ROUTES`` of a context's ``api`` room.

    The first base path of each version is in the OpenAPI document; the others answer the same.
    """
    SERVED.add(api)
    return tuple(_routes(api))


def _routes(api: Api) -> Iterator[AnyRoute]:
    for version in api.versions:
        for base in dict.fromkeys(api.bases(version)):
            listed = base == api.base(version)
            for resource in api.resources:
                if version in resource.descriptor.versions:
                    yield from _resource_routes(api, resource, version, base, listed=listed)
            yield from hub_routes(api, version, base, listed=listed)


def _resource_routes(
    api: Api, resource: Resource, version: Version, base: str, *, listed: bool
) -> Iterator[AnyRoute]:
    descriptor = resource.descriptor
    operations = Operations(api, resource, version, base)
    path = f"{base}/{descriptor.collection(version, '{id}')}"
    names = ("id",) if descriptor.inside is None else ("id", "inner")
    types = (Nothing, ByKey) if descriptor.inside is None else (ByKey, ByOuterAndKey)
    for operation, (method, word, more) in _ROUTES.items():
        if operation not in descriptor.operations:
            continue
        summary = f"{word} {descriptor.type_in(version)}"
        reads = operation in (Operation.LIST, Operation.GET)
        one = operation not in (Operation.LIST, Operation.CREATE)
        yield Route(
            method=method,
            path=f"{path}/{{{names[-1]}}}" if one else path,
            path_type=types[one],
            handler=getattr(operations, operation.value),
            summary=summary,
            tag=f"TMF{api.number} {api.title}",
            permission=resource.read if reads else resource.write,
            response=None,
            query_type=AnyQuery,
            description=f"{summary} (TMF{api.number} {version}).{FILTERS if operation is Operation.LIST else ''}",
            contract=partial(contract, api, descriptor, version, operation),
            listed=listed,
            **more,
            **_repeated(resource, operation),
        )


def _repeated(resource: Resource, operation: Operation) -> Mapping[str, Any]:
    repeats = resource.behaviour is not None and resource.behaviour.repeats
    return {"other_statuses": (200,)} if repeats and operation is Operation.CREATE else {}


_ROUTES: Final[Mapping[Operation, tuple[Method, str, Mapping[str, Any]]]] = {
    Operation.LIST: (Method.GET, "List", {}),
    Operation.GET: (Method.GET, "Get a", {}),
    Operation.CREATE: (
        Method.POST,
        "Create a",
        {"body_type": dict[str, Any], "status": 201, "idempotent": True, "errors": ("409", "422", "429")},
    ),
    Operation.PATCH: (
        Method.PATCH,
        "Change a",
        {"body_type": Any, "accepts": tuple(PatchKind), "errors": ("409", "422")},
    ),
    Operation.PUT: (Method.PUT, "Replace a", {"body_type": dict[str, Any], "errors": ("409", "422")}),
    Operation.DELETE: (Method.DELETE, "Delete a", {"status": 204, "errors": ("409",)}),
}
