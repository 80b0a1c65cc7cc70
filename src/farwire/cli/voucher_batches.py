"""What ``farwire voucher`` does to batches and ranges of serial numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from farwire.account import service as accounts
from farwire.cli.ledger_options import company_of
from farwire.cli.shell import (
    ActorOption,
    ExitCode,
    JsonOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.payment.model import MethodKind
from farwire.payment.model.voucher import (
    USUAL_LENGTH,
    Alphabet,
    Batch,
    BatchOrder,
    Buyer,
    Change,
    SerialRange,
    VoucherState,
)
from farwire.payment.service import voucher as service

_FROM_ITS_SALE: Final = datetime(2000, 1, 1, tzinfo=UTC)
_RANGE: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")

BatchArgument = Annotated[str, typer.Argument(help="The batch's name, from farwire voucher list.")]
SerialsOption = Annotated[
    str,
    typer.Option(
        "--serials", help="One serial number or a range, e.g. 1001-2000; all of the batch by default."
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is shown with each voucher.")]


def _serials(text: str) -> SerialRange | None:
    """Return the range that ``text`` names, or None for all. Raises ``Invalid`` (``payment.serial_range``)."""
    if not text:
        return None
    found = _RANGE.fullmatch(text)
    if found is None:
        raise Invalid(
            "not a range of serial numbers",
            code="payment.serial_range",
            field="serials",
            value=text[:60],
            fix="e.g. 1001 or 1001-2000",
        )
    return SerialRange(int(found[1]), int(found[2] or found[1]))


def _facts(batch: Batch) -> dict[str, object]:
    order = batch.order
    return {
        "batch": order.key,
        "state": batch.state,
        "value": order.value,
        "serials": f"{batch.serials.first}-{batch.serials.last}",
        "until": order.valid_until,
        "printed_at": batch.printed_at,
        **{state.value: batch.counts.get(state, 0) for state in VoucherState},
    }


async def show_batches(session: Session, tenant: str, page: PageRequest) -> None:
    """Print a page of batches."""
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        found = await service.list_batches(tx, page=page)
    counted = tuple(state.value for state in VoucherState)
    columns = ("batch", "state", "value", "serials", "until", *counted)
    empty = (
        "No voucher yet: farwire voucher generate NAME --count 1000 --value 10.00 --until 2028-01-01 "
        f"--file FILE --tenant {tenant}"
    )
    rows = [_facts(one) for one in found.items]
    session.out.rows("Batches", columns, rows, empty=empty, total=found.total, right=("value", *counted))


def generate(
    tenant: TenantOption,
    name: Annotated[str, typer.Argument(help="The batch's name: the same one again is the same batch.")],
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="How many vouchers.")],
    value: Annotated[str, typer.Option("--value", help="What one is worth, e.g. 10.00.")],
    until: Annotated[str, typer.Option("--until", help="The first day on which they cannot be used.")],
    file: Annotated[
        Path,
        typer.Option(
            "--file", dir_okay=False, help="Where the codes go: a CSV for the printer, written once."
        ),
    ],
    company: Annotated[str, typer.Option("--company", help="Who issues them, by its number prefix.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="That of the company by default.")] = "",
    since: Annotated[
        str, typer.Option("--from", help="The first day on which they can be used: from their sale.")
    ] = "",
    alphabet: Annotated[
        Alphabet, typer.Option("--alphabet", help="digits for keypads and USSD; letters make shorter codes.")
    ] = Alphabet.DIGITS,
    length: Annotated[
        int, typer.Option("--length", help="Symbols of a code with its check digit: 16 digits, 12 letters.")
    ] = 0,
    extra: Annotated[str, typer.Option("--extra", help="What comes on top, as charging names it.")] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a batch of vouchers and write their codes to a file, once.

    The file is readable for you only. Its codes are kept nowhere else: hand it to the printer and delete it. A run that
    was stopped is finished by the same command; a batch whose codes are written says so and writes nothing.

    Example: farwire voucher generate spring-10 --count 100000 --value 10.00 --until 2028-01-01 --file spring.csv
    """

    async def act(session: Session) -> None:
        operator, entity = await company_of(session, tenant, company)
        order = BatchOrder(
            name,
            entity.id,
            count,
            Money.of(value, currency or entity.currency.code),
            parse_moment(since, field="from", zone_name=entity.zone) if since else _FROM_ITS_SALE,
            parse_moment(until, field="until", zone_name=entity.zone),
            alphabet,
            length or USUAL_LENGTH[alphabet],
            extra,
        )
        with session.out.progress("Vouchers", total=count) as report:
            made = await service.generate(
                db=session.db,
                clock=session.clock,
                tenant_id=operator.id,
                order=order,
                file=file,
                actor=actor_named(actor),
                report=report,
            )
        facts = _facts(made.batch) | {"file": file if made.printed_now else None, "why": made.reason or None}
        session.out.facts("Batch", facts)
        if made.printed_now:
            session.out.note(
                f"Another person sells it: farwire voucher activate {name} --tenant {tenant} --as NAME"
            )
        elif made.batch.printed_at is None:
            lost = f"farwire voucher cancel {name} --reason 'codes lost' --tenant {tenant}"
            session.out.note(f"The codes are lost and nothing of it can be sold. Cancel it: {lost}")
            raise typer.Exit(ExitCode.DIFFERENCE)
        else:
            session.out.note("The codes cannot be written again: only their hashes are kept.")

    run(act, as_json)


