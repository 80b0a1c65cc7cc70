"""Reading and writing the plan document: TOML or JSON in, one canonical JSON and its digest out."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import msgspec

from farwire.base.canonical import JSON, canonical
from farwire.catalog.model.plan import PricePlan
from farwire.catalog.model.plan_check import check_plan
from farwire.kernel.errors import Invalid
from farwire.kernel.time import as_utc

_PATH = re.compile(r" - at `\$\.?(.*)`$")


def read_plan(text: str, *, name: str = "plan") -> PricePlan:
    """Return the checked plan that ``text`` holds, TOML or (starting with ``{``) JSON.

    Prices are read as decimals, never as floats. Raises ``Invalid``: ``catalog.plan_syntax``,
    ``catalog.plan_field`` with the path of the field, and what ``check_plan`` raises.
    """
    try:
        if text.lstrip().startswith("{"):
            return from_document(msgspec.json.decode(text, type=PricePlan))
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{name} is not TOML: {error}", code="catalog.plan_syntax", field=name) from None
    except msgspec.ValidationError as error:
        raise _field_error(error) from None
    except msgspec.DecodeError as error:
        raise Invalid(f"{name} is not JSON: {error}", code="catalog.plan_syntax", field=name) from None
    return from_document(document)


def from_document(document: Mapping[str, object] | PricePlan) -> PricePlan:
    """Return the checked plan of a decoded document, its times in UTC."""
    try:
        plan = msgspec.convert(document, PricePlan) if not isinstance(document, PricePlan) else document
    except msgspec.ValidationError as error:
        raise _field_error(error) from None
    plan = msgspec.structs.replace(
        plan,
        valid_from=as_utc(plan.valid_from, field="valid_from"),
        valid_to=None if plan.valid_to is None else as_utc(plan.valid_to, field="valid_to"),
    )
    check_plan(plan)
    return plan


def _field_error(error: msgspec.ValidationError) -> Invalid:
    message = str(error)
    path = _PATH.search(message)
    return Invalid(
        _PATH.sub("", message),
        code="catalog.plan_field",
        field=path[1] if path else "plan",
        fix="docs/rating.md lists every field with an example",
    )


def to_document(plan: PricePlan) -> Mapping[str, JSON]:
    """Return ``plan`` as JSON values; equal plans give equal documents (20 and 20.00 are equal prices)."""
    plain = msgspec.to_builtins(plan, builtin_types=(Decimal,), str_keys=True)
    return cast("Mapping[str, JSON]", _plain(plain))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def digest(plan: PricePlan) -> str:
    """Return the SHA-256 of the plan's canonical document, in hexadecimal: the name of its content."""
    return hashlib.sha256(canonical(to_document(plan), field="plan")).hexdigest()
