"""A charging account as the control plane knows it: its number, its plan, who stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from farwire.charging.model.state import NEVER, Account, Lifecycle, Limit, new_account
from farwire.kernel.ids import AccountId, ProductId


class IdentityKind(StrEnum):
    """What a subscriber is found by."""

    MSISDN = "msisdn"
    IMSI = "imsi"
    NAI = "nai"
    SIP = "sip"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity of a subscriber. It stands apart from the account, so that it can be erased."""

    kind: IdentityKind
    value: str


@dataclass(frozen=True, slots=True)
class ChargingAccount:
    """An account: what is charged is in its shard, under ``tenant_number`` and ``number``."""

    number: int
    """Its low 12 bits are its virtual shard."""
    tenant_number: int
    key: str
    """Names the wish that opened it."""
    plan: int
    offering: str
    """The offering whose usage prices it has."""
    currency: str
    cycle_day: int
    credit_limit: int
    """Nano-units that it may owe."""
    postpaid: bool
    account_id: AccountId | None
    """The billing account, for the books."""
    product_id: ProductId | None
    opened_at: datetime
    live_at: datetime | None = None
    """When its shard said that it has it."""
    limits: tuple[Limit, ...] = ()
    """What it was opened with."""

    @property
    def asked(self) -> tuple[object, ...]:
        """Return what it was opened with, to know a wish that is repeated from another one."""
        return (
            self.offering,
            self.account_id,
            self.product_id,
            self.cycle_day,
            self.credit_limit,
            self.postpaid,
        )

    def first_state(self) -> Account:
        """Return the state that its shard begins with: on the shelf, or active where it is postpaid."""
        lifecycle = Lifecycle.ACTIVE if self.postpaid else Lifecycle.POOL
        return new_account(
            self.number, tenant=self.tenant_number, plan=self.plan, lifecycle=lifecycle, active_until=NEVER,
            cycle_day=self.cycle_day, credit_limit=self.credit_limit, limits=self.limits,
        )  # fmt: skip
