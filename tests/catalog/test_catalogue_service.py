"""Publishing catalogue files and selling from them, in a real database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from catalogue_cases import FILE, plan

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service
from farwire.catalog.model import Kind, Lifecycle, SimType, read_catalogue, read_plan
from farwire.catalog.service import NotEligible, NotSold, PublishedCatalogue
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import TenantId

JUNE = datetime(2026, 6, 15, tzinfo=UTC)


class Shop:
    """A tenant's catalogue."""

    def __init__(self, db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
        self.db, self.tenant_id, self.clock = db, tenant_id, clock

    async def publish(self, text: str) -> PublishedCatalogue:
        async with self.db.transaction(self.tenant_id) as tx:
            return await service.publish_catalogue(tx=tx, clock=self.clock, file=read_catalogue(text))

    async def price(self, *codes: str) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            for code in codes:
                await service.publish_plan(tx=tx, clock=self.clock, plan=read_plan(plan(code)))

    async def sell(self, code: str, *, at: datetime = JUNE, region: str = "DE", channel: str = "web"):
        async with self.db.transaction(self.tenant_id) as tx:
            return await service.offering_to_sell(tx, code=code, at=at, region=region, channel=channel)

    async def move(self, code: str, to: Lifecycle, kind: Kind = Kind.OFFERING) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await service.change_lifecycle(tx=tx, clock=self.clock, code=code, to=to, kind=kind)

    async def offered(self, *, at: datetime = JUNE, region: str = "DE", channel: str = "web") -> list[str]:
        async with self.db.transaction(self.tenant_id) as tx:
            page = await service.offerings_for(tx, region=region, channel=channel, at=at)
        assert page.total == len(page.items)
        return [item.offering.code for item in page.items]


@pytest.fixture
async def shop(db: Database, tenant_id: TenantId, clock: MovableClock) -> Shop:
    shop = Shop(db, tenant_id, clock)
    await shop.publish(FILE)
    await shop.price("flex-m", "family")
    return shop


async def test_an_offering_is_sold_with_everything_an_order_needs(shop: Shop) -> None:
    sold = await shop.sell("flex-m")
    assert sold.offering.terms.minimum_term_months == 24
    assert sold.offering.sim is SimType.POSTPAID
    assert sold.plan_version.number == 1
    assert sold.product_specification is not None
    assert sold.product_specification.code == "mobile"
    (line,) = sold.service_specifications
    (need,) = line.resources
    assert (need.kind, need.pool, need.count) == ("msisdn", "msisdn", 1)
    assert [(one.adapter, one.operation) for one in line.operations] == [("hlr", "subscriber_profile")]
    assert [one.code for one in sold.resource_specifications] == ["mobile-number"]


async def test_an_offering_with_only_a_price_plan_is_sold_with_defaults(shop: Shop) -> None:
    await shop.price("plain")
    sold = await shop.sell("plain", region="", channel="")
    assert sold.product_specification is None
    assert sold.offering.terms.minimum_term_months == 0
    assert sold.offering_id == sold.plan_version.offering_id


async def test_what_is_not_sold_says_why(shop: Shop) -> None:
    for region, channel, field in (
        ("AT", "web", "region"),
        ("DE", "phone", "channel"),
        ("", "web", "region"),
    ):
        with pytest.raises(NotEligible) as refused:
            await shop.sell("flex-m", region=region, channel=channel)
        assert (refused.value.code, refused.value.field) == ("catalog.not_eligible", field)
    with pytest.raises(NotSold) as early:
        await shop.sell("flex-m", at=datetime(2026, 5, 1, tzinfo=UTC))
    assert early.value.code == "catalog.not_sold"
    with pytest.raises(NotFound):
        await shop.sell("none")
    await shop.publish(FILE.replace('"family"', '"unpriced"'))
    with pytest.raises(NotSold, match="has no price"):
        await shop.sell("unpriced")


async def test_retiring_stops_sales_and_launching_sells_again(shop: Shop) -> None:
    assert await shop.offered() == ["family", "flex-m"]
    await shop.move("flex-m", Lifecycle.RETIRED)
    assert await shop.offered() == ["family"]
    with pytest.raises(NotSold, match="flex-m is retired"):
        await shop.sell("flex-m")
    await shop.publish(FILE)
    assert await shop.offered() == ["family"]
    await shop.move("flex-m", Lifecycle.LAUNCHED)
    await shop.move("flex-m", Lifecycle.LAUNCHED)
    assert (await shop.sell("flex-m")).lifecycle is Lifecycle.LAUNCHED
    with pytest.raises(Conflict) as caught:
        await shop.move("flex-m", Lifecycle.IN_TEST)
    assert caught.value.code == "catalog.lifecycle"


async def test_a_retired_specification_stops_the_sales_of_its_offerings(shop: Shop) -> None:
    await shop.move("mobile", Lifecycle.RETIRED, Kind.PRODUCT)
    assert await shop.offered() == ["family"]
    with pytest.raises(NotSold, match="specification mobile is retired"):
        await shop.sell("flex-m")


async def test_a_new_offering_starts_where_its_file_says(shop: Shop) -> None:
    await shop.publish(FILE.replace('code = "family"', 'code = "later"\nstarts_as = "in_design"'))
    await shop.price("later")
    assert "later" not in await shop.offered()
    for step in (Lifecycle.IN_TEST, Lifecycle.ACTIVE):
        await shop.move("later", step)
    assert "later" in await shop.offered()


async def test_the_same_file_again_changes_nothing_and_a_change_is_a_version_from_its_start(
    shop: Shop,
) -> None:
    again = await shop.publish(FILE)
    assert (again.new, {item.new for item in again.items}) == (False, {False})
    changed = FILE.replace("notice_days = 30", "notice_days = 60")
    with pytest.raises(Conflict) as caught:
        await shop.publish(changed)
    assert (caught.value.code, caught.value.field) == ("catalog.version_overlap", "offerings[0].valid_from")
    july = changed.replace('sim = "postpaid"', 'sim = "postpaid"\nvalid_from = 2026-07-01T00:00:00Z')
    second = await shop.publish(july)
    assert [item.version.number for item in second.items if item.new] == [2]
    assert (await shop.sell("flex-m")).offering.terms.notice_days == 30
    later = await shop.sell("flex-m", at=datetime(2026, 7, 1, tzinfo=UTC))
    assert later.offering.terms.notice_days == 60


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('services = ["mobile-line"]', 'services = ["none"]', "product_specifications[0].services[0]"),
        (
            'product_specification = "mobile"',
            'product_specification = "x"',
            "offerings[0].product_specification",
        ),
        ('offering = "flex-m", minimum', 'offering = "x", minimum', "offerings[1].bundle[0].offering"),
        ('kind = "msisdn"\n', 'kind = "port"\n', "service_specifications[0].resources[0].kind"),
        ('sim = "postpaid"', 'requires = ["x"]', "offerings[0].requires[0]"),
        ('sim = "postpaid"', 'bundle = [{ offering = "family" }]', "offerings[0].bundle"),
        (
            'sim = "postpaid"',
            "valid_from = 2026-05-01T00:00:00Z",
            "offerings[0].product_specification",
        ),
    ],
)
async def test_a_file_that_does_not_fit_leaves_no_trace(
    db: Database, tenant_id: TenantId, clock: MovableClock, old: str, new: str, field: str
) -> None:
    shop = Shop(db, tenant_id, clock)
    assert old in FILE
    with pytest.raises(Invalid) as caught:
        await shop.publish(FILE.replace(old, new))
    assert caught.value.field == field
    async with db.transaction(tenant_id) as tx:
        for table in (
            "offering",
            "specification",
            "publication",
            "offering_version",
            "specification_version",
        ):
            rows = await tx.fetchval(f"SELECT count(*) FROM catalog.{table} WHERE tenant_id = $1", tenant_id)
            assert rows == 0, table


