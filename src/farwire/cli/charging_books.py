"""``farwire charging reconcile``: prove the books of prepaid balances."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base.storage.database import Isolation
from farwire.charging.service.reconciling import Live, Postpaid, compare_live
from farwire.charging.service.wording import money
from farwire.cli.charging_options import (
    ShardOption,
    SocketOption,
    charging_client,
)
from farwire.cli.shell import ExitCode, JsonOption, Session, TenantOption, run
from farwire.kernel.ids import TenantId
from farwire.ledger.model import CHART
from farwire.process.prepaid import Proof, prove

_COLUMNS = ("what", "charging", "books", "difference", "ok")


def reconcile(
    tenant: TenantOption,
    books_only: Annotated[
        bool, typer.Option("--books-only", help="Do not ask the shards what they hold: none need run.")
    ] = False,
    socket: SocketOption = "",
    shard: ShardOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Prove that charging, payment and ledger say the same of every prepaid balance. Exit code 1 if they do not.

    Six proofs, by company, currency and book: what moved is in the ledger; what vouchers and payments put on
    balances came there; what postpaid accounts used and bought is recorded for their bills, and what these gave back
    of their credit limits came there; what transfers took and did not give is under way; each balance in the shard is
    the sum of what moved. A difference comes with its place.

    [bold]Examples[/bold]

      farwire charging reconcile --tenant acme

      farwire charging reconcile --tenant acme --books-only
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(
            tenant_id, isolation=Isolation.REPEATABLE_READ, read_only=True
        ) as tx:
            proof = await prove(tx)
        live = None if books_only else await _live(session, tenant_id, socket, shard)
        rows = [*_rows(proof), *([] if live is None else [_accounts(live)])]
        session.out.rows(
            "Prepaid balances and books",
            _COLUMNS,
            rows,
            empty="Nothing has moved yet.",
            right=("charging", "books", "difference"),
        )
        for one in proof.charging.differences:
            session.out.note(f"{_name(one.book.value)} differs from {one.begins or 'an unknown place'}")
        for (purse, book), nano in proof.charging.untaxed.items():
            session.out.note(
                f"{_name(book.value)}: {money(nano, purse.currency)} were not looked at for their tax"
            )
        for under_way in proof.charging.under_way:
            session.out.note(
                f"{under_way.count} transfers have not ended: farwire charging account transfers --under-way"
            )
        for postpaid in proof.charging.postpaid:
            _tell_postpaid(session, postpaid)
        if live is not None:
            _tell(session, live)
        if not proof.sound or (live is not None and live.strayed):
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


def _name(code: str) -> str:
    return next(f"{name} ({book.value})" for book, (name, _) in CHART.items() if book.value == code)


def _rows(proof: Proof) -> list[dict[str, object]]:
    return [
        *(
            _row("Credits by payment", one.purse.currency, one.moved_nano, one.booked_nano - one.waiting_nano)
            for one in proof.credits
        ),
        *(
            _row(_name(one.book.value), one.currency, one.moved_nano, one.booked_nano)
            for one in proof.charging.books
        ),
        *(
            _row("Transfers under way, inside 1060", one.currency, one.moved_nano, one.known_nano)
            for one in proof.charging.under_way
        ),
        *(
            _row("Postpaid usage, for bills", one.currency, one.ended_nano - one.nobodys_nano, one.owed_nano)
            for one in proof.charging.postpaid
        ),
        *(
            _row(f"Room of account {one.account}, by bills", one.currency, one.moved_nano, one.given_nano)
            for one in proof.rooms
        ),
    ]


def _row(what: str, code: str, moved: int, booked: int) -> dict[str, object]:
    return {
        "what": what,
        "charging": money(moved, code),
        "books": money(booked, code),
        "difference": money(booked - moved, code),
        "ok": booked == moved,
    }


def _accounts(live: Live) -> dict[str, object]:
    wrong = len({one.account for one in live.strayed})
    return {
        "what": "Accounts whose balances are what moved",
        "charging": live.compared,
        "books": live.compared - wrong,
        "difference": wrong,
        "ok": not wrong,
    }


async def _live(session: Session, tenant_id: TenantId, socket: str, shard: int) -> Live:
    async with charging_client(session, socket, shard) as client:
        return await compare_live(db=session.db, tenant_id=tenant_id, client=client)


def _tell_postpaid(session: Session, one: Postpaid) -> None:
    runs = one.moved_nano - one.ended_nano
    if runs:
        session.out.note(f"{money(runs, one.currency)} more belong to postpaid sessions that run")
    if one.nobodys_nano:
        session.out.note(
            f"no bill collects {money(one.nobodys_nano, one.currency)}: the accounts have no product"
        )


def _tell(session: Session, live: Live) -> None:
    if live.skipped:
        session.out.note(
            f"{live.skipped} accounts were not compared: their shards do not have them yet, or show only a part"
        )
    for one in live.strayed:
        session.out.note(
            f"account {one.account}, balance {one.balance}: the shard holds {one.held}, {one.moved} moved"
        )
