"""Who must approve: four eyes, unless an operator or one of its companies has decided otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.billing.model import Approval
from farwire.billing.store import holds as store
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.tenancy import Actor
from farwire.tenant import service as tenants

WHOLE: Final = LegalEntityId(UUID(int=0))
"""Stands for the operator, where a company has no rule of its own."""


def _of(rules: Mapping[UUID, Approval], entity_id: LegalEntityId) -> Approval:
    return rules.get(entity_id) or rules.get(WHOLE) or Approval.FOUR_EYES


def account_unknown(value: object) -> NotFound:
    """Return the error for an account that this tenant does not have."""
    return NotFound("there is no such account", code="account.unknown", field="account", value=value)


async def approval_of(tx: Tx, entity_id: LegalEntityId) -> Approval:
    """Return who must approve what bears the name of a company."""
    return _of(await store.policies(tx), entity_id)


async def approval_of_run(tx: Tx) -> Approval:
    """Return who must approve a run: a second person, unless no company of the operator asks for one."""
    rules = await store.policies(tx)
    entities = await tenants.legal_entities(tx)
    asked = {_of(rules, entity_id) for entity_id in (entities or (WHOLE,))}
    return Approval.FOUR_EYES if Approval.FOUR_EYES in asked else Approval.NONE


async def set_approval(
    tx: Tx, *, approval: Approval, actor: Actor, now: datetime, entity_id: LegalEntityId = WHOLE
) -> None:
    """Decide who must approve from now on; a run keeps what held when it started.

    Raises ``NotFound`` (``tenant.legal_entity_unknown``).
    """
    if entity_id != WHOLE:
        await tenants.legal_entity(tx, entity_id)
    await store.set_policy(tx, entity_id, approval, actor, now)
    await audit.record(
        tx,
        actor=actor,
        action="billing.approval_set",
        subject=str(entity_id),
        at=now,
        detail={"approval": approval.value},
    )
