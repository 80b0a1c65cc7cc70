"""The golden bills of day A, and the variants that follow from them."""

from farwire.billing.model import Bill

from .world import World


def amounts(bill: Bill) -> list[tuple[str, int]]:
    return [(line.item.price_id, line.amount_minor) for line in bill.lines]


async def test_golden_bill_a(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    for n in range(4):
        await world.rated(
            product, "roaming", "1.25", at=f"2026-06-2{n}T10:00Z", quantity=25_000_000, kind="data"
        )
    await world.rated(product, "other", "0.63", at="2026-06-30T21:59:59Z", quantity=420)
    report = await world.run()
    assert (report.ok, report.billed, report.issued) == (True, 1, 1)
    bill = await world.only_bill()
    assert amounts(bill) == [
        ("activation", 990),
        ("monthly", 1333),
        ("monthly", 2000),
        ("other", 63),
        ("roaming", 500),
    ]
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (4886, 928, 5814)
    assert (bill.number, str(bill.issue_on), str(bill.due_on)) == (
        "NL-2026-0000001",
        "2026-07-01",
        "2026-07-15",
    )
    await world.sound()
