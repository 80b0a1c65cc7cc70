"""What a client wrote of a thing beyond what its context shows: taken apart for keeping, put together for showing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final

from farwire.base.canonical import instant_text, to_text
from farwire.base.tmf import KNOWN, Document
from farwire.kernel.errors import Invalid

OF: Final = "@of"
"""In a kept element of a list: which element of the context's own list it says more of."""
_RESERVED: Final = frozenset({OF, KNOWN})
_LABELS: Final = frozenset({"@type", "@baseType", "@referredType", "@schemaLocation", "href", "name"})
"""What a reference says of its target in the words of who wrote it: kept as they are."""


class Rule(Enum):
    """What holds where a client says something else of an attribute than its context."""

    SHARED = auto()
    """Elements of a list that the context has not are kept; another value is refused."""
    JUDGED = auto()
    """The context has read it and says it in its own way; elements that it did not take are refused."""
    SAME = auto()
    """Anything else is refused."""


def remainder(given: Any, own: Any, path: str, rule: Rule) -> Any:
    """Return what ``given`` says beyond ``own``; None where that is nothing.

    Raises ``Invalid`` (``tmf.contradicts``) naming the path at which the two say what may not be.
    """
    if isinstance(given, dict) and isinstance(own, dict):
        rest = dict(_beyond(given, own, path, rule))
        return ({"id": own["id"], **rest} if "id" in own else rest) if rest else None
    if isinstance(given, list) and isinstance(own, list):
        return _elements(given, own, path, rule) or None
    if _equal(given, own) or (rule is Rule.JUDGED and not isinstance(given, (dict, list))):
        return None
    raise Invalid(
        "this differs from what the inventory of the operator says",
        code="tmf.contradicts",
        field=path,
        value=own if isinstance(own, (str, int, Decimal)) else None,
        fix="leave it out, or write what stands there",
    )


def _beyond(given: Document, own: Document, path: str, rule: Rule) -> Iterator[tuple[str, Any]]:
    label = _LABELS if "id" in own else frozenset({"@type"})
    for name, value in given.items():
        if value is None:
            continue
        if name not in own or (name in label and value != own[name]):
            yield name, value
            continue
        rest = remainder(value, own[name], f"{path}.{name}", rule)
        if rest is not None:
            yield name, rest


def _elements(given: list[Any], own: list[Any], path: str, rule: Rule) -> list[Any]:
    free, found = list(own), []
    for number, item in enumerate(given):
        place = f"{path}[{number}]"
        mine = _counterpart(item, free, place)
        if mine is None and rule is Rule.JUDGED and len(given) == len(own) and own[number] in free:
            mine = own[number]  # the context wrote it in its own way, in the order in which it came
        if mine is not None:
            free.remove(mine)
            rest = remainder(item, mine, place, rule)
            if rest is not None:
                found.append({OF: key_of(mine), **rest})
        elif rule is Rule.SHARED:
            found.append(item)
        else:
            raise Invalid("this is not kept here", code="tmf.contradicts", field=place, fix="leave it out")
    return found


def _counterpart(item: Any, free: list[Any], path: str) -> Any:
    """Return the element of ``free`` that ``item`` is about."""
    for mine in free:
        if isinstance(item, dict) and isinstance(mine, dict):
            if any(name in item and item.get(name) == mine.get(name) for name in ("id", "name")):
                return mine
            if any(name in item and name in mine for name in ("id", "name")):
                continue
        try:
            remainder(item, mine, path, Rule.SAME)
        except Invalid:
            continue
        return mine
    return None


def key_of(element: Any) -> str:
    """Return what an own element of a list is known by when the list is looked at again."""
    if isinstance(element, dict):
        for name in ("id", "name"):
            if isinstance(element.get(name), str):
                return f"{name}={element[name]}"
    return hashlib.sha256(to_text({"of": element}).encode()).hexdigest()


def _equal(given: Any, own: Any) -> bool:
    if isinstance(given, str) and isinstance(own, str) and given != own:
        at = instant_text(given)
        return at is not None and at == instant_text(own)
    return bool(given == own) and isinstance(given, bool) == isinstance(own, bool)


def covers(given: Any, own: Any) -> bool:
    """Return whether ``given`` says all that ``own`` says."""
    if isinstance(given, dict) and isinstance(own, dict):
        return all(
            name in given and covers(given[name], item) for name, item in own.items() if name not in _LABELS
        )
    if isinstance(given, list) and isinstance(own, list):
        return all(any(covers(one, item) for one in given) for item in own)
    return _equal(given, own)


def merged(own: Document, kept: Document, yields: frozenset[str]) -> Document:
    """Return the thing as it is shown: what its context says wins over what is kept, but for ``yields``."""
    return _merged(own, {name: value for name, value in kept.items() if name != "id"}, yields)


def refuse_reserved(document: Document) -> None:
    """Raise ``Invalid`` (``tmf.shape``) where a client writes a name that the engine or this room uses itself."""
    if without(document, _RESERVED) != document:
        why, fix = "a name that means something else here", "leave out: " + ", ".join(sorted(_RESERVED))
        raise Invalid(why, code="tmf.shape", field="$", fix=fix)


def without(value: Any, names: frozenset[str]) -> Any:
    """Return ``value`` without what stands under one of ``names``, however deep."""
    if isinstance(value, dict):
        return {name: without(item, names) for name, item in value.items() if name not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def _merged(own: Document, kept: Document, label: frozenset[str]) -> Document:
    out = dict(own)
    for name, value in kept.items():
        if name == OF:
            continue
        mine = own.get(name)
        if name not in own or name in label:
            out[name] = _clean(value)
        elif isinstance(value, dict) and isinstance(mine, dict):
            if "id" not in mine or value.get("id") == mine["id"]:
                out[name] = _merged(mine, value, _LABELS if "id" in mine else frozenset({"@type"}))
        elif isinstance(value, list) and isinstance(mine, list):
            out[name] = _joined(mine, value)
    return out


def _joined(own: list[Any], kept: list[Any]) -> list[Any]:
    more = {one[OF]: one for one in kept if isinstance(one, dict) and OF in one}
    alone = [one for one in kept if not (isinstance(one, dict) and OF in one)]
    label = [_LABELS if isinstance(one, dict) and "id" in one else frozenset({"@type"}) for one in own]
    shown = [
        _merged(one, more[key_of(one)], words) if key_of(one) in more else one
        for one, words in zip(own, label, strict=True)
    ]
    return [*shown, *alone]


def _clean(value: Any) -> Any:
    """Return a kept value whose own counterpart is gone, without the elements that said more of it."""
    if not isinstance(value, list):
        return value
    return [one for one in value if not (isinstance(one, dict) and OF in one)]
