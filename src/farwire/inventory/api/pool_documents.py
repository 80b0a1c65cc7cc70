"""How pools and their ranges look on the wire, and how they are read from it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from farwire.inventory.api.documents import BASE, Digits, Name, Word
from farwire.inventory.model import NewResource, PoolCount, PoolPolicy, ResourceKind, ResourceState, shown
from farwire.inventory.service import PoolRanges

MAX_FILL: Final = 100_000
MAX_LISTED: Final = 10_000
MAX_COUNT: Final = 2**63 - 1
Scope = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$",
        max_length=100,
        description="In which values are given once: a VRF, a VPN.",
    ),
]
RangeText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9A-Fa-f:./-]{1,128}$",
        max_length=128,
        description="A prefix (10.0.0.0/8), the first and the last value (100-199), or one value.",
    ),
]
Address = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:.]{1,64}$", max_length=64)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class PoolDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Pool"
):
    """A pool and the number of its resources in each state, at most 2^63 - 1, and how much of it cannot be had now."""

    id: str
    href: str
    name: str
    kind: ResourceKind
    quarantine_days: int
    scope: str
    policy: PoolPolicy
    warn_percent: int
    used_percent: int
    counts: dict[str, int]
    prefix_length: int | None = None


class PoolCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A pool to make. A value is given once in a scope; ``prefixLength`` is the usual one of a pool of prefixes."""

    name: Name
    kind: ResourceKind
    quarantine_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0
    scope: Scope = ""
    policy: PoolPolicy = PoolPolicy.LOWEST
    prefix_length: Annotated[int, msgspec.Meta(ge=0, le=128)] = 0
    warn_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80


class ResourceCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A resource to put into a pool, with what belongs to it: an eSIM profile's IMSI and matching id."""

    value: Word
    attributes: Annotated[dict[str, Word], msgspec.Meta(max_length=20)] = {}

    def to_model(self) -> NewResource:
        """Return it as the inventory knows it."""
        return NewResource(self.value, self.attributes)


class PoolFill(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A range of numbers, both ends included, or a list."""

    first: Digits | None = None
    last: Digits | None = None
    resources: Annotated[list[ResourceCreate], msgspec.Meta(max_length=MAX_LISTED)] = []


class FilledDocument(msgspec.Struct, frozen=True, rename="camel"):
    """How many resources were added, and what the pool has now."""

    added: int
    pool: PoolDocument


class RangeCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A range that a pool is to have, and the address in it that is the gateway's."""

    range: RangeText
    gateway: Address | None = None


class WithheldDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a pool's ranges that is given to nobody."""

    range: str
    reason: str


class WithheldCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of a pool's ranges to keep back."""

    range: RangeText
    reason: Reason


class WithheldEnd(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part that is withheld, and is to be had again."""

    range: RangeText


class PoolRangesDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="PoolRanges"):
    """What a pool spans, and what of it is given to nobody."""

    href: str
    pool: str
    ranges: list[str]
    withheld: list[WithheldDocument]


def ranges_document(found: PoolRanges) -> PoolRangesDocument:
    """Return the ranges of a pool."""
    kind = found.pool.kind
    withheld = [WithheldDocument(shown(kind, one.span), one.reason) for one in found.withheld]
    ranges = [shown(kind, one) for one in found.ranges]
    return PoolRangesDocument(f"{BASE}/pools/{found.pool.name}/ranges", found.pool.name, ranges, withheld)


def pool_document(counted: PoolCount) -> PoolDocument:
    """Return the pool with its counts; states without any resource are 0."""
    pool = counted.pool
    return PoolDocument(
        id=str(pool.id),
        href=f"{BASE}/pools/{pool.name}",
        name=pool.name,
        kind=pool.kind,
        quarantine_days=pool.quarantine_days,
        scope=pool.scope,
        policy=pool.policy,
        warn_percent=pool.warn_percent,
        used_percent=counted.used_percent,
        counts={state.value: min(counted.counts.get(state, 0), MAX_COUNT) for state in ResourceState},
        prefix_length=pool.prefix_length or None,
    )
