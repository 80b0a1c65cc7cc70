"""Resources: numbers, SIMs, addresses, ports and the pools that they are taken from (TMF639, TMF685)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import PoolId, ProductId, ResourceId, ServiceId

RESERVED_FOR: Final = timedelta(days=1)
"""How long an unused reservation lasts where nobody says it."""
MAX_RANGE: Final = 10_000_000
_NAMED: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}")
_ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


class ResourceKind(StrEnum):
    """What a resource is."""

    MSISDN = "msisdn"
    ICCID = "iccid"
    """A SIM card; its IMSI is the attribute ``imsi``."""
    IMSI = "imsi"
    EID = "eid"
    ESIM_PROFILE = "esim_profile"
    """An eSIM profile, named by its ICCID; attributes ``imsi`` and ``matching_id`` go with it."""
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    IPV4_PREFIX = "ipv4_prefix"
    """A block of IPv4 addresses: 192.0.2.8/29."""
    IPV6_PREFIX = "ipv6_prefix"
    VLAN = "vlan"
    DEVICE = "device"
    PORT = "port"


_FORMS: Final[Mapping[ResourceKind, tuple[re.Pattern[str], str]]] = {
    ResourceKind.MSISDN: (re.compile(r"[1-9][0-9]{5,14}"), "6 to 15 digits with the country code (E.164)"),
    ResourceKind.ICCID: (re.compile(r"[0-9]{18,20}"), "18 to 20 digits (E.118)"),
    ResourceKind.ESIM_PROFILE: (re.compile(r"[0-9]{18,20}"), "an ICCID of 18 to 20 digits (E.118)"),
    ResourceKind.IMSI: (re.compile(r"[0-9]{14,15}"), "14 or 15 digits (E.212)"),
    ResourceKind.EID: (re.compile(r"[0-9]{32}"), "32 digits (SGP.02)"),
    ResourceKind.VLAN: (
        re.compile(r"[1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4]"),
        "1 to 4094 (802.1Q)",
    ),
}
_ADDRESSES: Final[Mapping[ResourceKind, tuple[Callable[[str], object], str]]] = {
    ResourceKind.IPV4: (ipaddress.IPv4Address, "an IPv4 address"),
    ResourceKind.IPV6: (
        ipaddress.IPv6Address,
        "an IPv6 address in its short form, without a zone (RFC 5952)",
    ),
    ResourceKind.IPV4_PREFIX: (ipaddress.IPv4Network, "a prefix, e.g. 192.0.2.8/29"),
    ResourceKind.IPV6_PREFIX: (ipaddress.IPv6Network, "a prefix in its short form, e.g. 2001:db8:7::/48"),
}
_SUBSCRIBERS: Final = frozenset(
    {
        ResourceKind.MSISDN,
        ResourceKind.ICCID,
        ResourceKind.ESIM_PROFILE,
        ResourceKind.IMSI,
        ResourceKind.EID,
    }
)
_IDENTIFYING: Final = {ResourceKind.MSISDN: "msisdn", ResourceKind.IMSI: "imsi"}


class ResourceState(StrEnum):
    """Whether a resource can be had."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    ASSIGNED = "assigned"
    QUARANTINED = "quarantined"
    """It came back and rests, so that its next holder does not get calls for the last one."""
    RETIRED = "retired"


class PoolPolicy(StrEnum):
    """Which of the free ones is given next."""

    LOWEST = "lowest"
    SEQUENTIAL = "sequential"
    """The one after the last that was given; after the highest, the lowest."""
    RANDOM = "random"
    """The first free one from a random point on: hard to guess, but likelier after a gap."""


@dataclass(frozen=True, slots=True)
class NewResource:
    """A resource to be put into a pool. What belongs together is one resource: attributes go with the value."""

    value: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """Resources of one kind that are given out one by one. What comes back rests ``quarantine_days``.

    A value is given once in a ``scope`` (a VRF, a VPN). ``prefix_length`` is how long a prefix is that is asked for
    without a length. From ``warn_percent`` in use on, somebody is told.
    """

    id: PoolId
    name: str
    kind: ResourceKind
    quarantine_days: int
    created_at: datetime
    scope: str = ""
    policy: PoolPolicy = PoolPolicy.LOWEST
    prefix_length: int = 0
    warn_percent: int = 80
    has_ranges: bool = False


