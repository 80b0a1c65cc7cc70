"""What ``farwire order preview`` prints."""

from __future__ import annotations

from datetime import timedelta

from farwire.cli.shell import Session
from farwire.kernel.money import Money
from farwire.kernel.time import zone
from farwire.process.order_preview import Change, OrderPreview


def show_preview(session: Session, seen: OrderPreview) -> None:
    """Print what the order makes of the next bill and of the one after, in days of the account's zone."""
    if seen.first is None or seen.then is None or seen.period is None:
        return
    if session.out.as_json:
        document = {"starts_at": seen.starts_at, "period_end": seen.period.end}
        parts = (("first_bill", seen.first), ("then", seen.then))
        shown = {name: _change(seen, change) for name, change in parts}
        session.out.document(document | shown | {"terms": _terms(seen)})
        return
    columns = ("line", "from", "to", "net")
    for title, change in (
        ("What it makes of the next bill", seen.first),
        ("And of the one after", seen.then),
    ):
        facts = _change(seen, change)
        rows = [*_for_people(seen, change), {"line": "VAT and other taxes", "net": facts["tax"]}]
        rows.append({"line": "Total", "net": facts["total"]})
        session.out.rows(title, columns, rows, empty="", right=("net",))
    show_terms(session, seen)


def _terms(seen: OrderPreview) -> list[dict[str, object]]:
    return [
        {
            "product": one.product_id,
            "ends_as": one.ends_as,
            "earliest_cease": one.earliest_cease,
            "committed_until": one.committed_until,
            "withdrawal_until": one.withdrawal_until,
            "fee": Money(one.fee_minor, seen.account.currency),
        }
        for one in seen.terms
    ]


def show_terms(session: Session, seen: OrderPreview) -> None:
    """Print what was agreed for the products that the order ends."""
    if seen.terms:
        columns = ("ends_as", "earliest_cease", "committed_until", "withdrawal_until", "fee")
        session.out.rows("What was agreed", columns, _terms(seen), empty="", right=("fee",))


def _lines(seen: OrderPreview, change: Change) -> list[dict[str, object]]:
    money = seen.account.currency
    signed = [(1, line) for line in change.added] + [(-1, line) for line in change.removed]
    return [
        {
            "line": line.item.label,
            "from": line.item.period.start,
            "until": line.item.period.end,
            "net": Money(sign * line.net_minor, money),
        }
        for sign, line in signed
    ]


def _for_people(seen: OrderPreview, change: Change) -> list[dict[str, object]]:
    """Return the lines with their first and last local day, as a bill has them."""
    lines = _lines(seen, change)
    for row, line in zip(lines, (*change.added, *change.removed), strict=True):
        first, after_last = line.item.period.local_days(zone(seen.account.zone))
        row |= {"from": first, "to": after_last - timedelta(days=1)}
    return lines


def _change(seen: OrderPreview, change: Change) -> dict[str, object]:
    money = seen.account.currency
    return {
        "lines": _lines(seen, change),
        "net": Money(change.net_minor, money),
        "tax": Money(change.tax_minor, money),
        "total": Money(change.total_minor, money),
    }
