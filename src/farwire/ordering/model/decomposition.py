"""From what is ordered to the tasks that do it: rules drawn once, read from the catalogue's specifications. Pure.

No offering has code of its own: what resources it needs and which systems of the network know it stands in its service
specifications. A fibre line and a mobile plan differ in data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from farwire.base.canonical import JSON
from farwire.catalog.model import ResourceNeed, ServiceSpecification
from farwire.ordering.model.order import Action, ItemRequest
from farwire.ordering.model.plan import Step, TaskKind

SIM_KINDS: Final = frozenset({"iccid", "imsi", "eid", "esim_profile"})
"""Kinds of resource that are or belong to a SIM: the country may ask whose it is."""
SITE_KINDS: Final = frozenset({"port", "device"})
"""Kinds of resource that stand at a place, and change with it."""
NUMBER_KIND: Final = "msisdn"

Services = Sequence[ServiceSpecification]


class Steps:
    """A plan that is being written: each added step gets the next number."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(
        self,
        kind: TaskKind,
        name: str,
        after: Iterable[int] = (),
        parameters: Mapping[str, JSON] | None = None,
        *,
        undo: TaskKind | None = None,
        final: bool = False,
    ) -> int:
        """Append a step that waits for the steps ``after``; return its number."""
        self.steps.append(Step(kind, name, tuple(after), parameters or {}, undo, final))
        return len(self.steps)


def needs_sim(services: Services) -> bool:
    """Return whether what is ordered comes with a SIM."""
    return any(need.kind in SIM_KINDS for service in services for need in service.resources)


def decompose(
    request: ItemRequest, services: Services, before: Services = (), *, brought: bool = False
) -> tuple[Step, ...]:
    """Return the steps of an item.

    ``services`` are the specifications of what the product will be (what it is, where the offering stays);
    ``before`` what it was, for a change of offering. ``brought`` says that the number is not one of our pools'.
    """
    plan = Steps()
    match request.action:
        case Action.ADD:
            _add(plan, request, services, brought=brought)
        case Action.CHANGE:
            _change(plan, services, before)
        case Action.MODIFY:
            _modify(plan, request, services)
        case Action.MOVE:
            _move(plan, services)
        case Action.SUSPEND:
            done = plan.add(TaskKind.SUSPEND, "suspend the product", undo=TaskKind.RESUME)
            _operations(plan, TaskKind.BAR, services, [done], undo=TaskKind.UNBAR)
        case Action.RESUME:
            done = plan.add(TaskKind.RESUME, "resume the product", undo=TaskKind.SUSPEND)
            _operations(plan, TaskKind.UNBAR, services, [done], undo=TaskKind.BAR)
        case Action.CEASE:
            _cease(plan, services)
    return tuple(plan.steps)


def _needed(service: ServiceSpecification, need: ResourceNeed) -> dict[str, JSON]:
    return {"service": service.code, "kind": need.kind, "pool": need.pool, "count": need.count}


def _reserve(
    plan: Steps,
    services: Services,
    *,
    brought: bool = False,
    chosen: bool = False,
    had: Collection[tuple[str, str]] = (),
) -> dict[str, list[int]]:
    """Reserve what each service needs; return the steps by service.

    A number that is ``brought`` is not reserved; one that is ``chosen`` is that very one of the pool. What is ``had``
    (kind, pool) is not reserved again.
    """
    reserved: dict[str, list[int]] = defaultdict(list)
    for service in services:
        for need in service.resources:
            if (brought and need.kind == NUMBER_KIND) or (need.kind, need.pool) in had:
                continue
            facts = _needed(service, need)
            if chosen and need.kind == NUMBER_KIND:
                facts["chosen"] = True
            step = plan.add(TaskKind.RESERVE, f"reserve {need.kind}", (), facts, undo=TaskKind.FREE)
            reserved[service.code].append(step)
    return reserved


def _assign(
    plan: Steps, services: Services, reserved: Mapping[str, list[int]], after: Sequence[int], *, brought: bool
) -> list[int]:
    assigned = []
    if brought:
        name = "give the number that the customer brings"
        assigned.append(
            plan.add(
                TaskKind.ASSIGN,
                name,
                after,
                {"kind": NUMBER_KIND, "brought": True},
                undo=TaskKind.QUARANTINE,
            )
        )
    for service in services:
        for number in reserved.get(service.code, ()):
            facts: dict[str, JSON] = {**plan.steps[number - 1].parameters, "reserved_by": number}
            name = f"give {facts['kind']}"
            assigned.append(
                plan.add(TaskKind.ASSIGN, name, [*after, number], facts, undo=TaskKind.QUARANTINE)
            )
    return assigned


