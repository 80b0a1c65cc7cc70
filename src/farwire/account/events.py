"""The facts that billing accounts publish."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from farwire.account.model import BillingAccount, ChargeRoute
from farwire.base.canonical import JSON
from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import TenantId

ACCOUNT_OPENED: Final = "farwire.account.opened.v1"
ACCOUNT_CHANGED: Final = "farwire.account.changed.v1"
ACCOUNT_CLOSED: Final = "farwire.account.closed.v1"
CHARGES_ROUTED: Final = "farwire.account.charges_routed.v1"
"""A charge route was added or ended."""


def account_event(
    event_type: str,
    account: BillingAccount,
    *,
    tenant_id: TenantId,
    at: datetime,
    occurred_at: datetime | None = None,
    data: Mapping[str, JSON] | None = None,
) -> Event:
    """Return a fact about one account; ids, version and ``data``."""
    return new_event(
        tenant_id=tenant_id,
        type=event_type,
        subject=str(account.id),
        occurred_at=occurred_at or at,
        recorded_at=at,
        data={
            "account_id": str(account.id),
            "party_id": str(account.party_id),
            "version": account.version,
            **(data or {}),
        },
    )


def charges_routed(
    route: ChargeRoute, account: BillingAccount, *, tenant_id: TenantId, at: datetime
) -> Event:
    """Return the fact that another account pays a part, and until when."""
    data: Mapping[str, JSON] = {
        "payer_account_id": str(route.payer_account_id),
        "kinds": sorted(kind.value for kind in route.kinds),
        "percent": f"{route.percent:.2f}",
        "valid_from": route.valid_from.isoformat(),
        "valid_to": "" if route.valid_to is None else route.valid_to.isoformat(),
    }
    return account_event(
        CHARGES_ROUTED, account, tenant_id=tenant_id, at=at, occurred_at=route.valid_from, data=data
    )
