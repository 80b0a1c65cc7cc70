"""Trees of organisations and of accounts: no cycle, bounded depth. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from farwire.kernel.errors import Conflict

MAX_DEPTH: Final = 8
"""Levels from the root to the deepest leaf. More is a mistake of data, not a customer."""

T = TypeVar("T")


def ancestors(node: T, parents: Mapping[T, T | None]) -> tuple[T, ...]:
    """Return what stands above ``node``, the nearest first. A cycle in ``parents`` ends the walk."""
    found: list[T] = []
    above = parents.get(node)
    while above is not None and above != node and above not in found:
        found.append(above)
        above = parents.get(above)
    return tuple(found)


def height(node: T, parents: Mapping[T, T | None]) -> int:
    """Return how many levels hang below ``node``: 0 for a leaf."""
    return max(
        (chain.index(node) + 1 for one in parents if node in (chain := ancestors(one, parents))), default=0
    )


def check_parent(node: T, parent: T, parents: Mapping[T, T | None], *, code: str) -> None:
    """Raise ``Conflict`` where ``parent`` cannot stand above ``node``: ``<code>_cycle``, ``<code>_too_deep``.

    ``parents`` (node → what stands directly above it) holds at least all above ``parent`` and all below ``node``.
    """
    above = (parent, *ancestors(parent, parents))
    if node in above:
        raise Conflict(
            "a thing does not stand above itself",
            code=f"{code}_cycle",
            field="parent",
            value=parent,
            fix="choose a parent that does not belong to it",
        )
    below = {one: up for one, up in parents.items() if one != node}
    if len(above) + 1 + height(node, below) > MAX_DEPTH:
        raise Conflict(
            f"a hierarchy has at most {MAX_DEPTH} levels",
            code=f"{code}_too_deep",
            field="parent",
            value=parent,
            fix="choose a parent that is nearer to the top",
        )
