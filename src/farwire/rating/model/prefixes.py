"""Longest match of number prefixes by one binary search.

A prefix covers the strings from itself up to its successor ("49" covers "49" ≤ s < "4:"). Nested prefixes cut
those ranges into non-overlapping ones, so that the last range that starts at or before a number is the answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


def successor(prefix: str) -> str:
    """Return the first string after every string that starts with ``prefix`` (not empty)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def nested(prefixes: Mapping[str, T]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each prefix in order with the shorter prefixes that it is inside of, the longest first."""
    inside: list[str] = []
    for prefix in sorted(prefixes):
        while inside and not prefix.startswith(inside[-1]):
            inside.pop()
        yield prefix, tuple(reversed(inside))
        inside.append(prefix)


class PrefixRanges(Generic[T]):
    """An immutable map from number to the value of its longest prefix. O(log n) per look-up."""

    __slots__ = ("_size", "_starts", "_values")

    def __init__(self, members: Mapping[str, T]) -> None:
        starts: list[str] = [""]
        values: list[T | None] = [None]

        def begin(start: str, value: T | None) -> None:
            if starts[-1] == start:
                values[-1] = value
            else:
                starts.append(start)
                values.append(value)

        inside: list[str] = []

        def leave() -> None:
            left = inside.pop()
            begin(successor(left), members[inside[-1]] if inside else None)

        for prefix in sorted(members):
            while inside and not prefix.startswith(inside[-1]):
                leave()
            begin(prefix, members[prefix])
            inside.append(prefix)
        while inside:
            leave()
        self._starts = starts
        self._values = values
        self._size = len(members)

    def find(self, number: str) -> T | None:
        """Return the value of the longest prefix of ``number``, or None."""
        return self._values[bisect_right(self._starts, number) - 1]

    def __len__(self) -> int:
        return self._size
