"""From what is ordered to the tasks that do it: rules drawn once, read from the catalogue's specifications. Pure.

No offering has code of its own: which services it has, what resources they need and which systems of the network know
them stands in the catalogue. A fibre line and a mobile plan differ in data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from farwire.base.canonical import JSON
from farwire.catalog.model import Need, ServiceSpecification
from farwire.kernel.ids import ServiceId
from farwire.ordering.model.order import Action, ItemRequest
from farwire.ordering.model.parts import Part, Standing
from farwire.ordering.model.plan import Step, TaskKind

SIM_KINDS: Final = frozenset({"iccid", "imsi", "eid", "esim_profile"})
"""Kinds of resource that are or belong to a SIM: the country may ask whose it is."""
SITE_KINDS: Final = frozenset({"port", "device"})
"""Kinds of resource that stand at a place, and change with it."""
NUMBER_KIND: Final = "msisdn"


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


def needs_sim(services: Sequence[ServiceSpecification]) -> bool:
    """Return whether what is ordered comes with a SIM."""
    return any(need.kind in SIM_KINDS for service in services for need in service.resources)


def decompose(
    request: ItemRequest, parts: Sequence[Part], before: Standing | None = None, *, brought: bool = False
) -> tuple[Step, ...]:
    """Return the steps of an item.

    ``parts`` is what the product will be made of, those that stay with their ids; ``before`` what it is made of now.
    ``brought`` says that the number is not one of our pools'.
    """
    plan, before = Steps(), before or Standing()
    match request.action:
        case Action.ADD:
            _add(plan, request, parts, brought=brought)
        case Action.CHANGE | Action.MOVE:
            _Difference(plan, request.action, parts, before).plan_it(())
        case Action.MODIFY:
            _modify(plan, request, parts, before)
        case Action.SUSPEND:
            done = plan.add(TaskKind.SUSPEND, "suspend the product", undo=TaskKind.RESUME)
            _operations(plan, TaskKind.BAR, before.parts, [done], undo=TaskKind.UNBAR)
        case Action.RESUME:
            done = plan.add(TaskKind.RESUME, "resume the product", undo=TaskKind.SUSPEND)
            _operations(plan, TaskKind.UNBAR, before.parts, [done], undo=TaskKind.BAR)
        case Action.CEASE:
            _cease(plan, before)
    return tuple(plan.steps)


def _reserve(plan: Steps, part: Part, need: Need, *, chosen: bool = False) -> int:
    facts: dict[str, JSON] = {
        "service": part.specification,
        "service_id": str(part.id),
        "kind": need.kind,
        "pool": need.pool,
        "count": need.count,
    }
    if chosen and need.kind == NUMBER_KIND:
        facts["chosen"] = True
    return plan.add(TaskKind.RESERVE, f"reserve {need.kind}", (), facts, undo=TaskKind.FREE)


def _assign(
    plan: Steps, reserved: Sequence[int], after: Sequence[int], *, undo: TaskKind | None
) -> list[int]:
    """Give what was reserved; the steps are the reservations."""
    assigned = []
    for number in reserved:
        facts: dict[str, JSON] = {**plan.steps[number - 1].parameters, "reserved_by": number}
        waits = dict.fromkeys((*after, number))
        assigned.append(plan.add(TaskKind.ASSIGN, f"give {facts['kind']}", waits, facts, undo=undo))
    return assigned


def _operations(
    plan: Steps,
    kind: TaskKind,
    parts: Sequence[Part],
    after: Sequence[int],
    *,
    undo: TaskKind | None = None,
    backwards: bool = False,
    ends: bool = False,
) -> list[int]:
    """Add the operations of every part, each after those that it follows; return the last steps, or ``after``.

    ``backwards``: each before those that it follows. ``ends`` says that the services end with it though the product
    goes on.
    """
    follows = {one.id: one.after for one in parts}
    if backwards:
        behind: dict[ServiceId, list[ServiceId]] = defaultdict(list)
        for one in parts:
            for other in one.after:
                behind[other].append(one.id)
        follows = {one.id: tuple(behind[one.id]) for one in parts}
    done: dict[ServiceId, tuple[int, ...]] = {}
    for part in _in_order(parts, follows):
        waits = tuple(dict.fromkeys(step for other in follows[part.id] for step in done.get(other, ())))
        last = waits or tuple(after)
        for each in reversed(part.operations) if backwards else part.operations:
            facts: dict[str, JSON] = {
                "service": part.specification,
                "service_id": str(part.id),
                "adapter": each.adapter,
                "operation": each.operation,
                "parameters": dict(each.parameters),
            }
            if ends:
                facts["ends"] = True
            last = (plan.add(kind, f"{kind.value} in {each.adapter}", last, facts, undo=undo),)
        done[part.id] = last
    waited_for = {step for one in plan.steps for step in one.depends_on}
    ends_with = dict.fromkeys(step for steps in done.values() for step in steps)
    return [step for step in ends_with if step not in waited_for or step in after] or list(after)


def _in_order(parts: Sequence[Part], follows: Mapping[ServiceId, Collection[ServiceId]]) -> list[Part]:
    """Return the parts, each behind those that it follows. What follows itself, which no rule can say, comes last."""
    left, found = list(parts), list[Part]()
    while left:
        open_ids = {one.id for one in left}
        ready = next((one for one in left if not open_ids & set(follows[one.id])), left[0])
        left.remove(ready)
        found.append(ready)
    return found


def _named(parts: Sequence[Part]) -> dict[str, JSON]:
    return {"services": [str(one.id) for one in parts]}


def _add(plan: Steps, request: ItemRequest, parts: Sequence[Part], *, brought: bool) -> None:
    chosen = bool(request.number) and not brought
    reserved = [
        _reserve(plan, part, need, chosen=chosen)
        for part in parts
        for need in part.needs
        if not (brought and need.kind == NUMBER_KIND)
    ]
    product = plan.add(
        TaskKind.CREATE_PRODUCT, "create the product", reserved, _named(parts), undo=TaskKind.DISCARD_PRODUCT
    )
    assigned = []
    if brought:
        name = "give the number that the customer brings"
        facts: dict[str, JSON] = {"kind": NUMBER_KIND, "brought": True}
        assigned.append(plan.add(TaskKind.ASSIGN, name, [product], facts, undo=TaskKind.QUARANTINE))
    assigned += _assign(plan, reserved, [product], undo=TaskKind.QUARANTINE)
    _operations(plan, TaskKind.ACTIVATE, parts, assigned or [product], undo=TaskKind.DEACTIVATE)


def _cease(plan: Steps, before: Standing) -> None:
    off = _operations(plan, TaskKind.DEACTIVATE, before.parts, (), undo=TaskKind.ACTIVATE, backwards=True)
    ended = plan.add(TaskKind.END_PRODUCT, "end the product", off, final=True)
    for kind in dict.fromkeys(one.kind for one in before.held):
        plan.add(TaskKind.QUARANTINE, f"take back {kind}", [ended], {"kind": kind})


def _modify(plan: Steps, request: ItemRequest, parts: Sequence[Part], before: Standing) -> None:
    after: list[int] = []
    if request.overrides:
        name = "change the price"
        after = [plan.add(TaskKind.OVERRIDE, name, (), {}, undo=TaskKind.CLOSE_OVERRIDE)]
    if request.characteristics:
        _Difference(plan, Action.MODIFY, parts, before).plan_it(after)


class _Difference:
    """What is to be done so that a product is made of other parts than now."""

    def __init__(self, plan: Steps, action: Action, parts: Sequence[Part], before: Standing) -> None:
        self.plan, self.action, self.before = plan, action, before
        ids = {one.id for one in parts}
        self.old = old = {one.id: one for one in before.parts}
        self.new = [one for one in parts if one.id not in old]
        self.kept = [one for one in parts if one.id in old]
        self.gone = [one for one in before.parts if one.id not in ids]
        self.changed = [one for one in self.kept if one.values != old[one.id].values]

    def plan_it(self, after: Sequence[int]) -> None:
        """Take what is new, switch over, then give back what is no longer needed."""
        plan, (reserved, returned) = self.plan, self._resources()
        kind, name = _MAIN[self.action]
        final = self.action is not Action.MODIFY or bool(self.new or self.gone or reserved or returned)
        main = plan.add(kind, name, [*after, *reserved], _named([*self.new, *self.changed]), final=final)
        # What goes is switched off first: what comes may be known to the network by the same SIM.
        off = _operations(plan, TaskKind.DEACTIVATE, self.gone, [main], backwards=True, ends=True)
        back = [plan.add(TaskKind.QUARANTINE, f"take back {one['kind']}", off, one) for one in returned]
        given = _assign(plan, reserved, back or off, undo=None) or back or off
        given = _operations(plan, TaskKind.ACTIVATE, self.new, given)
        alter = self.changed if self.action is Action.MODIFY else self.kept
        _operations(plan, TaskKind.ALTER, alter, given)

    def _resources(self) -> tuple[list[int], list[dict[str, JSON]]]:
        """Return the steps that reserve what is missing, and what is to be taken back."""
        kept = {one.id for one in self.kept}
        # What a service that goes had from the same pool, one that comes takes over: the number and the SIM stay.
        spare = Counter((one.kind, one.pool) for one in self.before.held if one.service_id not in kept)
        wanted = {(need.kind, need.pool) for one in self.new for need in one.needs}
        reserved: list[int] = []
        returned: dict[tuple[str, str, str], dict[str, JSON]] = {}
        for kind, pool in sorted(spare.keys() - wanted):
            stays: list[JSON] = [str(one.id) for one in self.kept]
            returned[kind, pool, ""] = {"kind": kind, "pool": pool, "stays": stays}
        # A number that the customer brought is no resource, and stays with him like one.
        spare |= Counter(
            (need.kind, need.pool) for one in self.gone for need in one.needs if need.kind == NUMBER_KIND
        )
        for part in self.new:
            reserved += self._missing(part, spare)
        for part in self.kept:
            reserved += [
                _reserve(self.plan, part, need) for need in part.needs if self._anew(part, need.kind)
            ]
            needed = {need.kind for need in part.needs}
            for one in self.before.held_by(part.id):
                if one.kind not in needed or self._anew(part, one.kind):
                    returned[one.kind, "", str(part.id)] = {"kind": one.kind, "of": str(part.id)}
        return reserved, list(returned.values())

    def _anew(self, part: Part, kind: str) -> bool:
        """Return whether a service that stays gets what it needs of a kind anew: it did not need it, or it moves."""
        moves = self.action is Action.MOVE and kind in SITE_KINDS
        return moves or kind not in {need.kind for need in self.old[part.id].needs}

    def _missing(self, part: Part, spare: Counter[tuple[str, str]]) -> list[int]:
        steps = []
        for need in part.needs:
            if spare[need.kind, need.pool] >= need.count:
                spare[need.kind, need.pool] -= need.count
            else:
                steps.append(_reserve(self.plan, part, need))
        return steps


_MAIN: Final[Mapping[Action, tuple[TaskKind, str]]] = {
    Action.CHANGE: (TaskKind.CHANGE_PLAN, "change the plan"),
    Action.MOVE: (TaskKind.PLACE, "note the new place"),
    Action.MODIFY: (TaskKind.ALTER, "change the characteristics"),
}
