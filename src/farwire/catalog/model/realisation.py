"""From a product to its services and what they need, by the rules of the catalogue, with the reason of each line. Pure.

A rule takes the first of its services that can be delivered: its conditions hold, its characteristics allow what is
asked for, its pools can be named and have enough. What a pool has left is brought along; one of which nothing is known
is taken to have enough, and is named in ``asked``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Final

from farwire.catalog.model.characteristics import configure, value_error
from farwire.catalog.model.specification import (
    ActivationOperation,
    Characteristic,
    Condition,
    ProductSpecification,
    ResourceNeed,
    Rule,
    ServiceSpecification,
    Value,
    ValueType,
)

MAX_LINES: Final = 200
"""Services that one product may be made of."""
MAX_TRIES: Final = 2_000
"""Services that are looked at for one product."""
PLACE: Final = "place."
"""What the names of facts of the place begin with."""
SLOT: Final = re.compile(r"\{([^{}]+)\}")
"""A value inside a text: a characteristic, or a fact of the place."""
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Need:
    """Resources that a service needs: from which pool, and why from that one."""

    kind: str
    pool: str
    count: int
    specification: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A service that realises a product. ``parent`` and ``after`` are numbers of lines, from 1.

    ``after`` are switched on before it, beside those whose parent it is. ``reason`` says which rule asked for it,
    and why this service and none before it.
    """

    number: int
    service: ServiceSpecification
    parent: int | None
    values: Values
    needs: tuple[Need, ...]
    operations: tuple[ActivationOperation, ...]
    reason: str
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lack:
    """Why something cannot be delivered. ``of`` is the rule or the service, ``short`` whether only stock is missing."""

    of: str
    why: str
    short: bool = False


@dataclass(frozen=True, slots=True)
class Realisation:
    """The services of a product, what realises comes behind what it realises; what is in the way; unknown pools."""

    lines: tuple[Line, ...]
    lacks: tuple[Lack, ...] = ()
    asked: frozenset[str] = frozenset()


def realise(
    product: ProductSpecification,
    services: Sequence[ServiceSpecification],
    values: Values,
    *,
    place: Values | None = None,
    free: Mapping[str, int] | None = None,
    has: Collection[str] = (),
) -> Realisation:
    """Return the services of a product with these ``values``, at a place of which the facts are known.

    ``services`` are all that its rules may lead to. ``free`` says how many resources pools have left. Where a rule has
    no service that can be delivered, its lack is told; where only stock is missing, the first such one is taken. What
    the product ``has`` is tried before what it has not.
    """
    facts = {f"{PLACE}{name}": value for name, value in (place or {}).items()}
    always = tuple(
        Rule(code, (code,), after=product.services[:i][-1:]) for i, code in enumerate(product.services)
    )
    work = _Work({one.code: one for one in services}, facts, dict(free or {}), frozenset(has), always)
    chosen, _ = configure(product.characteristics, values)
    work.chosen = {**chosen, **values}
    work.follow((*always, *product.rules), work.chosen, product.code, None)
    return Realisation(tuple(work.lines), tuple(dict.fromkeys(work.lacks)), frozenset(work.asked))


def typed(characteristics: Sequence[Characteristic], texts: Mapping[str, str]) -> dict[str, Value]:
    """Return values as their characteristics mean them: the inventory keeps texts. What has no meaning is left out."""
    found: dict[str, Value] = {}
    for one in characteristics:
        if one.name in texts:
            value = _meant(one, texts[one.name])
            if not value_error(one, value):
                found[one.name] = value
    return found