def activate(
    tenant: TenantOption,
    name: BatchArgument,
    serials: SerialsOption = "",
    account: Annotated[
        str, typer.Option("--account", help="The dealer's account, which then owes the price.")
    ] = "",
    method: Annotated[
        MethodKind | None, typer.Option("--method", help="Without an account: how the money came.")
    ] = None,
    price: Annotated[
        str,
        typer.Option(
            "--price", help="For all of them together; their value by default. The rest is commission."
        ),
    ] = "",
    due_days: Annotated[
        int, typer.Option("--due-days", min=0, max=365, help="When the dealer has to pay.")
    ] = 30,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sell vouchers: from now on their codes are worth their value.

    Who made the batch does not sell it. What is sold, blocked or cancelled stays as it is.

    Example: farwire voucher activate spring-10 --serials 1-5000 --account 100001 --price 47500 --as sales-1
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            batch = await service.get_batch(tx, key=name)
            dealer = await accounts.account_numbered(tx=tx, number=account) if account else None
            paid = Money.of(price, batch.order.value.currency.code) if price else None
            sale = await service.activate(
                tx,
                batch=name,
                serials=_serials(serials),
                buyer=Buyer(dealer.id if dealer else None, method, paid, due_days),
                now=session.clock.now(),
                actor=actor_named(actor),
            )
            batch = await service.get_batch(tx, key=name)
        facts: dict[str, object] = {
            "sold": 0 if sale is None else sale.quantity,
            "worth": None if sale is None else sale.value,
            "price": None if sale is None else sale.price,
            **_facts(batch),
        }
        session.out.facts("Sale", facts)

    run(act, as_json)


def _change(
    change: Change,
    tenant: str,
    name: str,
    serials: str,
    reason: str,
    actor: str,
    *,
    as_json: bool,
    sold: bool = False,
) -> None:
    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            changed = await service.change_vouchers(
                tx,
                change=change,
                batch=name,
                serials=_serials(serials),
                reason=reason,
                now=session.clock.now(),
                actor=actor_named(actor),
                sold=sold,
            )
            batch = await service.get_batch(tx, key=name)
        session.out.facts("Vouchers", {"changed": changed, **_facts(batch)})

    run(act, as_json)


def block(
    tenant: TenantOption,
    name: BatchArgument,
    reason: ReasonOption,
    serials: SerialsOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Block a batch or a range of it, e.g. one that was stolen: its codes are refused until they are unblocked.

    Example: farwire voucher block spring-10 --serials 1001-2000 --reason "lost in transit"
    """
    _change(Change.BLOCK, tenant, name, serials, reason, actor, as_json=as_json)


def unblock(
    tenant: TenantOption,
    name: BatchArgument,
    serials: SerialsOption = "",
    reason: ReasonOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Unblock a batch or a range of it: its vouchers are again what they were before."""
    _change(Change.UNBLOCK, tenant, name, serials, reason, actor, as_json=as_json)


def cancel(
    tenant: TenantOption,
    name: BatchArgument,
    reason: ReasonOption,
    serials: SerialsOption = "",
    sold: Annotated[
        bool, typer.Option("--sold", help="Undo the sale of what was sold and somebody else has blocked.")
    ] = False,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Cancel for good what was never sold, or, with --sold, what was sold and is blocked.

    What was sold is blocked by one person and cancelled by another. Its sale is undone in the books: a dealer gets
    its price as credit, a till pays it back. Without that, what is blocked expires.

    Example: farwire voucher cancel spring-10 --serials 1001-2000 --sold --reason "came back unsold"
    """
    _change(Change.CANCEL, tenant, name, serials, reason, actor, as_json=as_json, sold=sold)


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``farwire voucher``."""
    for command in (generate, activate, block, unblock, cancel):
        app.command(command.__name__)(command)
