"""``farwire voucher``: make, sell, block, use and check vouchers."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.account import service as accounts
from farwire.cli import voucher_batches
from farwire.cli.shell import (
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    run,
)
from farwire.kernel.ids import uuid7
from farwire.kernel.money import Money, currency
from farwire.kernel.page import PageRequest
from farwire.payment.model.voucher import Asked, Told, VoucherState
from farwire.payment.service import voucher as service

app = typer.Typer(
    name="voucher",
    no_args_is_help=True,
    help="Vouchers: codes that are worth money, sold before they are used.\n\n"
    "  farwire voucher generate spring-10 --count 100000 --value 10.00 --until 2028-01-01 --file spring.csv\n\n"
    "  farwire voucher activate spring-10 --account 100001 --price 950000 --as sales-1\n\n"
    "  farwire voucher redeem 1234-5678-9012-3456 --subscriber 4915112345678\n\n"
    "The codes are in the print file and nowhere else: the database has a keyed hash of each. Who makes a batch does "
    "not sell it.",
)
voucher_batches.add_to(app)


@app.command("list")
def list_vouchers(
    tenant: TenantOption,
    batch: Annotated[
        str, typer.Option("--batch", help="The vouchers of this batch; without it, the batches.")
    ] = "",
    state: Annotated[VoucherState | None, typer.Option("--state", help="Vouchers in this state.")] = None,
    uncredited: Annotated[
        bool, typer.Option("--uncredited", help="Vouchers that are used and not yet credited.")
    ] = False,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List batches, the vouchers of one, or what is used and not yet credited."""

    async def act(session: Session) -> None:
        page = PageRequest(offset, limit)
        if uncredited:
            await _uncredited(session, tenant, page)
        elif batch or state is not None:
            await _vouchers(session, tenant, batch, state, page)
        else:
            await voucher_batches.show_batches(session, tenant, page)

    run(act, as_json)


async def _vouchers(
    session: Session, tenant: str, batch: str, state: VoucherState | None, page: PageRequest
) -> None:
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        found = await service.list_vouchers(tx, page=page, batch=batch, state=state)
    rows = [
        {
            "serial": one.serial,
            "batch": one.batch_key,
            "state": one.state,
            "value": one.value,
            "until": one.valid_until,
            "changed_at": one.changed_at,
            "reason": one.reason,
        }
        for one in found.items
    ]
    columns = ("serial", "batch", "state", "value", "until", "changed_at", "reason")
    empty = f"No such voucher: farwire voucher list --tenant {tenant}"
    session.out.rows("Vouchers", columns, rows, empty=empty, total=found.total, right=("serial", "value"))


async def _uncredited(session: Session, tenant: str, page: PageRequest) -> None:
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        found = await service.list_credit_orders(tx, page=page, waiting_only=True)
    rows = [
        {
            "serial": one.serial,
            "subscriber": one.asked.subscriber,
            "value": one.value,
            "redeemed_at": one.redeemed_at,
            "key": one.key,
        }
        for one in found.items
    ]
    columns = ("serial", "subscriber", "value", "redeemed_at", "key")
    empty = "Every voucher that was used is credited."
    session.out.rows("Used, not credited", columns, rows, empty=empty, total=found.total, right=("value",))


