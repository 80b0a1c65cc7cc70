"""A subscriber with a contract whose usage comes over the network, and the bills of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from farwire.account.model import BillingAccount
from farwire.base.clock import MovableClock, SystemClock
from farwire.base.storage import Database
from farwire.billing.model import Bill, LineKind
from farwire.charging import service as charging
from farwire.charging.model.terms import AtTheEnd, PlanDocument
from farwire.inventory.model import Product
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.usage import service as usage
from tests.billing.world import FLEX_M, World
from tests.charging.desk import CLERK
from tests.charging.play import EURO
from tests.gateway.processes import WAIT_S, Processes

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Contract:
    """Flex M, postpaid: calls abroad 0.09 a started minute, data as it is told. A shard as a process charges it."""

    shop: World
    bill_to: BillingAccount
    product: Product
    processes: Processes

    async def bills(self) -> list[Bill]:
        """Bill everything until now, as the first of the months to come would."""
        now = self.shop.clock.now().astimezone(BERLIN)
        after = datetime(now.year + (now.month + 1) // 12, (now.month + 1) % 12 + 1, 1, tzinfo=BERLIN)
        await self.shop.run(after.isoformat())
        await self.shop.sound()
        return await self.shop.bills(self.bill_to)

    async def explained(self, usages: int = 1) -> dict[str, str]:
        """Wait until the books have so many usages, bill them, and return what explains each price."""
        await self.recorded(usages)
        said = {}
        for bill in await self.bills():
            for line in bill.lines:
                if line.item.kind is LineKind.USAGE:
                    words = ("bill", "explain", str(bill.number), "--line", str(line.number), "--json")
                    found = json.loads(self.processes.call(*words))
                    said[line.item.price_id] = found["lines"][str(line.number)]
        return said

    async def recorded(self, usages: int = 1) -> None:
        """Wait until the books have so many usages."""
        await _until(lambda: self._usages(usages))

    async def _usages(self, wanted: int) -> bool:
        async with self.shop.db.transaction(self.shop.tenant_id, read_only=True) as tx:
            found = await usage.usage_records(tx, page=PageRequest(limit=500), product_id=self.product.id)
        return found.total >= wanted


async def _until(there: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await there():  # noqa: ASYNC110 - another process fills the books
            await asyncio.sleep(0.1)


async def a_contract(
    db: Database, tenant_id: TenantId, processes: Processes, number: str, *, per_mb: str = "0",
    credit_limit: int = 50 * EURO, at_the_end: AtTheEnd = AtTheEnd.TERMINATE,
) -> Contract:  # fmt: skip
    """Sell the contract, and wait until the shard that runs has its prices and its account."""
    now = SystemClock().now()
    yesterday = (now - timedelta(days=1)).isoformat()
    shop = World(db, MovableClock(now), tenant_id)
    await shop.company()
    plan = await shop.plan(FLEX_M.replace('price = 0\nper = "1 MB"', f'price = {per_mb}\nper = "1 MB"'))
    bill_to = await shop.account(opened=yesterday)
    product = await shop.product(bill_to, plan, start=yesterday, identifier=number)
    async with db.transaction(tenant_id) as tx:
        terms = PlanDocument(offering="flex-m", at_the_end=at_the_end)
        await charging.set_plan_terms(tx, document=terms, now=now, actor=CLERK)
        await charging.open_account(
            tx, offering="flex-m", key="contract", now=now, actor=CLERK, postpaid=True,
            credit_limit=credit_limit, account_id=bill_to.id, product_id=product.id,
            identities=(charging.Identity(charging.IdentityKind.MSISDN, number),),
        )  # fmt: skip
    processes.wait(lambda: "charging tariffs reloaded" in processes.said("shard"), "shard")
    processes.call("charging", "account", "open", "--offering", "flex-m", "--key", "contract")
    return Contract(shop, bill_to, product, processes)
