"""Answers to "can this be sold, or delivered": qualified or not, with reasons that have a code. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from farwire.kernel.ids import ProductId


class Result(StrEnum):
    """The result of an item or of a whole check. Source: TMF645, TMF679."""

    QUALIFIED = "qualified"
    ALTERNATE = "alternate"
    """Not this, but something else that is proposed."""
    UNQUALIFIED = "unqualified"


UNKNOWN_PLACE: Final = "qualification.place_unknown"
NOT_COVERED: Final = "qualification.not_covered"
NOT_DELIVERABLE: Final = "qualification.not_deliverable"
NOT_HELD: Final = "qualification.not_held"
NOTHING_NAMED: Final = "qualification.nothing_named"
SPECIFICATION_UNKNOWN: Final = "qualification.specification_unknown"
NOT_IN_USE: Final = "qualification.not_in_use"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not: a stable ``code`` and a ``label`` for people."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class Named:
    """An offering or a specification, by id, name and, where it has one, the code that the catalogue knows it by."""

    id: str
    name: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one thing that was asked for."""

    reasons: tuple[Reason, ...] = ()
    alternatives: tuple[Named, ...] = ()

    @property
    def result(self) -> Result:
        """Return the word for it."""
        if not self.reasons:
            return Result.QUALIFIED
        return Result.ALTERNATE if self.alternatives else Result.UNQUALIFIED


@dataclass(frozen=True, slots=True)
class Holding:
    """A product that the asker has."""

    product_id: ProductId
    offering: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as far as it matters for what is sold: where, which segment, through which channel, having what."""

    region: str = ""
    segment: str = ""
    channel: str = ""
    held: tuple[Holding, ...] = ()

    def codes(self, without: Iterable[str] = ()) -> list[str]:
        """Return the offerings of what it has, except the products that go."""
        gone = frozenset(without)
        return [one.offering for one in self.held if str(one.product_id) not in gone]


def overall(results: Sequence[Result]) -> Result:
    """Return the result of a check: the worst of its items."""
    for one in (Result.UNQUALIFIED, Result.ALTERNATE):
        if one in results:
            return one
    return Result.QUALIFIED
