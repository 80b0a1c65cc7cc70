"""Changes of JSON: merge patch (RFC 7386), JSON patch (RFC 6902), JSON patch with a query (TMF630). Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from farwire.kernel.errors import Conflict, Invalid

Document: TypeAlias = dict[str, Any]
MAX_OPERATIONS: Final = 100
MAX_DEPTH: Final = 32


class PatchKind(StrEnum):
    """How a change is written: its media type."""

    MERGE = "application/merge-patch+json"
    PLAIN = "application/json"
    """A merge patch, too: what most clients send."""
    JSON_PATCH = "application/json-patch+json"
    JSON_PATCH_QUERY = "application/json-patch-query+json"


def apply(kind: PatchKind, document: Document, change: Any, many: frozenset[str] = frozenset()) -> Document:
    """Return ``document`` changed; the given one stays as it is. ``many`` are the attributes that are lists.

    Raises ``Invalid`` (``patch.malformed``) for what is no patch or names nothing, ``Conflict``
    (``patch.test_failed``) when a test of it fails.
    """
    if kind in (PatchKind.MERGE, PatchKind.PLAIN):
        if not isinstance(change, dict):
            raise _wrong("$", "a merge patch is an object")
        merged: Document = merge(document, change)
        return merged
    if isinstance(change, dict) and "op" in change:
        change = [change]  # as the official examples have it
    if not isinstance(change, list):
        raise _wrong("$", "a JSON patch is a list of operations")
    if len(change) > MAX_OPERATIONS:
        raise _wrong("$", f"a patch has at most {MAX_OPERATIONS} operations")
    result = copy.deepcopy(document)
    for number, one in enumerate(change):
        result = _operate(result, _Operation.of(one, number), many)
    return result


def merge(target: Any, change: Any, depth: int = 0) -> Any:
    """Return ``target`` after the merge patch ``change``."""
    if not isinstance(change, dict):
        return change
    if depth > MAX_DEPTH:
        raise _wrong("$", "the patch is nested too deeply")
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value, depth + 1)
    return result


@dataclass(frozen=True, slots=True)
class _Operation:
    op: str
    steps: tuple[str, ...]
    query: str | None
    query_steps: tuple[str, ...]
    source: tuple[str, ...]
    value: Any
    where: str

    @classmethod
    def of(cls, one: Any, number: int) -> _Operation:
        where = f"$[{number}]"
        if not isinstance(one, dict) or not isinstance(one.get("path"), str):
            raise _wrong(where, "an operation is an object with op and path")
        op = one.get("op")
        if op not in ("add", "remove", "replace", "move", "copy", "test"):
            raise _wrong(f"{where}.op", "op is add, remove, replace, move, copy or test")
        if op in ("add", "replace", "test") and "value" not in one:
            raise _wrong(f"{where}.value", f"{op} needs a value")
        source = one["from"] if isinstance(one.get("from"), str) else ""
        if op in ("move", "copy") and not source:
            raise _wrong(f"{where}.from", f"{op} needs from")
        steps, query, query_steps = _parse(one["path"], where)
        return cls(op, steps, query, query_steps, _pointer(source, where), one.get("value"), where)

    def wanted(self, value: Any) -> bool:
        """Return whether a value is the one that the query asks for."""
        return _written(value) == self.query


def _pointer(text: str, where: str) -> tuple[str, ...]:
    if not text:
        return ()
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in text.removeprefix("/").split("/"))
    if len(parts) > MAX_DEPTH:
        raise _wrong(f"{where}.path", "the path is too long")
    return parts


_BRACKETS: Final = re.compile(
    r"\$?\.?([\w@.]+)\[\?\(@\.([\w@.]+)\s*==\s*(?:'([^']*)'|\"([^\"]*)\"|([^)]+))\)\](.*)"
)


def _parse(text: str, where: str) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """Return the steps of a path, the value that its query asks for, and the steps to where it is looked for.

    The documents write the query in several ways: ``/a/b?a.c=x``, ``/a/b?c=x``, ``/a/b?/a/c=x``, ``.a[?(@.c=='x')]``,
    and once ``/a/b?c=/a/x``.
    """
    if match := _BRACKETS.fullmatch(text):
        steps = (*match[1].split("."), *(part for part in match[6].split(".") if part))
        looked_at = (*match[1].split("."), *match[2].split("."))
        wanted = next(group for group in match.group(3, 4, 5) if group is not None)
        return steps, wanted, looked_at
    path, _, query = text.partition("?")
    steps = _pointer(path, where)
    if not query:
        return steps, None, ()
    name, found, wanted = query.partition("=")
    if not found or not name:
        raise _wrong(f"{where}.path", "a query is written path?attribute=value")
    wanted = unquote(wanted).strip("'\"")
    looked_at = tuple(part for part in re.split(r"[./]", name) if part)
    if wanted.startswith("/" + steps[0] + "/"):
        wanted = wanted.rpartition("/")[2]
    return steps, wanted, looked_at


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _operate(document: Document, one: _Operation, many: frozenset[str]) -> Document:
    if one.query is not None:
        return _operate_on_matches(document, one)
    if not one.steps:
        return _whole(document, one)
    if one.op in ("move", "copy"):
        value = copy.deepcopy(_read(document, one.source, one.where))
        if one.op == "move":
            if one.steps[: len(one.source)] == one.source and one.steps != one.source:
                raise _wrong(f"{one.where}.path", "a thing cannot move into itself")
            _remove(document, one.source, one.where)
        _add(document, one.steps, value, one.where)
    elif one.op == "add":
        _add(document, _appending(document, one, many), one.value, one.where)
    elif one.op == "remove":
        _remove(document, one.steps, one.where)
    elif one.op == "replace":
        _remove(document, one.steps, one.where)
        _add(document, one.steps, one.value, one.where)
    elif _read(document, one.steps, one.where) != one.value:
        raise _failed(one)
    return document


def _whole(document: Document, one: _Operation) -> Document:
    if one.op == "test":
        if document != one.value:
            raise _failed(one)
        return document
    if one.op not in ("add", "replace") or not isinstance(one.value, dict):
        raise _wrong(f"{one.where}.path", "the whole document is only replaced by an object")
    return dict(one.value)


def _appending(document: Document, one: _Operation, many: frozenset[str]) -> tuple[str, ...]:
    """Return the path of an add; an object added to a list without a place goes to its end, as TMF's examples do."""
    if len(one.steps) == 1 and one.steps[0] in many and not isinstance(one.value, list):
        document.setdefault(one.steps[0], [])
        return (*one.steps, "-")
    return one.steps


