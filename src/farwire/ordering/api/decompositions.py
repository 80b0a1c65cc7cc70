"""The decomposition of an order over HTTP, before anything is ordered."""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, Nothing, Reply, Route
from farwire.catalog.model import Need
from farwire.ordering.model import Action, OrderRequest, Part
from farwire.ordering.service import Decomposed, Decomposition, preview_decomposition

DECOMPOSITIONS: Final = "/farwire/v1/orderDecompositions"


class NeedDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Resources that a service takes from a pool. ``left`` counts what that has, no further than 1,000."""

    kind: str
    pool: str
    count: int
    left: int
    reason: str = ""


class ServiceLineDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A service that the product would have, and the rule that asks for it.

    ``line`` counts from 1; ``supports`` is the line of the service that stands on this one, ``after`` those that are
    switched on before it.
    """

    line: int
    specification: str
    characteristics: dict[str, str]
    needs: list[NeedDocument]
    adapters: list[str]
    after: list[int]
    supports: int | None = None
    reason: str = ""


class TaskLineDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A task of the plan, and the tasks that it waits for."""

    number: int
    kind: str
    name: str
    depends_on: list[int]


class LackDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Why a service cannot be delivered; ``waits`` says that only stock is missing, and an order would wait for it."""

    of: str
    why: str
    waits: bool


class DecomposedDocument(msgspec.Struct, frozen=True, rename="camel"):
    """An item of the order."""

    item: int
    action: Action
    services: list[ServiceLineDocument]
    tasks: list[TaskLineDocument]
    lacks: list[LackDocument]


class RefusalDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A reason for which the order would be refused."""

    code: str
    message: str
    field: str
    fix: str


class DecompositionDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What an order would be decomposed into."""

    items: list[DecomposedDocument]
    reasons: list[RefusalDocument]


def to_decomposition(found: Decomposition) -> DecompositionDocument:
    """Return the decomposition as it is shown."""
    return DecompositionDocument(
        [_item(found, one) for one in found.items],
        [RefusalDocument(one.code, one.message, one.field, one.fix) for one in found.refusals],
    )


def _item(found: Decomposition, one: Decomposed) -> DecomposedDocument:
    line_of = {part.id: number for number, part in enumerate(one.parts, 1)}

    def need(asked: Need) -> NeedDocument:
        left = found.left_for(asked)
        return NeedDocument(asked.kind, asked.pool, asked.count, left, asked.reason)

    def line(part: Part) -> ServiceLineDocument:
        return ServiceLineDocument(
            line_of[part.id],
            part.specification,
            dict(part.values or {}),
            [need(asked) for asked in part.needs],
            [each.adapter for each in part.operations],
            [line_of[other] for other in part.after if other in line_of],
            None if part.supports is None else line_of.get(part.supports),
            part.reason,
        )

    tasks = [
        TaskLineDocument(number, step.kind.value, step.name, list(step.depends_on))
        for number, step in enumerate(one.steps, 1)
    ]
    lacks = [LackDocument(lack.of, lack.why, lack.short) for lack in one.lacks]
    return DecomposedDocument(one.number, one.item.action, [line(part) for part in one.parts], tasks, lacks)


async def decompose_order(call: Call[Nothing, Nothing, OrderRequest]) -> Reply:
    """Show what an order would be decomposed into."""
    async with call.transaction() as tx:
        found = await preview_decomposition(tx=tx, clock=call.clock, request=call.body)
    return Reply(to_decomposition(found))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=DECOMPOSITIONS,
        handler=decompose_order,
        summary="Preview the decomposition of an order",
        tag="Product orders",
        permission=Permission.ORDER_READ,
        response=DecompositionDocument,
        body_type=OrderRequest,
        errors=("404",),
        description="Services, resources and tasks, each with the reason that the catalogue gives. Nothing is saved.",
    ),
)
