"""What a listener of events wants to hear: ``eventType=…`` and filters on the resource."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from farwire.base.tmf.descriptor import Descriptor, Version
from farwire.base.tmf.query import MAX_CONDITIONS, Query, parse, split_values
from farwire.base.tmf.resource import Api
from farwire.kernel.errors import Invalid

ENVELOPE: Final = frozenset(
    {"eventId", "eventTime", "eventType", "title", "domain", "correlationId", "event", "@type"}
)
"""What an event has beside the resource."""


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

    Types may also be repeated (``eventType=A&eventType=B``), quoted, or ``*``. An attribute may be written as it stands
    in the event, also in ``fields`` and ``filter``: ``event.productOrder.state``. A query may be one JSONPath alone.
    """
    prefix = f"event.{descriptor.path_in(version)}."
    names: list[str] = []
    rest: list[tuple[str, str]] = []
    for key, value in _pairs(query):
        if key == "eventType":
            names += [one.strip() for one in split_values(value) if one.strip() not in ("", "*")]
        elif key == "fields":
            rest.append((key, _of_resource(value, prefix)))
        elif key == "filter":
            rest.append((key, _on_resource(value, prefix)))
        else:
            rest.append((key.removeprefix(prefix), value))
    return names, parse(descriptor, rest, version)


def told(names: Sequence[str], name: str) -> bool:
    """Return whether an event of this name is one of ``names``; no names are all. Small and capital letters are one."""
    return not names or name.casefold() in {one.casefold() for one in names}


def _pairs(query: str) -> list[tuple[str, str]]:
    text = query.strip().removeprefix("?")
    if text.startswith("$"):
        return [("filter", text)]
    if text.count("&") >= MAX_CONDITIONS:
        raise _wrong(f"a query has at most {MAX_CONDITIONS} parts")
    pairs = parse_qsl(text, keep_blank_values=True)
    if text and not pairs:
        raise _wrong("the query has the form a=b&c=d")
    return pairs


def _of_resource(fields: str, prefix: str) -> str:
    """Return the ``fields`` of the resource: those of the event itself always come."""
    names = [name.strip().removeprefix(prefix) for name in fields.split(",")]
    return ",".join(name for name in names if name not in ENVELOPE) or "none"


def _on_resource(text: str, prefix: str) -> str:
    """Return the JSONPath as one on the resource."""
    if re.search(r"@\.(eventType|eventTime|eventId)\b", text):
        raise _wrong("filter is about the resource", fix="name event types by eventType=A,B")
    stem = prefix.removesuffix(".")
    return text.replace(f"@.{prefix}", "@.").replace(f"$.{stem}[", "$[")


def _wrong(why: str, *, fix: str | None = None) -> Invalid:
    return Invalid(why, code="tmf.hub_query", field="$.query", fix=fix)
