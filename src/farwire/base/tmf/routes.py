"""Routes of an API: every resource in every version under every base path, with permissions and schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farwire.base.tmf.contract import contract
from farwire.base.tmf.descriptor import Operation, Version
from farwire.base.tmf.engine import ByKey, Operations
from farwire.base.tmf.hub_routes import hub_routes
from farwire.base.tmf.patch import PatchKind
from farwire.base.tmf.resource import SERVED, Api, Resource
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
    operations = Operations(api, resource, version, base)
    path = f"{base}/{resource.descriptor.path_in(version)}"
    kind = resource.descriptor.type_in(version)
    one: dict[str, Any] = {"path": f"{path}/{{id}}", "path_type": ByKey}
    many: dict[str, Any] = {"path": path, "path_type": Nothing}
    table: dict[Operation, tuple[Method, Any, dict[str, Any], str]] = {
        Operation.LIST: (Method.GET, operations.list, many, f"List {kind}"),
        Operation.GET: (Method.GET, operations.get, one, f"Get a {kind}"),
        Operation.CREATE: (
            Method.POST,
            operations.create,
            {
                **many,
                "body_type": dict[str, Any],
                "status": 201,
                "idempotent": True,
                "errors": ("409", "422"),
            },
            f"Create a {kind}",
        ),
        Operation.PATCH: (
            Method.PATCH,
            operations.patch,
            {
                **one,
                "body_type": Any,
                "accepts": tuple(one.value for one in PatchKind),
                "errors": ("409", "422"),
            },
            f"Change a {kind}",
        ),
        Operation.DELETE: (
            Method.DELETE,
            operations.delete,
            {**one, "status": 204, "errors": ("409",)},
            f"Delete a {kind}",
        ),
    }
    for operation in Operation:
        if operation not in resource.descriptor.operations:
            continue
        method, handler, more, summary = table[operation]
        reads = operation in (Operation.LIST, Operation.GET)
        yield Route(
            method=method,
            handler=handler,
            summary=summary,
            tag=f"TMF{api.number} {api.title}",
            permission=resource.read if reads else resource.write,
            response=None,
            query_type=AnyQuery,
            description=f"{summary} (TMF{api.number} {version}).",
            contract=contract(api, resource.descriptor, version, operation),
            listed=listed,
            **more,
        )
