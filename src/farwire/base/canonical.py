"""JSON values, and the one text that a value has when it is hashed or compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, Union

import msgspec

from farwire.kernel.errors import Invalid

JSON: TypeAlias = Union[bool, int, float, str, Sequence["JSON"], Mapping[str, "JSON"], None]  # noqa: UP007
"""A value that JSON can carry. Amounts travel as integers with their unit in the name, or as decimal strings."""


_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def holds_nul(encoded: bytes) -> bool:
    """Return whether a text in the JSON document ``encoded`` holds U+0000, which PostgreSQL cannot keep."""
    # The plain look is 50 times as fast as the pattern, and nearly every document ends here.
    return b"\\u0000" in encoded and _ESCAPED_NUL.search(encoded) is not None


def storable(text: str) -> bool:
    """Return whether PostgreSQL can keep ``text``: it has neither U+0000 nor half a surrogate pair."""
    return _UNSTORABLE.search(text) is None


def to_text(document: Any) -> str:
    """Return JSON with every digit of its numbers, in the order of its keys."""
    return _encode(document).decode()


def from_text(text: str) -> Any:
    """Return what JSON says, numbers that are not whole as Decimal."""
    return _decode(text)


def canonical(value: JSON, *, field: str = "value") -> bytes:
    """Return the canonical JSON of ``value``: keys sorted by code point, no white space, UTF-8, no floats.

    Equal values have equal bytes on every machine and release. It is RFC 8785 without its floating-point
    numbers, whose text is the hard part of that standard. Raises ``Invalid`` (``canonical.unsupported``).
    """
    _refuse_unstable(value, field)
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_dict)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(
            f"{field} has no canonical JSON: {type(error).__name__}",
            code="canonical.unsupported",
            field=field,
        ) from None


def instant_text(text: str) -> str | None:
    """Return a time of RFC 3339 in UTC with milliseconds, so that texts compare as times do; None for what is none.

    A text without a zone is taken as UTC: the examples of the documents have such.
    """
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return stored_time(at)


def stored_time(at: datetime) -> str:
    """Return ``at`` as times are stored."""
    fine = "microseconds" if at.microsecond % 1000 else "milliseconds"
    return at.astimezone(UTC).isoformat(timespec=fine).replace("+00:00", "Z")


def _as_dict(value: object) -> dict[object, object]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _refuse_unstable(value: object, field: str) -> None:
    """Raise for a float, a key that is no string (JSON would rename it) and U+0000 (PostgreSQL refuses it)."""
    pending: list[object] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            pending.extend(item)
            pending.extend(item.values())
            bad = any(not isinstance(key, str) for key in item)
        else:
            if isinstance(item, (list, tuple)):
                pending.extend(item)
            bad = isinstance(item, float) or (isinstance(item, str) and "\x00" in item)
        if bad:
            raise Invalid(
                f"{field} holds a value without one canonical text",
                code="canonical.unsupported",
                field=field,
                value=type(item).__name__,
                fix="write numbers as whole units or as decimal strings, and keys as strings",
            )
