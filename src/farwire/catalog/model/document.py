"""Reading and writing documents, plans and catalogue files: TOML or JSON in, canonical JSON and its digest out."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar, cast

import msgspec

from farwire.base.canonical import JSON, canonical
from farwire.catalog.model.catalogue import TYPES, Catalogue, Document
from farwire.catalog.model.catalogue_check import check_catalogue
from farwire.catalog.model.plan import PricePlan
from farwire.catalog.model.plan_check import check_plan
from farwire.catalog.model.specification import Kind
from farwire.kernel.errors import Invalid
from farwire.kernel.time import as_utc

_T = TypeVar("_T")
_PATH = re.compile(r" - at `\$\.?(.*)`$")


def read_plan(text: str, *, name: str = "plan") -> PricePlan:
    """Return the checked plan that ``text`` holds, TOML or (starting with ``{``) JSON.

    Prices are read as decimals, never as floats. Raises ``Invalid``: ``catalog.plan_syntax``,
    ``catalog.plan_field`` with the path of the field, and what ``check_plan`` raises.
    """
    return from_document(_decode(text, PricePlan, name))


def read_document(text: str, *, name: str = "document") -> PricePlan | Catalogue:
    """Return the checked price plan or catalogue file that ``text`` holds: a file without ``offering`` is the latter.

    Raises what ``read_plan`` raises, and ``catalog.document_invalid``.
    """
    table = _decode(text, dict[str, object], name)
    return read_plan(text, name=name) if "offering" in table else read_catalogue(text, name=name)


def read_catalogue(text: str, *, name: str = "catalogue") -> Catalogue:
    """Return the checked catalogue file that ``text`` holds, TOML or JSON; each document with its own start, in UTC.

    Raises ``Invalid``: ``catalog.plan_syntax``, ``catalog.document_field`` with the path of the field, and what
    ``check_catalogue`` raises.
    """
    return check_catalogue(_decode(text, Catalogue, name))


def _decode(text: str, type_: type[_T], name: str) -> _T:
    try:
        if text.lstrip().startswith("{"):
            return msgspec.json.decode(text, type=type_)
        return msgspec.convert(tomllib.loads(text, parse_float=Decimal), type_)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{name} is not TOML: {error}", code="catalog.plan_syntax", field=name) from None
    except msgspec.ValidationError as error:
        raise _field_error(error, type_) from None
    except msgspec.DecodeError as error:
        raise Invalid(f"{name} is not JSON: {error}", code="catalog.plan_syntax", field=name) from None
    except RecursionError:
        raise Invalid(f"{name} is nested too deeply", code="catalog.plan_syntax", field=name) from None


def stored(kind: Kind, document: object) -> Document:
    """Return the document of ``kind`` that the database holds as decoded JSON. It was checked when it was published."""
    found: Document = msgspec.convert(document, TYPES[kind])
    return found


def from_document(document: Mapping[str, object] | PricePlan) -> PricePlan:
    """Return the checked plan of a decoded document, its times in UTC."""
    try:
        plan = msgspec.convert(document, PricePlan) if not isinstance(document, PricePlan) else document
    except msgspec.ValidationError as error:
        raise _field_error(error, PricePlan) from None
    plan = msgspec.structs.replace(
        plan,
        valid_from=as_utc(plan.valid_from, field="valid_from"),
        valid_to=None if plan.valid_to is None else as_utc(plan.valid_to, field="valid_to"),
    )
    check_plan(plan)
    return plan


def _field_error(error: msgspec.ValidationError, type_: type[object]) -> Invalid:
    message = str(error)
    path = _PATH.search(message)
    plan = type_ is PricePlan
    return Invalid(
        _PATH.sub("", message),
        code="catalog.plan_field" if plan else "catalog.document_field",
        field=path[1] if path else "plan" if plan else "document",
        fix=f"docs/{'rating' if plan else 'catalog'}.md lists every field with an example",
    )


def to_document(document: PricePlan | Document | Catalogue) -> Mapping[str, JSON]:
    """Return a document as JSON values; equal ones give equal values (20 and 20.00 are equal prices)."""
    plain = msgspec.to_builtins(document, builtin_types=(Decimal,), str_keys=True)
    return cast("Mapping[str, JSON]", _plain(plain))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def digest(document: PricePlan | Document | Catalogue) -> str:
    """Return the SHA-256 of the canonical document, in hexadecimal: the name of its content."""
    return hashlib.sha256(canonical(to_document(document), field="document")).hexdigest()