async def test_a_circle_over_two_files_is_refused(shop: Shop) -> None:
    def requires(code: str, needed: str) -> str:
        return (
            f'[[offerings]]\ncode = "{code}"\nname = "{code}"\nvalid_from = 2026-08-01T00:00:00Z\n'
            f'requires = ["{needed}"]\n'
        )

    await shop.price("c")
    await shop.publish(requires("a", "c"))
    await shop.publish(requires("b", "a"))
    with pytest.raises(Invalid) as caught:
        await shop.publish(requires("c", "b"))
    assert (caught.value.field, caught.value.message) == ("offerings[0].requires", "it needs itself")
    assert sorted(set(str(caught.value.value).split(" → "))) == ["a", "b", "c"]


async def test_what_never_holds_at_the_same_time_is_no_circle(shop: Shop) -> None:
    def offering(code: str, needed: str, start: str, end: str) -> str:
        return (
            f'[[offerings]]\ncode = "{code}"\nname = "{code}"\nvalid_from = {start}T00:00:00Z\n'
            f'valid_to = {end}T00:00:00Z\nrequires = ["{needed}"]\n'
        )

    await shop.price("a", "b")
    await shop.publish(offering("a", "b", "2026-08-01", "2026-09-01"))
    await shop.publish(offering("b", "a", "2026-09-01", "2026-10-01"))
    with pytest.raises(Invalid):
        await shop.publish(offering("b", "a", "2026-07-01", "2026-08-02"))


