"""Random plans, decks and records for the properties of rating."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from farwire.catalog.model import PricePlan
from farwire.catalog.model.document import from_document
from farwire.kernel.errors import Invalid
from farwire.rating.model import Chargeable, Deck, DeckRow, DeckVersion, Tariff, compile_tariff

from .oracle import Oracle

HOLIDAYS = frozenset({date(2026, 5, 1), date(2026, 3, 29)})
BANDS = [
    [],
    [
        {"name": "peak", "days": ["mon", "tue", "wed", "thu", "fri"], "hours": ["08:00-18:00"]},
        {"name": "rest", "days": ["holiday", "sun"], "hours": ["00:00-24:00"]},
    ],
    [
        {"name": "night", "hours": ["00:00-02:30", "22:15-24:00"]},
        {"name": "noon", "hours": ["02:30-03:15", "12:00-13:00"]},
    ],
]
DESTINATIONS = {"national": ["49"], "mobile": ["4915", "4917"], "america": ["1"], "canada": ["1416", "1514"]}
NETWORKS = {"eu": ["FR", "208"], "far": ["US", "310260"]}
AMOUNTS = st.decimals(0, 3, places=4)
DAYS = st.sampled_from(
    [datetime(2026, 3, 28, 22), datetime(2026, 10, 24, 22), datetime(2026, 4, 30, 20), datetime(2026, 6, 10)]
)
UNITS = {"voice": ("1 min", "s"), "data": ("1 kB", "B"), "message": ("1 message", "message")}

digits = st.text("1459", min_size=0, max_size=7)


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Mostly nothing: a selector that is set makes most records miss."""
    nothing: st.SearchStrategy[list[Any]] = st.just([])
    return nothing | nothing | nothing | st.lists(st.sampled_from(values), max_size=2, unique=True)


@st.composite
def usage_prices(draw: st.DrawFn, number: int, bands: list[str]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["voice", "voice", "data", "message"]))
    per, base = UNITS[kind]
    way = draw(st.sampled_from(["price", "price", "price", "tiers", "package", "deck", "deck", "source"]))
    price: dict[str, Any] = {
        "id": f"p{number}",
        "kind": kind,
        "networks": draw(some(["home", "eu", "far", "other", "*"])),
        "destinations": draw(some([*DESTINATIONS, "33"])),
        "rating_groups": draw(some([1, 2])),
        "regions": draw(some(["north"])),
        "segments": draw(some(["business"])),
    }
    if way in ("price", "tiers", "package"):
        price["increments"] = [f"{n} {base}" for n in draw(st.lists(st.integers(1, 90), max_size=2))]
        price["included"] = draw(st.sampled_from(["", f"300 {base}"]))
        price["connect_fee"] = draw(AMOUNTS)
    if way in ("price", "deck", "source"):
        low = draw(st.none() | AMOUNTS)
        high = draw(st.none() | AMOUNTS)
        price["minimum"], price["maximum"] = (low, high) if None in (low, high) else sorted((low, high))  # type: ignore[type-var]
    if way == "price":
        price |= {"price": draw(AMOUNTS), "per": per}
        price["by_band"] = {
            band: draw(
                st.builds(lambda p: {"price": p}, AMOUNTS) | st.builds(lambda p: {"percent": p * 50}, AMOUNTS)
            )
            for band in draw(st.sets(st.sampled_from(bands)) if bands else st.just(set()))
        }
    elif way == "tiers":
        ends = sorted(draw(st.sets(st.integers(1, 900), max_size=3)))
        steps = [{"price": draw(AMOUNTS), "up_to": f"{end} {base}"} for end in ends] + [
            {"price": draw(AMOUNTS)}
        ]
        price |= {
            "tiers": {"mode": draw(st.sampled_from(["graduated", "volume"])), "steps": steps},
            "per": per,
        }
    elif way == "package":
        included = draw(st.sampled_from(["", f"100 {base}"]))
        block = f"{draw(st.integers(1, 300))} {base}"
        price["package"] = {"block": block, "price": draw(AMOUNTS), "included": included}
    elif way == "deck":
        price |= {"deck": "d", "markup_percent": draw(st.decimals(-50, 60, places=2))}
        price["by_band"] = {band: {"percent": draw(AMOUNTS) * 40} for band in bands[:1]}
    else:
        price |= {"source": "record", "markup_percent": draw(st.decimals(-50, 60, places=2))}
    return price


@st.composite
def plans(draw: st.DrawFn) -> PricePlan:
    bands = draw(st.sampled_from(BANDS))
    names = [str(band["name"]) for band in bands]
    document: dict[str, Any] = {
        "offering": "any",
        "name": "Any",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        "currency": "EUR",
        "zone": draw(
            st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
        ),
        "prices_include_tax": False,
        "extra_holidays": sorted(HOLIDAYS),
        "bands": bands,
        "destinations": DESTINATIONS,
        "networks": NETWORKS,
        "usage": [],
    }
    from_document(document)
    for number in range(draw(st.integers(1, 5))):
        longer = [*document["usage"], draw(usage_prices(number, names))]
        try:
            from_document({**document, "usage": longer})
        except Invalid as error:
            if error.code != "catalog.price_overlap":
                raise
            continue
        document["usage"] = longer
    return from_document(draw(with_extras(document, names)))


