"""Steps 2 to 5, 11 June, 14:03: a customer, an order that waits for her papers, a number, a SIM, a live line."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass
from farwire.activation import service as activation
from farwire.base.storage import Tx
from farwire.demo.day_a.stage import AGENT, Sold, Stage
from farwire.inventory import service as inventory
from farwire.inventory.model import ResourceKind
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, PartyId, uuid7
from farwire.kernel.money import Money, currency
from farwire.ordering import service as ordering
from farwire.ordering.model import ItemRequest, OrderRequest, ProductOrder
from farwire.party import service as parties
from farwire.party.model import ContactKind, ContactMedium, KycState, Party, PartyKind
from farwire.process.order_preview import preview_order
from farwire.tenant.model import Address

ACCOUNT: Final = "A-00001"
ORDER_KEY: Final = "day-a-flex-m"
LOOK_AT_PAPERS: Final = timedelta(minutes=2)


async def sell(stage: Stage) -> Sold:
    """Open the account, preview and place the order, verify the customer, deliver; return what she got."""
    stage.move_to(stage.twin.sale)
    stage.say(f"a customer orders {stage.twin.offering} with an eSIM and a new number")
    account = await _customer(stage)
    order, new = await _order(stage, account)
    if new:
        stage.check("11 June: before her papers are seen the order is", "held", order.state.value)
    await _verify(stage, account.party_id)
    await stage.deliver()
    await ordering.work(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock)
    await stage.deliver()
    return await _delivered(stage, account, order)


async def _customer(stage: Stage) -> BillingAccount:
    twin, now = stage.twin, stage.clock.now()
    async with stage.db.transaction(stage.tenant_id) as tx:
        try:
            return await accounts.account_numbered(tx=tx, number=ACCOUNT)
        except NotFound:
            pass
        name = f"{twin.given_name} {twin.family_name}"
        address = Address(twin.country, {"name": name, **twin.customer_address})
        party = await parties.add_party(
            tx,
            party=Party(
                PartyId(uuid7(now)),
                PartyKind.INDIVIDUAL,
                name,
                address,
                twin.language,
                now,
                contacts=(ContactMedium(ContactKind.EMAIL, twin.email, preferred=True),),
                given_name=twin.given_name,
                family_name=twin.family_name,
            ),
            actor=AGENT,
        )
        account = BillingAccount(
            id=AccountId(uuid7(now)),
            number=ACCOUNT,
            party_id=party.id,
            legal_entity_id=stage.legal_entity_id,
            currency=currency(twin.currency),
            cycle_day=1,
            zone=twin.zone,
            language=twin.language,
            tax_class=TaxClass.STANDARD,
            opened_at=now,
        )
        return await accounts.open_account(tx, account=account, now=now, actor=AGENT)


async def _order(stage: Stage, account: BillingAccount) -> tuple[ProductOrder, bool]:
    """Preview the order, then place it; the same key finds it again."""
    items = (ItemRequest(offering=stage.twin.offering),)
    request = OrderRequest(account_id=account.id, items=items, channel="shop")
    async with stage.db.transaction(stage.tenant_id) as tx:
        made = await ordering.place_order(
            tx=tx, clock=stage.clock, request=request, key=ORDER_KEY, actor=AGENT
        )
        if made.new:
            await _preview(tx, stage, request)
    return made.order, made.new


async def _preview(tx: Tx, stage: Stage, request: OrderRequest) -> None:
    """Show what the first bill would be besides usage, with VAT, before the customer says yes."""
    twin = stage.twin
    preview = await preview_order(tx=tx, clock=stage.clock, request=request)
    net = sum((line.net for line in twin.true_lines()[:3]), Decimal(0))
    for what, expected, found in (
        ("the first bill", twin.with_vat(net), preview.first),
        ("every month after it", twin.with_vat(twin.monthly), preview.then),
    ):
        unit = currency(twin.currency)
        shown = "–" if found is None else f"{Money(found.total_minor, unit).to_decimal():,.2f} {unit}"
        stage.check(f"11 June: preview of {what}", f"{expected:,.2f} {twin.currency}", shown)


async def _verify(stage: Stage, party_id: PartyId) -> None:
    """Look at the customer's papers two minutes later, unless that was done."""
    stage.move_to(stage.twin.sale + LOOK_AT_PAPERS)
    pack, now = stage.pack, stage.clock.now()
    async with stage.db.transaction(stage.tenant_id) as tx:
        if await parties.kyc_of(tx, party_id) is KycState.VERIFIED:
            return
        await parties.submit_kyc(
            tx,
            party_id=party_id,
            pack=pack,
            document=stage.twin.document,
            country=stage.twin.country,
            number="L01X00T471",
            expires_on=date(2031, 7, 31),
            now=now,
            actor=AGENT,
        )
        await parties.verify_kyc(tx, party_id=party_id, pack=pack, now=now, actor=AGENT)


async def _delivered(stage: Stage, account: BillingAccount, order: ProductOrder) -> Sold:
    """Check that the order is done, and that the network shows what was ordered; return what the customer got."""
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        state = (await ordering.get_order(tx=tx, order_id=order.id)).order.state
        product_id = order.items[0].product_id
        held = (await inventory.resources_of_products(tx, [product_id]))[product_id]
        names = {one.kind: one for one in held}
        number, profile = names[ResourceKind.MSISDN], names[ResourceKind.ESIM_PROFILE]
        line = await activation.read_back(tx, adapter="hlr", target=profile.attributes["imsi"]) or {}
        sim = await activation.read_back(tx, adapter="smdp", target=profile.value) or {}
        charging = await activation.read_back(tx, adapter="charging", target=str(product_id)) or {}
        product = (await inventory.get_products(tx, [product_id]))[product_id]
        services = (await inventory.services_of_products(tx, [product_id]))[product_id]
    above = {one.id: one.specification for one in services if one.supports is None}
    below = " ".join(one.specification for one in services if one.supports in above)
    stage.check("11 June: mobile-line stands on", "subscriber-profile sim-profile charging-account", below)
    stage.check("11 June: the order is", "completed", state.value)
    stage.check("11 June: number in the network", number.value, line.get("msisdn", "–"))
    stage.check("11 June: eSIM profile, line, charging account", "active " * 3, " ".join(
        one.get("status", "–") for one in (sim, line, charging)) + " ")  # fmt: skip
    day = product.started_at.astimezone(stage.twin.tz).date()
    stage.check("11 June: the product counts from", stage.twin.sale.date(), day)
    stage.check("11 June: messages about it", "1 held, 1 completed",
                f"{await stage.told('order_held')} held, {await stage.told('order_completed')} completed")  # fmt: skip
    return Sold(account.id, number.value)