_IN_USE: Final = (ResourceState.RESERVED, ResourceState.ASSIGNED, ResourceState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class PoolCount:
    """A pool and how many of its resources are in each state; states without any are absent.

    ``sizes`` counts numbers and addresses: a /29 is one resource and eight addresses. Of prefixes, ``counts`` says for
    how many of the pool's usual length there are free addresses. What is withheld is in neither.
    """

    pool: Pool
    counts: Mapping[ResourceState, int]
    sizes: Mapping[ResourceState, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Return how many resources the pool has."""
        return sum(self.counts.values())

    @property
    def used_percent(self) -> int:
        """Return how much of what can be had at all cannot be had now, rounded down."""
        used = sum(self.sizes.get(state, 0) for state in _IN_USE)
        there = used + self.sizes.get(ResourceState.AVAILABLE, 0)
        return 100 * used // there if there else 0


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. ``key`` is the reservation that holds it, ``until`` when that or its quarantine ends.

    ``product_id`` and ``service_id`` are whose it is while it is assigned; who had it before is its history.
    """

    id: ResourceId
    kind: ResourceKind
    value: str
    pool_id: PoolId
    pool: str
    state: ResourceState
    attributes: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    until: datetime | None = None
    product_id: ProductId | None = None
    service_id: ServiceId | None = None

    @property
    def operational_state(self) -> str:
        """Return the TMF639 operationalState: whether the resource can work at all."""
        return "disable" if self.state is ResourceState.RETIRED else "enable"

    @property
    def usage_state(self) -> str:
        """Return the TMF639 usageState: active while somebody has it, otherwise idle."""
        return "active" if self.state is ResourceState.ASSIGNED else "idle"


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """In ``[valid_from, valid_to)`` the product had the resource; without ``valid_to`` it has it still."""

    resource_id: ResourceId
    product_id: ProductId
    service_id: ServiceId | None
    valid_from: datetime
    valid_to: datetime | None = None


def identifiers(resource: Resource) -> tuple[tuple[str, str], ...]:
    """Return the (kind, value) pairs by which usage names the holder of the resource: MSISDN and IMSI."""
    own = _IDENTIFYING.get(resource.kind)
    if own is not None:
        return ((own, resource.value),)
    imsi = resource.attributes.get("imsi")
    carries = resource.kind in (ResourceKind.ICCID, ResourceKind.ESIM_PROFILE)
    return (("imsi", imsi),) if carries and imsi else ()


def is_personal(resource: Resource) -> bool:
    """Return whether the resource names a person: a number or SIM that somebody has, had lately, or is to get."""
    return resource.kind in _SUBSCRIBERS and resource.state is not ResourceState.AVAILABLE


def masked(value: str) -> str:
    """Return the value with all but its last two characters hidden."""
    return "*" * (len(value) - 2) + value[-2:]


def check_resource(kind: ResourceKind, new: NewResource) -> None:
    """Raise ``Invalid`` (``inventory.resource_value``, ``inventory.resource_attribute``) for a malformed resource."""
    form, words = _FORMS.get(kind, (_NAMED, "1 to 128 characters without spaces"))
    of_addresses, words = _ADDRESSES.get(kind, (None, words))
    if form.fullmatch(new.value) is None or not (
        of_addresses is None or _is_written(of_addresses, new.value)
    ):
        raise Invalid(
            f"this is no {kind}", code="inventory.resource_value", field="value", value=new.value, fix=words
        )
    for name, text in new.attributes.items():
        if not _ATTRIBUTE.fullmatch(name) or not _NAMED.fullmatch(text):
            raise Invalid(
                "an attribute is a lower-case name and 1 to 128 characters without spaces",
                code="inventory.resource_attribute",
                field="attributes",
                value=name,
            )
    imsi = new.attributes.get("imsi")
    if imsi is not None and _FORMS[ResourceKind.IMSI][0].fullmatch(imsi) is None:
        raise Invalid(
            "the IMSI has 14 or 15 digits",
            code="inventory.resource_attribute",
            field="attributes",
            value="imsi",
        )


def _is_written(read: Callable[[str], object], text: str) -> bool:
    """Return whether the text is what the thing that it names is written as: one address has one value."""
    try:
        return str(read(text)) == text and "%" not in text
    except ValueError:
        return False


def number_range(first: str, last: str) -> Iterator[str]:
    """Return the numbers from ``first`` to ``last``, both included, one by one, with as many digits.

    Raises ``Invalid`` (``inventory.range``): no digits, other lengths, backwards, more than 10,000,000.
    """
    digits = all(text.isascii() and text.isdigit() and len(text) <= 32 for text in (first, last))
    if not digits or len(first) != len(last) or not 0 <= int(last) - int(first) < MAX_RANGE:
        raise Invalid(
            "a range is two numbers of as many digits, the lower one first",
            code="inventory.range",
            field="last",
            value=last,
            fix=f"at most {MAX_RANGE:,} numbers, e.g. 4915100000000 to 4915100999999",
        )
    return (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
