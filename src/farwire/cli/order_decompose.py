"""``farwire order decompose``: what an order would be made of, and why."""

from __future__ import annotations

from typing import Final

from farwire.catalog.model import Need
from farwire.cli.order_options import (
    AccountOption,
    ActionOption,
    AtOption,
    ChannelOption,
    CharacteristicOption,
    FileOption,
    NumberOption,
    OfferingOption,
    PlaceOption,
    ProductOption,
    characteristics_of,
    items_of,
    request_of,
)
from farwire.cli.shell import JsonOption, Session, TenantOption, run
from farwire.ordering.model import Action, ItemRequest
from farwire.ordering.service import Decomposed, Decomposition, preview_decomposition

_COLUMNS: Final = ("line", "service", "for", "needs", "done by", "why")


def decompose(
    tenant: TenantOption,
    account: AccountOption,
    action: ActionOption = Action.ADD,
    offering: OfferingOption = None,
    product: ProductOption = "",
    at: AtOption = "",
    number: NumberOption = "",
    place: PlaceOption = "",
    characteristic: CharacteristicOption = None,
    channel: ChannelOption = "care",
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the services, resources and tasks of an order, and the rule that asks for each. Nothing is saved.

    Example: farwire order decompose -t acme -a 100001 --offering fibre-250 --place 'Deich 5' --characteristic down=500
    """
    base = ItemRequest(number=number, place=place, characteristics=characteristics_of(characteristic))

    async def act(session: Session) -> None:
        items = items_of(action, offering, product, file, base)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            request = await request_of(tx, account, items, at, channel)
            found = await preview_decomposition(tx=tx, clock=session.clock, request=request)
        shown = [(one, _services(found, one), _tasks(one), _lacks(one)) for one in found.items]
        refused = [{"code": one.code, "message": one.message, "fix": one.fix} for one in found.refusals]
        if session.out.as_json:
            listed = [
                {"item": one.number, "services": services, "tasks": tasks, "missing": lacks}
                for one, services, tasks, lacks in shown
            ]
            session.out.document({"items": listed, "refused": refused})
            return
        for one, services, tasks, lacks in shown:
            title = f"Item {one.number}: {one.item.action} {one.item.offering}".rstrip()
            session.out.rows(title, _COLUMNS, services, empty="No services.")
            session.out.rows("\nTasks", ("task", "what", "after"), tasks, empty="Nothing is to be done.")
            if lacks:
                session.out.rows("\nMissing", ("of", "why", "waits"), lacks, empty="")
        if refused:
            session.out.rows("\nRefused", ("code", "message", "fix"), refused, empty="")

    run(act, as_json)


def _services(found: Decomposition, one: Decomposed) -> list[dict[str, object]]:
    numbers = {part.id: number for number, part in enumerate(one.parts, 1)}

    def need(asked: Need) -> str:
        left = found.left_for(asked)
        return f"{asked.count} {asked.kind} of {asked.pool} ({left if left < 1_000 else 'many'} left)"

    return [
        {
            "line": numbers[part.id],
            "service": part.specification,
            "for": "" if part.supports is None else numbers.get(part.supports, ""),
            "needs": ", ".join(need(asked) for asked in part.needs),
            "done by": ", ".join(each.adapter for each in part.operations),
            "why": part.reason,
        }
        for part in one.parts
    ]


def _tasks(one: Decomposed) -> list[dict[str, object]]:
    return [
        {"task": number, "what": step.name, "after": ", ".join(map(str, step.depends_on))}
        for number, step in enumerate(one.steps, 1)
    ]


def _lacks(one: Decomposed) -> list[dict[str, object]]:
    return [{"of": lack.of, "why": lack.why, "waits": "yes" if lack.short else "no"} for lack in one.lacks]