@app.command("show")
def show(
    tenant: TenantOption,
    serial: Annotated[int, typer.Argument(help="The serial number, from the print file.")],
    as_json: JsonOption = False,
) -> None:
    """Show one voucher: its state, to whom it was sold, who used it, whether it is credited."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            facts = await service.get_voucher(tx, serial=serial)
            dealer_id = None if facts.sale is None else facts.sale.buyer.account_id
            found = await accounts.accounts_by_id(tx=tx, account_ids=[dealer_id]) if dealer_id else {}
        voucher, sale, order = facts.voucher, facts.sale, facts.order
        dealer = found[dealer_id].number if dealer_id in found and dealer_id else None
        session.out.facts(
            f"Voucher {serial}",
            {
                "batch": voucher.batch_key,
                "state": voucher.state,
                "value": voucher.value,
                "extra": voucher.extra or None,
                "valid_from": voucher.valid_from,
                "valid_until": voucher.valid_until,
                "sold_at": voucher.activated_at,
                "sold_to": dealer or (None if sale is None else sale.buyer.method),
                "used_at": None if order is None else order.redeemed_at,
                "subscriber": None if order is None else order.asked.subscriber,
                "credited_at": None if order is None else order.credited_at,
                "reason": voucher.reason or None,
            },
        )

    run(act, as_json)


@app.command("redeem")
def redeem(
    tenant: TenantOption,
    code: Annotated[
        str, typer.Argument(help="As it is printed; hyphens, blanks and small letters do not matter.")
    ],
    subscriber: Annotated[
        str, typer.Option("--subscriber", help="Who gets the value, as charging names him.")
    ],
    account: Annotated[
        str, typer.Option("--account", help="His billing account's number, for the books.")
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            "--key", help="Names this wish: the same key gets the same answer. A new one by default."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Use a voucher. Exit code 1 if it is refused; why, the command attempts says."""

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await accounts.account_numbered(tx=tx, number=account) if account else None
            asked = Asked("command-line", key or str(uuid7(now)), subscriber, found.id if found else None)
            answer = await service.redeem(tx, code=code, asked=asked, now=now)
        order = answer.order
        facts: dict[str, object] = {
            "state": answer.told,
            "value": None if order is None else order.value,
            "serial": None if order is None else order.serial,
            "retry_at": answer.retry_at,
            "key": asked.key,
        }
        session.out.facts("Voucher", facts)
        if answer.told is not Told.ACCEPTED:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


@app.command("attempts")
def attempts(
    tenant: TenantOption,
    subscriber: Annotated[str, typer.Option("--subscriber", help="Only of this subscriber.")] = "",
    locked: Annotated[bool, typer.Option("--locked", help="The subscribers that are locked now.")] = False,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List tries that failed, with the reason that the outside was not told.

    After four failures in a day a subscriber is locked for a minute, then two, then four, up to a day. When a tenant
    has more than 500 failures in an hour, every failure locks.
    """

    async def act(session: Session) -> None:
        page = PageRequest(offset, limit)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            if locked:
                guards = await service.list_locked(tx, page=page, now=session.clock.now())
                total = guards.total
                rows: list[dict[str, object]] = [
                    {
                        "subscriber": one.subscriber,
                        "failures": one.failures,
                        "since": one.since,
                        "locked_until": one.locked_until,
                    }
                    for one in guards.items
                ]
            else:
                tries = await service.list_attempts(tx, page=page, subscriber=subscriber)
                total = tries.total
                rows = [
                    {
                        "at": one.at,
                        "subscriber": one.asked.subscriber,
                        "outcome": one.outcome,
                        "serial": one.serial,
                        "retry_at": one.retry_at,
                    }
                    for one in tries.items
                ]
        columns = ("subscriber", "failures", "since", "locked_until")
        if not locked:
            columns = ("at", "subscriber", "outcome", "serial", "retry_at")  # type: ignore[assignment]
        empty = "Nobody is locked." if locked else "No try has failed."
        session.out.rows("Locked" if locked else "Tries that failed", columns, rows, empty=empty, total=total)

    run(act, as_json)


@app.command("check")
def check(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Prove that vouchers and books say the same. Exit code 1 if a sum differs."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            controls = await service.check_vouchers(tx)
            waiting = await service.count_waiting(tx)
        rows: list[dict[str, object]] = []
        for one in controls:
            money = one.unit != "batches"
            expected, found = (
                str(Money(minor, currency(one.unit))) if money else minor
                for minor in (one.expected, one.found)
            )
            rows.append({"check": one.name, "vouchers": expected, "books": found, "ok": one.ok})
        columns = ("check", "vouchers", "books", "ok")
        session.out.rows("Vouchers and books", columns, rows, empty="", right=("vouchers", "books"))
        if waiting:
            session.out.note(
                f"{waiting} used, not credited: farwire voucher list --uncredited --tenant {tenant}"
            )
        if not all(one.ok for one in controls):
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)
