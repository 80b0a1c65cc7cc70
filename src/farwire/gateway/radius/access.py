"""What an Access-Request says, and what it is answered: whose it is, its password, its quota. Pure.

An accepted session carries a ticket in its Class, which the NAS sends back with the accounting: which account, which
session of charging holds its quota, where it ends. A NAS that asks again when a time is over brings it in State.
Source: RFC 2865 §4, §5.24, §5.25; RFC 3580 §3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Final

import msgspec

from farwire.charging.model import (
    DEFAULT,
    NOTHING,
    Answer,
    Ask,
    FinalAction,
    GroupAnswer,
    Phase,
    ResultCode,
    Service,
    SessionRequest,
)
from farwire.charging.service import Identity, IdentityKind, request_key
from farwire.gateway.radius.codec import Packet, Pair, number_pair, text_pairs
from farwire.gateway.radius.dictionary import key_of
from farwire.gateway.radius.profiles import Client, Measure, Node
from farwire.gateway.radius.proofs import answers_challenge, shown
from farwire.kernel.errors import Invalid

USER_NAME: Final = key_of("User-Name")
_PASSWORD: Final = key_of("User-Password")
_CHAP: Final = key_of("CHAP-Password")
_CHALLENGE: Final = key_of("CHAP-Challenge")
EAP: Final = key_of("EAP-Message")
_STATION: Final = key_of("Calling-Station-Id")
_IMSI: Final = key_of("3GPP-IMSI")
STATE: Final = key_of("State")
_CLASS: Final = key_of("Class")
TIMEOUT: Final = key_of("Session-Timeout")
_TERMINATION: Final = key_of("Termination-Action")
_INTERIM: Final = key_of("Acct-Interim-Interval")
REPLY: Final = key_of("Reply-Message")
_AGAIN: Final = 1
"""Termination-Action RADIUS-Request: at the end of the time the NAS asks again."""
_TICKET: Final = Struct(">4sBqqqQQ")
_MAGIC: Final = b"fwr2"
_MOST: Final = 2**62
NAME_MOST: Final = 253


class Ticket(msgspec.Struct, frozen=True):
    """What is in our Class, and in our State."""

    account: int
    charge_hi: int
    charge_lo: int
    most: int
    """Units that the NAS was told to end at; 0: none."""
    restricted: bool
    beside: int = 0
    """The same of the second meter."""

    def octets(self) -> bytes:
        """Return it as the content of a Class."""
        return _TICKET.pack(
            _MAGIC, self.restricted, self.account, self.charge_hi, self.charge_lo, self.most, self.beside
        )


def ticket_of(packet: Packet, key: int = _CLASS) -> Ticket | None:
    """Return the ticket that a packet brings back in its Classes, or in attributes of another ``key``; else None."""
    for value in packet.all(key):
        if len(value) == _TICKET.size and value.startswith(_MAGIC):
            _, restricted, account, high, low, most, beside = _TICKET.unpack(value)
            return Ticket(account, high, low, min(most, _MOST), bool(restricted), min(beside, _MOST))
    return None


def beside(key: tuple[int, int]) -> tuple[int, int]:
    """Return the key of what counts the time of a session that is also charged by volume: meter, or charging's."""
    return request_key(f"radius\0{key}\0beside")


def identities_of(packet: Packet, client: Client) -> tuple[Identity, ...]:
    """Return what names the subscriber of a packet, in the order of the profile."""
    found: list[Identity] = []
    for source in client.identities:
        if source == "user_name":
            found += _named(packet.text(USER_NAME))
        elif source == "imsi":
            found += _digits(IdentityKind.IMSI, packet.text(_IMSI))
        elif source == "calling_station":
            found += _digits(IdentityKind.MSISDN, packet.text(_STATION).removeprefix("+"))
    return tuple(found)


def _digits(kind: IdentityKind, value: str) -> list[Identity]:
    return [Identity(kind, value)] if value.isascii() and value.isdigit() else []


def _named(name: str) -> list[Identity]:
    if not name or len(name) > NAME_MOST or "\0" in name:
        return []
    found = [Identity(IdentityKind.NAI, name)] if "@" in name else []
    digits = name.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        found += [Identity(IdentityKind.MSISDN, digits), Identity(IdentityKind.IMSI, digits)]
    return [*found, Identity(IdentityKind.NAME, name)]


# ---- the password


class Pap(msgspec.Struct, frozen=True):
    """A password."""

    password: bytes


class Chap(msgspec.Struct, frozen=True):
    """An answer to a challenge, which only somebody can check who has the password."""

    value: bytes
    challenge: bytes

    def fits(self, password: bytes) -> bool:
        """Tell whether it is that of the password."""
        return answers_challenge(password, self.value, self.challenge)


