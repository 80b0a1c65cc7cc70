"""A person across contexts: closing the account, the export of everything, and erasure."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farwire.account import service as accounts
from farwire.account.model import AccountState, BillingAccount, ChargeKind, ChargeRoute
from farwire.base.audit.service import latest
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.base.tmf.descriptor import Target
from farwire.base.tmf.store import documents
from farwire.base.web.idempotency import StoredAnswer, earlier_answer, store_answer
from farwire.billing import service as billing
from farwire.communication import service as communication
from farwire.communication.model import Channel as MessageChannel
from farwire.inventory import service as inventory
from farwire.kernel.errors import Conflict, FarwireError, NotFound
from farwire.kernel.ids import AccountId, PartyId, TenantId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.ledger import service as ledger
from farwire.ordering.model import Action, ItemRequest
from farwire.party import service as parties
from farwire.party.model import Channel, Consent, Purpose
from farwire.payment import service as payments
from farwire.payment.model import MethodKind
from farwire.process import privacy
from farwire.process.account_closing import close_account, closing_obstacles
from farwire.tenant.model import Address

NUMBER = "4915112345678"
SMS = MessageChannel.SMS
AGENT = Actor(ActorKind.OPERATOR, "agent-7")


def _builders(context: str = "billing") -> ModuleType:
    """The builders that the tests of a context use: importlib mode gives test folders no common package."""
    path = Path(__file__).parent.parent / context / "world.py"
    spec = importlib.util.spec_from_file_location(f"{context}_world_of_privacy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(db: Database, clock: MovableClock, tenant_id: TenantId) -> Any:
    return _builders().World(db, clock, tenant_id)


async def customer(world: Any, *, end: str | None = "2026-06-20T12:00+02:00") -> BillingAccount:
    """A customer with one product from 11 to 20 June, which used one call."""
    version = await world.plan()
    account: BillingAccount = await world.account()
    product = await world.product(account, version, end=end, identifier=NUMBER)
    await world.rated(product, "other", "0.63", at="2026-06-12T10:00+02:00")
    return account


async def pay(world: Any, account: BillingAccount) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        for money in await ledger.account_balance(tx=tx, account_id=account.id):
            await payments.receive_payment(
                tx,
                method=MethodKind.BANK_TRANSFER,
                external_reference="slip-1",
                amount=Money(money.amount_minor, money.currency),
                received_at=world.clock.now(),
                now=world.clock.now(),
                actor=AGENT,
                account_id=account.id,
            )


async def obstacles(world: Any, account: BillingAccount) -> set[str]:
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        found = await closing_obstacles(tx, db=world.db, account=account, now=now)
    return {one.code for one in found}


async def close(world: Any, account: BillingAccount) -> BillingAccount:
    async with world.db.transaction(world.tenant_id) as tx:
        return await close_account(tx, db=world.db, account_id=account.id, now=world.clock.now(), actor=AGENT)


async def erase(world: Any, party_id: PartyId) -> privacy.Erasure:
    async with world.db.transaction(world.tenant_id) as tx:
        return await privacy.erase_person(tx, party_id=party_id, clock=world.clock, actor=AGENT)


async def export(world: Any, party_id: PartyId) -> dict[str, Any]:
    document = await privacy.export_person(
        db=world.db, tenant_id=world.tenant_id, party_id=party_id, clock=world.clock, actor=AGENT
    )
    return json.loads(json.dumps(document))


async def test_an_account_closes_only_when_nothing_is_left_to_do(world: Any) -> None:
    account = await customer(world)
    world.clock.set(instant("2026-06-15T00:00Z"))
    assert await obstacles(world, account) == {"product_running"}
    with pytest.raises(Conflict) as raised:
        await close(world, account)
    assert raised.value.code == "account.not_finished"
    world.clock.set(instant("2026-07-01T01:00Z"))
    assert await obstacles(world, account) == {"unbilled"}
    await world.run()
    assert await obstacles(world, account) == {"item_open"}
    await pay(world, account)
    assert await obstacles(world, account) == set()
    closed = await close(world, account)
    assert (closed.state, closed.closed_at) == (AccountState.CLOSED, world.clock.now())
    assert await close(world, account) == closed


async def test_who_pays_for_others_does_not_close(world: Any) -> None:
    anna, firm = await world.account("1"), await world.account("2")
    route = ChargeRoute(anna.id, frozenset({ChargeKind.RECURRING}), firm.id, Decimal(50), anna.opened_at)
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.add_route(tx, route=route, now=world.clock.now())
    world.clock.set(instant("2026-06-20T00:00Z"))
    assert await obstacles(world, firm) == {"pays_for_others"}
    assert await obstacles(world, anna) == set()


async def test_an_order_that_comes_while_an_account_closes_is_refused(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    builders = _builders("ordering")
    world = await builders.operator(db, clock, tenant_id)
    closing, go = asyncio.Event(), asyncio.Event()

    async def close_slowly() -> None:
        async with db.transaction(tenant_id) as tx:
            await close_account(tx, db=db, account_id=world.account.id, now=clock.now(), actor=AGENT)
            closing.set()
            await go.wait()

    async def order() -> None:
        await closing.wait()
        await world.place(builders.add())

    tasks = [asyncio.create_task(close_slowly()), asyncio.create_task(order())]
    await closing.wait()
    await asyncio.sleep(0.3)
    go.set()
    await tasks[0]
    with pytest.raises(FarwireError) as raised:
        await tasks[1]
    assert raised.value.code == "ordering.account_closed"


async def left(world: Any) -> BillingAccount:
    """A customer who has left, with a paid bill and a closed account."""
    account = await customer(world)
    world.clock.set(instant("2026-07-01T01:00Z"))
    await world.run()
    await pay(world, account)
    return await close(world, account)


async def test_an_export_holds_what_every_context_keeps(world: Any, other_tenant_id: TenantId) -> None:
    account = await left(world)
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        said = Consent(account.party_id, Purpose.SURVEY, Channel.SMS, True, now, "web", now)
        await parties.record_consent(tx, consent=said)
    found = await export(world, account.party_id)
    assert [name for name in found if name not in ("schema", "exported_at")] == [
        *(n for n, _ in privacy.COLLECTORS),
        "bills",
    ]
    assert found["party"]["name"] == "Anna Jürgensen"
    assert found["accounts"][0]["account"]["number"] == "100001"
    assert [one["identifier"] for one in found["identifiers"]] == [NUMBER]
    assert [one["purpose"] for one in found["consents"]] == ["survey"]
    (bill,) = found["bills"]
    assert len(bill["lines"]) >= 2
    assert bill["customer"]["name"] == "Anna Jürgensen"
    assert [one["external_reference"] for one in found["payments"][0]["payments"]] == ["slip-1"]
    async with world.db.transaction(world.tenant_id) as tx:
        (entry, *_) = await latest(tx=tx, subject=str(account.party_id))
    assert (entry.act.action, entry.act.actor) == ("party.exported", AGENT)
    with pytest.raises(NotFound):
        await privacy.export_person(
            db=world.db, tenant_id=other_tenant_id, party_id=account.party_id, clock=world.clock
        )


async def test_nobody_is_erased_while_something_runs(world: Any) -> None:
    account = await customer(world, end=None)
    with pytest.raises(Conflict) as raised:
        await erase(world, account.party_id)
    assert raised.value.code == "party.still_active"
    assert "account 100001 is open" in raised.value.message
    assert "runs" in raised.value.message
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await parties.get_party(tx=tx, party_id=account.party_id)).erased_at is None
        assert len(await inventory.subscriber_keys(tx, [NUMBER])) == 1


async def test_an_erasure_blanks_the_person_and_keeps_the_bills(
    world: Any, other_tenant_id: TenantId
) -> None:
    account = await left(world)
    with pytest.raises(NotFound):
        async with world.db.transaction(other_tenant_id) as tx:
            await privacy.erase_person(tx, party_id=account.party_id, clock=world.clock)
    done = await erase(world, account.party_id)
    assert (done.party.name, done.party.erased_at, done.identifiers) == ("", world.clock.now(), 1)
    again = await erase(world, account.party_id)
    assert again == privacy.Erasure(done.party)
    found = await export(world, account.party_id)
    rest = json.dumps({name: part for name, part in found.items() if name != "bills"})
    assert not any(word in rest for word in ("Anna", "Jürgensen", "Hamburg", NUMBER))
    assert found["bills"][0]["customer"]["name"] == "Anna Jürgensen"
    async with world.db.transaction(world.tenant_id) as tx:
        assert await inventory.subscriber_keys(tx, [NUMBER]) == {}
        acts = [e.act.action for e in await latest(tx=tx, action_prefix="party.")]
        trail = await tx.fetchval(
            "SELECT string_agg(a::text, ' ') FROM base.audit_entry a WHERE tenant_id = $1", world.tenant_id
        )
    assert acts.count("party.erased_everywhere") == acts.count("party.erased") == 1
    assert NUMBER not in trail
    page = await billing.list_bills(db=world.db, tenant_id=world.tenant_id, page=PageRequest())
    assert page.total == 1


async def test_a_number_that_somebody_else_has_now_keeps_its_key(world: Any) -> None:
    account = await left(world)
    version = await world.plan(valid_from="2026-07-02T09:00:00+02:00")
    bea = await world.account("100002", name="Bea")
    world.clock.set(instant("2026-07-10T00:00Z"))
    await world.product(bea, version, start="2026-07-05T00:00+02:00", identifier=NUMBER)
    done = await erase(world, account.party_id)
    assert done.identifiers == 0
    async with world.db.transaction(world.tenant_id) as tx:
        keys = await inventory.subscriber_keys(tx, [NUMBER])
        holders = await inventory.products_by_subscriber(tx, list(keys.values()))
    assert bea.id in {product.account_id for found in holders.values() for product in found}


async def test_an_erasure_that_is_stopped_leaves_nothing_half_done(world: Any, worker_database: Any) -> None:
    account = await left(world)
    async with connect(worker_database.url(DatabaseRole.OWNER)) as owner:
        # The last step of the erasure fails, as it would if the machine stopped there.
        await owner.execute("REVOKE DELETE ON inventory.subscriber FROM farwire_app")
        try:
            with pytest.raises(Exception, match="permission denied"):
                await erase(world, account.party_id)
        finally:
            await owner.execute("GRANT DELETE ON inventory.subscriber TO farwire_app")
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await parties.get_party(tx=tx, party_id=account.party_id)).name == "Anna Jürgensen"
    assert (await erase(world, account.party_id)).identifiers == 1


async def test_an_erasure_takes_places_and_numbers_out_of_products_and_orders(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    builders = _builders("ordering")
    world = await builders.operator(db, clock, tenant_id)
    clock.set(instant("2026-06-11T14:03+02:00"))
    number = "4915100000007"
    order = await world.done(
        builders.add(number=number, place="Deich 5, Hamburg", characteristics={"sim": "card"})
    )
    product_id = order.items[0].product_id
    with pytest.raises(Conflict):
        async with db.transaction(tenant_id) as tx:
            await privacy.erase_person(tx, party_id=world.party_id, clock=clock)
    clock.set(instant("2026-06-20T12:00+02:00"))
    await world.done(ItemRequest(action=Action.CEASE, product_id=product_id))
    async with db.transaction(tenant_id) as tx:
        now = clock.now()
        await accounts.close_account(tx, account_id=world.account.id, at=now, now=now)
    exported = json.dumps(
        await privacy.export_person(db=db, tenant_id=tenant_id, party_id=world.party_id, clock=clock)
    )
    assert number in exported
    assert "Deich 5, Hamburg" in exported
    assert '"attributes": {"sim": "card"}' in exported
    async with db.transaction(tenant_id) as tx:
        done = await privacy.erase_person(tx, party_id=world.party_id, clock=clock)
        rows = {
            table: await tx.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t WHERE tenant_id = $1", tenant_id)
            for table in ("ordering.item", "ordering.task", "ordering.journal", "inventory.product_place",
                          "inventory.service_instance", "inventory.subscriber", "base.outbox", "base.audit_entry",
                          "activation.target", "activation.operation")
        }  # fmt: skip
    assert (done.places, done.order_items, done.identifiers, done.services) == (1, 1, 2, 1)
    for table, text in rows.items():
        assert number not in (text or ""), table
        assert "Deich" not in (text or ""), table
        assert '"sim"' not in (text or ""), table
    # What was ordered, and when, stays.
    view = await world.view(order.id)
    assert (view.order.items[0].request.offering, view.order.items[0].request.number) == ("flex-m", "")


async def test_nobody_opens_an_account_for_a_person_who_is_being_erased(world: Any) -> None:
    account = await left(world)
    second = replace(account, id=AccountId(uuid7()), number="2", state=AccountState.ACTIVE, closed_at=None)
    erasing, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with world.db.transaction(world.tenant_id) as tx:
            await privacy.erase_person(tx, party_id=account.party_id, clock=world.clock)
            erasing.set()
            await go.wait()

    async def then() -> None:
        await erasing.wait()
        async with world.db.transaction(world.tenant_id) as tx:
            await accounts.open_account(tx, account=second, now=world.clock.now())

    tasks = [asyncio.create_task(first()), asyncio.create_task(then())]
    await erasing.wait()
    await asyncio.sleep(0.3)
    go.set()
    await tasks[0]
    with pytest.raises(Conflict) as raised:
        await tasks[1]
    assert raised.value.code == "party.erased"


async def test_an_answer_that_names_an_erased_person_is_forgotten_and_its_request_not_done_again(
    world: Any,
) -> None:
    account = await left(world)
    now = world.clock.now()
    body = json.dumps({"id": str(account.party_id), "name": "Anna Jürgensen"}).encode()
    async with world.db.transaction(world.tenant_id) as tx:
        for key, said in (("k1", body), ("k2", b'{"name":"Bea"}')):
            answer = StoredAnswer(201, {"location": "/farwire/v1/parties"}, said)
            await store_answer(tx, key=key, digest=b"d", now=now, answer=answer)
    assert (await erase(world, account.party_id)).answers == 1
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Conflict) as raised:
            await earlier_answer(tx, key="k1", digest=b"d", now=now)
        other = await earlier_answer(tx, key="k2", digest=b"d", now=now)
        kept = await tx.fetchval(
            "SELECT string_agg(i::text || encode(body, 'escape'), ' ') FROM base.idempotency i WHERE tenant_id = $1",
            world.tenant_id,
        )
    assert raised.value.code == "web.idempotency_answer_erased"
    assert other is not None
    assert "Anna" not in kept


async def test_an_export_holds_nothing_of_anybody_else(world: Any) -> None:
    """The firm pays half of what Anna is charged, and has her number after her."""
    account = await left(world)
    version = await world.plan(valid_from="2026-07-02T09:00:00+02:00")
    world.clock.set(instant("2026-07-10T00:00Z"))
    bea = await world.account("100002", name="Bea Berg", address=Address("DE", {"city": "Kiel"}))
    product = await world.product(bea, version, start="2026-07-05T00:00+02:00", identifier=NUMBER)
    await world.product(bea, version, start="2026-07-05T00:00+02:00", identifier="4915177777777")
    async with world.db.transaction(world.tenant_id) as tx:
        for party_id, text in ((account.party_id, "O-1"), (bea.party_id, "O-2")):
            await communication.send(
                tx, key=text, party_id=party_id, code="order_completed", channel=SMS, address="+4915111111111",
                language="de", variables={"name": "", "seller": "N", "order": text}, now=world.clock.now(),
                zone_name="Europe/Berlin",
            )  # fmt: skip
    found = json.dumps(await export(world, account.party_id), ensure_ascii=False)
    for one in ("Bea", "Berg", "O-2", "4915177777777", str(bea.id), str(bea.party_id), str(product.id)):
        assert one not in found, one
    assert "O-1" in found


async def test_tmf_documents_that_name_a_person_are_exported_and_forget_it(world: Any) -> None:
    account = await left(world)
    party_id, other = str(account.party_id), str(uuid7())
    ticket = {
        "id": "t-1", "href": "/tmf-api/troubleTicket/v5/troubleTicket/t-1", "@type": "TroubleTicket",
        "description": "no signal",
        "relatedParty": [
            {"id": party_id, "name": "Anna", "role": "customer", "@referredType": "Individual"},
            {"id": other, "name": "Bob", "role": "agent"},
        ],
        "relatedEntity": [{"id": "x", "name": f"+{NUMBER}"}],
        "cost": {"value": Decimal("1.10")},
    }  # fmt: skip
    foreign = {
        "id": "t-2",
        "@type": "TroubleTicket",
        "relatedParty": [{"id": other, "name": "Bob"}],
        "note": NUMBER + "0",
    }
    target = Target("621", "TroubleTicket")
    async with world.db.transaction(world.tenant_id) as tx:
        for document in (ticket, foreign):
            assert await documents.insert(tx, target, document, world.clock.now())
    found = (await export(world, account.party_id))["tmf_documents"]
    assert [(one["api"], one["type"], one["document"]["id"]) for one in found] == [
        ("TMF621", "TroubleTicket", "t-1")
    ]
    assert (await erase(world, account.party_id)).documents == 1
    async with world.db.transaction(world.tenant_id) as tx:
        after = await documents.load(tx, target, "t-1")
        assert await documents.load(tx, target, "t-2") == foreign
    assert after == ticket | {
        "relatedParty": [
            {"id": party_id, "role": "customer", "@referredType": "Individual"},
            {"id": other, "name": "Bob", "role": "agent"},
        ],
        "relatedEntity": [{"id": "x", "name": ""}],
    }
