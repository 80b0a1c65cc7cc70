"""Number portability: which operator a number belongs to at a moment, and so at which prefix it is priced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from farwire.kernel.errors import Invalid
from farwire.rating.model.chargeable import Chargeable


@dataclass(frozen=True, slots=True)
class PortedNumber:
    """``number`` belongs to ``operator`` from ``valid_from`` on, until its next row.

    Calls to it cost what calls to the prefix ``rates_as`` cost; "" says that it went back to its own range.
    """

    number: str
    valid_from: datetime
    operator: str
    rates_as: str

    def __post_init__(self) -> None:
        for name, value in (("number", self.number), ("rates_as", self.rates_as)):
            if (value and not (value.isascii() and value.isdigit() and len(value) <= 32)) or not self.number:
                raise Invalid(
                    "a ported number has digits only",
                    code="rating.ported_number",
                    field=name,
                    value=value,
                    fix="write E.164 digits without + or spaces",
                )


@dataclass(frozen=True, slots=True)
class Portability:
    """The ported numbers of a batch, each with its rows in time."""

    rows: Mapping[str, tuple[PortedNumber, ...]]

    @classmethod
    def of(cls, numbers: Iterable[PortedNumber]) -> Portability:
        """Return the look-up of ``numbers``."""
        by_number: dict[str, list[PortedNumber]] = {}
        for ported in numbers:
            by_number.setdefault(ported.number, []).append(ported)
        return cls({n: tuple(sorted(rows, key=lambda row: row.valid_from)) for n, rows in by_number.items()})

    def at(self, number: str, moment: datetime) -> PortedNumber | None:
        """Return the row of ``number`` in force at ``moment``, or None where it is not ported."""
        found = None
        for row in self.rows.get(number, ()):
            if row.valid_from > moment:
                break
            found = row
        return found if found is not None and found.rates_as else None


def routed(record: Chargeable, portability: Portability) -> Chargeable:
    """Return ``record`` priced at the prefix of the operator that its destination belonged to when it started."""
    ported = portability.at(record.destination, record.started_at)
    return record if ported is None else msgspec.structs.replace(record, routed_as=ported.rates_as)
