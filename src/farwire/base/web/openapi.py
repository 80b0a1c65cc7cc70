"""The OpenAPI 3.1 document, made from the routes: what is declared is what is checked is what is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Final, TypeAlias

import msgspec

from farwire import __version__
from farwire.base.authz import Permission
from farwire.base.web.documents import ALWAYS, attribute_names
from farwire.base.web.errors import ErrorBody
from farwire.base.web.idempotency import HEADER, KEY_PATTERN
from farwire.base.web.parameters import Parameter, compile_parameters
from farwire.base.web.route import JSON, AnyRoute, Method
from farwire.kernel.errors import check

Object: TypeAlias = dict[str, Any]

REFERENCES: Final = "#/components/schemas/{name}"
NO_NUL: Final = r"^[^\u0000]*$"
"""A text of any other characters."""
ERRORS: Final[Mapping[str, str]] = {
    "400": "The request has an unknown or malformed parameter or body.",
    "401": "There is no API key, or it is unknown, expired or revoked.",
    "403": "The key's role lacks the permission of this operation.",
    "404": "There is nothing with this id in the caller's tenant.",
    "409": "The request contradicts the present state.",
    "413": "The body is too large.",
    "415": "The body is not declared as application/json.",
    "422": "The idempotency key was used for another request.",
    "429": "A limit is reached.",
    "500": "Farwire failed. Report the requestId.",
    "503": "The database does not answer, or the API is at its limit. Retry-After says when to try again.",
    "507": "The disk of the installation is full.",
}


def openapi_info(title: str = "Farwire") -> Object:
    """Return what the document says of the API as a whole."""
    return {
        "title": title,
        "version": __version__,
        "summary": "Sell, deliver, assure, meter, charge, bill, collect, analyse.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }


def openapi_document(routes: Sequence[AnyRoute], *, title: str = "Farwire") -> Object:
    """Return the document of ``routes`` as plain data."""
    routes = [replace(route, contract=route.described) for route in routes if route.listed]
    types = _types(routes)
    described = msgspec.json.schema_components(types, ref_template=REFERENCES)
    schemas, components = msgspec.json.decode(msgspec.json.encode(described))  # a default may be a tuple
    _decimals_as_numbers(schemas)
    _decimals_as_numbers(components)
    _as_markdown(components)
    by_type = dict(zip(map(_key, types), schemas, strict=True))
    for name in {route.item.__name__ for route in routes if _selectable(route)}:
        check(name in components, "web.schema_name", f"two documents of the API are called {name}")
        # fields= may leave any other attribute out
        required = components[name]["required"]
        components[name]["required"] = [attribute for attribute in required if attribute in ALWAYS]
    _add_components(components, routes)
    return {
        "openapi": "3.1.0",
        "info": openapi_info(title),
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in routes)],
        "paths": _paths(routes, by_type),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (fw_…) of one tenant and one role, made by `farwire key create`.",
                }
            },
        },
    }


def _paths(routes: Iterable[AnyRoute], by_type: Mapping[str, Object]) -> Object:
    paths: Object = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.value.lower()] = _operation(route, by_type)
    for path, operations in paths.items():
        made = operations.get("post", {}).get("responses", {}).get("201")
        if made is not None and (links := dict(_links(paths, path))):
            made["links"] = links
    return paths


def _links(paths: Object, path: str) -> Iterator[tuple[str, Object]]:
    """Yield what can be done with a thing that was made in the collection ``path``, by its ``id``."""
    outer = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+)}", path)}
    for other, operations in paths.items():
        below = re.fullmatch(re.escape(path) + r"/{(id|inner)}(/\w+)?", other)
        if below is not None and below[1] not in outer:
            names = outer | {below[1]: "$response.body#/id"}
            for operation in operations.values():
                key = operation["operationId"]
                yield key, {"operationId": key, "parameters": names}


def _add_components(components: Object, routes: Iterable[AnyRoute]) -> None:
    """Add the schemas that routes bring; two of one name are the same one."""
    for route in routes:
        for name, schema in (route.described.components if route.described else {}).items():
            same = components.setdefault(name, schema) == schema
            check(same, "web.schema_name", f"two documents of the API are called {name}")


def _as_markdown(schema: Any) -> None:
    """Turn the docstrings' ``code`` into the `code` of CommonMark, which OpenAPI's descriptions are."""
    if isinstance(schema, dict):
        if isinstance(text := schema.get("description"), str):
            schema["description"] = text.replace("``", "`")
        for part in schema.values():
            _as_markdown(part)


def _decimals_as_numbers(schema: Any) -> None:
    """Say what the encoder does: a Decimal is a JSON number with all its digits, where msgspec's schema says text."""
    if isinstance(schema, Mapping):
        if schema.get("format") == "decimal" and isinstance(schema, dict):
            schema["type"] = "number"
        for part in schema.values():
            _decimals_as_numbers(part)
    elif isinstance(schema, (list, tuple)):
        for part in schema:
            _decimals_as_numbers(part)


def _selectable(route: AnyRoute) -> bool:
    return route.method is Method.GET and bool(attribute_names(route.item))


def _key(kind: Any) -> str:
    return repr(kind)


