"""What the commands of ``farwire order`` have in common: their options, and orders from them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from farwire.account import service as accounts
from farwire.base.storage import Tx
from farwire.cli.shell import parse_moment
from farwire.inventory.model import SuspensionReason
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import ProductId, parse_id
from farwire.ordering.model import Action, ItemRequest, OrderRequest, PriceChange, ProductOrder

AccountOption = Annotated[str, typer.Option("--account", "-a", help="The account's number.")]
ActionOption = Annotated[Action, typer.Option("--action", help="What is done to a product.")]
OfferingOption = Annotated[
    list[str] | None, typer.Option("--offering", help="The code of what is sold. Repeat it for several.")
]
ProductOption = Annotated[str, typer.Option("--product", help="The product's id, for all but add.")]
AtOption = Annotated[
    str, typer.Option("--at", help="From when it counts: a day or a time with a zone. Default: at once.")
]
NumberOption = Annotated[
    str, typer.Option("--number", help="A number of a pool, or one that the customer brings.")
]
PlaceOption = Annotated[str, typer.Option("--place", help="The site, for add and move.")]
ReasonOption = Annotated[
    SuspensionReason | None, typer.Option("--reason", help="Why it is suspended, or was.")
]
PercentOption = Annotated[
    int | None, typer.Option("--percent", min=0, max=100, help="Charged of recurring prices meanwhile.")
]
CharacteristicOption = Annotated[
    list[str] | None, typer.Option("--characteristic", help="name=value. Repeat it.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option("--price", help="Another price: price_id=15.00 or price_id=80%. Repeat it."),
]
WhyOption = Annotated[str, typer.Option("--why", help="The reason for another price, or for the act.")]
ChannelOption = Annotated[str, typer.Option("--channel", help="Through which channel it is sold.")]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file", help="Items as a JSON list, for more than one thing.", exists=True, dir_okay=False
    ),
]
OrderArgument = Annotated[str, typer.Argument(help="The order's id or key.")]


def characteristics_of(pairs: list[str] | None) -> dict[str, bool | int | str]:
    """Return the characteristics that ``name=value`` pairs choose; true, false and whole numbers are no texts."""
    found: dict[str, bool | int | str] = {}
    for pair in pairs or []:
        name, _, text = pair.partition("=")
        plain = text.strip()
        whole = plain.lstrip("-").isdigit() and plain.isascii()
        found[name.strip()] = {"true": True, "false": False}.get(plain, int(plain) if whole else plain)
    return found


def prices_of(pairs: list[str] | None, why: str) -> tuple[PriceChange, ...]:
    """Return the prices that ``price_id=15.00`` and ``price_id=80%`` change. Raises ``Invalid``."""
    found = []
    for pair in pairs or []:
        price_id, _, text = pair.partition("=")
        try:
            amount = Decimal(text.strip().removesuffix("%"))
        except InvalidOperation:
            fix = "write price_id=15.00 or price_id=80%"
            raise Invalid("not a price", code="ordering.price", field="price", value=pair, fix=fix) from None
        percent = text.strip().endswith("%")
        found.append(
            PriceChange(price_id.strip(), why, None if percent else amount, amount if percent else None)
        )
    return tuple(found)


def _items_of(file: Path) -> tuple[ItemRequest, ...]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[ItemRequest, ...])
    except msgspec.DecodeError as error:
        fix = 'write [{"action": "add", "offering": "flex-m"}]'
        raise Invalid(
            f"the file is no list of items: {error}", code="ordering.file", field="file", fix=fix
        ) from None


async def request_of(
    tx: Tx, account: str, items: tuple[ItemRequest, ...], at: str, channel: str
) -> OrderRequest:
    """Return the order. Raises ``NotFound`` (``account.unknown``), ``Invalid`` for a malformed time."""
    payer = await accounts.account_numbered(tx=tx, number=account)
    moment = parse_moment(at, field="at", zone_name=payer.zone) if at else None
    return OrderRequest(account_id=payer.id, items=items, requested_at=moment, channel=channel)


def items_of(
    action: Action, offerings: list[str] | None, product: str, file: Path | None, base: ItemRequest
) -> tuple[ItemRequest, ...]:
    """Return the items: those of the file, or one for each offering, with what ``base`` has. Raises ``Invalid``."""
    if file is not None:
        return _items_of(file)
    product_id = ProductId(parse_id(product, field="product")) if product else None
    return tuple(
        msgspec.structs.replace(base, action=action, offering=offering, product_id=product_id)
        for offering in offerings or [""]
    )


def order_row(order: ProductOrder) -> dict[str, object]:
    """Return an order as a row of a list."""
    return {
        "id": order.id,
        "state": order.state,
        "items": ", ".join(f"{one.request.action} {one.request.offering}".strip() for one in order.items[:5]),
        "starts_at": order.starts_at,
        "holds": ", ".join(sorted(order.holds)),
        "placed_at": order.placed_at,
        "due_by": order.due_by,
        "jeopardy": order.jeopardy or "",
    }
