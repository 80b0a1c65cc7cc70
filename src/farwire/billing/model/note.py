"""Credit notes: a bill, some of its lines or a part of a line given back, with the taxes of just that.

What is given back of a line in several notes is computed as a running sum, so that the roundings of all notes on a
bill together are those of the bill: when all is given back, net, tax and remainder are zero to the last unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from farwire.base.authz import require_four_eyes
from farwire.billing.model.bill import Bill, BillKind, BillLine, BillState, BillTax
from farwire.billing.model.run import Approval
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import BillId
from farwire.kernel.money import Money, round_half_up
from farwire.kernel.tenancy import Actor

LINE: Final = "corrects_line"
"""The key in a line's detail that names the line of the bill which it corrects."""


class NoteFacts(msgspec.Struct, frozen=True):
    """What the detail of a credit note's line adds: the bill's line, what it was, what was given back of it before."""

    corrects_line: int
    of_minor: int
    before_minor: int


class NoteState(StrEnum):
    """The states of the request for a credit note."""

    REQUESTED = "requested"
    ISSUED = "issued"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class NoteRequest:
    """Who asked for a credit note on ``bill_id``, and who decided. ``note_id`` is the id of the note as a bill."""

    note_id: BillId
    bill_id: BillId
    key: str
    state: NoteState
    requested_by: Actor
    requested_at: datetime
    decided_by: Actor | None = None
    decided_at: datetime | None = None


def decide_note(
    request: NoteRequest, *, approve: bool, approval: Approval, actor: Actor, now: datetime
) -> NoteRequest:
    """Return ``request`` issued or rejected by ``actor``.

    Raises ``Conflict`` (``billing.note_state``) unless it is requested, ``Forbidden`` (``authz.four_eyes``).
    """
    if request.state is not NoteState.REQUESTED:
        raise Conflict(
            f"the credit note is {request.state.value}",
            code="billing.note_state",
            field="state",
            value=request.state.value,
        )
    if approve and approval is Approval.FOUR_EYES:
        require_four_eyes(requested_by=request.requested_by, approved_by=actor)
    state = NoteState.ISSUED if approve else NoteState.REJECTED
    return replace(request, state=state, decided_by=actor, decided_at=now)


@dataclass(frozen=True, slots=True)
class Part:
    """How much of a line to give back: minor units as priced, with the sign of the line; None is all that is left."""

    line: int
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What earlier credit notes on a bill gave back, as negative sums: by line (amount, net, remainder), by tax row."""

    lines: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    taxes: Mapping[int, int] = field(default_factory=dict)
    total_minor: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """The lines, taxes and sums of a credit note. Taxes are by their position on the bill; amounts are negative."""

    lines: tuple[BillLine, ...]
    taxes: Mapping[int, BillTax]
    net_minor: int
    tax_minor: int


def given_by(notes: Sequence[Bill], rows: Sequence[Mapping[int, int]]) -> Given:
    """Return what ``notes`` gave back; ``rows`` has each one's tax amounts by their position on the bill."""
    lines: dict[int, tuple[int, int, int]] = {}
    taxes: dict[int, int] = {}
    for note, amounts in zip(notes, rows, strict=True):
        for line in note.lines:
            number = corrected_line(line)
            amount, net, remainder = lines.get(number, (0, 0, 0))
            lines[number] = (
                amount + line.amount_minor,
                net + line.net_minor,
                remainder + line.remainder_nano,
            )
        for position, minor in amounts.items():
            taxes[position] = taxes.get(position, 0) + minor
    return Given(lines, taxes, sum(note.total_minor for note in notes))


def corrected_line(line: BillLine) -> int:
    """Return the number of the bill's line that a credit note's line corrects."""
    number = line.item.detail[LINE]
    return number if isinstance(number, int) else int(str(number))


def credit_note_of(bill: Bill, parts: Sequence[Part], given: Given) -> Note:
    """Return the credit note over ``parts`` of ``bill``, after ``given``; no parts mean all that is left.

    Raises ``Conflict`` (``billing.note_bill``, ``billing.note_nothing_left``, ``billing.note_too_much``), ``Invalid``
    (``billing.note_line``, ``billing.note_amount``).
    """
    if bill.state is not BillState.ISSUED or bill.kind is not BillKind.BILL:
        raise Conflict(
            "a credit note corrects an issued bill",
            code="billing.note_bill",
            field="bill",
            value=bill.number or bill.id,
            fix="a draft is rejected with its run; a credit note is final",
        )
    wanted = _wanted(bill, parts, given)
    if not wanted:
        raise Conflict(
            "all of the bill is given back already",
            code="billing.note_nothing_left",
            field="bill",
            value=bill.number,
        )
    lines = tuple(
        _line(bill, number, wanted[number], given, place) for place, number in enumerate(sorted(wanted), 1)
    )
    taxes = _taxes(bill, lines, given)
    net, tax = sum(line.net_minor for line in lines), sum(row.tax_minor for row in taxes.values())
    _within(bill, net + tax, given)
    return Note(lines, taxes, net, tax)