def _operations(
    plan: Steps,
    kind: TaskKind,
    services: Services,
    after: Sequence[int],
    *,
    undo: TaskKind | None = None,
    backwards: bool = False,
    ends: bool = False,
) -> list[int]:
    """Add the operations of every service, one after the other; return the last step, or ``after`` without any.

    ``ends`` says that the services end with it though the product goes on.
    """
    listed = [(service, one) for service in services for one in service.operations]
    for service, one in reversed(listed) if backwards else listed:
        facts: dict[str, JSON] = {
            "service": service.code,
            "adapter": one.adapter,
            "operation": one.operation,
            "parameters": dict(one.parameters),
        }
        if ends:
            facts["ends"] = True
        after = [plan.add(kind, f"{kind.value} in {one.adapter}", after, facts, undo=undo)]
    return list(after)


def _add(plan: Steps, request: ItemRequest, services: Services, *, brought: bool) -> None:
    chosen = bool(request.number) and not brought
    reserved = _reserve(plan, services, brought=brought, chosen=chosen)
    all_reserved = [number for numbers in reserved.values() for number in numbers]
    facts: dict[str, JSON] = {"services": [service.code for service in services]}
    product = plan.add(
        TaskKind.CREATE_PRODUCT, "create the product", all_reserved, facts, undo=TaskKind.DISCARD_PRODUCT
    )
    assigned = _assign(plan, services, reserved, [product], brought=brought)
    _operations(plan, TaskKind.ACTIVATE, services, assigned or [product], undo=TaskKind.DEACTIVATE)


def _cease(plan: Steps, services: Services) -> None:
    off = _operations(plan, TaskKind.DEACTIVATE, services, (), undo=TaskKind.ACTIVATE, backwards=True)
    ended = plan.add(TaskKind.END_PRODUCT, "end the product", off, final=True)
    for kind in _kinds(services):
        plan.add(TaskKind.QUARANTINE, f"take back {kind}", [ended], {"kind": kind})


def _kinds(services: Services) -> list[str]:
    return list(dict.fromkeys(need.kind for service in services for need in service.resources))


def _change(plan: Steps, services: Services, before: Services) -> None:
    codes, old = {one.code for one in services}, {one.code for one in before}
    new = [one for one in services if one.code not in old]
    kept = [one for one in services if one.code in old]
    gone = [one for one in before if one.code not in codes]
    # What a service that goes had from the same pool, one that comes takes over: the number and the SIM stay.
    pools = {(need.kind, need.pool) for one in gone for need in one.resources}
    reserved = _reserve(plan, new, had=pools)
    all_reserved = [number for numbers in reserved.values() for number in numbers]
    facts: dict[str, JSON] = {"services": [one.code for one in new]}
    changed = plan.add(TaskKind.CHANGE_PLAN, "change the plan", all_reserved, facts, final=True)
    # What goes is switched off first: what comes may be known to the network by the same SIM.
    off = _operations(plan, TaskKind.DEACTIVATE, gone, [changed], backwards=True, ends=True)
    wanted = {(need.kind, need.pool) for one in services for need in one.resources}
    returned = [
        plan.add(TaskKind.QUARANTINE, f"take back {kind}", off, {"kind": kind, "pool": pool})
        for kind, pool in sorted(pools - wanted)
    ]
    after = _assign(plan, new, reserved, returned or off, brought=False) or returned or off
    after = _operations(plan, TaskKind.ACTIVATE, new, after)
    _operations(plan, TaskKind.ALTER, kept, after)


def _modify(plan: Steps, request: ItemRequest, services: Services) -> None:
    after: list[int] = []
    if request.overrides:
        name = "change the price"
        after = [plan.add(TaskKind.OVERRIDE, name, (), {}, undo=TaskKind.CLOSE_OVERRIDE)]
    if request.characteristics:
        _operations(plan, TaskKind.ALTER, services, after)
    if not plan.steps:
        plan.add(TaskKind.ALTER, "change the characteristics", (), {})


def _move(plan: Steps, services: Services) -> None:
    """Take what stands at the new place, switch over, then give back what stood at the old one."""
    local = {
        service.code: [need for need in service.resources if need.kind in SITE_KINDS] for service in services
    }
    moved = [one for one in services if local[one.code]]
    reserved: dict[str, list[int]] = defaultdict(list)
    for service in moved:
        for need in local[service.code]:
            facts = _needed(service, need)
            step = plan.add(TaskKind.RESERVE, f"reserve {need.kind}", (), facts, undo=TaskKind.FREE)
            reserved[service.code].append(step)
    all_reserved = [number for numbers in reserved.values() for number in numbers]
    placed = plan.add(TaskKind.PLACE, "note the new place", all_reserved, {}, final=True)
    kinds = list(dict.fromkeys(need.kind for service in moved for need in local[service.code]))
    returned = [
        plan.add(TaskKind.QUARANTINE, f"take back {kind}", [placed], {"kind": kind}) for kind in kinds
    ]
    assigned = []
    for service in moved:
        for number in reserved[service.code]:
            given: dict[str, JSON] = {**plan.steps[number - 1].parameters, "reserved_by": number}
            assigned.append(plan.add(TaskKind.ASSIGN, f"give {given['kind']}", [*returned, number], given))
    _operations(plan, TaskKind.ALTER, services, assigned or [placed])