def _types(routes: Iterable[AnyRoute]) -> list[Any]:
    kinds: list[Any] = [ErrorBody]
    for route in routes:
        kinds += (
            []
            if route.described
            else [
                kind for kind in (route.response, route.body_type) if kind is not None and kind is not bytes
            ]
        )
        for struct in (route.path_type, route.query_type):
            kinds += [parameter.type for parameter in compile_parameters(struct).by_name.values()]
    return list({_key(kind): kind for kind in kinds}.values())


def _operation(route: AnyRoute, schemas: Mapping[str, Object]) -> Object:
    permission = route.permission.value if isinstance(route.permission, Permission) else None
    rule = f"Needs the permission `{permission}`." if permission else "Any valid key may call it."
    operation: Object = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": f"{_description(route)} {rule}",
        "tags": [route.tag],
        "x-permission": permission or route.permission.value,
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.described is not None and route.described.request:
        operation["requestBody"] = {"required": True, "content": dict(route.described.request)}
    elif route.body_type is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": schemas[_key(route.body_type)]}},
        }
    return operation


def _description(route: AnyRoute) -> str:
    """Return what the route says about itself; where that is nothing, the first sentence of its handler."""
    return route.description or (route.handler.__doc__ or route.summary).partition("\n")[0]


def operation_id(route: AnyRoute) -> str:
    """Return a stable name of the operation: the handler's own, in camel case."""
    if route.described is not None:
        return route.described.operation_id
    first, *rest = route.handler.__name__.strip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


def _parameters(route: AnyRoute, schemas: Mapping[str, Object]) -> list[Object]:
    found = [_parameter("path", p, schemas) for p in compile_parameters(route.path_type).by_name.values()]
    found += [_parameter("query", p, schemas) for p in compile_parameters(route.query_type).by_name.values()]
    if route.described is not None:
        found += [dict(parameter) for parameter in route.described.parameters]
    if _selectable(route):
        names = attribute_names(route.item)
        one = "(?:" + "|".join(re.escape(name) for name in names) + ")"
        found.append(
            {
                "name": "fields",
                "in": "query",
                "required": False,
                "description": "Attributes to return, comma-separated; id, href and @type always come.",
                "schema": {"type": "string", "pattern": f"^{one}(?:,{one})*$", "maxLength": 1000},
            }
        )
    if route.method is Method.GET and not route.paged:
        found.append(
            _header("If-None-Match", "The entity tag of a known answer; 304 if it is still the same.")
        )
    if route.idempotent:
        found.append(
            {
                **_header(
                    HEADER,
                    "A repeat of the same request with the same key within 24 hours gets the same answer.",
                ),
                "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
            }
        )
    return found


def _parameter(place: str, parameter: Parameter, schemas: Mapping[str, Object]) -> Object:
    schema = dict(schemas[_key(parameter.type)])
    if schema.get("type") == "string" and not schema.keys() & {"pattern", "format", "enum"}:
        schema["pattern"] = NO_NUL
    description = schema.pop("description", None)
    default = parameter.default
    if default is not None:
        schema["default"] = default.value if isinstance(default, Enum) else default
    found: Object = {
        "name": parameter.name,
        "in": place,
        "required": place == "path" or parameter.required,
        "schema": schema,
    }
    if description:
        found["description"] = description
    return found


def _header(name: str, description: str) -> Object:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _responses(route: AnyRoute, schemas: Mapping[str, Object]) -> Object:
    success: Object = {"description": route.summary}
    if route.described is not None:
        if route.described.response is not None:
            success["content"] = {route.media_type: {"schema": route.described.response}}
            success["headers"] = dict(route.described.headers)
    elif route.response is bytes:
        success["content"] = {route.media_type: {"schema": {"type": "string", "format": "binary"}}}
    elif route.response is not None:
        success["content"] = {route.media_type: {"schema": schemas[_key(route.response)]}}
    if route.paged:
        success["headers"] = {
            "X-Total-Count": {"description": "Size of the whole list.", "schema": {"type": "integer"}},
            "X-Result-Count": {"description": "Rows in this answer.", "schema": {"type": "integer"}},
            "Link": {"description": "first, prev, next, last (RFC 8288).", "schema": {"type": "string"}},
        }
    responses: Object = {str(status): success for status in (route.status, *route.other_statuses)}
    if route.status == 201:
        where = {"description": "Where it is, or the list in which it stands.", "schema": {"type": "string"}}
        responses["201"] = {**success, "headers": {"Location": where}}
    if route.method is Method.GET and not route.paged:
        success["headers"] = success.get("headers", {}) | {
            "ETag": {"description": "Tag of this answer.", "schema": {"type": "string"}}
        }
        responses["304"] = {"description": "The known answer is still the same."}
    body = {JSON: {"schema": schemas[_key(ErrorBody)]}}
    for status in _error_statuses(route):
        responses[status] = {"description": ERRORS[status], "content": body}
    return responses


def _error_statuses(route: AnyRoute) -> list[str]:
    statuses = {"400", "401", "403", "500", "503", *route.errors}
    if route.path_type.__struct_fields__:
        statuses.add("404")
    if route.body_type is not None or route.streams:
        statuses |= {"413", "415", "507"}
    if route.idempotent:
        statuses |= {"409", "422"}
    return sorted(statuses)
