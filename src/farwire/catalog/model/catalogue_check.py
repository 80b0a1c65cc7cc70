"""What a catalogue file must obey by itself. Every refusal names the field's path, its value and a fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from farwire.catalog.model.catalogue import Catalogue, Document, Eligibility, Offering, Terms, kind_of
from farwire.catalog.model.characteristics import value_error
from farwire.catalog.model.plan_check import check_amount, check_percent
from farwire.catalog.model.rules_check import check_rules
from farwire.catalog.model.specification import (
    Characteristic,
    Kind,
    ProductSpecification,
    ResourceSpecification,
    ServiceSpecification,
    Specification,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.time import as_utc

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}")
MAX_DOCUMENTS: Final = 2_000
"""Bound of one catalogue file."""
MAX_PARTS: Final = 500
"""Bound of each list in a document."""
MAX_COUNT: Final = 10_000
MAX_NUMBER: Final = Decimal(10**18)
MAX_TEXT: Final = 2_000


def refuse(path: str, value: object, message: str, fix: str = "") -> Invalid:
    """Return the error for the field at ``path``."""
    return Invalid(message, code="catalog.document_invalid", field=path, value=value, fix=fix or None)


def check_catalogue(file: Catalogue) -> Catalogue:
    """Return the file with every document's times in UTC and its start filled in.

    Raises ``Invalid`` (``catalog.document_invalid`` and kernel codes) where a document contradicts itself or two
    have one code.
    """
    documents = [(path, _dated(path, document, file.valid_from)) for path, document in file.documents()]
    if not 1 <= len(documents) <= MAX_DOCUMENTS:
        raise refuse(
            "document",
            len(documents),
            f"a catalogue file holds 1 to {MAX_DOCUMENTS} documents",
            "start from what `farwire catalog example` prints",
        )
    seen: dict[tuple[Kind, str], str] = {}
    for path, document in documents:
        check_code(f"{path}.code", document.code)
        key = (kind_of(document), document.code)
        if key in seen:
            raise refuse(
                f"{path}.code", document.code, f"the same code is at {seen[key]}", "give each its own"
            )
        seen[key] = path
        _check_texts(path, document)
        if isinstance(document, Offering):
            _check_offering(path, document)
        else:
            _check_specification(path, document)
    return Catalogue(
        valid_from=None if file.valid_from is None else as_utc(file.valid_from, field="valid_from"),
        resource_specifications=_of(documents, ResourceSpecification),
        service_specifications=_of(documents, ServiceSpecification),
        product_specifications=_of(documents, ProductSpecification),
        offerings=_of(documents, Offering),
    )


def _of(documents: Iterable[tuple[str, Document]], type_: type[Document]) -> tuple:  # type: ignore[type-arg]
    return tuple(document for _, document in documents if isinstance(document, type_))


def _dated(path: str, document: Document, start: datetime | None) -> Document:
    own = document.valid_from or start
    if own is None:
        fix = "write valid_from = 2026-06-01T00:00:00+02:00 at the top of the file, or in the document"
        raise refuse(f"{path}.valid_from", "", "a document says from when it holds", fix)
    begin = as_utc(own, field=f"{path}.valid_from")
    if not isinstance(document, Offering) or document.valid_to is None:
        return msgspec.structs.replace(document, valid_from=begin)
    end = as_utc(document.valid_to, field=f"{path}.valid_to")
    if end <= begin:
        raise refuse(f"{path}.valid_to", end.isoformat(), "an offering ends after it starts")
    return msgspec.structs.replace(document, valid_from=begin, valid_to=end)


def check_code(path: str, code: str) -> None:
    """Refuse what is no code."""
    if not _CODE.fullmatch(code):
        raise refuse(path, code, "a code is small letters, digits and . _ -, at most 64")


def _check_codes(path: str, codes: Sequence[str]) -> None:
    _check_list(path, codes, lambda code: code)
    for i, code in enumerate(codes):
        check_code(f"{path}[{i}]", code)


def _check_list(path: str, items: Sequence[object], key: Callable[[object], object] | None = None) -> None:
    if len(items) > MAX_PARTS:
        raise refuse(path, len(items), f"a list has at most {MAX_PARTS} items")
    keys = [item if key is None else key(item) for item in items]
    for i, one in enumerate(keys):
        if one in keys[:i]:
            raise refuse(f"{path}[{i}]", one, "it is in the list already", "name it once")


def _check_texts(path: str, document: Document) -> None:
    if not document.name.strip():
        raise refuse(f"{path}.name", document.name, "a name is not empty")
    for field, text in (("name", document.name), ("description", document.description)):
        if len(text) > MAX_TEXT:
            raise refuse(f"{path}.{field}", len(text), f"a text has at most {MAX_TEXT} characters")


def _check_specification(path: str, document: Specification) -> None:
    _check_list(f"{path}.characteristics", [one.name for one in document.characteristics])
    for i, characteristic in enumerate(document.characteristics):
        _check_characteristic(f"{path}.characteristics[{i}]", characteristic)
    _check_list(f"{path}.relations", [(one.type, one.specification) for one in document.relations])
    for i, relation in enumerate(document.relations):
        check_code(f"{path}.relations[{i}].specification", relation.specification)
        if relation.specification == document.code:
            raise refuse(f"{path}.relations[{i}].specification", document.code, "it relates to itself")
    if isinstance(document, ResourceSpecification):
        check_code(f"{path}.kind", document.kind)
        return
    if isinstance(document, ServiceSpecification):
        _check_service(path, document)
    elif isinstance(document, ProductSpecification):
        _check_codes(f"{path}.services", document.services)
    if isinstance(document, ServiceSpecification | ProductSpecification):
        check_rules(path, document, refuse)


def _check_service(path: str, service: ServiceSpecification) -> None:
    _check_list(f"{path}.resources", [(need.kind, need.pool, need.when) for need in service.resources])
    for i, need in enumerate(service.resources):
        here = f"{path}.resources[{i}]"
        check_code(f"{here}.kind", need.kind)
        if need.specification:
            check_code(f"{here}.specification", need.specification)
        if not 1 <= need.count <= MAX_COUNT:
            raise refuse(f"{here}.count", need.count, f"a count is 1 to {MAX_COUNT}")
    _check_list(f"{path}.operations", [(one.adapter, one.operation, one.when) for one in service.operations])
    for i, operation in enumerate(service.operations):
        check_code(f"{path}.operations[{i}].adapter", operation.adapter)
        check_code(f"{path}.operations[{i}].operation", operation.operation)
        _check_list(f"{path}.operations[{i}].parameters", list(operation.parameters))


def _check_characteristic(path: str, one: Characteristic) -> None:
    if not _NAME.fullmatch(one.name):
        raise refuse(f"{path}.name", one.name, "a name is 1 to 64 letters, digits, spaces and . _ : / -")
    for field, bound in (("minimum", one.minimum), ("maximum", one.maximum)):
        if bound is not None and not (bound.is_finite() and abs(bound) < MAX_NUMBER):
            raise refuse(f"{path}.{field}", bound, "a bound is a number of at most 18 digits")
    if one.minimum is not None and one.maximum is not None and one.maximum < one.minimum:
        raise refuse(f"{path}.maximum", one.maximum, f"it is below the minimum {one.minimum}")
    if one.values and (one.minimum is not None or one.maximum is not None):
        raise refuse(f"{path}.values", len(one.values), "allowed values or a range, not both")
    _check_list(f"{path}.values", one.values)
    unlimited = msgspec.structs.replace(one, values=())
    for i, value in enumerate(one.values):
        wrong = value_error(unlimited, value)
        if wrong:
            raise refuse(f"{path}.values[{i}]", value, wrong)
    wrong = "" if one.default is None else value_error(one, one.default)
    if wrong:
        raise refuse(f"{path}.default", one.default, wrong)
    if not one.configurable and one.default is None:
        raise refuse(f"{path}.default", "", "what nobody can choose has a default")


def _check_offering(path: str, offering: Offering) -> None:
    if offering.product_specification:
        check_code(f"{path}.product_specification", offering.product_specification)
    _check_list(f"{path}.bundle", [item.offering for item in offering.bundle])
    for i, item in enumerate(offering.bundle):
        here = f"{path}.bundle[{i}]"
        check_code(f"{here}.offering", item.offering)
        if not 0 <= item.minimum <= item.maximum <= MAX_COUNT or item.maximum == 0:
            raise refuse(f"{here}.maximum", item.maximum, f"0 ≤ minimum ≤ maximum ≤ {MAX_COUNT}, and not 0")
        if not item.minimum <= item.default <= item.maximum:
            raise refuse(f"{here}.default", item.default, "the default is between minimum and maximum")
    _check_codes(f"{path}.requires", offering.requires)
    _check_codes(f"{path}.excludes", offering.excludes)
    for field, codes in (("requires", offering.requires), ("excludes", offering.excludes)):
        if offering.code in codes:
            raise refuse(f"{path}.{field}", offering.code, f"{offering.code} names itself")
    for code in {*offering.requires, *(item.offering for item in offering.bundle if item.minimum)}:
        if code in offering.excludes:
            raise refuse(f"{path}.excludes", code, f"{offering.code} needs {code} and excludes it")
    _check_eligibility(f"{path}.eligibility", offering.eligibility)
    _check_terms(f"{path}.terms", offering.terms)


def _check_eligibility(path: str, eligibility: Eligibility) -> None:
    lists = {
        "regions": eligibility.regions,
        "segments": eligibility.segments,
        "channels": eligibility.channels,
    }
    for field, names in lists.items():
        _check_list(f"{path}.{field}", names)
        for i, name in enumerate(names):
            if not _NAME.fullmatch(name):
                raise refuse(f"{path}.{field}[{i}]", name, "a name is 1 to 64 letters, digits and . _ : / -")


def _check_terms(path: str, terms: Terms) -> None:
    bounds = (
        ("minimum_term_months", terms.minimum_term_months, 120),
        ("notice_days", terms.notice_days, 3_660),
        ("withdrawal_days", terms.withdrawal_days, 366),
    )
    for field, value, most in bounds:
        if not 0 <= value <= most:
            raise refuse(f"{path}.{field}", value, f"{field} is 0 to {most}")
    check_amount(f"{path}.early_termination_fee", terms.early_termination_fee)
    fee, percent = terms.early_termination_fee, terms.early_termination_percent
    if percent is not None:
        check_percent(f"{path}.early_termination_percent", percent, Decimal(100))
    if fee is not None and percent is not None:
        raise refuse(f"{path}.early_termination_percent", percent, "a fee or a percentage, not both")
    if not terms.minimum_term_months and (fee is not None or percent is not None):
        raise refuse(
            f"{path}.minimum_term_months", 0, "without a minimum term nothing can end early", "state the term"
        )
