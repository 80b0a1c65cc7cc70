"""Day A, step 9, by the compiled price plan: 10.00 topped up, Go 5 bought, 2,000 MB used, 250 MB more to exactly 0."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from farwire.catalog.model.document import from_document
from farwire.charging.model import (
    Ask,
    CommandKind,
    FinalAction,
    Grant,
    OfferTerms,
    Phase,
    PlanTerms,
    ResultCode,
    Service,
    SessionRequest,
    Unit,
    new_account,
)
from farwire.charging.model.compiled import CompiledTariffs, Offer, Plan, scope_of
from farwire.country.model import is_emergency
from farwire.country.service import load_pack
from farwire.rating.model import Charge, Chargeable, compile_tariff, rate
from tests.charging.play import EURO, MB, Player
from tests.charging.test_pricing import micros

GO_5 = compile_tariff(
    from_document(
        {
            "offering": "go-5",
            "name": "Go 5",
            "valid_from": datetime(2026, 6, 1, tzinfo=UTC),
            "currency": "EUR",
            "zone": "Europe/Berlin",
            "prices_include_tax": False,
            "recurring": [{"id": "week", "price": "5.00", "every": "days", "count": 7, "in_advance": True}],
            "usage": [{"id": "base-data", "kind": "data", "price": "0.02", "per": "1 MB"}],
            "allowances": [
                {"id": "two-gb", "amount": "2 GB", "prices": ["base-data"], "period": "days", "days": 7}
            ],
        }
    )
)
START = datetime(2026, 6, 11, 14, 3, tzinfo=UTC)


def test_the_prepaid_twin_stops_at_exactly_0_after_2250_mb() -> None:
    plan = Plan(GO_5, PlanTerms(), partial(is_emergency, load_pack("DE")))
    week = OfferTerms(5, 5 * EURO, (Grant(Unit.OCTETS, scope_of(GO_5, "two-gb"), 2_000 * MB),))
    tariffs = CompiledTariffs({1: plan}, {5: Offer(week, 7, "Europe/Berlin")})
    player = Player(new_account(1, tenant=1, plan=1), tariffs=tariffs, now=micros(START))
    player.command(CommandKind.VOUCHER, 10 * EURO)
    player.command(CommandKind.PURCHASE, 0, 5)
    used, number, granted, last = 0, 0, 0, FinalAction.NONE
    while True:
        phase = Phase.UPDATE if number else Phase.INITIAL
        ask = (Ask(10, granted),)
        group = player.ask(SessionRequest(1, 4, 2, number, phase, Service("data"), ask)).groups[0]
        used, number = used + granted, number + 1
        if used == 2_000 * MB:
            assert player.amount() == 5 * EURO, "nothing is paid while the allowance lasts"
        if not group.granted:
            break
        granted, last = group.granted, FinalAction(group.final)
    assert used == 2_250 * MB
    assert player.amount() == 0
    assert player.account().overrun == 0
    assert (group.result, last) == (ResultCode.CREDIT_LIMIT_REACHED, FinalAction.TERMINATE)
    batch = rate(GO_5, Chargeable(kind="data", started_at=START, quantity=used), {})
    assert isinstance(batch, Charge)
    assert batch.nano == 5 * EURO, "the batch says the same of the whole"
