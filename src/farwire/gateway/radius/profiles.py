"""Who may ask, with which secret, whose subscribers, and its manners: one TOML document, checked before we listen."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from farwire.gateway.addresses import listen_address, within
from farwire.gateway.profiles import Profiles
from farwire.gateway.radius.codec import Pair, octets_of
from farwire.gateway.radius.dictionary import BY_NAME, SIZES, Attribute, Kind

Values: TypeAlias = "str | int | tuple[str | int, ...]"
Source: TypeAlias = Literal["user_name", "calling_station", "imsi"]
Measure: TypeAlias = Literal["volume", "time"]
_PROFILES: Final = Profiles("radius")
_NOTHING: Final[Mapping[str, Values]] = {}
SECRET_LEAST: Final = 8
"""Octets. RFC 2865 §3 wants at least 16 that cannot be guessed; shorter ones are found in the field."""
_VENDOR_MOST: Final = 2**24 - 1


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attribute of a vendor that Farwire does not know yet."""

    name: str
    vendor: Annotated[int, msgspec.Meta(ge=1, le=_VENDOR_MOST)]
    number: Annotated[int, msgspec.Meta(ge=1, le=255)]
    type: Kind = "text"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the NAS is told after how many octets it ends a session: the low 32 bits, and those above."""

    attribute: str
    gigawords: str = ""


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A NAS, or the proxy in front of several. The first profile whose networks have the address is its own."""

    name: str
    addresses: tuple[str, ...]
    """Addresses and networks that it asks from."""
    secret: str
    tenant: str
    """The operator whose subscribers it asks for, by its short name."""
    message_authenticator: Literal["required", "optional"] = "required"
    """Whether an Access-Request without one is dropped. Without it a request proves nothing (CVE-2024-3596)."""
    password: Literal["required", "ignored"] = "required"  # noqa: S105 - no password
    """Ignored: whoever comes has been authenticated before, by a FreeRADIUS in front or by the network."""
    identities: tuple[Source, ...] = ("user_name",)
    """What names the subscriber: User-Name, Calling-Station-Id, 3GPP-IMSI; the first that is known."""
    counts: Literal["volume", "time", "both"] = "volume"
    """What is charged: octets in both directions, or seconds; or both, and what is used up first ends the session."""
    renewal: Literal["login", "change", "interim"] = "login"
    """Login: each quota is told as the limit of the session. Change: the same, and a CoA-Request moves the limit while
    there is more to use. Interim: Interim-Updates renew the quota, and only the last one is told.
    """
    interim_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 300
    """Acct-Interim-Interval that it is told; 0: none."""
    limits: tuple[Limit, ...] = ()
    """How it is told a limit of octets. A limit of time is Session-Timeout."""
    accept: Mapping[str, Values] = _NOTHING
    """Attributes of every Access-Accept at full speed, and of the CoA-Request that goes back to it."""
    restricted: Mapping[str, Values] = _NOTHING
    """The same for the walled garden. Without them who may not use anything is disconnected."""
    changes_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """Where it takes Disconnect- and CoA-Requests (RFC 5176: 3799); 0: it does not."""
    changes_address: str = ""
    """… at which address, where it is not the one that its requests come from."""
    changes_secret: str = ""
    """… with which secret, where it is another one."""
    names: tuple[str, ...] = ("User-Name", "Acct-Session-Id", "NAS-Identifier", "NAS-IP-Address")
    """Attributes of its accounting that name a session in such requests."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Return what is charged, each by a meter of its own; of two, time is the second."""
        return ("volume", "time") if self.counts == "both" else (self.counts,)

    @property
    def key(self) -> bytes:
        """Return the octets of the secret."""
        return self.secret.encode()

    @property
    def changes_key(self) -> bytes:
        """Return the octets of the secret of changes."""
        return (self.changes_secret or self.secret).encode()


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This end: where it listens, its limits, its clients."""

    clients: tuple[Client, ...]
    listen: tuple[str, ...] = ("[::]:1812", "0.0.0.0:1812")
    """Addresses and ports for authentication."""
    listen_accounting: tuple[str, ...] = ("[::]:1813", "0.0.0.0:1813")
    attributes: tuple[Row, ...] = ()
    """Attributes of further vendors, for the profiles below."""
    pending: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    """Logins, and as many reports, that may wait at once; what is more is dropped, and sent again by its client."""
    reject_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=5_000)] = 1_000
    """How long a refused password waits for its answer: who guesses is slowed down."""

    def pairs(self, values: Mapping[str, Values]) -> list[Pair]:
        """Return attributes of a profile as they are sent. Raises ``ValueError``."""
        return [
            (attribute.key, octets_of(attribute, value))
            for name, given in values.items()
            for attribute in (self.attribute(name),)
            for value in (given if isinstance(given, tuple) else (given,))
        ]

    def attribute(self, name: str) -> Attribute:
        """Return an attribute by its name. Raises ``ValueError``."""
        for row in self.attributes:
            if row.name == name:
                return Attribute(row.vendor << 32 | row.number, row.name, row.type)
        found = BY_NAME.get(name)
        if found is None:
            raise ValueError(f"{name!r} is no attribute that is known: describe it in [[attributes]]")
        return found


def read_profiles(text: str) -> Node:
    """Return the node that a document describes.

    Raises ``Invalid`` (``radius.profiles``) with the path of the field.
    """
    node = _PROFILES.read(text, Node)
    for field in ("listen", "listen_accounting"):
        _PROFILES.each(field, getattr(node, field), listen_address)
    names: set[str] = set()
    for place, client in enumerate(node.clients):
        if not client.name or client.name in names:
            raise _PROFILES.wrong(f"clients[{place}].name", "is empty, or the name of another one")
        names.add(client.name)
        _check_client(node, client, f"clients[{place}]")
    return node


def _check_client(node: Node, client: Client, path: str) -> None:
    if not client.addresses:
        raise _PROFILES.wrong(f"{path}.addresses", "is empty: nobody could ask")
    _PROFILES.each(f"{path}.addresses", client.addresses, ip_network)
    _PROFILES.each(f"{path}.changes_address", filter(None, [client.changes_address]), ip_address)
    _PROFILES.each(f"{path}.accept", [client.accept], node.pairs)
    _PROFILES.each(f"{path}.restricted", [client.restricted], node.pairs)
    _PROFILES.each(f"{path}.names", client.names, node.attribute)
    for place, limit in enumerate(client.limits):
        named = filter(None, (limit.attribute, limit.gigawords))
        _PROFILES.each(f"{path}.limits[{place}]", named, lambda name: _number(node.attribute(name)))
    for field, secret in (
        ("secret", client.secret),
        ("changes_secret", client.changes_secret or client.secret),
    ):
        if len(secret.encode()) < SECRET_LEAST:
            raise _PROFILES.wrong(f"{path}.{field}", f"has less than {SECRET_LEAST} octets")
    _check_manners(client, path)


def _check_manners(client: Client, path: str) -> None:
    if client.renewal != "interim" and "volume" in client.measures and not client.limits:
        raise _PROFILES.wrong(
            f"{path}.limits", 'is empty: name the attributes that limit octets, or let renewal be "interim"'
        )
    if client.renewal != "login" and not (client.changes_port and client.interim_s):
        raise _PROFILES.wrong(
            f"{path}.renewal", "needs changes_port and interim_s: nothing else would end a session"
        )
    if client.restricted and not client.changes_port:
        raise _PROFILES.wrong(
            f"{path}.restricted", "needs changes_port: nothing would lead out of the garden"
        )


def _number(attribute: Attribute) -> None:
    if attribute.kind not in SIZES:
        raise ValueError(f"{attribute.name} is no number")


def client_of(node: Node, address: str) -> Client | None:
    """Return the first profile that has an address, or None: a stranger."""
    return next((one for one in node.clients if within(one.addresses, address)), None)
