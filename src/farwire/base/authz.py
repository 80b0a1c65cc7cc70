"""Who may do what: roles, permissions and the matrix between them, as data.

An API key has one role. A route or a command names one permission; ``require`` compares the two. The table in
``docs/roles.md`` is this matrix; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from farwire.kernel.errors import Forbidden
from farwire.kernel.ids import KeyId, TenantId
from farwire.kernel.tenancy import Actor, ActorKind


class Role(StrEnum):
    """What a key's holder is employed for. The names are those of ``docs/roles.md``."""

    PLATFORM_OPERATOR = "platform_operator"
    TENANT_ADMIN = "tenant_admin"
    PRODUCT_MANAGER = "product_manager"
    AGENT = "agent"
    BILLING_OPERATOR = "billing_operator"
    FINANCE = "finance"
    NOC = "noc"
    AUDITOR = "auditor"
    INTEGRATOR = "integrator"


class Permission(StrEnum):
    """One thing that can be allowed: ``object.act``."""

    TENANT_READ = "tenant.read"
    TENANT_MANAGE = "tenant.manage"
    KEY_MANAGE = "key.manage"
    CATALOG_READ = "catalog.read"
    CATALOG_PUBLISH = "catalog.publish"
    DECK_READ = "deck.read"
    DECK_IMPORT = "deck.import"
    PARTY_READ = "party.read"
    PARTY_WRITE = "party.write"
    PARTY_VERIFY = "party.verify"
    PARTY_ERASE = "party.erase"
    AGREEMENT_READ = "agreement.read"
    AGREEMENT_WRITE = "agreement.write"
    AGREEMENT_APPROVE = "agreement.approve"
    ACCOUNT_READ = "account.read"
    ACCOUNT_WRITE = "account.write"
    PRODUCT_READ = "product.read"
    PRODUCT_WRITE = "product.write"
    RESOURCE_READ = "resource.read"
    RESOURCE_WRITE = "resource.write"
    ORDER_READ = "order.read"
    ORDER_WRITE = "order.write"
    ORDER_MANAGE = "order.manage"
    USAGE_READ = "usage.read"
    USAGE_IMPORT = "usage.import"
    USAGE_RATE = "usage.rate"
    USAGE_RECYCLE = "usage.recycle"
    BILL_READ = "bill.read"
    BILL_RUN = "bill.run"
    BILL_APPROVE = "bill.approve"
    CREDIT_WRITE = "credit.write"
    CREDIT_APPROVE = "credit.approve"
    PAYMENT_READ = "payment.read"
    PAYMENT_WRITE = "payment.write"
    REFUND_WRITE = "refund.write"
    REFUND_APPROVE = "refund.approve"
    VOUCHER_READ = "voucher.read"
    VOUCHER_MANAGE = "voucher.manage"
    VOUCHER_REDEEM = "voucher.redeem"
    LEDGER_READ = "ledger.read"
    LEDGER_CLOSE = "ledger.close"
    MESSAGE_READ = "message.read"
    MESSAGE_WRITE = "message.write"
    TICKET_READ = "ticket.read"
    TICKET_WRITE = "ticket.write"
    LOCATION_READ = "location.read"
    LOCATION_WRITE = "location.write"
    CHARGING_READ = "charging.read"
    CHARGING_WRITE = "charging.write"
    BALANCE_READ = "balance.read"
    BALANCE_WRITE = "balance.write"
    ASSURANCE_READ = "assurance.read"
    ASSURANCE_WRITE = "assurance.write"
    DEVICE_READ = "device.read"
    DEVICE_WRITE = "device.write"
    EVENT_READ = "event.read"
    EVENT_REPLAY = "event.replay"
    EVENT_WRITE = "event.write"
    JOB_READ = "job.read"
    JOB_MANAGE = "job.manage"
    AUDIT_READ = "audit.read"


def _matching(*patterns: str) -> frozenset[Permission]:
    """Return the permissions that ``patterns`` name: a whole name, or ``*.read`` for every reading one."""
    named = {p for p in patterns if not p.startswith("*")}
    acts = tuple(p[1:] for p in patterns if p.startswith("*"))
    return frozenset(
        [Permission(name) for name in named] + [p for p in Permission if acts and p.value.endswith(acts)]
    )


