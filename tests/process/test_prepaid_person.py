"""A person in what is prepaid: exported, erased, not in events, audit and logs; a product ends with its account."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus.pending import deliver_pending
from farwire.base.jobs import Worker
from farwire.base.storage import Database, open_relay
from farwire.charging import service as charging
from farwire.charging.events import ACCOUNT_CLOSED
from farwire.charging.model import Answer, CommandKind, Flag, Phase, ResultCode, SessionRequest, Unit
from farwire.charging.model import Ask as Quota
from farwire.charging.service import Identity, IdentityKind
from farwire.charging.shard.shard import Ask
from farwire.inventory import service as inventory
from farwire.inventory.model import EndReason, Product
from farwire.kernel.errors import Conflict, NotFound, Unavailable
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.payment import service as payments
from farwire.payment.model import MethodKind, Notice
from farwire.payment.model.voucher import Answer as Used
from farwire.payment.service import voucher as vouchers
from farwire.payment.simulator import MOBILE_MONEY
from farwire.process import prepaid, prepaid_closing, privacy
from tests.charging.books_world import DATA, BooksWorld, books_world
from tests.charging.desk import CLERK, GO_5
from tests.charging.play import EURO, MB
from tests.payment.shop import Shop
from tests.payment.test_gateways import tell
from tests.payment.till import ANNA, EVERYTHING, eur

NUMBER = "4915112345678"
WALLET = "4917098765431"
NAI = "anna.juergensen"
STRANGER = "bob.unknown"
"""Whom charging does not know: what is credited to him fails."""
METHOD = MethodKind.MOBILE_MONEY
ENDS = "2026-06-20T12:00+02:00"


def _builders() -> ModuleType:
    """The builders that the tests of billing use."""
    path = Path(__file__).parent.parent / "billing" / "world.py"
    spec = importlib.util.spec_from_file_location("billing_world_of_prepaid_person", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Deaf:
    """A way to the shard on which nothing is heard as long as ``deaf``."""

    world: BooksWorld
    deaf: bool = False
    asked: int = 0

    async def ask(self, tenant: int, request: Ask) -> Answer:
        self.asked += 1
        if self.deaf:
            raise Unavailable("nobody listens", code="charging.no_answer")
        return await self.world.client.ask(tenant, request)

    async def close(self) -> None:
        """Do nothing."""


@dataclass
class Story:
    """Anna with a prepaid product, at a shard in this process."""

    world: BooksWorld
    relay_db: Database
    shop: Shop
    billing: Any
    client: Deaf
    account: BillingAccount | None = None
    product: Product | None = None
    held: charging.ChargingAccount | None = None

    @property
    def db(self) -> Database:
        return self.world.db

    @property
    def clock(self) -> MovableClock:
        return self.world.clock

    @property
    def tenant_id(self) -> TenantId:
        return self.world.tenant_id

    async def begin(self, number: str = "100001", end: str | None = None) -> None:
        """Give Anna an account, a product with her number, and a charging account that was opened under it."""
        version = await self.billing.plan()
        self.account = await self.billing.account(number)
        self.world.till.accounts[number] = self.account
        self.product = await self.billing.product(self.account, version, end=end, identifier=NUMBER)
        async with self.db.transaction(self.tenant_id) as tx:
            self.held = await charging.open_account(
                tx, offering=GO_5, key=f"line {NUMBER}", now=self.clock.now(), actor=CLERK, circle="all",
                identities=(Identity(IdentityKind.MSISDN, NUMBER), Identity(IdentityKind.NAI, NAI)),
                account_id=self.account.id, product_id=self.product.id,
            )  # fmt: skip
            await charging.offer_number(tx, offering=GO_5, now=self.clock.now())
        await self.world.tariffs.reload(self.db, clock=self.clock)

    async def deliver(self) -> None:
        """Deliver what is published, as a worker does."""
        given: dict[str, Any] = {"db": self.db, "clock": self.clock, "client_of": lambda: self.client}
        found = [prepaid.subscriber(**given), prepaid_closing.subscriber(**given)]
        await deliver_pending(relay_db=self.relay_db, clock=self.clock, subscribers=found)
        await self.world.take()

    async def use(self, code: str, subscriber: str = NUMBER, key: str = f"ussd {NUMBER}") -> Used:
        return await self.shop.use(code, subscriber=subscriber, key=key)

    async def top_up_by_phone(self) -> Notice:
        """Push a payment to her wallet that tops her up, and confirm it."""
        assert self.account is not None
        async with self.db.transaction(self.tenant_id) as tx:
            await payments.take_payment(
                tx, account_id=self.account.id, method=METHOD, token=WALLET, amount=eur("20.00"),
                now=self.clock.now(), actor=ANNA, key="push-1", topup_for=NUMBER,
            )  # fmt: skip
            notice = await MOBILE_MONEY.confirm(tx, key="push-1", at=self.clock.now())
        await tell(self.world.till, METHOD, notice)
        return notice

    async def month(self) -> list[str]:
        """Play what a prepaid customer does; return the codes that were used."""
        await self.shop.make(quantity=2)
        await self.shop.sell()
        first, second = self.shop.codes.values()
        assert (await self.use(first)).order is not None
        await self.use(first, key="again")
        await self.top_up_by_phone()
        await self.deliver()
        assert self.held is not None
        self.held = await self.found()
        await self.world.command(self.held, CommandKind.PURCHASE, 0, self.world.offer)
        await self.world.session(self.held, [10 * MB, 3_000 * MB])
        await self.world.take()
        return [first, second]

    async def found(self) -> charging.ChargingAccount:
        assert self.held is not None
        async with self.db.transaction(self.tenant_id) as tx:
            return await charging.account_numbered(tx, number=self.held.number)

    async def leave(self) -> None:
        """End the product, and the account some days later."""
        await self.end()
        await self.deliver()
        assert self.account is not None
        async with self.db.transaction(self.tenant_id) as tx:
            now = self.clock.now()
            await accounts.close_account(tx, account_id=self.account.id, at=now, now=now)

    async def end(self, reason: EndReason = EndReason.CEASE, later: timedelta = timedelta()) -> None:
        assert self.product is not None
        now = self.clock.now()
        async with self.db.transaction(self.tenant_id) as tx:
            await inventory.end_product(
                tx, product_id=self.product.id, at=now + later, reason=reason, now=now
            )

    async def erase(self) -> privacy.Erasure:
        assert self.account is not None
        async with self.db.transaction(self.tenant_id) as tx:
            return await privacy.erase_person(
                tx, party_id=self.account.party_id, clock=self.clock, actor=ANNA
            )

    async def export(self) -> dict[str, Any]:
        assert self.account is not None
        document = await privacy.export_person(
            db=self.db, tenant_id=self.tenant_id, party_id=self.account.party_id, clock=self.clock
        )
        return json.loads(json.dumps(document))

    async def text(self, table: str) -> str:
        """Return every row of a table as one text."""
        async with self.db.transaction(self.tenant_id) as tx:
            return (
                await tx.fetchval(
                    f"SELECT string_agg(t::text, ' ') FROM {table} t WHERE tenant_id = $1", tx.tenant_id
                )
                or ""
            )

    async def barred(self) -> bool:
        seen = (await charging.inspect(self.world.client, account=await self.found())).seen
        assert seen is not None
        return bool(seen.flags & Flag.BARRED)

    async def told_closed(self) -> int:
        async with self.db.transaction(self.tenant_id) as tx:
            count: int = await tx.fetchval(
                "SELECT count(*) FROM base.outbox WHERE tenant_id = $1 AND type = $2",
                *(tx.tenant_id, ACCOUNT_CLOSED),
            )
        return count


@pytest.fixture
async def story(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, settings: Settings
) -> AsyncIterator[Story]:
    relay_db = await open_relay(settings)
    clock.set(instant("2026-06-12T10:00+02:00"))
    async with books_world(db, tenant_id, clock, tmp_path) as world:
        billing = _builders().World(db, clock, tenant_id, entity=world.till.entity)
        yield Story(world, relay_db, Shop(world.till, tmp_path), billing, Deaf(world))
    await relay_db.close()


def _holds(text: str, *words: str) -> list[str]:
    plain = text.replace("-", "").lower()
    return [word for word in words if word.replace("-", "").lower() in plain]


async def test_events_audit_and_logs_of_prepaid_name_no_number_and_no_code(story: Story) -> None:
    await story.begin()
    with capture_logs() as logs:
        codes = await story.month()
        for guess in range(6):  # guessing is reported
            await story.use(codes[0], key=f"guess {guess}")
        story.clock.advance(timedelta(days=1))
        story.client.deaf = True
        assert (await story.use(codes[1], subscriber=STRANGER, key="unknown")).order is not None
        await story.end()
        await story.deliver()
    for table in (
        *("base.outbox", "base.audit_entry", "charging.movement", "charging.notice", "usage.charged"),
        "ledger.entry",
    ):
        text = await story.text(table)
        assert text, table
        assert _holds(text, NUMBER, WALLET, NAI, STRANGER, *codes) == [], table
    assert _holds(json.dumps(logs, default=str), NUMBER, WALLET, NAI, STRANGER, *codes) == []
    # What failed is written down with its reason: that neither.
    async with story.relay_db.untenanted() as tx:
        errors = [row["error"] for row in await tx.fetch("SELECT error FROM base.delivery")]
    assert len(errors) == 2
    assert _holds(" ".join(errors), NUMBER, WALLET, NAI, STRANGER, *codes) == []
    assert _holds(await story.text("payment.voucher"), NUMBER, *codes) == []


async def test_an_export_holds_charging_accounts_vouchers_and_mobile_money(
    story: Story, other_tenant_id: TenantId
) -> None:
    await story.begin()
    await story.month()
    found = await story.export()
    (held,) = found["charging_accounts"]
    assert story.held is not None
    assert (held["number"], held["offering"]) == (story.held.number, GO_5)
    assert {one["value"] for one in held["identities"]} == {NUMBER, NAI}
    kinds = {(one["kind"], one["unit"]) for one in held["movements"]}
    assert {("voucher", "money"), ("top_up", "money"), ("usage", "octets")} <= kinds
    assert "activated" in {one["kind"] for one in held["notices"]}
    credited = {
        (one["voucher"], one["amount_minor"], one["subscriber"]) for one in found["top_ups"]["credited"]
    }
    assert credited == {(1, 1000, NUMBER), (None, 2000, NUMBER)}
    assert [one["outcome"] for one in found["top_ups"]["tries"]] == ["used"]
    assert [(one["token"], one["topup_for"]) for one in found["top_ups"]["asked"]] == [(WALLET, NUMBER)]
    assert story.account is not None
    with pytest.raises(NotFound):
        await privacy.export_person(
            db=story.db, tenant_id=other_tenant_id, party_id=story.account.party_id, clock=story.clock
        )


async def test_an_erasure_leaves_movements_and_amounts_under_a_number_that_means_nobody(story: Story) -> None:
    await story.begin()
    codes = await story.month()
    await story.use(codes[0], key=f"{NUMBER} later")
    await story.leave()
    await story.world.take()
    before = {
        table: await story.text(table) for table in ("charging.movement", "charging.notice", "ledger.posting")
    }
    done = await story.erase()
    assert (done.charging_identities, done.top_ups) == (2, 5)  # 2 orders, 2 tries, 1 charge
    tables = [
        *("charging.account", "charging.identity", "payment.credit_order", "payment.voucher_attempt"),
        *("payment.voucher_guard", "payment.charge", "payment.simulated_charge", "payment.payment"),
        *("base.outbox", "base.audit_entry", "inventory.subscriber", "usage.charged"),
    ]
    for table in tables:
        assert _holds(await story.text(table), NUMBER, WALLET, NAI) == [], table
    assert {table: await story.text(table) for table in before} == before
    assert story.held is not None
    async with story.db.transaction(story.tenant_id) as tx:
        for of_vouchers in (True, False):
            (order,) = (
                await vouchers.list_credit_orders(
                    tx, page=EVERYTHING, waiting_only=False, vouchers=of_vouchers
                )
            ).items
            assert order.asked.subscriber == str(story.held.number)
    found = await story.export()
    assert found["charging_accounts"][0]["identities"] == []
    assert len(found["charging_accounts"][0]["movements"]) > 3
    assert found["charging_accounts"][0]["notices"]
    again = await story.erase()
    assert again == privacy.Erasure(done.party)
    await story.world.take()
    async with story.db.transaction(story.tenant_id) as tx:
        assert (await prepaid.prove(tx)).sound


async def test_money_that_a_provider_takes_back_after_an_erasure_still_finds_its_balance(
    story: Story,
) -> None:
    await story.begin()
    notice = await story.top_up_by_phone()
    await story.deliver()
    await story.leave()
    await story.erase()
    back = Notice(
        notice.reference, "reversed", "EUR", notice.amount_minor, story.clock.now().isoformat(), key="push-1"
    )
    await tell(story.world.till, METHOD, back)
    await story.deliver()
    async with story.db.transaction(story.tenant_id) as tx:
        page = await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=False, vouchers=False)
    assert [one.short_minor for one in page.items] == [0]


async def test_nobody_is_erased_while_a_top_up_is_on_its_way(story: Story) -> None:
    await story.begin()
    await story.shop.make()
    await story.shop.sell()
    answer = await story.use(next(iter(story.shop.codes.values())))
    assert answer.order is not None
    story.client.deaf = True
    await story.leave()
    with pytest.raises(Conflict) as refused:
        await story.erase()
    assert refused.value.code == "party.still_active"
    assert f"top-up {answer.order.key} is not settled" in refused.value.message
    assert NUMBER not in refused.value.message


async def test_what_was_topped_up_for_somebody_elses_number_stays_his(story: Story) -> None:
    """Anna pays for Bea: Anna's export does not name Bea, her erasure leaves Bea her identity."""
    await story.begin()
    bea = await story.world.subscriber("bea")
    await story.shop.make()
    await story.shop.sell()
    assert story.account is not None
    async with story.db.transaction(story.tenant_id) as tx:
        payment = await payments.receive_payment(
            tx, method=METHOD, external_reference="mm-7", amount=eur("5.00"), received_at=story.clock.now(),
            now=story.clock.now(), actor=ANNA, account_id=story.account.id, pays_bills=False,
        )  # fmt: skip
        await payments.top_up(tx, payment_id=payment.id, subscriber="bea", now=story.clock.now(), actor=ANNA)
    await story.use(story.shop.codes[1], subscriber="bea", key="hers")
    await story.deliver()
    (paid,) = (await story.export())["top_ups"]["credited"]
    assert (paid["amount_minor"], paid["subscriber"]) == (500, "")
    await story.leave()
    await story.erase()
    async with story.db.transaction(story.tenant_id) as tx:
        assert await charging.find_account(tx, name="bea") == await charging.account_numbered(
            tx, number=bea.number
        )
        (hers,) = (await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=False)).items
        page = await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=False, vouchers=False)
    assert hers.asked.subscriber == "bea"
    assert [one.asked.subscriber for one in page.items] == [str(bea.number)]


