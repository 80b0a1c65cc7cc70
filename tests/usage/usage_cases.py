"""Builders with defaults for the usage tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

import msgspec

from farwire.kernel.ids import TenantId
from farwire.usage.model import Bad, Filtered, Fragment, Profile, mapper, parse_profile
from farwire.usage.readers import RawRow, cut

TENANT = TenantId(UUID(int=7))

CALLS = """
name = "calls"
version = 1
format = "csv"
kind = "voice"
started = "at"
caller = "from"
called = "to"
row_identity = ["id", "from", "to", "at", "seconds"]
usage_identity = ["id"]

[csv]
columns = ["id", "from", "to", "at", "seconds"]

[quantity]
columns = ["seconds"]

[phone]
"""


def profile(text: str = CALLS, **changes: object) -> Profile:
    """Return a profile; ``changes`` replace top-level settings."""
    parsed = parse_profile(text, origin="test.toml")
    return msgspec.structs.replace(parsed, **changes) if changes else parsed


def edited(old: str, new: str, text: str = CALLS) -> Profile:
    """Return the profile with one part of its text changed."""
    assert old in text
    return parse_profile(text.replace(old, new), origin="test.toml")


def rows(data: bytes, its_profile: Profile, chunk: int = 1 << 20) -> list[RawRow]:
    """Return the rows that ``data`` is cut into when it arrives in pieces of ``chunk`` bytes."""
    return list(cut(pieces(data, chunk), its_profile))


def pieces(data: bytes, chunk: int) -> Iterator[bytes]:
    return (data[at : at + chunk] for at in range(0, len(data), chunk))


def mapped(line: str | bytes, its_profile: Profile, header: Iterable[str] = ()) -> Fragment | Filtered | Bad:
    """Return what one row means."""
    raw = line.encode() if isinstance(line, str) else line
    return mapper(its_profile, TENANT, list(header)).map(raw)


def fragment(line: str, its_profile: Profile) -> Fragment:
    """Return the fragment of a row that must be one."""
    found = mapped(line, its_profile)
    assert isinstance(found, Fragment), found
    return found
