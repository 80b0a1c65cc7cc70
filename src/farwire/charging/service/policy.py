"""What a policy control asks of charging."""

from __future__ import annotations

from datetime import datetime

from farwire.charging.model import ResultCode
from farwire.charging.model.policy import PolicyCounter, counters_of
from farwire.charging.model.pricing import microseconds
from farwire.charging.service.client import Client
from farwire.charging.service.commands import busy
from farwire.charging.shard.reading import Inspect, Seen
from farwire.kernel.errors import NotFound


async def policy_counters(
    client: Client, *, tenant_number: int, account: int, now: datetime
) -> tuple[PolicyCounter, ...]:
    """Return the policy counters of an account, by its numbers; Sy and Nchf_SpendingLimitControl ask this alike.

    Raises ``NotFound`` (``charging.account_unknown``) where its shard has none, ``Unavailable``
    (``charging.no_answer``, ``charging.busy``).
    """
    found = await client.ask(tenant_number, Inspect(account))
    if found.result == ResultCode.UNKNOWN_USER:
        raise NotFound(
            "the shard does not have the account", code="charging.account_unknown", field="account"
        )
    if not isinstance(found, Seen) or found.seen is None:
        raise busy()
    return counters_of(found.seen, microseconds(now))
