"""Credits: asked for by one person, approved by another, given back by the next bills."""

from __future__ import annotations

from datetime import datetime

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.storage import Database, Tx
from farwire.billing.model import Approval, Credit, CreditState, check_credit, decide_credit
from farwire.billing.service.policy import account_unknown, approval_of
from farwire.billing.store import credits as store
from farwire.billing.store import runs as run_store
from farwire.inventory import service as inventory
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import AccountId, CreditId, LegalEntityId, ProductId, TenantId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor


async def add_credit(
    tx: Tx,
    *,
    account_id: AccountId,
    product_id: ProductId | None,
    net: Money,
    reason: str,
    label: str,
    tax_category: str,
    key: str,
    requested_by: Actor,
    now: datetime,
) -> CreditId:
    """Ask for a credit of ``net`` before tax on the next bills of an account; return its id.

    It counts once a second person approves it, at once where the company asks for none. ``tax_category`` is that of the
    charges it lowers, "standard" for what an operator sells. Idempotent by ``key``. Raises ``NotFound``
    (``account.unknown``, ``billing.product_unknown``), ``Invalid`` (``billing.credit_amount``,
    ``billing.credit_text``), ``Conflict`` (``billing.currency_mismatch``, ``billing.key_reused``).
    """
    state = CreditState.REQUESTED
    unit, minor = net.currency, net.amount_minor
    texts = (reason, label, tax_category, key)
    credit = check_credit(
        Credit(CreditId(uuid7(now)), account_id, product_id, unit, minor, *texts, state, requested_by, now)
    )
    entity_id = await _entity_of(tx, credit)
    saved = await store.add_credit(tx, credit)
    if saved.id != credit.id:
        return _same(saved, credit).id
    if await approval_of(tx, entity_id) is Approval.NONE:
        await _decide(tx, saved, approve=True, approval=Approval.NONE, actor=requested_by, now=now)
    await audit.record(
        tx,
        actor=requested_by,
        action="billing.credit_requested",
        subject=str(credit.id),
        at=now,
        detail={"account": str(account_id), "net_minor": minor, "currency": unit.code},
    )
    return credit.id


async def _entity_of(tx: Tx, credit: Credit) -> LegalEntityId:
    """Return the company that gives the credit, after looking whether account, currency and product fit."""
    account_id, product_id = credit.account_id, credit.product_id
    account = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if account is None:
        raise account_unknown(account_id)
    if account.currency != credit.currency:
        raise Conflict(
            f"the account is kept in {account.currency}",
            code="billing.currency_mismatch",
            field="currency",
            value=credit.currency.code,
            fix=f"give it in {account.currency}",
        )
    if product_id is not None and product_id not in await inventory.get_products(tx, [product_id]):
        raise NotFound(
            "there is no such product", code="billing.product_unknown", field="product", value=product_id
        )
    return account.legal_entity_id


def _same(saved: Credit, asked: Credit) -> Credit:
    facts = [
        (one.account_id, one.product_id, one.net_minor, one.reason, one.label, one.tax_category)
        for one in (saved, asked)
    ]
    if facts[0] == facts[1]:
        return saved
    raise Conflict(
        "another credit has this key",
        code="billing.key_reused",
        field="key",
        value=asked.key,
        fix="use a new key",
    )


async def _decide(
    tx: Tx, credit: Credit, *, approve: bool, approval: Approval, actor: Actor, now: datetime
) -> Credit:
    decided = decide_credit(credit, approve=approve, approval=approval, actor=actor, now=now)
    await store.decide(tx, decided)
    return decided


async def decide_on_credit(
    tx: Tx, *, credit_id: CreditId, approve: bool, actor: Actor, now: datetime
) -> Credit:
    """Approve or reject a credit. Deciding the same again changes nothing.

    Raises ``NotFound`` (``billing.credit_unknown``), ``Conflict`` (``billing.credit_state``), ``Forbidden``
    (``authz.four_eyes``).
    """
    await run_store.lock_billing(tx)
    credit = await store.get_credit(tx, credit_id)
    if credit is None:
        raise credit_unknown(credit_id)
    wanted = (CreditState.APPROVED, CreditState.APPLIED) if approve else (CreditState.REJECTED,)
    if credit.state in wanted and credit.decided_by == actor:
        return credit
    account = (await accounts.accounts_by_id(tx=tx, account_ids=[credit.account_id]))[credit.account_id]
    rule = await approval_of(tx, account.legal_entity_id)
    decided = await _decide(tx, credit, approve=approve, approval=rule, actor=actor, now=now)
    act = "billing.credit_approved" if approve else "billing.credit_rejected"
    await audit.record(tx, actor=actor, action=act, subject=str(credit_id), at=now, detail={})
    return decided


async def approve_credit(tx: Tx, *, credit_id: CreditId, actor: Actor, now: datetime) -> Credit:
    """Approve a credit: the next bill gives it back. See ``decide_on_credit``."""
    return await decide_on_credit(tx, credit_id=credit_id, approve=True, actor=actor, now=now)


async def reject_credit(tx: Tx, *, credit_id: CreditId, actor: Actor, now: datetime) -> Credit:
    """Reject a credit. See ``decide_on_credit``."""
    return await decide_on_credit(tx, credit_id=credit_id, approve=False, actor=actor, now=now)


def credit_unknown(value: object) -> NotFound:
    """Return the error for a credit that this tenant does not have."""
    return NotFound("there is no such credit", code="billing.credit_unknown", field="credit", value=value)


async def get_credit(tx: Tx, *, credit_id: CreditId) -> Credit:
    """Return one credit. Raises ``NotFound`` (``billing.credit_unknown``)."""
    credit = await store.get_credit(tx, credit_id)
    if credit is None:
        raise credit_unknown(credit_id)
    return credit


async def list_credits(
    *, db: Database, tenant_id: TenantId, page: PageRequest, account_id: AccountId | None = None
) -> Page[Credit]:
    """Return a page of credits, newest first."""
    async with db.transaction(tenant_id) as tx:
        items, total = await store.list_credits(
            tx, account_id=account_id, offset=page.offset, limit=page.limit
        )
    return Page(items, total, page.offset, page.limit)