def _operate_on_matches(document: Document, one: _Operation) -> Document:
    """Do the operation at every place on the path whose element, or one around it, passes the query."""
    hits = [spot for spot in _spots(document, one.steps, (document,)) if _passes(one, spot[2])]
    if not hits:
        raise _wrong(f"{one.where}.path", "nothing passes the query", value="/".join(one.steps))
    for holder, key, _ in reversed(hits):  # from the end: what is removed moves nothing that is still to come
        there = holder[key] if isinstance(holder, list) else holder.get(key)
        if one.op == "remove":
            del holder[key]
        elif one.op in ("add", "replace"):
            partly = isinstance(holder, list) and isinstance(one.value, dict)
            holder[key] = merge(there, one.value) if partly else one.value
        elif one.op != "test":
            raise _wrong(f"{one.where}.op", f"{one.op} does not go with a query")
        elif there != one.value:
            raise _failed(one)
    return document


_Spot: TypeAlias = tuple[Any, Any, tuple[Any, ...]]


def _spots(holder: Any, steps: tuple[str, ...], chain: tuple[Any, ...]) -> Iterator[_Spot]:
    """Yield each place that the path leads to: its holder, its key there, and the objects around it from outside in."""
    if not steps or not isinstance(holder, dict) or (steps[0] not in holder and len(steps) > 1):
        return
    value = holder.get(steps[0])
    elements = list(enumerate(value)) if isinstance(value, list) else []
    if len(steps) == 1 and any(isinstance(item, dict) for _, item in elements):
        yield from ((value, number, (*chain, item)) for number, item in elements)
    elif len(steps) == 1:
        yield holder, steps[0], chain
    else:
        for item in [item for _, item in elements] if elements else [value]:
            yield from _spots(item, steps[1:], (*chain, item))


def _passes(one: _Operation, chain: tuple[Any, ...]) -> bool:
    """Return whether the query holds: its attribute is a path from the top, or one of the nearest object with it."""
    common = 0
    while (
        common < min(len(chain) - 1, len(one.steps), len(one.query_steps))
        and one.query_steps[common] == one.steps[common]
    ):
        common += 1
    if common:
        return any(map(one.wanted, _values(chain[common], one.query_steps[common:])))
    for around in reversed(chain):
        values = list(_values(around, one.query_steps))
        if values:
            return any(map(one.wanted, values))
    return False


def _values(item: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(item, list):
        for inner in item:
            yield from _values(inner, steps)
    elif not steps:
        yield item
    elif isinstance(item, dict) and steps[0] in item:
        yield from _values(item[steps[0]], steps[1:])


def _holder(document: Document, steps: tuple[str, ...], where: str) -> Any:
    return _read(document, steps[:-1], where)


def _read(document: Any, steps: tuple[str, ...], where: str) -> Any:
    found = document
    for step in steps:
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list):
            found = found[_index(step, len(found) - 1, where, steps)]
        else:
            raise _nothing(where, steps)
    return found


def _add(document: Document, steps: tuple[str, ...], value: Any, where: str) -> None:
    holder = _holder(document, steps, where)
    if isinstance(holder, dict):
        holder[steps[-1]] = value
    elif isinstance(holder, list):
        place = len(holder) if steps[-1] == "-" else _index(steps[-1], len(holder), where, steps)
        holder.insert(place, value)
    else:
        raise _nothing(where, steps)


def _remove(document: Document, steps: tuple[str, ...], where: str) -> None:
    if not steps:
        raise _wrong(f"{where}.path", "the whole document cannot be removed")
    holder = _holder(document, steps, where)
    if isinstance(holder, list):
        del holder[_index(steps[-1], len(holder) - 1, where, steps)]
    elif isinstance(holder, dict) and steps[-1] in holder:
        del holder[steps[-1]]
    else:
        raise _nothing(where, steps)


def _index(step: str, last: int, where: str, steps: tuple[str, ...]) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", step) or int(step) > last:
        raise _nothing(where, steps)
    return int(step)


def _nothing(where: str, steps: tuple[str, ...]) -> Invalid:
    return _wrong(f"{where}.path", "the path leads to nothing", value="/" + "/".join(steps))


def _wrong(path: str, message: str, value: object = None) -> Invalid:
    return Invalid(message, code="patch.malformed", field=path, value=value)


def _failed(one: _Operation) -> Conflict:
    return Conflict("a test of the patch failed", code="patch.test_failed", field=f"{one.where}.path")
