"""What payment does by itself: expire vouchers, and ask gateways that have not answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.payment.service import ask_gateways, voucher

_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)

SCHEDULES: Final = (
    Schedule("payment-vouchers", "payment.expire_vouchers", _SINCE, every=timedelta(minutes=15)),
    Schedule("payment-gateways", "payment.ask_gateways", _SINCE, every=timedelta(minutes=1)),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Running it again finds less to do."""

    async def expire(job: Job) -> None:
        await voucher.expire_vouchers(db=db, tenant_id=job.tenant_id, now=clock.now())

    async def ask(job: Job) -> None:
        await ask_gateways(db=db, tenant_id=job.tenant_id, now=clock.now())

    return {"payment.expire_vouchers": expire, "payment.ask_gateways": ask}
