"""What the rules of a specification must obey: every name that they use is there. Every refusal names the rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final, TypeAlias

from farwire.catalog.model.realisation import PLACE, SLOT
from farwire.catalog.model.specification import (
    Characteristic,
    Condition,
    ProductSpecification,
    Rule,
    ServiceSpecification,
    ValueType,
)
from farwire.kernel.errors import Invalid

Refuse: TypeAlias = Callable[[str, object, str, str], Invalid]
MAX_RULES: Final = 50
MAX_CHOICES: Final = 10
"""Services of a rule, and pools of a need."""
_FACT: Final = re.compile(r"place\.[a-z][a-z0-9_]{0,39}")
_POOL: Final = re.compile(r"[a-z0-9{][a-z0-9._{}-]{0,127}")
_RULE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_WHOLE: Final = re.compile(r"[0-9]{1,3}")


def check_rules(path: str, document: ProductSpecification | ServiceSpecification, refuse: Refuse) -> None:
    """Refuse rules that name characteristics or rules which their specification does not have, or wait for themselves.

    Raises ``Invalid`` (``catalog.document_invalid``) with the rule and the reason.
    """
    own = {one.name: one for one in document.characteristics}
    names = [rule.name for rule in document.rules]
    known = [*names, *(document.services if isinstance(document, ProductSpecification) else ())]
    if len(names) > MAX_RULES:
        raise refuse(f"{path}.rules", len(names), f"a specification has at most {MAX_RULES} rules", "")
    for i, rule in enumerate(document.rules):
        here = f"{path}.rules[{i}]"
        for where, value, why, fix in _rule(rule, own, known):
            raise refuse(f"{here}{where}", value, f"rule {rule.name} of {document.code}: {why}", fix)
    _check_order(path, document, refuse)
    if isinstance(document, ServiceSpecification):
        for where, value, why, fix in _service(document, own):
            raise refuse(f"{path}{where}", value, f"{document.code}: {why}", fix)


def check_mapping(
    path: str,
    document: ProductSpecification | ServiceSpecification,
    below: Mapping[str, Sequence[ServiceSpecification]],
    refuse: Refuse,
) -> None:
    """Refuse a mapping to a characteristic that the service does not have.

    ``below`` has the versions of the services that the rules name, by code. Raises ``Invalid``
    (``catalog.document_invalid``) with the rule and the reason.
    """
    for i, rule in enumerate(document.rules):
        for code in rule.services:
            for service in below.get(code, ()):
                for name in sorted(rule.mapping.keys() - {one.name for one in service.characteristics}):
                    message = f"rule {rule.name} of {document.code}: {code} has no characteristic {name}"
                    raise refuse(f"{path}.rules[{i}].mapping.{name}", name, message, "name one that it has")


_Wrong: TypeAlias = Iterator[tuple[str, object, str, str]]


def _rule(rule: Rule, own: Mapping[str, Characteristic], known: Sequence[str]) -> _Wrong:
    if _RULE.fullmatch(rule.name) is None or known.count(rule.name) > 1:
        yield ".name", rule.name, "each rule has a name of its own, in small letters", ""
    if not 1 <= len(rule.services) <= MAX_CHOICES or len(set(rule.services)) < len(rule.services):
        yield ".services", len(rule.services), f"a rule names 1 to {MAX_CHOICES} services, each once", ""
    for i, condition in enumerate(rule.when):
        yield from _condition(f".when[{i}]", condition, own)
    for name, text in rule.mapping.items():
        yield from _slots(f".mapping.{name}", text, own)
    yield from _quantity(rule, own)
    for i, name in enumerate(rule.after):
        if name not in known:
            fix = f"one of {', '.join(one for one in known if one != rule.name)}"
            yield f".after[{i}]", name, f"there is no rule {name} to come after", fix


def _quantity(rule: Rule, own: Mapping[str, Characteristic]) -> _Wrong:
    slot = SLOT.fullmatch(rule.quantity)
    if slot is None and _WHOLE.fullmatch(rule.quantity) is None:
        yield (
            ".quantity",
            rule.quantity,
            "a quantity is a number of up to 3 digits, or {a characteristic}",
            "",
        )
    elif slot is not None and getattr(own.get(slot[1]), "value_type", None) is not ValueType.INTEGER:
        yield ".quantity", rule.quantity, f"there is no whole-number characteristic {slot[1]}", "declare it"


def _service(service: ServiceSpecification, own: Mapping[str, Characteristic]) -> _Wrong:
    for i, condition in enumerate(service.when):
        yield from _condition(f".when[{i}]", condition, own)
    for i, need in enumerate(service.resources):
        for j, condition in enumerate(need.when):
            yield from _condition(f".resources[{i}].when[{j}]", condition, own)
        if len(need.otherwise) > MAX_CHOICES:
            yield f".resources[{i}].otherwise", len(need.otherwise), f"at most {MAX_CHOICES} other pools", ""
        for field, pool in (
            ("pool", need.pool),
            *((f"otherwise[{j}]", one) for j, one in enumerate(need.otherwise)),
        ):
            if _POOL.fullmatch(pool) is None:
                yield (
                    f".resources[{i}].{field}",
                    pool,
                    "this is no name of a pool",
                    "small letters, digits, . _ -",
                )
            yield from _slots(f".resources[{i}].{field}", pool, own)
    for i, operation in enumerate(service.operations):
        for j, condition in enumerate(operation.when):
            yield from _condition(f".operations[{i}].when[{j}]", condition, own)


def _condition(path: str, condition: Condition, own: Collection[str]) -> _Wrong:
    yield from _name(f"{path}.of", condition.of, own)
    if not condition.values and condition.minimum is None and condition.maximum is None:
        yield path, condition.of, "a condition has values, a minimum or a maximum", "say what it must be"


def _slots(path: str, text: str, own: Collection[str]) -> _Wrong:
    for name in SLOT.findall(text):
        yield from _name(path, name, own)
    if SLOT.sub("", text).strip("{}") != SLOT.sub("", text) or len(text) > 200:
        yield path, text, "this is no text with {names} in it", "close every brace"


def _name(path: str, name: str, own: Collection[str]) -> _Wrong:
    if name.startswith(PLACE):
        if _FACT.fullmatch(name) is None:
            yield path, name, "this is no fact of a place", "place. and small letters, digits and _"
    elif name not in own:
        fix = f"one of {', '.join(own)}" if own else "declare it in characteristics, or name place.…"
        yield path, name, f"there is no characteristic {name}", fix


def _check_order(path: str, document: ProductSpecification | ServiceSpecification, refuse: Refuse) -> None:
    try:
        TopologicalSorter({rule.name: rule.after for rule in document.rules}).prepare()
    except CycleError as error:
        way = " → ".join(reversed(error.args[1]))
        message = f"{document.code}: its rules wait for each other"
        raise refuse(f"{path}.rules", way, message, f"break the circle {way}") from None