async def test_many_publishers_at_once_make_one_version(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    shop = Shop(db, tenant_id, clock)
    outcomes = await asyncio.gather(*(shop.publish(FILE) for _ in range(4)))
    assert sorted(outcome.new for outcome in outcomes) == [False, False, False, True]


async def test_published_documents_cannot_be_changed_in_the_database(shop: Shop) -> None:
    for table in ("offering_version", "specification_version", "publication"):
        for statement in (f"UPDATE catalog.{table} SET digest = digest", f"DELETE FROM catalog.{table}"):
            with pytest.raises(FarwireError, match="permission denied"):
                async with shop.db.transaction(shop.tenant_id) as tx:
                    await tx.execute(f"{statement} WHERE tenant_id = $1", shop.tenant_id)


async def test_another_tenant_sees_and_sells_nothing(shop: Shop, other_tenant_id: TenantId) -> None:
    other = Shop(shop.db, other_tenant_id, shop.clock)
    assert await other.offered() == []
    with pytest.raises(NotFound):
        await other.sell("flex-m")
    with pytest.raises(NotFound):
        await other.move("flex-m", Lifecycle.RETIRED)
    async with shop.db.transaction(other_tenant_id) as tx:
        refusals = await service.check_combination(tx, held=[], added=["flex-m"], at=JUNE)
        assert [refusal.code for refusal in refusals] == ["catalog.offering_unknown"]
        assert await service.document_versions(tx, kind=Kind.OFFERING, codes=["flex-m"]) == ()
    with pytest.raises(Invalid, match="there is no product specification"):
        await other.publish(
            'valid_from = 2026-06-01T00:00:00Z\n[[offerings]]\ncode = "x"\nname = "X"\n'
            'product_specification = "mobile"\n'
        )


async def test_a_combination_is_checked_against_what_is_published(shop: Shop) -> None:
    async with shop.db.transaction(shop.tenant_id) as tx:
        one = await service.check_combination(tx, held=[], added=["family", "flex-m"], at=JUNE)
        two = await service.check_combination(tx, held=[], added=["family", "flex-m", "flex-m"], at=JUNE)
    assert [(refusal.code, refusal.value) for refusal in one] == [("catalog.bundle_cardinality", "flex-m")]
    assert two == ()


async def test_each_act_is_a_fact_and_in_the_audit_log(shop: Shop) -> None:
    await shop.move("flex-m", Lifecycle.RETIRED)
    async with shop.db.transaction(shop.tenant_id) as tx:
        facts = await tx.fetch("SELECT type FROM base.outbox WHERE tenant_id = $1 ORDER BY 1", tx.tenant_id)
        acts = await tx.fetch("SELECT action FROM base.audit_entry WHERE tenant_id = $1", tx.tenant_id)
    types = [row["type"].split(".")[2] for row in facts]
    assert types == [
        "catalogue_published",
        "lifecycle_changed",
        "plan_published",
        "plan_published",
        "product_offering_created",
        "product_offering_created",
    ]
    assert {row["action"] for row in acts} >= {"catalog.document_publish", "catalog.lifecycle_change"}


async def test_the_list_is_what_would_be_sold(shop: Shop) -> None:
    """Compare the one statement of the list with selling each offering, over regions, channels and times."""
    await shop.publish(
        'valid_from = 2026-06-01T00:00:00Z\n[[offerings]]\ncode = "short"\nname = "Short"\n'
        'valid_to = 2026-06-20T00:00:00Z\neligibility = { regions = ["AT", "DE"] }\n'
    )
    await shop.price("short", "plain")
    days = [datetime(2026, 5, 31, tzinfo=UTC) + timedelta(days=n) for n in (0, 1, 15, 20, 60)]
    for at in days:
        for region in ("", "AT", "DE"):
            for channel in ("", "web"):
                sold = []
                for code in ("family", "flex-m", "plain", "short"):
                    try:
                        await shop.sell(code, at=at, region=region, channel=channel)
                    except (NotSold, NotEligible):
                        continue
                    sold.append(code)
                assert await shop.offered(at=at, region=region, channel=channel) == sold
