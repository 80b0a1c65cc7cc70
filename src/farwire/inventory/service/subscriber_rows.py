"""One row of the subscriber file: parsed, checked, and compared with what is there. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.account.model import TaxClass
from farwire.country.model import CountryPack, check_address
from farwire.inventory.model import Assignment, Product
from farwire.kernel.errors import Conflict, FarwireError, Invalid
from farwire.kernel.ids import OfferingId, SubscriberKey
from farwire.kernel.time import BillCycle, instant, zone
from farwire.party.model import PartyKind
from farwire.tenant.model import Address

REQUIRED: Final = ("account", "name", "offering", "activated_at")
OPTIONAL: Final = (
    "kind",
    "vat_id",
    "email",
    "phone",
    "country",
    "region",
    "segment",
    "language",
    "cycle_day",
    "zone",
    "tax_class",
    "legal_entity",
    "ended_at",
    "identifiers",
)
_IDENTIFIER: Final = re.compile(r"(?:([a-z][a-z0-9_]{0,19}):)?([^\s;:]{1,128})")
MAX_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a row means where it says nothing: the seller's country, language, zone, cycle day."""

    country: str
    language: str
    zone: str
    cycle_day: int = 1


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """A row that makes sense by itself. ``identifiers`` are (kind, value) pairs without a leading plus."""

    number: int
    account: str
    name: str
    kind: PartyKind
    vat_id: str
    contacts: tuple[tuple[str, str], ...]
    address: Address
    segment: str
    language: str
    cycle_day: int
    zone: str
    tax_class: TaxClass
    legal_entity: str
    offering: str
    activated_at: datetime
    ended_at: datetime | None
    identifiers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was not taken. ``row`` counts from 1 without the header; personal data are not repeated."""

    row: int
    code: str
    field: str
    message: str
    fix: str

    @classmethod
    def of(cls, row: int, error: FarwireError) -> RowError:
        """Return the error of a row."""
        return cls(row, error.code, error.field or "", error.message, error.fix or "")


def check_header(columns: Sequence[str], pack: CountryPack) -> None:
    """Raise ``Invalid`` (``inventory.import_header``) for a missing, doubled or unknown column."""
    allowed = {*REQUIRED, *OPTIONAL, *(field.name for field in pack.address.fields)}
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in allowed]
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    for what, names in (("lacks", missing), ("does not know", unknown), ("repeats", doubled)):
        if names:
            raise Invalid(
                f"the file {what} the column {', '.join(map(repr, names))}",
                code="inventory.import_header",
                field=names[0],
                fix=f"columns: {', '.join(sorted(allowed))}",
            )


def parse_identifiers(text: str) -> tuple[tuple[str, str], ...]:
    """Return the (kind, value) pairs of "msisdn:4915112345678;imsi:262011234567890". Raises ``Invalid``."""
    found: list[tuple[str, str]] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = _IDENTIFIER.fullmatch(part)
        if match is None:
            raise Invalid(
                "an identifier is kind:value",
                code="inventory.identifier",
                field="identifiers",
                fix="e.g. msisdn:4915112345678;imsi:262011234567890",
            )
        found.append((match[1] or "msisdn", match[2].removeprefix("+")))
    return tuple(dict.fromkeys(found))


def _one_of(cells: Mapping[str, str], field: str, default: str, allowed: Sequence[str]) -> str:
    value = cells.get(field) or default
    if value not in allowed:
        raise Invalid(
            f"{field} is not one of {', '.join(allowed)}", code=f"inventory.import_{field}", field=field
        )
    return value


def _text(cells: Mapping[str, str], field: str) -> str:
    value = cells.get(field, "")
    if field in REQUIRED and not value:
        raise Invalid(f"{field} is empty", code="inventory.import_missing", field=field)
    if len(value) > MAX_TEXT:
        raise Invalid(
            f"{field} is longer than {MAX_TEXT} characters", code="inventory.import_long", field=field
        )
    return value


def _cycle_day(cells: Mapping[str, str], defaults: Defaults) -> int:
    text = cells.get("cycle_day", "")
    if text and not (text.isascii() and text.isdigit()):
        raise Invalid("cycle_day is a day of the month", code="time.anchor_day", field="cycle_day")
    return int(text[:9]) if text else defaults.cycle_day


def parse_row(number: int, cells: Mapping[str, str], defaults: Defaults, pack: CountryPack) -> SubscriberRow:
    """Return the row. ``cells`` are stripped texts by column. Raises ``Invalid`` for the first thing that is wrong."""
    fields = {field.name: cells.get(field.name, "") for field in pack.address.fields}
    address = Address(_text(cells, "country") or defaults.country, fields, _text(cells, "region"))
    if address.country == pack.code and (problems := check_address(pack, fields)):
        raise problems[0]
    zone_name = _text(cells, "zone") or defaults.zone
    row = SubscriberRow(
        number=number,
        account=_text(cells, "account"),
        name=_text(cells, "name"),
        kind=PartyKind(_one_of(cells, "kind", "individual", [kind.value for kind in PartyKind])),
        vat_id=_text(cells, "vat_id"),
        contacts=tuple((kind, _text(cells, kind)) for kind in ("email", "phone") if cells.get(kind)),
        address=address,
        segment=_text(cells, "segment"),
        language=_text(cells, "language") or defaults.language,
        cycle_day=_cycle_day(cells, defaults),
        zone=zone_name,
        tax_class=TaxClass(_one_of(cells, "tax_class", "standard", [kind.value for kind in TaxClass])),
        legal_entity=_text(cells, "legal_entity"),
        offering=_text(cells, "offering"),
        activated_at=instant(_text(cells, "activated_at"), field="activated_at"),
        ended_at=instant(cells["ended_at"], field="ended_at") if cells.get("ended_at") else None,
        identifiers=parse_identifiers(cells.get("identifiers", "")),
    )
    BillCycle(row.cycle_day, zone(zone_name))
    if row.ended_at is not None and row.ended_at < row.activated_at:
        raise Invalid(
            "ended_at is before activated_at", code="inventory.ended_before_start", field="ended_at"
        )
    return row


def same_product(
    row: SubscriberRow, offering_id: OfferingId, keys: Sequence[SubscriberKey], products: Sequence[Product]
) -> bool:
    """Return whether the row's product is already among the ``products`` of its account."""
    held = (
        set() if row.ended_at == row.activated_at else set(keys)
    )  # ceased on activation: it holds no number
    return any(
        product.offering_id == offering_id
        and product.started_at == row.activated_at
        and {assigned.subscriber_key for assigned in product.assignments} == held
        for product in products
    )


def check_free(wanted: Assignment, taken: Sequence[Assignment]) -> None:
    """Raise ``Conflict`` (``inventory.assignment_overlap``) where the subscriber has another product at that time."""
    for other in taken:
        ends_before = wanted.valid_to is not None and wanted.valid_to <= other.valid_from
        starts_after = other.valid_to is not None and other.valid_to <= wanted.valid_from
        if not ends_before and not starts_after:
            raise Conflict(
                "an identifier belongs to another product at that time",
                code="inventory.assignment_overlap",
                field="identifiers",
                fix="end the other product first, or activate this one later",
            )
