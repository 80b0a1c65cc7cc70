"""A small operator for the tests of orders: catalogue, pools, a verified customer with an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service as catalog
from farwire.catalog.model import read_catalogue, read_plan
from farwire.country.service import load_pack
from farwire.inventory import service as inventory
from farwire.inventory.model import NewResource, Product, ResourceKind, ResourceState
from farwire.kernel.ids import AccountId, OrderId, PartyId, ProductId, TenantId, uuid7
from farwire.kernel.time import instant
from farwire.ordering import service as ordering
from farwire.ordering.model import (
    Action,
    HoldReason,
    ItemRequest,
    OrderRequest,
    OrderState,
    ProductOrder,
    Task,
)
from farwire.ordering.service import OrderView, Worked
from farwire.party import service as parties
from farwire.party.model import Party, PartyKind
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

CATALOGUE = """
valid_from = 2026-05-01T00:00:00+02:00

[[service_specifications]]
code = "mobile-line"
name = "Mobile line"
resources = [
    { kind = "msisdn", pool = "numbers" },
    { kind = "esim_profile", pool = "profiles" },
]
operations = [
    { adapter = "hlr", operation = "subscriber_profile" },
    { adapter = "smdp", operation = "esim_profile" },
    { adapter = "charging", operation = "account" },
]

[[service_specifications]]
code = "fibre-line"
name = "Fibre line"
resources = [{ kind = "port", pool = "ports" }]
operations = [{ adapter = "charging", operation = "account" }]

[[product_specifications]]
code = "mobile"
name = "Mobile"
services = ["mobile-line"]
characteristics = [{ name = "sim", values = ["esim", "card"], default = "esim" }]

[[product_specifications]]
code = "fibre"
name = "Fibre"
services = ["fibre-line"]

[[offerings]]
code = "flex-m"
name = "Flex M"
product_specification = "mobile"
sim = "postpaid"

[[offerings]]
code = "flex-l"
name = "Flex L"
product_specification = "mobile"
sim = "postpaid"
terms = { minimum_term_months = 24, notice_days = 30, withdrawal_days = 14, early_termination_fee = "50.00" }

[[offerings]]
code = "fibre-100"
name = "Fibre 100"
product_specification = "fibre"

[[offerings]]
code = "booster"
name = "Booster"
requires = ["flex-m"]

[[offerings]]
code = "shop-only"
name = "Shop only"
eligibility = { channels = ["shop"] }