@st.composite
def with_extras(draw: st.DrawFn, document: dict[str, Any], bands: list[str]) -> dict[str, Any]:
    free = [price for price in document["usage"] if "source" not in price]
    allowances = []
    for number in range(draw(st.integers(0, 4)) if free else 0):
        kind = draw(st.sampled_from(free))["kind"]
        allowances.append(
            {
                "id": f"a{number}",
                "amount": f"{draw(st.integers(1, 900))} {UNITS[kind][1]}",
                "prices": [price["id"] for price in free if price["kind"] == kind],
                "order": draw(st.integers(0, 2)),
                "bands": draw(some(bands)) if bands else [],
            }
        )
    discounts = [
        {
            "id": f"c{number}",
            "percent": draw(st.decimals(0, 100, places=2)),
            "prices": [draw(st.sampled_from(document["usage"]))["id"]],
            "segments": draw(some(["business"])),
            "valid_from": draw(st.sampled_from([None, datetime(2026, 5, 1, tzinfo=UTC)])),
        }
        for number in range(draw(st.integers(0, 2)))
    ]
    return {**document, "allowances": allowances, "discounts": discounts}


@st.composite
def deck_rows(draw: st.DrawFn) -> list[DeckRow]:
    rows = []
    for prefix in draw(st.sets(st.text("14", min_size=1, max_size=4), min_size=3, max_size=12)):
        cut = draw(st.none() | DAYS)
        moment = None if cut is None else cut.replace(tzinfo=UTC)
        ends = (
            [(None, None)]
            if moment is None
            else draw(st.sampled_from([[(None, moment), (moment, None)], [(moment, None)], [(None, moment)]]))
        )
        for start, end in ends:
            rows.append(
                DeckRow(
                    prefix, f"to {prefix}", draw(st.integers(0, 10**9)), 60, draw(st.integers(0, 10**8)),
                    draw(st.integers(1, 90)), draw(st.integers(1, 90)), draw(st.sampled_from([0, 0, 7])), start, end,
                )
            )  # fmt: skip
    return rows


VISITED = {
    "home": [""],
    "eu": ["FR", "20801"],
    "far": ["US", "310260"],
    "other": ["XX", "99999"],
    "*": ["", "FR", "XX"],
}
NUMBERS = {
    "national": "49301",
    "mobile": "4915123",
    "america": "12125550100",
    "canada": "14165550100",
    "33": "33123",
}


@st.composite
def records(draw: st.DrawFn, plan: PricePlan, rows: list[DeckRow], largest: int = 1500) -> Chargeable:
    """A record that one of the plan's prices, drawn at random, mostly serves."""
    price = draw(st.sampled_from(plan.usage))
    network = draw(st.sampled_from(price.networks or ("home",)))
    numbers = [NUMBERS[name] for name in price.destinations] or [row.prefix + "1" for row in rows] or ["4930"]
    moment = draw(DAYS).replace(tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 6 * 3600)))
    stray = draw(st.integers(0, 7)) == 0
    return Chargeable(
        kind=price.kind,
        started_at=moment + timedelta(microseconds=draw(st.sampled_from([0, 999_999]))),
        quantity=draw(st.integers(0, largest)),
        destination=draw(digits) if stray else draw(st.sampled_from(numbers)),
        visited_network=draw(st.sampled_from(VISITED[network])),
        rating_group=draw(st.sampled_from(price.rating_groups or (None, 1, 3))),
        region=draw(st.sampled_from(price.regions or ("", "north"))),
        segment=draw(st.sampled_from(price.segments or ("", "business"))),
        external_charge_nano=None if stray else draw(st.integers(0, 10**12)),
    )


class Case(NamedTuple):
    """A tariff, its oracle, counters that are somewhere on their way, and records for it."""

    tariff: Tariff
    oracle: Oracle
    counters: dict[str, int]
    records: list[Chargeable]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    plan = draw(plans())
    starts = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)][: draw(st.integers(1, 2))]
    versions = [(start, draw(deck_rows())) for start in starts]
    deck = Deck.of(
        "d",
        [
            DeckVersion(name="d", version=n, currency="EUR", valid_from=start, rows=rows)
            for n, (start, rows) in enumerate(versions, start=1)
        ],
    )
    tariff = compile_tariff(plan, decks={"d": deck})
    counters = {spec.key: draw(st.integers(0, 600)) for spec in tariff.counters if draw(st.booleans())}
    rows = [row for _, deck_version in versions for row in deck_version]
    drawn = draw(st.lists(records(plan, rows), min_size=4, max_size=8))
    return Case(tariff, Oracle(plan, {"d": versions}, HOLIDAYS), counters, drawn)