def _wanted(bill: Bill, parts: Sequence[Part], given: Given) -> dict[int, int]:
    """Return how much to give back of each line, as priced, with the sign of the line."""
    left = {
        line.number: line.amount_minor + given.lines.get(line.number, (0, 0, 0))[0] for line in bill.lines
    }
    if not parts:
        return {number: amount for number, amount in left.items() if amount}
    wanted: dict[int, int] = {}
    for part in parts:
        if part.line not in left or part.line in wanted:
            raise Invalid(
                "each part names one line of the bill once",
                code="billing.note_line",
                field="line",
                value=part.line,
                fix=f"lines 1 to {len(bill.lines)}",
            )
        rest = left[part.line]
        amount = rest if part.amount_minor is None else part.amount_minor
        if not amount or (amount > 0) is not (rest > 0) or abs(amount) > abs(rest):
            raise Invalid(
                f"of line {part.line} there is {Money(rest, bill.currency)} left to give back",
                code="billing.note_amount",
                field="amount",
                value=str(Money(amount, bill.currency)),
                fix="give an amount with the sign of the line, not beyond what is left",
            )
        wanted[part.line] = amount
    return wanted


def _line(bill: Bill, number: int, amount: int, given: Given, place: int) -> BillLine:
    line = next(line for line in bill.lines if line.number == number)
    before, net_before, remainder_before = given.lines.get(number, (0, 0, 0))
    so_far = -before + amount
    net = -round_half_up(line.net_minor * so_far, line.amount_minor) - net_before
    remainder = -round_half_up(line.remainder_nano * so_far, line.amount_minor) - remainder_before
    facts = NoteFacts(number, line.amount_minor, -before)
    item = msgspec.structs.replace(
        line.item,
        exact_nano=-amount * bill.currency.nano_per_minor + remainder,
        detail={**line.item.detail, **msgspec.to_builtins(facts)},
    )
    return BillLine(place, item, -amount, remainder, net, line.taxes)


def _taxes(bill: Bill, lines: Sequence[BillLine], given: Given) -> dict[int, BillTax]:
    """Return the tax rows that bear on ``lines``: the row's share of what is given back of its lines so far."""
    found: dict[int, BillTax] = {}
    for position in sorted({position for line in lines for position in line.taxes}):
        row = bill.taxes[position - 1]
        members = [line for line in bill.lines if position in line.taxes]
        whole = sum(line.net_minor for line in members)
        now = -sum(line.net_minor for line in lines if position in line.taxes)
        before = -sum(given.lines.get(line.number, (0, 0, 0))[1] for line in members)
        rest = _included(position, members, lines, given, found)
        tax = (_share(row, before + now, whole) if rest is None else rest) + given.taxes.get(position, 0)
        base = round_half_up(row.base_minor * now, whole) if whole else now
        found[position] = replace(row, base_minor=-base, tax_minor=-tax)
    return found


def _included(
    position: int,
    members: Sequence[BillLine],
    lines: Sequence[BillLine],
    given: Given,
    found: Mapping[int, BillTax],
) -> int | None:
    """Return what of a tax is given back so far where prices include it: what is left of the gross by net and others.

    A customer who is given back 10.00 of such a price gets 10.00. Of several taxes on the same lines the last has the
    rest. None where that is not how the row came about.
    """
    rows = members[0].taxes
    if position != max(rows) or not all(line.item.includes_tax and line.taxes == rows for line in members):
        return None
    so_far = [given.lines.get(line.number, (0, 0, 0)) for line in members]
    included = sum(net - amount for amount, net, _ in so_far)
    included += sum(line.net_minor - line.amount_minor for line in lines if line.taxes == rows)
    others = (given.taxes.get(one, 0) + found[one].tax_minor for one in rows if one in found)
    return included + sum(others)


def _share(row: BillTax, part: int, whole: int) -> int:
    """Return ``part / whole`` of the tax of a row. Where its lines cancel out, only the rate is left to go by."""
    if whole:
        return round_half_up(row.tax_minor * part, whole)
    top, bottom = row.rate_percent.as_integer_ratio()
    return round_half_up(part * top, bottom * 100)


def _within(bill: Bill, total: int, given: Given) -> None:
    after = bill.total_minor + given.total_minor + total
    if min(0, bill.total_minor) <= after <= max(0, bill.total_minor):
        return
    raise Conflict(
        "the credit notes of a bill cannot come to more than the bill",
        code="billing.note_too_much",
        field="amount",
        value=str(Money(-total, bill.currency)),
        fix=f"at most {Money(bill.total_minor + given.total_minor, bill.currency)} is left, with tax",
    )