_CUSTOMER_READ: Final = (
    *(
        "party.read",
        "account.read",
        "agreement.read",
        "product.read",
        "order.read",
        "usage.read",
        "bill.read",
    ),
    *("payment.read", "message.read", "ticket.read", "location.read", "balance.read"),
    "charging.read",
)
_CUSTOMER_WRITE: Final = (
    *("party.write", "account.write", "product.write", "order.write"),
    *("ticket.write", "location.write", "charging.write"),
)

ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        # The installation's own operator makes tenants and keeps them running; customers are not its business.
        Role.PLATFORM_OPERATOR: _matching(
            "tenant.read",
            "tenant.manage",
            "key.manage",
            "event.read",
            "event.replay",
            "job.read",
            "job.manage",
        ),
        # A tenant's administrator does everything inside the tenant, and never makes tenants.
        Role.TENANT_ADMIN: frozenset(Permission) - {Permission.TENANT_MANAGE},
        Role.PRODUCT_MANAGER: _matching(
            "tenant.read", "catalog.read", "catalog.publish", "deck.read", "deck.import", "usage.read"
        ),
        Role.AGENT: _matching(
            *_CUSTOMER_READ,
            *_CUSTOMER_WRITE,
            *("tenant.read", "catalog.read", "resource.read", "party.verify", "party.erase"),
            *(
                "voucher.read",
                "voucher.redeem",
                "balance.write",
                "device.read",
                "agreement.write",
                "payment.write",
                "credit.write",
                "refund.write",
            ),
        ),
        Role.BILLING_OPERATOR: _matching(
            *_CUSTOMER_READ,
            *("tenant.read", "catalog.read", "deck.read", "deck.import", "ledger.read", "job.read"),
            *("usage.import", "usage.rate", "usage.recycle", "bill.run", "bill.approve", "credit.write"),
        ),
        Role.FINANCE: _matching(
            *("tenant.read", "account.read", "bill.read", "ledger.read", "catalog.read", "agreement.read"),
            *(
                "payment.read",
                "payment.write",
                "refund.write",
                "refund.approve",
                "credit.write",
                "credit.approve",
            ),
            *("agreement.approve", "bill.approve", "ledger.close", "voucher.read", "voucher.manage"),
        ),
        Role.NOC: _matching(
            *("tenant.read", "product.read", "usage.read", "event.read", "job.read"),
            *("order.read", "order.manage", "resource.read", "resource.write"),
            *("ticket.read", "ticket.write", "assurance.read", "assurance.write"),
            *("device.read", "device.write", "location.read", "charging.read"),
        ),
        Role.AUDITOR: _matching("*.read"),
        # A machine of the operator or of a partner: it feeds usage and customers in and follows the events.
        Role.INTEGRATOR: _matching(
            *_CUSTOMER_READ,
            *_CUSTOMER_WRITE,
            *("catalog.read", "resource.read", "usage.import", "payment.write", "voucher.redeem"),
            *("event.read", "event.replay", "event.write"),
            *("assurance.read", "assurance.write", "device.read", "device.write", "balance.write"),
        ),
    }
)
"""Role → what it may do. No permission of its own is implied by another."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The known caller: one key, its role, and the only tenant whose data it can see."""

    tenant_id: TenantId
    role: Role
    key_id: KeyId

    @property
    def actor(self) -> Actor:
        """Return the caller as the audit log names it."""
        return Actor(ActorKind.KEY, str(self.key_id))

    def may(self, permission: Permission) -> bool:
        """Return whether the role has ``permission``."""
        return permission in ROLE_PERMISSIONS[self.role]


class PermissionMissing(Forbidden):
    """The caller's role lacks the permission that the act needs; ``value`` names it."""

    default_code = "authz.permission_missing"


def require(principal: Principal, permission: Permission) -> None:
    """Return if ``principal`` has ``permission``. Raises ``PermissionMissing`` naming it."""
    if principal.may(permission):
        return
    able = ", ".join(role for role in Role if permission in ROLE_PERMISSIONS[role])
    raise PermissionMissing(
        f"role {principal.role} lacks the permission {permission}",
        field="permission",
        value=permission.value,
        fix=f"use a key of a role that has it: {able}",
    )


class SecondPersonMissing(Forbidden):
    """Who asked for a thing cannot approve it."""

    default_code = "authz.four_eyes"


def require_four_eyes(*, requested_by: Actor, approved_by: Actor) -> None:
    """Return if two different actors ask and approve. Raises ``SecondPersonMissing`` (``authz.four_eyes``)."""
    if requested_by != approved_by:
        return
    raise SecondPersonMissing(
        "who asked for it cannot approve it",
        field="approved_by",
        value=approved_by.id,
        fix="let a second person approve: another API key, or another --as NAME on the command line",
    )
