"""What a listener of events wants to hear: ``eventType=…`` and filters on the resource."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from farwire.base.tmf.descriptor import Descriptor, Version
from farwire.base.tmf.query import Query, parse
from farwire.base.tmf.resource import Api
from farwire.kernel.errors import Invalid


def check_query(api: Api, version: Version, query: str) -> None:
    """Raise ``Invalid`` (``tmf.hub_query``) for a query that no resource of ``api`` can be asked."""
    problems = []
    for resource in api.resources:
        try:
            wanted(resource.descriptor, version, query)
        except Invalid as error:
            problems.append(error)
    if problems and len(problems) == len(api.resources):
        why, fix = problems[0].message, problems[0].fix
        raise Invalid(why, code="tmf.hub_query", field="$.query", value=query[:200], fix=fix)


def wanted(descriptor: Descriptor, version: Version, query: str) -> tuple[Sequence[str], Query]:
    """Return the event types of ``eventType=A,B&status=active``, and the rest as a query on the resource.

    An attribute may also be written as it stands in the event: ``event.productOrder.state``.
    """
    prefix = f"event.{descriptor.path_in(version)}."
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    if query and not pairs:
        raise Invalid("the query has the form a=b&c=d", code="tmf.hub_query", field="$.query")
    names = [name for key, value in pairs if key == "eventType" for name in value.split(",")]
    rest = [(key.removeprefix(prefix), value) for key, value in pairs if key != "eventType"]
    return names, parse(descriptor, rest, version)
