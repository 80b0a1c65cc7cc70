"""Credit notes: a bill is corrected, never edited; all notes on it come to the bill to the cent and never to more."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from farwire.account.model import TaxClass, TaxContext
from farwire.base.authz import SecondPersonMissing
from farwire.base.eventbus.service import list_events
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.events import BILL_ISSUED, CREDIT_NOTE_ISSUED
from farwire.billing.model import (
    Bill,
    BillKind,
    BillState,
    NoteState,
    Part,
    calculate,
    credit_note_of,
    given_by,
)
from farwire.country.service import load_pack
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import BillId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.kernel.page import PageRequest
from farwire.ledger import service as ledger

from .test_approval import ANNA, BERT
from .test_credit import item
from .world import World

EUR = currency("EUR")


async def ask(world: World, bill: Bill, *parts: Part, key: str = "k") -> Bill:
    async with world.db.transaction(world.tenant_id) as tx:
        return await billing.request_note(
            tx, bill_id=bill.id, reason="wrong price", key=key, actor=ANNA, now=world.clock.now(), parts=parts
        )


async def issue(world: World, note: Bill) -> Bill:
    async with world.db.transaction(world.tenant_id) as tx:
        return await billing.approve_note(tx, note_id=note.id, actor=BERT, now=world.clock.now())


async def billed(world: World) -> Bill:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z", quantity=420)
    await world.run()
    return await world.only_bill()


async def test_a_whole_bill_is_given_back_under_a_number_of_its_own(world: World) -> None:
    bill = await billed(world)
    draft = await ask(world, bill)
    assert (draft.kind, draft.state, draft.number) == (BillKind.CREDIT_NOTE, BillState.DRAFT, None)
    assert await ask(world, bill) == await billing.get_bill(
        db=world.db, tenant_id=world.tenant_id, key=str(draft.id)
    )
    with pytest.raises(SecondPersonMissing):
        async with world.db.transaction(world.tenant_id) as tx:
            await billing.approve_note(tx, note_id=draft.id, actor=ANNA, now=world.clock.now())
    note = await issue(world, draft)
    assert (note.number, note.run_id) == ("NLCN-2026-0000001", None)
    assert (note.net_minor, note.tax_minor, note.total_minor) == (
        -bill.net_minor,
        -bill.tax_minor,
        -bill.total_minor,
    )
    assert note.corrects is not None
    assert (note.corrects.number, note.corrects.reason) == (bill.number, "wrong price")
    async with world.db.transaction(world.tenant_id) as tx:
        balance = await ledger.trial_balance(tx=tx)
        (event,) = await list_events(tx=tx, type_prefix=CREDIT_NOTE_ISSUED)
        assert len(await list_events(tx=tx, type_prefix=BILL_ISSUED)) == 1
    assert {one.amount_minor for one in balance} == {0}
    assert {one.remainder_nano for one in balance} == {0}
    assert event[1].data["corrects_number"] == bill.number
    with pytest.raises(Conflict) as raised:
        await ask(world, bill, key="again")
    assert raised.value.code == "billing.note_nothing_left"
    found = await billing.reconcile(db=world.db, tenant_id=world.tenant_id)
    assert found.differences == ()
    assert [(one.kind, one.bills) for one in found.series] == [("bill", 1), ("credit_note", 1)]


async def test_a_part_of_a_line_goes_back_with_its_tax(world: World) -> None:
    bill = await billed(world)
    note = await issue(world, await ask(world, bill, Part(2, 333)))
    assert [(line.item.label, line.amount_minor, line.net_minor) for line in note.lines] == [
        ("Flex M, monthly", -333, -333)
    ]
    assert (note.net_minor, note.tax_minor) == (-333, -63)  # 19 % of 3.33 is 0.6327
    rest = await issue(world, await ask(world, bill, key="rest"))
    assert note.total_minor + rest.total_minor == -bill.total_minor
    assert note.tax_minor + rest.tax_minor == -bill.tax_minor
    explained = await billing.explain_line(
        db=world.db, tenant_id=world.tenant_id, bill=rest, number=4, page=PageRequest()
    )
    assert explained.note is not None
    assert explained.note.corrects_line == 4
    assert explained.records is not None
    assert explained.records.total == 1
    await world.sound()


async def test_what_is_not_there_cannot_be_given_back(world: World) -> None:
    bill = await billed(world)
    for part, code in (
        (Part(9), "note_line"),
        (Part(2, 1334), "note_amount"),
        (Part(2, -1), "note_amount"),
        (Part(2, 0), "note_amount"),
    ):
        with pytest.raises(Invalid) as raised:
            await ask(world, bill, part)
        assert raised.value.code == f"billing.{code}"
    with pytest.raises(Invalid):
        await ask(world, bill, Part(2), Part(2))
    note = await ask(world, bill, Part(2, 1000))
    assert await ask(world, bill, Part(2, 1000)) == note
    with pytest.raises(Conflict) as reused:
        await ask(world, bill, Part(2, 999))
    assert reused.value.code == "billing.key_reused"
    with pytest.raises(Invalid):
        await ask(world, bill, Part(2, 334), key="too much")
    with pytest.raises(Conflict) as conflict:
        await ask(world, note, key="note on a note")
    assert conflict.value.code == "billing.note_bill"
    with pytest.raises(NotFound):
        await ask(world, structs.replace(bill, id=BillId(uuid7())), key="unknown")
    with pytest.raises(Invalid):
        await ask(world, bill, key=" ")


async def test_a_rejected_note_is_gone_and_frees_its_amount(world: World) -> None:
    bill = await billed(world)
    note = await ask(world, bill)
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.reject_note(tx, note_id=note.id, actor=BERT, now=world.clock.now())
    with pytest.raises(NotFound):
        await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=str(note.id))
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Conflict):
            await billing.approve_note(tx, note_id=note.id, actor=BERT, now=world.clock.now())
    with pytest.raises(Conflict):
        await ask(world, bill)
    second = await issue(world, await ask(world, bill, key="second"))
    assert second.number == "NLCN-2026-0000001"
    page = await billing.list_notes(
        db=world.db, tenant_id=world.tenant_id, page=PageRequest(), bill_id=bill.id
    )
    assert {one.state for one in page.items} == {NoteState.REJECTED, NoteState.ISSUED}
    await world.sound()


async def test_an_issued_note_is_never_changed_and_unknown_to_others(
    world: World, db: Database, other_tenant_id: TenantId
) -> None:
    note = await issue(world, await ask(world, await billed(world)))
    with pytest.raises((asyncpg.IntegrityConstraintViolationError, FarwireError)):
        async with db.transaction(world.tenant_id) as tx:
            await tx.execute(
                "DELETE FROM billing.bill WHERE tenant_id = $1 AND bill_id = $2", world.tenant_id, note.id
            )
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await billing.approve_note(tx, note_id=note.id, actor=BERT, now=world.clock.now())


AMOUNTS = st.integers(-3_000, 9_000).filter(bool)


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    """Return an issued bill with lines of several categories, with and without tax inside."""
    context = TaxContext(
        load_pack(draw(st.sampled_from(["DE", "NG"]))),
        TaxClass.STANDARD,
        None,
        None,
        ZoneInfo("Europe/Berlin"),
    )
    lines = draw(st.lists(st.tuples(AMOUNTS, st.booleans()), min_size=1, max_size=6))
    items = [item(net, "standard", n, includes_tax=gross) for n, (net, gross) in enumerate(lines)]
    found = calculate(items, EUR, context)
    return as_bill(found.lines, found.taxes, found.net_minor, found.tax_minor)


def as_bill(lines: object, taxes: object, net: int, tax: int, kind: BillKind = BillKind.BILL) -> Bill:
    blank: dict[str, object] = dict.fromkeys(Bill.__struct_fields__)
    blank |= {
        "id": BillId(uuid7()),
        "state": BillState.ISSUED,
        "kind": kind,
        "number": "B-1",
        "currency": EUR,
        "lines": lines,
        "taxes": taxes,
        "net_minor": net,
        "tax_minor": tax,
        "total_minor": net + tax,
        "drafted_at": datetime(2026, 7, 1, tzinfo=UTC),
    }
    return Bill(**blank)  # type: ignore[arg-type]


def test_ten_of_a_price_with_tax_inside_are_ten_with_tax() -> None:
    context = TaxContext(load_pack("NL"), TaxClass.STANDARD, None, None, ZoneInfo("Europe/Amsterdam"))
    items = [item(minor, "standard", n, includes_tax=True) for n, minor in enumerate((4900, 902, 3995))]
    found = calculate(items, EUR, context)
    bill = as_bill(found.lines, found.taxes, found.net_minor, found.tax_minor)
    note = credit_note_of(bill, [Part(1, 1000)], given_by([], []))
    assert (note.net_minor, note.tax_minor) == (-827, -173)
    with pytest.raises(Invalid, match=r"of line 1 there is 49.00 EUR left"):
        credit_note_of(bill, [Part(1, 50000)], given_by([], []))


@given(bill=bills(), data=st.data())
@settings(max_examples=150)
def test_many_notes_come_to_the_bill_exactly_and_never_beyond_it(bill: Bill, data: st.DataObject) -> None:
    notes: list[Bill] = []
    rows: list[dict[int, int]] = []

    def add(*parts: Part) -> None:
        found = credit_note_of(bill, parts, given_by(notes, rows))
        assert found.net_minor == sum(line.net_minor for line in found.lines)
        assert found.tax_minor == sum(tax.tax_minor for tax in found.taxes.values())
        if all(line.item.includes_tax for line in bill.lines):
            assert found.net_minor + found.tax_minor == sum(line.amount_minor for line in found.lines)
        note = as_bill(
            found.lines, tuple(found.taxes.values()), found.net_minor, found.tax_minor, BillKind.CREDIT_NOTE
        )
        notes.append(note)
        rows.append({place: tax.tax_minor for place, tax in found.taxes.items()})

    for _ in range(data.draw(st.integers(0, 5))):
        line = data.draw(st.sampled_from(bill.lines))
        amount = data.draw(st.integers(1, abs(line.amount_minor))) * (1 if line.amount_minor > 0 else -1)
        try:
            add(Part(line.number, amount))
        except FarwireError:
            continue
        after = bill.total_minor + sum(note.total_minor for note in notes)
        assert min(0, bill.total_minor) <= after <= max(0, bill.total_minor)
        if data.draw(st.booleans()) and len(notes) > 1:
            notes.pop(0), rows.pop(0)  # rejected: what it wanted is free again
    left = given_by(notes, rows).lines
    if any(line.amount_minor + left.get(line.number, (0, 0, 0))[0] for line in bill.lines):
        add()
        assert sum(note.net_minor for note in notes) == -bill.net_minor
        assert sum(note.tax_minor for note in notes) == -bill.tax_minor
        assert all(
            sum(row.get(place, 0) for row in rows) == -tax.tax_minor
            for place, tax in enumerate(bill.taxes, 1)
        )
