"""Who owes a bill is in the walled garden, and when it is paid at full speed: every step by a process of its own."""

from __future__ import annotations

import asyncio

import pytest

from farwire.base.storage import Database
from farwire.charging.model.terms import AtTheEnd
from farwire.gateway.radius.dictionary import Code, key_of
from farwire.kernel.ids import TenantId
from tests.gateway.billed import Contract, a_contract
from tests.gateway.processes import Processes
from tests.gateway.radius.test_radclient import Radclient, radclient, start, ticket_in
from tests.gateway.radius.test_telling import GARDEN, INTERIM
from tests.gateway.radius.world import EURO, MB, a_nas

pytestmark = [pytest.mark.rigs, pytest.mark.full]
__all__ = ["radclient"]
FILTER = key_of("Filter-Id")
NUMBER = "491701234568"


async def pay(contract: Contract, processes: Processes) -> None:
    """Bill what there is, and pay it by command."""
    minor = sum(bill.total_minor for bill in await contract.bills())
    amount = f"{minor // 100}.{minor % 100:02}"
    words = ("payment", "take", amount, "--method", "bank_transfer", "--account", contract.bill_to.number)
    await asyncio.to_thread(processes.call, *words, "--external", "bank-1")


async def test_a_bill_that_is_owed_leads_into_the_garden_and_its_payment_to_full_speed(
    shop: None, processes: Processes, radclient: Radclient, db: Database, tenant_id: TenantId
) -> None:
    radclient.number = NUMBER
    contract = await a_contract(
        db, tenant_id, processes, NUMBER, per_mb="0.02", credit_limit=EURO // 5, at_the_end=AtTheEnd.REDIRECT
    )
    async with a_nas() as nas:
        await asyncio.to_thread(start, processes, radclient, INTERIM.format(port=nas.port) + GARDEN)
        await asyncio.to_thread(processes.farwire, "worker", "worker", until="Working on")
        said = await radclient.log_in()
        assert 'Filter-Id = "full"' in said
        ticket = ticket_in(said)
        await radclient.account("Start", ticket, 0, 0)
        await radclient.account("Interim-Update", ticket, 12 * MB, 60)
        request = await nas.next()
        assert (request.code, request.all(FILTER)) == (Code.COA_REQUEST, (b"garden", b"dns"))
        await radclient.account("Stop", ticket, 12 * MB, 90)
        said = await radclient.log_in()
        assert 'Filter-Id = "garden"' in said
        radclient.session = "r2"
        await radclient.account("Start", ticket_in(said), 0, 0)
        await contract.recorded()
        await pay(contract, processes)
        request = await nas.next()
        assert (request.code, request.text(FILTER)) == (Code.COA_REQUEST, "full")
        await radclient.account("Stop", ticket_in(said), MB, 60)
        assert nas.told.empty()
