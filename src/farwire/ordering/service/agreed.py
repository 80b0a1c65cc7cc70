"""What was agreed for a product when it was sold: the terms of the offering, the prices of an agreement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from farwire.account.model import BillingAccount
from farwire.agreement import service as agreements
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.catalog.model import Sellable


async def agreed_for(
    tx: Tx, account: BillingAccount, sold: Sellable | None, at: datetime
) -> Mapping[str, JSON]:
    """Return the terms of an offering that is sold now, and the negotiated prices and term of an agreement."""
    if sold is None:
        return {}
    code, terms = sold.offering.code, sold.offering.terms
    fee, percent = terms.early_termination_fee, terms.early_termination_percent
    agreed: dict[str, JSON] = {
        "minimum_term_months": terms.minimum_term_months,
        "notice_days": terms.notice_days,
        "withdrawal_days": terms.withdrawal_days,
        "early_termination_fee": None if fee is None else str(fee),
        "early_termination_percent": None if percent is None else str(percent),
    }
    found = await agreements.agreement_for(tx, party_id=account.party_id, offering=code, at=at)
    if found is None:
        return agreed
    agreement, item = found
    if item.minimum_term_months is not None:
        agreed["minimum_term_months"] = item.minimum_term_months
    agreed["agreement"] = {
        "id": str(agreement.id),
        "until": None if agreement.valid_to is None else agreement.valid_to.isoformat(),
        "prices": [
            {
                "price_id": one.price_id,
                "price": None if one.price is None else str(one.price),
                "percent": None if one.percent is None else str(one.percent),
            }
            for one in item.overrides
        ],
    }
    return agreed
