"""Open charging accounts, and find them by number or by who it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from farwire.account import service as billed
from farwire.base import audit
from farwire.base.storage import Tx, on_violation
from farwire.charging.model.accounts import ChargingAccount, Identity, IdentityKind
from farwire.charging.model.limits import first
from farwire.charging.model.state import Unit
from farwire.charging.service.tenants import tenant_number
from farwire.charging.service.terms import limits_at_opening, plan_number
from farwire.charging.shard.vshards import vshard_of_key
from farwire.charging.store import accounts as store
from farwire.charging.store import leaving
from farwire.inventory import service as inventory
from farwire.kernel.errors import Conflict, Invalid, NotFound, check
from farwire.kernel.ids import AccountId, ProductId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.tenant import service as tenants
from farwire.usage import service as usage

if TYPE_CHECKING:
    from asyncpg import Record

CREDIT_LIMIT_MAX: Final = 2**61
FIRST_PAGE: Final = PageRequest()


async def open_account(
    tx: Tx,
    *,
    offering: str,
    key: str,
    now: datetime,
    actor: Actor,
    identities: Sequence[Identity] = (),
    account_id: AccountId | None = None,
    product_id: ProductId | None = None,
    cycle_day: int = 1,
    credit_limit: int = 0,
    postpaid: bool = False,
    circle: str = "",
) -> ChargingAccount:
    """Open an account on the plan of ``offering``; the same ``key`` again returns the one that is there.

    Its shard is told afterwards (``make_live``) or asks. Accounts of one ``circle`` can share balances. The limit
    is in nano-units. Raises ``NotFound`` (``charging.terms_missing``, ``catalog.plan_not_in_force``), ``Conflict``
    (``charging.identity_taken``, ``.key_reused``, ``.company_missing``), ``Invalid`` (``charging.account_field``,
    ``.product_unknown``, ``.billing_account_unknown``).
    """
    _check(key, cycle_day, credit_limit, identities)
    there = await store.by_key(tx, key)
    if there is None:
        await _check_behind(tx, account_id, product_id)
        await tenant_number(tx)
        plan, version = await plan_number(tx, offering=offering, now=now)
        limits = await limits_at_opening(tx, offering=offering, currency=version.plan.currency)
        new = await store.add_account(
            tx, key=key, vshard=vshard_of_key(f"{tx.tenant_id}:{circle or key}".encode()), plan=plan,
            currency=version.plan.currency, cycle_day=cycle_day, credit_limit=credit_limit, postpaid=postpaid,
            account_id=account_id, product_id=product_id, at=now,
            limits=[word for one in limits for word in (one.scope, one.period, one.cap)],
        )  # fmt: skip
        there = await store.by_key(tx, key)
        check(there is not None, "charging.account_opened")
        if there is not None and new:
            await _add_identities(tx, there["number"], identities)
            if product_id is not None:
                await usage.charge_online(tx, product_id=product_id, since=now)
            about: dict[str, str | int | bool] = {"offering": offering, "postpaid": postpaid}
            await _note(tx, "account_open", there["number"], now, actor, about)
    found = _from_row(there)
    if (offering, account_id, product_id, cycle_day, credit_limit, postpaid) != found.asked:
        raise _reused(key)
    return found


def _reused(key: str) -> Conflict:
    return Conflict(
        "another account was opened with this key",
        code="charging.key_reused",
        field="key",
        value=key,
        fix="use a key of its own for each account",
    )


async def _note(
    tx: Tx, act: str, number: int, now: datetime, actor: Actor, detail: Mapping[str, str | int | bool]
) -> None:
    await audit.record(
        tx, actor=actor, action=f"charging.{act}", subject=str(number), at=now, detail=dict(detail)
    )


def _check(key: str, cycle_day: int, credit_limit: int, identities: Sequence[Identity]) -> None:
    wrong: tuple[str, object] | None = None
    if not 0 < len(key) <= 200 or not key.isprintable():
        wrong = ("key", key)
    elif not 1 <= cycle_day <= 31:
        wrong = ("cycle_day", cycle_day)
    elif not 0 <= credit_limit <= CREDIT_LIMIT_MAX:
        wrong = ("credit_limit", credit_limit)
    else:
        bad = [one for one in identities if not 0 < len(one.value) <= 255 or not one.value.isprintable()]
        if bad:
            wrong = ("identity", bad[0].value)
    if wrong is not None:
        raise Invalid(
            f"{wrong[0]} cannot be used", code="charging.account_field", field=wrong[0], value=wrong[1]
        )


async def _check_behind(tx: Tx, account_id: AccountId | None, product_id: ProductId | None) -> None:
    """Raise where what is behind an account is not there.

    Somebody has to owe what it holds: else the books of all tenants of its shard would stand still.
    """
    if product_id is not None and product_id not in await inventory.get_products(tx, [product_id]):
        raise Invalid(
            "there is no such product",
            code="charging.product_unknown",
            field="product_id",
            value=product_id,
            fix="name a product that the customer has, or none",
        )
    if account_id is not None and account_id not in await billed.accounts_by_id(
        tx=tx, account_ids=[account_id]
    ):
        raise Invalid(
            "there is no such billing account",
            code="charging.billing_account_unknown",
            field="account_id",
            value=account_id,
            fix="name one that the customer has, or none",
        )
    if account_id is None and not await tenants.legal_entities(tx):
        raise Conflict(
            "the tenant has no company that could owe a balance",
            code="charging.company_missing",
            fix="add one: farwire tenant add-company",
        )


async def _add_identities(tx: Tx, number: int, identities: Sequence[Identity]) -> None:
    taken = Conflict(
        "another account has this identity",
        code="charging.identity_taken",
        field="identity",
        value=", ".join(f"{one.kind.value} {one.value}" for one in identities),
        fix="see: farwire charging account show",
    )
    wanted = [(one.kind.value, one.value) for one in identities]
    await leaving.release_from_closed(tx, wanted)
    with on_violation({"identity_pkey": taken}):
        await store.add_identities(tx, number, wanted)


async def find_account(tx: Tx, *, name: str) -> ChargingAccount:
    """Return the account that ``name`` means: an identity ("4915112345678"), or its number.

    Raises ``NotFound`` (``charging.account_unknown``), ``Conflict`` (``charging.account_ambiguous``).
    """
    rows = await store.by_identity(tx, name)
    if len(rows) > 1:
        raise Conflict(
            "several accounts have this identity",
            code="charging.account_ambiguous",
            field="account",
            value=name,
            fix=f"use a number: {', '.join(str(row['number']) for row in rows)}",
        )
    if rows:
        return _from_row(rows[0])
    numbers = [int(name)] if name.isascii() and name.isdigit() and len(name) < 19 else []
    found = next(iter((await accounts_numbered(tx, numbers=numbers)).values()), None)
    if found is None:
        raise NotFound(
            "there is no such charging account",
            code="charging.account_unknown",
            field="account",
            value=name,
            fix="see: farwire charging account list",
        )
    return found


def check_same_currency(one: ChargingAccount, other: ChargingAccount, *, field: str) -> None:
    """Raise ``Invalid`` (``charging.currencies_differ``) where money cannot pass between two accounts."""
    if one.currency != other.currency:
        raise Invalid(
            f"the accounts are in {one.currency} and {other.currency}",
            code="charging.currencies_differ",
            field=field,
            value=other.currency,
            fix=f"name an account in {one.currency}",
        )


def check_may_top_up(account: ChargingAccount, *, field: str) -> None:
    """Raise ``Invalid`` (``charging.not_prepaid``) where money must not come: a bill would collect it again."""
    if account.postpaid:
        raise Invalid(
            "a postpaid account has a credit limit and no money",
            code="charging.not_prepaid",
            field=field,
            value=account.number,
            fix="let the payment pay bills; what the account may owe is changed by a correction of balance 1",
        )


def check_may_transfer(payer: ChargingAccount, payee: ChargingAccount, *, field: str) -> None:
    """Raise ``Invalid`` where money must not go from one account to another.

    What a postpaid account has is what it may owe, and no money: no bill collects what it gave away, and each bill
    collects all that it used of what it got (``charging.not_prepaid``). Nor does money change its currency on the way
    (``charging.currencies_differ``).
    """
    check_same_currency(payer, payee, field=field)
    if payer.postpaid or payee.postpaid:
        raise Invalid(
            "a postpaid account has a credit limit and no money: none goes from it or to it",
            code="charging.not_prepaid",
            field=field,
            value=payee.number,
            fix="name two prepaid accounts",
        )


def check_may_share(member: ChargingAccount, owner: ChargingAccount, unit: int, *, field: str) -> None:
    """Raise ``Invalid`` where ``member`` must not draw on a balance of ``owner`` in ``unit``.

    Money is booked as its owner's kind of account wants it, usage as its user's: a prepaid and a postpaid account share
    none (``charging.kinds_differ``), nor do accounts in two currencies (``charging.currencies_differ``).
    """
    if unit != Unit.MONEY:
        return
    check_same_currency(member, owner, field=field)
    if member.postpaid != owner.postpaid:
        kind = "postpaid" if member.postpaid else "prepaid"
        raise Invalid(
            "a prepaid and a postpaid account cannot share money",
            code="charging.kinds_differ",
            field=field,
            value=owner.number,
            fix=f"name a {kind} account, or a balance of units",
        )


async def account_numbered(tx: Tx, *, number: int) -> ChargingAccount:
    """Return the account ``number``. Raises ``NotFound`` (``charging.account_unknown``)."""
    found = (await accounts_numbered(tx, numbers=[number])).get(number)
    if found is None:
        raise NotFound(
            "there is no such charging account",
            code="charging.account_unknown",
            field="account",
            value=number,
        )
    return found


async def accounts_numbered(tx: Tx, *, numbers: Sequence[int]) -> Mapping[int, ChargingAccount]:
    """Return those of the accounts that are there, by number, in the order of their numbers."""
    rows = await store.by_numbers(tx, numbers) if numbers else ()
    return {row["number"]: _from_row(row) for row in rows}


async def list_accounts(tx: Tx, *, page: PageRequest = FIRST_PAGE) -> Page[ChargingAccount]:
    """Return a page of accounts, by number."""
    rows, total = await store.list_accounts(tx, offset=page.offset, limit=page.limit)
    return Page(tuple(_from_row(row) for row in rows), total, page.offset, page.limit)


async def identities_of(tx: Tx, *, numbers: Sequence[int]) -> Mapping[int, tuple[Identity, ...]]:
    """Return the identities of accounts; one without any is absent."""
    found: dict[int, tuple[Identity, ...]] = {}
    for row in await store.identities_of(tx, numbers) if numbers else ():
        identity = Identity(IdentityKind(row["kind"]), row["value"])
        found[row["number"]] = (*found.get(row["number"], ()), identity)
    return found


async def erase_identities(tx: Tx, *, number: int, now: datetime, actor: Actor) -> int:
    """Forget who an account belongs to; return how many identities it had. What was charged stays.

    Raises ``NotFound`` (``charging.account_unknown``).
    """
    await account_numbered(tx, number=number)
    count = await store.erase_identities(tx, number)
    await _note(tx, "identity_erase", number, now, actor, {"identities": count})
    return count


async def accounts_not_live(tx: Tx, *, limit: int = 1_000) -> tuple[ChargingAccount, ...]:
    """Return accounts that no shard has confirmed yet."""
    return tuple(_from_row(row) for row in await store.not_live(tx, limit))


async def set_live(tx: Tx, *, numbers: Sequence[int], now: datetime) -> None:
    """Write that their shards have these accounts."""
    await store.set_live(tx, numbers, now)


def request_key(text: str) -> tuple[int, int]:
    """Return the 128-bit key of a command that ``text`` names: the same text is the same command."""
    found = blake2b(text.encode(), digest_size=16).digest()
    return int.from_bytes(found[:8], "big", signed=True), int.from_bytes(found[8:], "big", signed=True)


def _from_row(row: Record) -> ChargingAccount:
    return ChargingAccount(
        number=row["number"],
        tenant_number=row["tenant_number"],
        key=row["key"],
        plan=row["plan"],
        offering=row["offering"],
        currency=row["currency"],
        cycle_day=row["cycle_day"],
        credit_limit=row["credit_limit"],
        postpaid=row["postpaid"],
        account_id=None if row["account_id"] is None else AccountId(row["account_id"]),
        product_id=None if row["product_id"] is None else ProductId(row["product_id"]),
        opened_at=row["opened_at"],
        live_at=row["live_at"],
        limits=tuple(first(*row["limits"][at : at + 3]) for at in range(0, len(row["limits"]), 3)),
    )