[[offerings]]
code = "home"
name = "Home"
bundle = [{ offering = "fibre-100", minimum = 1, maximum = 1 }, { offering = "flex-m", minimum = 0, maximum = 4 }]
"""
CODES = ("flex-m", "flex-l", "fibre-100", "booster", "shop-only", "home")
PLAN = """
offering = "{code}"
name = "{code}"
valid_from = {start}
currency = "{currency}"
zone = "Europe/Berlin"
prices_include_tax = false
one_off = [{{ id = "activation", label = "Activation", price = 9.90 }}]
recurring = [{{ id = "monthly", label = "Monthly", price = {price}, in_advance = true }}]
"""


HOME = Address("DE", {"street": "Deich", "house_number": "5", "postcode": "20459", "city": "Hamburg"})


@dataclass
class World:
    """One tenant with one company and one customer."""

    db: Database
    clock: MovableClock
    tenant_id: TenantId
    account: BillingAccount
    party_id: PartyId

    def request(self, *items: ItemRequest, at: str | None = None, channel: str = "") -> OrderRequest:
        return OrderRequest(
            account_id=self.account.id,
            items=items,
            requested_at=None if at is None else instant(at),
            channel=channel,
        )

    async def place(
        self, *items: ItemRequest, at: str | None = None, key: str = "", channel: str = ""
    ) -> ProductOrder:
        async with self.db.transaction(self.tenant_id) as tx:
            placed = await ordering.place_order(
                tx=tx,
                clock=self.clock,
                request=self.request(*items, at=at, channel=channel),
                key=key or uuid7().hex,
            )
        return placed.order

    async def work(self, **options: int) -> Worked:
        return await ordering.work(
            db=self.db,
            tenant_id=self.tenant_id,
            clock=self.clock,
            **options,  # type: ignore[arg-type]
        )

    async def done(self, *items: ItemRequest, at: str | None = None) -> ProductOrder:
        """Place an order, carry it out, and fail unless it is completed."""
        order = await self.place(*items, at=at)
        await self.work()
        view = await self.view(order.id)
        assert view.order.state is OrderState.COMPLETED, [t.error for t in view.tasks if t.error]
        return view.order

    async def mobile(self, offering: str = "flex-m", at: str | None = None) -> Product:
        """Sell one mobile plan; return the product."""
        order = await self.done(ItemRequest(offering=offering), at=at)
        return await self.product(order.items[0].product_id)

    async def view(self, order_id: OrderId) -> OrderView:
        async with self.db.transaction(self.tenant_id) as tx:
            return await ordering.get_order(tx=tx, order_id=order_id)

    async def state(self, order: ProductOrder) -> OrderState:
        return (await self.view(order.id)).order.state

    async def product(self, product_id: ProductId) -> Product:
        async with self.db.transaction(self.tenant_id) as tx:
            return await inventory.find_product(tx, product_id)

    async def counts(self, pool: str) -> dict[ResourceState, int]:
        async with self.db.transaction(self.tenant_id) as tx:
            return dict((await inventory.count_pool(tx, pool=pool)).counts)

    async def fallout(self) -> Sequence[Task]:
        async with self.db.transaction(self.tenant_id) as tx:
            return (await ordering.list_fallout(tx=tx)).items

    async def decide(self, task: Task, decision: ordering.Decision) -> ProductOrder:
        async with self.db.transaction(self.tenant_id) as tx:
            return await ordering.decide_fallout(
                tx=tx, clock=self.clock, task_id=task.id, decision=decision, reason="tested"
            )

    async def cancel(self, order: ProductOrder) -> ProductOrder:
        async with self.db.transaction(self.tenant_id) as tx:
            return await ordering.cancel_order(tx=tx, clock=self.clock, order_id=order.id, reason="tested")

    async def release(self, order: ProductOrder, reason: HoldReason | None = None) -> ProductOrder:
        async with self.db.transaction(self.tenant_id) as tx:
            return await ordering.release_order(tx=tx, clock=self.clock, order_id=order.id, reason=reason)

    async def events(self, order: ProductOrder) -> list[str]:
        """Return the types of what was published about an order, without their prefix."""
        async with self.db.transaction(self.tenant_id) as tx:
            rows = await tx.fetch(
                "SELECT type FROM base.outbox WHERE tenant_id = $1 AND subject = $2 ORDER BY position",
                tx.tenant_id,
                str(order.id),
            )
        return [row["type"].removeprefix("farwire.ordering.").removesuffix(".v1") for row in rows]


async def operator(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    *,
    numbers: int = 20,
    verified: bool = True,
    offers: bool = True,
    since: str = "2026-05-01T00:00:00+02:00",
) -> World:
    """Make the operator and its customer; without ``offers`` it sells nothing yet."""
    entity = await tenants.add_legal_entity(
        db=db,
        clock=clock,
        tenant_id=tenant_id,
        name="Nordlicht Mobil GmbH",
        vat_id="DE123456789",
        address=Address("DE", {"street": "Hafen", "house_number": "1", "postcode": "24103", "city": "Kiel"}),
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix="NL",
    )
    now = clock.now()
    party = Party(PartyId(uuid7(now)), PartyKind.INDIVIDUAL, "Anna", HOME, "de-DE", now)
    account = BillingAccount(
        AccountId(uuid7(now)), "100001", party.id, entity.id, entity.currency, 1, "Europe/Berlin", "de-DE",
        TaxClass.STANDARD, now,
    )  # fmt: skip
    async with db.transaction(tenant_id) as tx:
        for code in CODES if offers else ():
            text = PLAN.format(code=code, start=since, currency="EUR", price="20.00")
            await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(text))
        if offers:
            text = CATALOGUE.replace("2026-05-01T00:00:00+02:00", since)
            await catalog.publish_catalogue(tx=tx, clock=clock, file=read_catalogue(text))
        await parties.add_parties(tx=tx, parties=[party])
        await accounts.add_accounts(tx=tx, accounts=[account])
        await fill(tx, now, numbers)
    world = World(db, clock, tenant_id, account, party.id)
    if verified:
        await verify(world)
    return world


async def fill(tx, now, numbers: int) -> None:  # type: ignore[no-untyped-def]
    for name, kind in (
        ("numbers", ResourceKind.MSISDN),
        ("profiles", ResourceKind.ESIM_PROFILE),
        ("ports", ResourceKind.PORT),
    ):
        await inventory.create_pool(tx, name=name, kind=kind, quarantine_days=30, now=now)
    await inventory.fill_pool(tx, pool="numbers", values=[str(4915100000000 + n) for n in range(numbers)])
    await inventory.fill_pool(
        tx,
        pool="profiles",
        values=[
            NewResource(str(89490000000000000000 + n), {"imsi": str(262010000000000 + n)})
            for n in range(numbers)
        ],
    )
    await inventory.fill_pool(tx, pool="ports", values=[f"olt1/{n}" for n in range(numbers)])


async def verify(world: World) -> None:
    """Prove who the customer is."""
    pack = load_pack("DE")
    async with world.db.transaction(world.tenant_id) as tx:
        await parties.submit_kyc(
            tx,
            party_id=world.party_id,
            pack=pack,
            document="passport",
            country="DE",
            number="C01X00T47",
            expires_on=date(2030, 1, 1),
            now=world.clock.now(),
        )
        await parties.verify_kyc(tx, party_id=world.party_id, pack=pack, now=world.clock.now())


def add(offering: str = "flex-m", **fields: object) -> ItemRequest:
    return ItemRequest(action=Action.ADD, offering=offering, **fields)  # type: ignore[arg-type]


def later(clock: MovableClock, **delta: int) -> str:
    return (clock.now() + timedelta(**delta)).isoformat()