def read_password(packet: Packet, client: Client) -> Pap | Chap | None:
    """Return how a request proves who its subscriber is; None where it does not.

    Raises ``Invalid``: ``radius.eap`` (this node speaks none), ``radius.password`` (two ways at once).
    """
    if packet.first(EAP) is not None:
        raise Invalid("EAP is left to the server in front", code="radius.eap")
    hidden, chap = packet.first(_PASSWORD), packet.first(_CHAP)
    if hidden is not None and chap is not None:
        raise Invalid("a request has a password and a CHAP password", code="radius.password")
    if chap is not None:
        return Chap(chap, packet.first(_CHALLENGE) or packet.authenticator)
    password = None if hidden is None else shown(hidden, client.key, packet.authenticator)
    return None if password is None else Pap(password)


# ---- the quota


SERVICES: Final[Mapping[Measure, Service]] = {"volume": Service("data"), "time": Service("voice")}
"""What is charged, as charging calls it."""
GROUP: Final = 0
"""The rating group of a meter."""
GROUP_BESIDE: Final = 1
"""That of time beside volume."""


def quota_requests(packet: Packet, client: Client, account: int) -> list[SessionRequest]:
    """Return the requests that hold the first quotas. A repeated Access-Request makes the same ones."""
    key = request_key(f"radius\0{client.name}\0{packet.authenticator.hex()}\0{account}")
    return [
        SessionRequest(account, *charge, 0, Phase.INITIAL, SERVICES[measure], (Ask(group, 0, DEFAULT),))
        for measure, charge, group in zip(
            client.measures, (key, beside(key)), (GROUP, GROUP_BESIDE), strict=False
        )
    ]


def returned(asked: SessionRequest) -> SessionRequest:
    """Return the request that gives a quota back: nothing of it was used."""
    ends = (Ask(asked.asks[0].rating_group, 0, NOTHING),)
    return msgspec.structs.replace(asked, number=1, phase=Phase.TERMINATION, asks=ends)


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a session: what charging says of what a meter counts, and the quota."""

    result: int
    granted: int = 0
    final: int = FinalAction.NONE
    """What the network does after it."""

    @property
    def refused(self) -> bool:
        """Tell whether nothing more may be used."""
        return self.result != ResultCode.SUCCESS

    def garden(self, client: Client) -> bool:
        """Tell whether a refused subscriber is restricted: its account forbids it, or its plan says so at the end."""
        if not client.restricted:
            return False
        if self.result in (ResultCode.CREDIT_LIMIT_REACHED, ResultCode.SPEND_LIMIT_REACHED):
            return self.final in (FinalAction.REDIRECT, FinalAction.RESTRICT)
        return self.result == ResultCode.END_USER_DENIED


def verdict_of(given: Answer) -> Verdict:
    """Return what an answer of charging means for a session with one rating group."""
    group: GroupAnswer | None = next(iter(given.groups), None)
    if given.result != ResultCode.SUCCESS or group is None:
        return Verdict(given.result)
    return Verdict(group.result, group.granted, group.final)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that counts for a session: the first that refuses, else the first."""
    return next((one for one in verdicts if one.refused), verdicts[0])


def is_told(client: Client, verdict: Verdict) -> bool:
    """Tell whether a quota is told to the NAS as a limit."""
    return not verdict.refused and (client.renewal != "interim" or verdict.final != FinalAction.NONE)


def accept_pairs(node: Node, client: Client, ticket: Ticket, verdicts: Sequence[Verdict]) -> list[Pair]:
    """Return the attributes of an Access-Accept: at full speed with the limits of a ticket, or in the walled garden."""
    values, octets = client.restricted if ticket.restricted else client.accept, ticket.octets()
    found = [*node.pairs(values), (_CLASS, octets)]
    if client.interim_s:
        found.append(number_pair(_INTERIM, client.interim_s))
    if ticket.restricted:
        return found
    limits = dict(zip(client.measures, (ticket.most, ticket.beside), strict=False))
    if limits.get("volume"):
        found += limit_pairs(node, client, limits["volume"])
    timed = verdicts[-1]
    if limits.get("time"):
        found.append(number_pair(TIMEOUT, timed.granted))
        if timed.final == FinalAction.NONE:
            found += [number_pair(_TERMINATION, _AGAIN), (STATE, octets)]
    return found


def limit_pairs(node: Node, client: Client, octets: int) -> list[Pair]:
    """Return a limit of octets in the attributes that the NAS knows; without room for all of it, all that has room."""
    found = []
    for limit in client.limits:
        low = min(octets, 0xFFFFFFFF)
        if limit.gigawords:
            low = octets & 0xFFFFFFFF
            found.append(number_pair(node.attribute(limit.gigawords).key, octets >> 32))
        found.append(number_pair(node.attribute(limit.attribute).key, low))
    return found


def reject_pairs(message: str) -> list[Pair]:
    """Return the attributes of an Access-Reject."""
    return list(text_pairs(REPLY, message))