def text_of(value: Value) -> str:
    """Return a value as a text: true and false as they are written in a catalogue file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _meant(characteristic: Characteristic, text: str) -> Value:
    wanted = characteristic.value_type
    if wanted is ValueType.BOOLEAN and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if wanted is ValueType.INTEGER and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    return text


def against(condition: Condition, values: Values) -> str:
    """Return why a condition does not hold; empty where it does."""
    value = values.get(condition.of)
    if value is None:
        return f"{condition.of} is not known"
    if condition.values and text_of(value) not in [text_of(one) for one in condition.values]:
        wanted = " or ".join(text_of(one) for one in condition.values)
        return f"{condition.of} is {text_of(value)}, not {wanted}"
    if condition.minimum is None and condition.maximum is None:
        return ""
    try:
        number = Decimal(text_of(value))
    except InvalidOperation:
        return f"{condition.of} is {text_of(value)}, no number"
    if condition.minimum is not None and number < condition.minimum:
        return f"{condition.of} is {text_of(value)}, less than {condition.minimum}"
    if condition.maximum is not None and number > condition.maximum:
        return f"{condition.of} is {text_of(value)}, more than {condition.maximum}"
    return ""


def filled(text: str, values: Values) -> tuple[str, tuple[str, ...]]:
    """Return a text with its values put in, and the names of those that are not known."""
    missing = tuple(name for name in SLOT.findall(text) if values.get(name, "") == "")
    return SLOT.sub(lambda found: text_of(values.get(found[1], "")), text), missing


@dataclass(slots=True)
class _Work:
    services: Mapping[str, ServiceSpecification]
    facts: Values
    free: dict[str, int]
    has: frozenset[str]
    always: tuple[Rule, ...]
    """The rules that a list of services stands for: they can map nothing, so nothing is missing to them."""
    chosen: Values = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    tries: int = 0

    def follow(self, rules: Sequence[Rule], values: Values, of: str, parent: int | None) -> None:
        """Add the lines of each rule that holds, with those that they lead to."""
        known = {**values, **self.facts}
        made: dict[str, tuple[int, ...]] = {}
        for rule in _in_order(rules):
            if not _holds(rule.when, known):
                continue
            after = tuple(number for name in rule.after for number in made.get(name, ()))
            own: list[int] = []
            for _ in range(self._quantity(rule, known, of)):
                number = self._one(rule, known, of, parent, after)
                own += [] if number is None else [number]
            made[rule.name] = tuple(own) or after

    def _quantity(self, rule: Rule, known: Values, of: str) -> int:
        text, missing = filled(rule.quantity, known)
        if missing or not re.fullmatch(r"[0-9]{1,4}", text):
            self.lacks.append(Lack(f"{of}, rule {rule.name}", f"its quantity {rule.quantity} is no number"))
            return 0
        return int(text)

    def _one(
        self, rule: Rule, known: Values, of: str, parent: int | None, after: tuple[int, ...]
    ) -> int | None:
        """Add the first service of the rule that can be delivered with all that it stands on; return its number."""
        tried: list[Lack] = []
        waits: Callable[[], int] | None = None
        for code in sorted(rule.services, key=lambda code: code not in self.has):
            before = self._mark()
            attempt = partial(self._try, code, rule, known, parent, after, _reason(of, rule, tried, known))
            number, lacks = attempt(), self.lacks[before[1] :]
            if not lacks:
                return number
            self._back(before)
            tried += lacks
            if waits is None and all(one.short for one in lacks):
                waits = attempt
        if waits is None:
            self.lacks += tried
            return None
        before = self._mark()
        number = waits()
        self.lacks[before[1] :] = [replace(one, short=True) for one in tried]
        return number

    def _mark(self) -> tuple[int, int, dict[str, int]]:
        return len(self.lines), len(self.lacks), dict(self.free)

    def _back(self, mark: tuple[int, int, dict[str, int]]) -> None:
        del self.lines[mark[0] :]
        del self.lacks[mark[1] :]
        self.free = mark[2]

    def _try(
        self, code: str, rule: Rule, known: Values, parent: int | None, after: tuple[int, ...], reason: str
    ) -> int:
        """Add the line of a service and those that it stands on; what is in their way is in ``lacks``."""
        service, number = self.services[code], len(self.lines) + 1
        self.tries += 1
        if number > MAX_LINES or self.tries > MAX_TRIES:
            self.lacks.append(Lack(code, f"the product is made of more than {MAX_LINES} services"))
            return number
        values, lacks = self._values(service, rule, known)
        if parent is None:  # what faces the customer keeps what he chose, for the next order
            values = {**self.chosen, **values}
        self.lacks += lacks
        inside = {**values, **self.facts}
        self.lacks += [Lack(code, why) for one in service.when if (why := against(one, inside))]
        needs = tuple(self._need(one, inside, code) for one in service.resources if _holds(one.when, inside))
        operations = tuple(one for one in service.operations if _holds(one.when, inside))
        self.lines.append(Line(number, service, parent, values, needs, operations, reason, after))
        self.follow(service.rules, values, code, number)
        return number

    def _values(self, service: ServiceSpecification, rule: Rule, known: Values) -> tuple[Values, list[Lack]]:
        """Return the characteristics of a service as the rule maps them, and why they cannot be."""
        given = {name: value for name, value in known.items() if name not in self.facts}
        lacks = []
        for name, text in rule.mapping.items():
            value, missing = filled(text, known)
            if missing:
                lacks.append(Lack(service.code, f"{' and '.join(missing)} is not known"))
            given[name] = value
        if not service.characteristics:
            return given, lacks
        own = {one.name: one for one in service.characteristics}
        meant = {name: _meant(own[name], text_of(value)) for name, value in given.items() if name in own}
        values, refusals = configure(service.characteristics, meant)
        if rule in self.always:
            refusals = tuple(one for one in refusals if one.code != "catalog.characteristic_missing")
        return values, [*lacks, *(Lack(service.code, one.message) for one in refusals if not lacks)]

    def _need(self, need: ResourceNeed, values: Values, code: str) -> Need:
        """Return from which pool a need is met, and take it from what that has left."""
        named = [filled(text, values) for text in (need.pool, *need.otherwise)]
        pools = [pool for pool, missing in named if not missing]
        if not pools:
            why = f"no pool of {need.kind}: {' and '.join(named[0][1])} is not known"
            self.lacks.append(Lack(code, why))
            return Need(need.kind, "", need.count, need.specification)
        empty: list[str] = []
        for pool in pools:
            self.asked |= {pool} - self.free.keys()
            left = self.free.get(pool, need.count)
            if left >= need.count:
                self.free |= {pool: left - need.count} if pool in self.free else {}
                reason = f"no {need.kind} is left in {', '.join(empty)}" if empty else ""
                return Need(need.kind, pool, need.count, need.specification, reason)
            empty.append(pool)
        self.lacks.append(Lack(code, f"no {need.kind} is left in {', '.join(empty)}", short=True))
        return Need(need.kind, pools[0], need.count, need.specification)


def _holds(conditions: Sequence[Condition], values: Values) -> bool:
    return not any(against(one, values) for one in conditions)


def _reason(of: str, rule: Rule, tried: Sequence[Lack], known: Values) -> str:
    said = [f"{name} {text_of(known[name])}" for name in dict.fromkeys(one.of for one in rule.when)]
    where = f" ({', '.join(said)})" if said else ""
    others = f"; not {'; not '.join(f'{one.of}: {one.why}' for one in tried)}" if tried else ""
    return f"{of} asks for {rule.name}{where}{others}"


def _in_order(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules, each behind those that it comes after; publication has refused circles."""
    left, found = list(rules), list[Rule]()
    while left:
        named = {one.name for one in left}
        ready = next((one for one in left if not named & set(one.after)), left[0])
        left.remove(ready)
        found.append(ready)
    return found