async def test_the_end_of_a_product_bars_its_account_once_and_keeps_the_balance(
    story: Story, other_tenant_id: TenantId
) -> None:
    await story.begin()
    await story.month()
    assert story.held is not None
    await story.world.session(story.held, [], ends=False)
    running = story.world.keys
    await story.end()
    closing = prepaid_closing.Closing(story.db, story.clock, lambda: story.client)
    assert story.product is not None
    assert await closing.end_product(other_tenant_id, story.product.id) == 0
    assert not await story.barred()
    for _ in range(2):
        await story.deliver()
        assert (
            await closing.end_product(story.tenant_id, story.product.id) == await story.told_closed() - 1 == 0
        )
    assert await story.barred()
    seen = (await charging.inspect(story.world.client, account=await story.found())).seen
    assert seen is not None
    assert {one.amount for one in seen.balances if one.unit == Unit.MONEY} == {48 * EURO // 10}
    answer = await story.world.command(await story.found(), CommandKind.PURCHASE, 0, story.world.offer)
    assert answer.result == ResultCode.END_USER_DENIED
    more = SessionRequest(story.held.number, 5, running, 1, Phase.UPDATE, DATA, (Quota(1, 0),))
    answer = await story.world.client.ask(story.held.tenant_number, more)
    assert [(one.result, one.granted) for one in answer.groups] == [(ResultCode.END_USER_DENIED, 0)]


async def test_a_shard_that_does_not_answer_is_asked_again_and_nothing_is_told_before(story: Story) -> None:
    await story.begin()
    await story.end()
    story.client.deaf = True
    await story.deliver()
    assert (story.client.asked, await story.told_closed()) == (1, 0)
    story.client.deaf = False
    story.clock.advance(timedelta(minutes=10))
    await story.deliver()
    assert await story.told_closed() == 1
    assert await story.barred()  # it was in no shard before


async def test_a_product_that_ends_later_keeps_its_account_until_then(story: Story) -> None:
    await story.begin()
    await story.end(later=timedelta(days=3))
    await story.deliver()
    worker = Worker(
        db=story.db,
        clock=story.clock,
        handlers=prepaid_closing.handlers(db=story.db, clock=story.clock, client_of=lambda: story.client),
    )
    assert not await worker.run_once()
    assert await story.told_closed() == 0
    story.clock.advance(timedelta(days=3))
    assert await worker.run_once()
    assert await story.barred()
    assert await story.told_closed() == 1


async def test_a_product_that_is_replaced_leaves_its_account_in_use(story: Story) -> None:
    await story.begin()
    await story.end(EndReason.REPLACED)
    await story.deliver()
    assert (story.client.asked, await story.told_closed()) == (0, 0)


async def test_an_account_without_a_product_ends_with_its_person(story: Story) -> None:
    await story.begin()
    assert story.account is not None
    async with story.db.transaction(story.tenant_id) as tx:
        bare = await charging.open_account(
            tx, offering=GO_5, key="bare", now=story.clock.now(), actor=CLERK, account_id=story.account.id,
            identities=(Identity(IdentityKind.NAI, "anna.bare"),),
        )  # fmt: skip
    await story.leave()
    assert await story.told_closed() == 1
    await story.erase()
    await story.deliver()
    assert await story.told_closed() == 2
    async with story.db.transaction(story.tenant_id) as tx:
        assert (await charging.closed_at(tx, numbers=[bare.number])).keys() == {bare.number}


async def test_a_number_is_given_to_the_next_account_once_its_former_one_is_closed(story: Story) -> None:
    await story.begin()

    async def next_one(key: str) -> charging.ChargingAccount:
        async with story.db.transaction(story.tenant_id) as tx:
            return await charging.open_account(
                tx, offering=GO_5, key=key, now=story.clock.now(), actor=CLERK,
                identities=(Identity(IdentityKind.MSISDN, NUMBER),),
            )  # fmt: skip

    with pytest.raises(Conflict) as refused:
        await next_one("early")
    assert refused.value.code == "charging.identity_taken"
    await story.end()
    await story.deliver()
    second = await next_one("later")
    async with story.db.transaction(story.tenant_id) as tx:
        assert await charging.find_account(tx, name=NUMBER) == second
